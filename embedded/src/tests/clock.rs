//! A clock that is wrong by days, months and a year, at a start and while the store is open, with and without a submission meanwhile.
//!
//! A failure: something answered that is not found when the clock is right again, or found otherwise; a time that has not been yet, once the clock
//! is repaired; a repair that does something twice; what is due and stays.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::{
    CallCenterCode, Caller, ClaimId, Clock as _, Condition, Cun, NewClaim, SessionId, TestResult,
    Timestamp, TransactionId,
};
use sistema_ts_store::keys::{KeyRing, Renewal};
use sistema_ts_store::samples::{cancellation, fiscal_code, region_caller, repeatable};
use sistema_ts_store::{
    AccessQuery, AccessRecord, CancelOutcome, ClockRepair, ListedTest, ListingRequest,
    ListingScope, OpenOutcome, OpenSession, PersonOutcome, RecordOutcome, Store as _, StoreError,
};

use super::sweeps::Sweeps;
use super::{DAY_MILLIS, Fixture, access_record, date};
use crate::repair::repair_clock;

const HOUR_MILLIS: i64 = DAY_MILLIS / 24;

fn repair(fixture: &Fixture) -> ClockRepair {
    let ring = fixture.folder.path().join("ring");
    repair_clock(&fixture.options, &ring, fixture.clock.now()).unwrap()
}

/// Access records of an interval, all if it is from the beginning to the end of time.
async fn found(fixture: &Fixture, from: Timestamp, to: Timestamp) -> Vec<AccessRecord> {
    let query = AccessQuery {
        from,
        to,
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 1_000,
    };
    fixture.store().search_access(query).await.unwrap().records
}

async fn listed(fixture: &Fixture) -> Vec<ListedTest> {
    let store = fixture.store();
    let request = ListingRequest {
        scope: ListingScope::Region(region_caller().region().unwrap()),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        mark: store.listing_mark().await.unwrap(),
        after: None,
        limit: 1_000,
    };
    store.list_page(request).await.unwrap().tests
}

async fn assert_verifiable(fixture: &Fixture, codes: &[Cun]) {
    assert_eq!(listed(fixture).await.len(), codes.len());
    for cun in codes {
        assert!(
            fixture.store().find_patient(*cun).await.unwrap().is_some(),
            "an answered positive is lost"
        );
    }
}

async fn some_positives(fixture: &Fixture) -> Vec<Cun> {
    let mut codes = Vec::new();
    for number in 1..6 {
        codes.push(
            fixture
                .record(|test| test.swab.fiscal_code = fiscal_code(number))
                .await,
        );
    }
    fixture
        .store()
        .record_access(access_record(fixture.clock.now()))
        .await
        .unwrap();
    codes
}

#[tokio::test]
async fn a_wrong_clock_without_a_request_costs_nothing_at_a_start_and_while_running() {
    let months = 396 * DAY_MILLIS;
    for error in [
        20 * DAY_MILLIS,
        400 * DAY_MILLIS,
        -HOUR_MILLIS,
        -20 * DAY_MILLIS,
        -months,
    ] {
        for at_a_start in [true, false] {
            let mut fixture = Fixture::new();
            let codes = some_positives(&fixture).await;
            let mut sweeps = Sweeps::begin(&fixture).await;
            if at_a_start {
                fixture.close();
            }
            fixture.clock.advance_millis(error);
            if at_a_start {
                fixture.reopen();
                sweeps = Sweeps::begin(&fixture).await;
            }
            sweeps.run(&fixture, 20).await;
            if at_a_start {
                fixture.close();
            }
            fixture.clock.advance_millis(-error);
            if at_a_start {
                fixture.reopen();
                sweeps = Sweeps::begin(&fixture).await;
            }
            sweeps.run(&fixture, 30).await;
            assert!(fixture.store().clock_fault().is_none());
            assert_verifiable(&fixture, &codes).await;
            let records = found(&fixture, Timestamp::MIN, Timestamp::MAX).await;
            assert_eq!(records.len(), codes.len() + 1, "{error}");
            // And what is due goes in the end: codes, files and keys.
            sweeps.run(&fixture, 16 * 24).await;
            assert!(listed(&fixture).await.is_empty());
            assert!(fixture.bytes_of("patients-").is_empty());
            let ring = KeyRing::load(&fixture.folder.path().join("ring")).unwrap();
            assert!(ring.day(date("2026-11-24")).is_err());
        }
    }
}

#[tokio::test]
async fn under_a_clock_that_is_behind_nothing_new_is_stamped() {
    for behind in [HOUR_MILLIS, 20 * DAY_MILLIS, 396 * DAY_MILLIS] {
        let fixture = Fixture::new();
        let codes = some_positives(&fixture).await;
        fixture.clock.advance_millis(-behind);
        let test = fixture.new_test(|_| {}).await;
        let refused = fixture.store().record_test(test).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Unavailable { reason } if reason.contains("clock repair")),
            "{refused:?}"
        );
        assert!(fixture.store().clock_fault().is_some());
        fixture.clock.advance_millis(behind);
        assert_verifiable(&fixture, &codes).await;
        fixture.record(|_| {}).await;
    }
}

/// What was answered while the clock was ahead, and before.
struct Answered {
    before: Vec<Cun>,
    positive: Cun,
    negative: Cun,
    cancelled: Cun,
    cancellation: TransactionId,
    session: SessionId,
}

async fn answered_under_a_clock_ahead(fixture: &Fixture, ahead: i64) -> Answered {
    let before = some_positives(fixture).await;
    let mut sweeps = Sweeps::begin(fixture).await;
    fixture.clock.advance_millis(ahead);
    sweeps.run(fixture, 2).await;
    let positive = fixture
        .record(|test| {
            test.swab.fiscal_code = fiscal_code(11);
            test.repeatable = repeatable("positive", "content");
            test.access.accessed_at = fixture.clock.now();
        })
        .await;
    let negative = fixture
        .record(|test| {
            test.swab.result = TestResult::Negative;
            test.swab.fiscal_code = fiscal_code(12);
            test.repeatable = repeatable("negative", "content");
            test.access.accessed_at = fixture.clock.now();
        })
        .await;
    let cancelled = fixture
        .record(|test| test.access.accessed_at = fixture.clock.now())
        .await;
    let mut request = cancellation(cancelled, 1);
    let transaction = request.transaction;
    request.repeatable = repeatable("cancellation", "content");
    let outcome = fixture.store().cancel(request).await.unwrap();
    assert!(matches!(outcome, CancelOutcome::Done { .. }));
    let session = SessionId::random();
    let outcome = fixture
        .store()
        .open_session(OpenSession {
            cun: positive,
            session,
            operator: fiscal_code(9),
            caller: Caller::CallCenter(CallCenterCode::parse("cc1").unwrap()),
            lifetime_millis: 1_800_000,
        })
        .await
        .unwrap();
    assert!(matches!(outcome, OpenOutcome::Opened(_)));
    fixture
        .store()
        .record_access(access_record(fixture.clock.now()))
        .await
        .unwrap();
    // Some submissions are copied to the archive, the newest is not.
    found(fixture, Timestamp::MIN, Timestamp::MAX).await;
    sweeps.run(fixture, 1).await;
    Answered {
        before,
        positive,
        negative,
        cancelled,
        cancellation: transaction,
        session,
    }
}

#[tokio::test]
async fn what_was_submitted_under_a_clock_that_was_ahead_is_as_good_as_any_after_the_repair() {
    for ahead in [3 * HOUR_MILLIS, 40 * DAY_MILLIS, 380 * DAY_MILLIS] {
        let mut fixture = Fixture::new();
        let answered = answered_under_a_clock_ahead(&fixture, ahead).await;
        fixture.clock.advance_millis(-ahead);
        assert!(fixture.store().clock_fault().is_some());
        let test = fixture.new_test(|_| {}).await;
        assert!(fixture.store().record_test(test).await.is_err());
        fixture.close();

        let repaired = repair(&fixture);
        assert_eq!(repaired.tests, 3);
        assert_eq!(repaired.ring, Renewal::NotNeeded);
        assert_eq!(repaired.access_records, 4);
        let again = repair(&fixture);
        assert_eq!((again.tests, again.access_records, again.others), (0, 0, 0));

        fixture.reopen();
        let mut sweeps = Sweeps::begin(&fixture).await;
        assert!(fixture.store().clock_fault().is_none());
        assert_repaired(&fixture, &answered).await;
        // Also after a day, and beside what comes then.
        sweeps.run(&fixture, 24).await;
        let later = fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(20))
            .await;
        let listed_now = listed(&fixture).await;
        assert_eq!(listed_now.last().unwrap().cun, later);
        assert_ends_on_time(&mut fixture, &mut sweeps, &answered).await;
    }
}

async fn assert_repaired(fixture: &Fixture, answered: &Answered) {
    let store = fixture.store();
    let now = fixture.clock.now();
    let listed = listed(fixture).await;
    let expected: Vec<Cun> = answered
        .before
        .iter()
        .chain([&answered.positive, &answered.negative])
        .copied()
        .collect();
    let codes: Vec<Cun> = listed.iter().map(|test| test.cun).collect();
    assert_eq!(codes, expected);
    assert!(listed.iter().all(|test| test.inserted_at <= now));
    assert!(listed.is_sorted_by_key(|test| test.inserted_at));
    for cun in answered.before.iter().chain([&answered.positive]) {
        assert!(store.find_patient(*cun).await.unwrap().is_some());
    }
    assert!(
        store
            .find_session(answered.session)
            .await
            .unwrap()
            .is_some()
    );

    // Repetitions have their answers.
    for (key, cun, number, result) in [
        ("positive", answered.positive, 11, TestResult::Positive),
        ("negative", answered.negative, 12, TestResult::Negative),
    ] {
        let repeated = fixture
            .new_test(|test| {
                test.swab.result = result;
                test.swab.fiscal_code = fiscal_code(number);
                test.repeatable = repeatable(key, "content");
            })
            .await;
        let outcome = store.record_test(repeated).await.unwrap();
        assert!(
            matches!(outcome, RecordOutcome::Replayed { cun: first, .. } if first == cun),
            "{outcome:?}"
        );
    }
    let mut request = cancellation(answered.cancelled, 1);
    request.repeatable = repeatable("cancellation", "content");
    let outcome = store.cancel(request).await.unwrap();
    assert!(
        matches!(outcome, CancelOutcome::Replayed { transaction, at } if transaction == answered.cancellation && at <= now),
        "{outcome:?}"
    );

    // Every access is found where it was: in the past.
    let records = found(
        fixture,
        now.minus_millis(2 * DAY_MILLIS),
        now.plus_millis(1),
    )
    .await;
    assert_eq!(records.len(), answered.before.len() + 5);
    let all = found(fixture, Timestamp::MIN, Timestamp::MAX).await;
    assert_eq!(all.len(), records.len());

    // The person is found for an ASL's code, and a cancellation proves the fiscal code.
    let claim = NewClaim {
        id: ClaimId::random(&mut rand::rng()),
        deadline: now.plus_millis(10_000),
    };
    let outcome = store.claim_person(fiscal_code(11), claim).await.unwrap();
    assert!(
        matches!(&outcome, PersonOutcome::Claimed(claimed) if claimed.cuns == [answered.positive]),
        "{outcome:?}"
    );
    store
        .settle_unlock(sistema_ts_store::SettleUnlock {
            cun: answered.positive,
            claim: claim.id,
            outcome: sistema_ts_model::PostOutcome::NotDelivered,
        })
        .await
        .unwrap();
    let mut wrong = cancellation(answered.negative, 1);
    wrong.fiscal_code = fiscal_code(13);
    let outcome = store.cancel(wrong).await.unwrap();
    assert!(matches!(outcome, CancelOutcome::NoSuchTest));
}

/// Fourteen days after the repair the tests are gone, and with them whatever names a person.
async fn assert_ends_on_time(fixture: &mut Fixture, sweeps: &mut Sweeps, answered: &Answered) {
    assert!(
        fixture
            .store()
            .find_patient(answered.positive)
            .await
            .unwrap()
            .is_some()
    );
    sweeps.run(fixture, 13 * 24).await;
    assert!(listed(fixture).await.len() <= 1);
    assert!(
        fixture
            .store()
            .find_test(answered.positive)
            .await
            .unwrap()
            .is_none()
    );
    fixture.close();
    let mut left = 0;
    for entry in std::fs::read_dir(&fixture.options.folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("patients-") && name.ends_with(".db") {
            let connection = rusqlite::Connection::open(&path).unwrap();
            left += connection
                .query_row("SELECT count(*) FROM patients", [], |row| {
                    row.get::<_, i64>(0)
                })
                .unwrap();
        }
    }
    assert!(
        left <= 1,
        "only the test that came after the repair has its person"
    );
    fixture.reopen();
}

#[tokio::test]
async fn a_ring_and_an_installation_of_the_future_work_after_the_repair() {
    let mut fixture = Fixture::new();
    fixture.close();
    // Made by a clock that was twenty days ahead, and used for an hour.
    let ring = fixture.folder.path().join("ring");
    std::fs::remove_file(&ring).unwrap();
    std::fs::remove_dir_all(&fixture.options.folder).unwrap();
    // Of a new installation.
    std::fs::remove_file(fixture.folder.path().join("ring.epoch")).unwrap();
    fixture.clock.advance_millis(20 * DAY_MILLIS);
    KeyRing::create(&ring, fixture.clock.now().rome_day()).unwrap();
    fixture.reopen();
    let mut sweeps = Sweeps::begin(&fixture).await;
    let first = fixture
        .record(|test| test.swab.fiscal_code = fiscal_code(1))
        .await;
    sweeps.run(&fixture, 1).await;
    fixture.close();

    fixture.clock.advance_millis(-20 * DAY_MILLIS);
    // The server starts and says what is wrong; nothing is stamped.
    fixture.reopen();
    assert!(fixture.store().clock_fault().is_some());
    fixture.close();
    let repaired = repair(&fixture);
    let today = fixture.clock.now().rome_day();
    assert_eq!(repaired.ring, Renewal::From(today));
    assert_eq!(repaired.tests, 1);
    fixture.reopen();
    let mut sweeps = Sweeps::begin(&fixture).await;
    assert_eq!(sweeps.0.lag_millis(), 0, "erasures are on time at once");
    let second = fixture
        .record(|test| test.swab.fiscal_code = fiscal_code(2))
        .await;
    assert_verifiable(&fixture, &[first, second]).await;
    // Over the days whose keys the ring had from the beginning.
    sweeps.run(&fixture, 10 * 24).await;
    assert_verifiable(&fixture, &[first, second]).await;
    sweeps.run(&fixture, 11 * 24).await;
    let third = fixture
        .record(|test| test.swab.fiscal_code = fiscal_code(3))
        .await;
    assert_verifiable(&fixture, &[third]).await;
}

#[tokio::test]
async fn what_nobody_has_submitted_to_needs_no_more_than_a_new_start() {
    let mut fixture = Fixture::new();
    fixture.close();
    std::fs::remove_dir_all(&fixture.options.folder).unwrap();
    // Of a new installation.
    std::fs::remove_file(fixture.folder.path().join("ring.epoch")).unwrap();
    fixture.clock.advance_millis(20 * DAY_MILLIS);
    fixture.reopen();
    let mut sweeps = Sweeps::begin(&fixture).await;
    sweeps.run(&fixture, 3).await;
    fixture.close();
    fixture.clock.advance_millis(-20 * DAY_MILLIS);
    fixture.reopen();
    let mut sweeps = Sweeps::begin(&fixture).await;
    assert_eq!(sweeps.0.lag_millis(), 0);
    let cun = fixture.record(|_| {}).await;
    sweeps.run(&fixture, 24).await;
    assert_verifiable(&fixture, &[cun]).await;
}

#[tokio::test]
async fn nothing_is_repaired_beside_a_server() {
    let fixture = Fixture::new();
    fixture.record(|_| {}).await;
    let ring = fixture.folder.path().join("ring");
    let refused = repair_clock(&fixture.options, &ring, fixture.clock.now());
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })));
}

#[tokio::test]
async fn a_clock_that_goes_back_on_a_quiet_store_misses_no_key_that_was_rightly_destroyed() {
    let mut fixture = Fixture::new();
    fixture.record(|_| {}).await;
    let mut sweeps = Sweeps::begin(&fixture).await;
    sweeps.run(&fixture, 20 * 24).await;
    let oldest = KeyRing::load(&fixture.folder.path().join("ring"))
        .unwrap()
        .oldest();
    fixture.close();
    // Not as far as to the test: the clock is not behind anything that was answered.
    fixture.clock.advance_millis(-19 * DAY_MILLIS);
    assert!(oldest > fixture.clock.now().rome_day().pred_opt().unwrap());
    fixture.reopen();
    // What would need the key is refused, and told.
    let readiness = fixture.store().readiness().await;
    let conditions: Vec<_> = readiness
        .conditions
        .iter()
        .map(|report| report.condition)
        .collect();
    assert_eq!(conditions, [Condition::KeysMissing]);
}
