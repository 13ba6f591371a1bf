//! Power loss, a full disk, failing syncs and reads. Failure: after a power loss something answered is missing, half there or damaged;
//! an error that is told as success, or as "not found"; a store that still says it is ready after a failed sync. And, as a control: a
//! disk that lies about its syncs must lose answered tests, or these checks could not fail.
//!
//! `SISTEMA_TS_CRASH_ROUNDS` sets the number of power losses (40 unless said).

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sistema_ts_model::{FirstSymbol, SystemClock, TestResult};
use sistema_ts_store::conformance::crash_load::{Ledger, hear};
use sistema_ts_store::samples::{cancellation, new_test};
use sistema_ts_store::{NewTest, Readiness, RecordOutcome, Store, StoreError};
use support::crash::{check, check_receipts, load, runtime};
use support::lossy_disk::{LossyDisk, Mood, forget_shared_memory};
use support::place::Place;

fn open(place: &Place) -> Result<Arc<dyn Store>, StoreError> {
    place
        .open(Arc::new(SystemClock))
        .map(|store| Arc::new(store) as Arc<dyn Store>)
}

/// A store on a disk that loses what was not synced.
fn place_on(disk: &LossyDisk) -> Place {
    let mut place = Place::new();
    place.vfs = Some(disk.vfs().to_owned());
    place
}

/// Loads the store until the machine goes off, and switches it on again.
fn lose_power(place: &Place, disk: &LossyDisk, person: u32, random: &mut StdRng, log: &mut Ledger) {
    disk.power_off_after(random.random_range(0..1_500));
    let (sender, lines) = std::sync::mpsc::channel();
    // Opening may be cut short as well.
    if let Ok(store) = open(place) {
        let say = move |line| sender.send(line).unwrap();
        runtime().block_on(load(
            store,
            person,
            Arc::new(AtomicBool::new(false)),
            Arc::new(say),
        ));
    } else {
        drop(sender);
    }
    lines.iter().for_each(|line| hear(log, &line));
    assert!(disk.is_off(), "the load ended while the machine was on");
    disk.restore_power(|| random.random());
    if place.data().exists() {
        forget_shared_memory(&place.data());
    }
}

#[test]
fn nothing_answered_is_lost_with_the_power() {
    let rounds: u32 = std::env::var("SISTEMA_TS_CRASH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(40);
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut answered = 0;
    // Ten losses in a row on one store, then a new one: its first files have moments of their own.
    for start in (0..rounds).step_by(10) {
        let disk = LossyDisk::new();
        let place = place_on(&disk);
        let mut log = Ledger::new();
        for round in start..rounds.min(start + 10) {
            lose_power(&place, &disk, round * 9_000, &mut random, &mut log);
            answered += log.values().filter(|said| said.recorded.is_some()).count();
            let store = open(&place).expect("the store opens after a power loss");
            runtime().block_on(async {
                check(&*store, &mut log).await;
                check_receipts(&*store, &mut log, 100).await;
            });
        }
    }
    assert!(
        rounds < 10 || answered > 500,
        "the load was too light to prove anything: {answered}"
    );
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let mut random = StdRng::seed_from_u64(11);
    let mut lost = 0;
    for _ in 0..20 {
        let disk = LossyDisk::new();
        disk.lie_about_syncs();
        let place = place_on(&disk);
        let mut log = Ledger::new();
        lose_power(&place, &disk, 0, &mut random, &mut log);
        let Ok(store) = open(&place) else {
            lost += 1;
            continue;
        };
        for (cun, said) in &log {
            let found = runtime().block_on(store.find_test(*cun));
            lost += usize::from(said.recorded.is_some() && !matches!(found, Ok(Some(_))));
        }
    }
    assert!(
        lost > 0,
        "a disk that syncs nothing lost nothing: the other tests here prove nothing"
    );
}

async fn new(store: &dyn Store, person: u32) -> NewTest {
    let reserved = store
        .reserve(FirstSymbol::from_index(person as usize % 25).unwrap(), 1)
        .await
        .unwrap()[0];
    let result = if person.is_multiple_of(2) {
        TestResult::Positive
    } else {
        TestResult::Negative
    };
    new_test(
        reserved,
        person,
        result,
        sistema_ts_model::Clock::now(&SystemClock),
    )
}

/// Records until the store refuses, and returns the refusal with the codes that were answered.
async fn record_until_refused(
    store: &dyn Store,
    first_person: u32,
) -> (StoreError, Vec<NewTest>, NewTest) {
    let mut answered = Vec::new();
    for person in first_person..first_person + 50_000 {
        let test = new(store, person).await;
        match store.record_test(test.clone()).await {
            Ok(RecordOutcome::Recorded { .. }) => answered.push(test),
            Ok(other) => panic!("a fresh test was answered {other:?}"),
            Err(error) => return (error, answered, test),
        }
    }
    panic!("the store never noticed its disk");
}

async fn all_there(store: &dyn Store, tests: &[NewTest]) {
    for test in tests {
        let cun = test.reserved.cun;
        assert!(
            store.find_test(cun).await.unwrap().is_some(),
            "an answered test is lost"
        );
        let positive = test.swab.result == TestResult::Positive;
        assert_eq!(store.find_patient(cun).await.unwrap().is_some(), positive);
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = LossyDisk::new();
    let place = place_on(&disk);
    let store = open(&place).unwrap();
    runtime().block_on(async {
        let mut answered = vec![new(&*store, 0).await];
        store.record_test(answered[0].clone()).await.unwrap();
        disk.set_mood(Mood::Full);
        let (error, while_full, refused) = record_until_refused(&*store, 1).await;
        answered.extend(while_full);
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(error.had_no_effect());
        assert!(
            store
                .find_test(refused.reserved.cun)
                .await
                .unwrap()
                .is_none(),
            "a refused test is there"
        );
        all_there(&*store, &answered).await;
        // Each look writes a little, which finds room in the log for as long as the refused one has left some.
        let mut looks = 0;
        while store.readiness().await.is_ready() {
            looks += 1;
            assert!(looks < 100, "a full disk is told by no readiness");
        }
        disk.set_mood(Mood::Well);
        assert_eq!(
            store.readiness().await,
            Readiness::default(),
            "a disk that has room again"
        );
        assert!(matches!(
            store.record_test(refused.clone()).await.unwrap(),
            RecordOutcome::Recorded { .. }
        ));
        answered.push(refused);
        all_there(&*store, &answered).await;
    });
    drop(store);
    let store = open(&place).unwrap();
    runtime().block_on(async {
        assert!(
            store
                .reserve(FirstSymbol::from_index(0).unwrap(), 1)
                .await
                .is_ok()
        )
    });
}

#[test]
fn wherever_a_disk_fills_in_a_commit_the_store_goes_on_and_nothing_is_lost_or_half_there() {
    // From a commit of patients that does not fit to one of both files that just does.
    for writes in 0..24 {
        let disk = LossyDisk::new();
        let place = place_on(&disk);
        let store = open(&place).unwrap();
        runtime().block_on(async {
            let mut answered = vec![new(&*store, 0).await];
            store.record_test(answered[0].clone()).await.unwrap();
            disk.fill_after(writes);
            let (error, while_full, refused) = record_until_refused(&*store, 2).await;
            answered.extend(while_full);
            assert!(error.had_no_effect(), "{writes}: {error:?}");
            assert_eq!(store.failure(), None, "after {writes} writes");
            let refused_code = refused.reserved.cun;
            assert!(store.find_test(refused_code).await.unwrap().is_none());
            disk.set_mood(Mood::Well);
            store.record_test(refused.clone()).await.unwrap();
            answered.push(refused);
            all_there(&*store, &answered).await;
        });
        drop(store);
        let store = open(&place).unwrap();
        runtime().block_on(async {
            let next = new(&*store, 1_000_000).await;
            store.record_test(next).await.unwrap();
        });
    }
}

/// Erasures that are intended and not done yet, as the file of tests says.
fn intended_erasures(place: &Place) -> i64 {
    let tests = rusqlite::Connection::open_with_flags(
        place.data().join("tests.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    );
    let count = tests
        .unwrap()
        .query_row("SELECT count(*) FROM erasures", [], |row| row.get(0));
    count.unwrap()
}

fn until_erased(place: &Place) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while intended_erasures(place) > 0 {
        assert!(Instant::now() < give_up, "an erasure was not tried again");
        std::thread::yield_now();
    }
}

#[test]
fn an_erasure_that_a_full_disk_puts_off_is_told_as_unknown_and_done_when_there_is_room() {
    let disk = LossyDisk::new();
    let place = place_on(&disk);
    let store = open(&place).unwrap();
    let mut tests = Vec::new();
    runtime().block_on(async {
        for person in 0..6 {
            tests.push(new(&*store, person).await);
            store
                .record_test(tests[person as usize].clone())
                .await
                .unwrap();
        }
        disk.set_mood(Mood::FullForPatients);
        let cancel = |person: u32| cancellation(tests[person as usize].reserved.cun, person);
        let error = store.cancel(cancel(0)).await.unwrap_err();
        assert!(
            matches!(error, StoreError::UnknownOutcome { .. }),
            "{error:?}"
        );
        // The transition stands, and the store goes on: it reads, lists, and takes what needs no room there.
        assert_eq!(store.failure(), None);
        assert!(
            store
                .find_patient(tests[0].reserved.cun)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            store
                .find_test(tests[2].reserved.cun)
                .await
                .unwrap()
                .is_some()
        );
        let negative = new(&*store, 7).await;
        assert!(matches!(
            store.record_test(negative).await.unwrap(),
            RecordOutcome::Recorded { .. }
        ));
        let error = store.record_test(new(&*store, 8).await).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(
            !store.readiness().await.is_ready(),
            "no positive can be recorded"
        );
        assert!(intended_erasures(&place) > 0);
        disk.set_mood(Mood::Well);
        until_erased(&place);
        assert!(store.readiness().await.is_ready());
        // Once more, and the server is started on the full disk.
        disk.set_mood(Mood::FullForPatients);
        store.cancel(cancel(2)).await.unwrap_err();
        // Whether the disk has room for that depends on what the logs still hold.
        let _ = store.close().await;
    });
    drop(store);
    let store = open(&place).expect("a start on a full disk");
    runtime().block_on(async {
        all_there(&*store, &tests[3..]).await;
        assert!(store.record_test(new(&*store, 10).await).await.is_err());
        disk.set_mood(Mood::Well);
        until_erased(&place);
        store.record_test(new(&*store, 12).await).await.unwrap();
        assert!(
            store
                .find_patient(tests[2].reserved.cun)
                .await
                .unwrap()
                .is_none()
        );
        store.close().await.unwrap();
    });
}

#[test]
fn a_failed_sync_is_never_a_success() {
    let disk = LossyDisk::new();
    let place = place_on(&disk);
    let store = open(&place).unwrap();
    let (answered, unknown) = runtime().block_on(async {
        let first = new(&*store, 0).await;
        store.record_test(first.clone()).await.unwrap();
        let next = [new(&*store, 1).await, new(&*store, 2).await];
        disk.set_mood(Mood::SyncFails);
        let [unknown, later] = next;
        let error = store.record_test(unknown.clone()).await.unwrap_err();
        assert!(
            matches!(error, StoreError::UnknownOutcome { .. }),
            "{error:?}"
        );
        // A later sync that succeeds proves nothing about what was lost before: no write until a restart.
        disk.set_mood(Mood::Well);
        assert!(
            !store.readiness().await.is_ready(),
            "ready after a failed sync"
        );
        assert!(
            store.record_test(later).await.is_err(),
            "a write after a failed sync"
        );
        assert!(
            store
                .cancel(cancellation(first.reserved.cun, 0))
                .await
                .is_err(),
            "a write after a failed sync"
        );
        (first, unknown)
    });
    drop(store);
    disk.power_off();
    let mut random = StdRng::seed_from_u64(5);
    disk.restore_power(|| random.random());
    forget_shared_memory(&place.data());
    let store = open(&place).unwrap();
    runtime().block_on(async {
        assert_eq!(store.readiness().await, Readiness::default());
        all_there(&*store, &[answered]).await;
        let cun = unknown.reserved.cun;
        let found = store.find_test(cun).await.unwrap().is_some();
        assert_eq!(
            store.find_by_digest(cun.digest()).await.unwrap().is_some(),
            found,
            "half a test is there"
        );
        let outcome = store.record_test(unknown).await.unwrap();
        assert_eq!(
            outcome == RecordOutcome::CodeTaken,
            found,
            "half a test is there"
        );
    });
}

#[test]
fn a_failed_read_is_never_not_found() {
    let disk = LossyDisk::new();
    let place = place_on(&disk);
    let store = open(&place).unwrap();
    let mut answered = Vec::new();
    runtime().block_on(async {
        for person in 0..500 {
            let test = new(&*store, person).await;
            store.record_test(test.clone()).await.unwrap();
            answered.push(test);
        }
    });
    drop(store);
    let store = open(&place).unwrap();
    runtime().block_on(async {
        disk.set_mood(Mood::ReadFails);
        let mut failed = 0;
        for test in &answered {
            let cun = test.reserved.cun;
            for found in [
                store.find_test(cun).await,
                store.find_by_digest(cun.digest()).await,
            ] {
                match found {
                    Ok(found) => assert!(found.is_some(), "an unreadable test was told as unknown"),
                    Err(_) => failed += 1,
                }
            }
        }
        assert!(failed > 0, "no read reached the disk");
        disk.set_mood(Mood::Well);
        all_there(&*store, &answered).await;
    });
}
