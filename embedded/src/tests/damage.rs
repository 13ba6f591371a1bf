//! Sweeps over single damaged rows, and starts.
//!
//! A failure: one damaged row keeps others, or a day's key, from going in their time; it goes before them; or what has not gone is not told. A folder is
//! accepted that then does not start, or its operator is not told why.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use rusqlite::Connection;
use sistema_ts_model::{CUN_LIFE_MILLIS, Clock as _, Cun};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::fiscal_code;
use sistema_ts_store::{ClaimOutcome, StoreError};

use super::claims::{claim, session};
use super::{DAY_MILLIS, Fixture};

/// Three codes that are claimed, the first of whose rows is damaged so while the store is closed.
async fn damaged(damage: &str) -> (Fixture, Vec<Cun>) {
    let mut fixture = Fixture::new();
    let mut codes = Vec::new();
    for number in 1..=3 {
        let cun = fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(number))
            .await;
        let opened = session(&fixture, cun).await;
        let claimed = claim(&fixture, opened).await;
        assert!(matches!(claimed, ClaimOutcome::Claimed { .. }));
        codes.push(cun);
        fixture.clock.advance_millis(1_000);
    }
    fixture.close();
    Connection::open(fixture.options.folder.join("tests.db"))
        .unwrap()
        .execute_batch(&format!("UPDATE tests SET {damage} WHERE row = 1"))
        .unwrap();
    fixture.accept();
    fixture.reopen();
    (fixture, codes)
}

fn claims(folder: &Path) -> Vec<i64> {
    let tests = Connection::open(folder.join("data/tests.db")).unwrap();
    let mut select = tests.prepare("SELECT row FROM claims").unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_damaged_row_is_told_and_keeps_no_sweep_from_the_others() {
    for damage in [
        "life = x'ff'",
        "swab_day = 1 << 40",
        "key_day = 1 << 40",
        "negative = x'00'",
    ] {
        let (fixture, codes) = damaged(damage).await;
        fixture.clock.advance_millis(60_000);
        for _ in 0..2 {
            let swept = fixture.try_sweep(100).await;
            let Err(StoreError::Corrupt { what }) = swept else {
                panic!("{damage}: {swept:?}");
            };
            assert!(what.ends_with("(row 1)"), "{what}");
        }
        // The holders of the others are known to be dead.
        assert_eq!(claims(fixture.killed().path()), [1], "{damage}");
        goes_with_the_others(&fixture, &codes, damage).await;
    }
}

#[tokio::test]
async fn one_of_the_newest_rows_that_keeps_the_store_from_starting_is_named_and_the_folder_not_accepted()
 {
    for damage in ["cun = -1", "cun = 9223372036854775807", "receipt = x'00'"] {
        let mut fixture = Fixture::new();
        let whole = fixture.record(|_| {}).await;
        fixture.record(|_| {}).await;
        fixture.close();
        let copy = fixture.killed();
        Connection::open(fixture.options.folder.join("tests.db"))
            .unwrap()
            .execute_batch(&format!("UPDATE tests SET {damage} WHERE row = 2"))
            .unwrap();
        let column = damage.split(' ').next().unwrap();
        let named = format!("`{column}` of row 2 in tests.db");
        // After an orderly stop the folder is another than it was; after a crash nothing else stands against it.
        for after_crash in [false, true] {
            if after_crash {
                fixture.crashed();
            }
            let accepted = fixture.try_accept();
            let Err(StoreError::Corrupt { what }) = accepted else {
                panic!("{damage}: {accepted:?}");
            };
            assert!(what.contains(&named), "{damage}: {what}");
            let found = fixture.examine();
            let told = found.iter().filter(|finding| finding.contains(&named));
            assert_eq!(told.count(), 1, "{damage}: {found:?}");
        }
        // A start says the same.
        match fixture.try_open().err() {
            Some(StoreError::Corrupt { what }) => assert!(what.contains(&named), "{what}"),
            other => panic!("{damage}: {other:?}"),
        }
        // With the copy, which was not touched, everything is as it was.
        fixture.put_back(&copy);
        fixture.reopen();
        assert!(fixture.store().find_test(whole).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_row_whose_time_is_damaged_goes_with_the_next_one_and_not_before() {
    let damage = "inserted_ms = 9223372036854775807";
    let (fixture, codes) = damaged(damage).await;
    fixture.clock.advance_millis(CUN_LIFE_MILLIS - DAY_MILLIS);
    for _ in 0..3 {
        let _ = fixture.try_sweep(100).await;
    }
    assert!(fixture.store().find_test(codes[1]).await.unwrap().is_some());
    goes_with_the_others(&fixture, &codes, damage).await;
}

/// All goes in its time, with the day's key.
async fn goes_with_the_others(fixture: &Fixture, codes: &[Cun], damage: &str) {
    let day = fixture.clock.now().rome_day();
    fixture.clock.advance_millis(2 * CUN_LIFE_MILLIS);
    // A claim is passed over once more in the call that removes its test.
    for _ in 0..2 {
        let _ = fixture.try_sweep(100).await;
    }
    fixture.sweep(100).await;
    for cun in codes {
        assert!(
            fixture.store().find_test(*cun).await.unwrap().is_none(),
            "{damage}"
        );
    }
    let copy = fixture.killed();
    let tests = Connection::open(copy.path().join("data/tests.db")).unwrap();
    let left: i64 = tests
        .query_row("SELECT count(*) FROM tests", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "{damage}");
    assert!(claims(copy.path()).is_empty(), "{damage}");
    let ring = KeyRing::load(&fixture.folder.path().join("ring")).unwrap();
    assert!(ring.oldest() > day, "{damage}");
}

#[tokio::test]
async fn a_key_that_is_past_its_time_and_stays_is_told_until_it_has_gone() {
    let fixture = Fixture::new();
    fixture.record(|_| {}).await;
    fixture.clock.advance_millis(2 * CUN_LIFE_MILLIS);
    let lock = std::fs::File::create(fixture.folder.path().join("ring.lock")).unwrap();
    lock.lock().unwrap();
    let mut swept = fixture.try_sweep(100).await;
    while swept.as_ref().is_ok_and(|swept| swept.more) {
        swept = fixture.try_sweep(100).await;
    }
    assert!(matches!(swept, Err(StoreError::KeyMissing(_))), "{swept:?}");
    lock.unlock().unwrap();
    fixture.sweep(100).await;
}
