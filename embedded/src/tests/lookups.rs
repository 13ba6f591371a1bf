//! The work of looking a person up. A failure: a code that nobody has, a negative's or an erased one costs another number of visits, readings or
//! steps of SQLite's machine than one that has a patient, so that the time of an answer tells them apart; or a decoy is taken for the person.

use sistema_ts_model::{Cun, TestResult};

use super::super::queue::Lane;
use super::super::rows;
use super::{DAY_MILLIS, Fixture};
use sistema_ts_store::samples::cancellation;

/// Readings and steps, for rows of tests and for sealed fiscal codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work {
    rows: (i32, i32),
    sealed: (i32, i32),
}

async fn work_so_far(fixture: &Fixture) -> Work {
    use rusqlite::StatementStatus::{Run, VmStep};
    let rows = fixture.store().lookups.read(|connection| {
        let select = connection.prepare_cached(rows::SELECT)?;
        Ok((select.get_status(Run), select.get_status(VmStep)))
    });
    let sealed = fixture.store().write(Lane::Usual, |writer| {
        Ok(writer.patients.work_on_sealed()?)
    });
    Work {
        rows: rows.await.unwrap(),
        sealed: sealed.await.unwrap(),
    }
}

/// What one look-up costs, and whom it finds.
async fn look_up(fixture: &Fixture, cun: Cun) -> (Work, bool) {
    let before = work_so_far(fixture).await;
    let found = fixture.store().find_patient(cun).await.unwrap();
    let after = work_so_far(fixture).await;
    let since = |after: (i32, i32), before: (i32, i32)| (after.0 - before.0, after.1 - before.1);
    let work = Work {
        rows: since(after.rows, before.rows),
        sealed: since(after.sealed, before.sealed),
    };
    (work, found.is_some())
}

/// Codes of each kind, in the order of [`KINDS`].
async fn of_each_kind(fixture: &Fixture) -> Vec<Cun> {
    let live = fixture.record(|_| {}).await;
    let negative = fixture
        .record(|test| test.swab.result = TestResult::Negative)
        .await;
    let erased = fixture.record(|_| {}).await;
    fixture
        .store()
        .cancel(cancellation(erased, 1))
        .await
        .unwrap();
    let newest = fixture.record(|_| {}).await;
    let unknown = [0, 1, 2, 3].map(|number| Cun::from_number(number).unwrap());
    [&[live, newest, negative, erased][..], &unknown].concat()
}

const KINDS: [&str; 8] = [
    "live", "newest", "negative", "erased", "unknown", "unknown", "unknown", "unknown",
];

async fn cost_the_same(fixture: &Fixture, codes: &[Cun], day: u32) {
    let mut expected = None;
    for (cun, kind) in codes.iter().zip(KINDS) {
        let (work, found) = look_up(fixture, *cun).await;
        assert_eq!(found, ["live", "newest"].contains(&kind), "{kind}");
        let expected = *expected.get_or_insert(work);
        assert_eq!(work, expected, "{kind}, day {day}");
        assert!(
            work.rows.1 > 10 && work.sealed.1 > 3,
            "nothing is counted: {work:?}"
        );
        assert_eq!((work.rows.0, work.sealed.0), (1, 1), "{kind}");
    }
}

#[tokio::test]
async fn whatever_a_code_is_its_look_up_costs_the_same() {
    let fixture = Fixture::with(|options| options.settings.lookup_threads = 1);
    let codes = of_each_kind(&fixture).await;
    // SQLite counts less for a statement's first run.
    for cun in &codes {
        fixture.store().find_patient(*cun).await.unwrap();
    }
    cost_the_same(&fixture, &codes, 0).await;
    // On a day without any test, and on one without positives.
    fixture.clock.advance_millis(DAY_MILLIS);
    cost_the_same(&fixture, &codes, 1).await;
    fixture
        .record(|test| test.swab.result = TestResult::Negative)
        .await;
    cost_the_same(&fixture, &codes, 1).await;
    fixture.clock.advance_millis(DAY_MILLIS);
    cost_the_same(&fixture, &codes, 2).await;
}

#[tokio::test]
async fn without_any_test_nobody_is_found() {
    let mut fixture = Fixture::new();
    let cun = Cun::from_number(5).unwrap();
    assert!(fixture.store().find_patient(cun).await.unwrap().is_none());
    // Past its retention every test is gone, and numbers go on.
    let gone = fixture.record(|_| {}).await;
    fixture.clock.advance_millis(16 * DAY_MILLIS);
    while fixture.sweep(100).await.more {}
    for cun in [cun, gone] {
        assert!(fixture.store().find_patient(cun).await.unwrap().is_none());
    }
    fixture.reopen();
    assert!(fixture.store().find_patient(cun).await.unwrap().is_none());
}
