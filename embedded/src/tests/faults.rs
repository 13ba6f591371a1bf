//! Full queues, full disks, dead threads. A failure: an answer of success for what is not there, a request that waits for ever, a
//! store that writes on after it no longer knows what it holds, or one that a passing fault has ended.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use sistema_ts_store::samples::{fiscal_code, repeatable};
use sistema_ts_store::{NewTest, Readiness, RecordOutcome, Store, StoreError};

use super::super::access::AccessJob;
use super::super::queue::Lane;
use super::{Fixture, MORNING, access_record};
use sistema_ts_model::{TestResult, Timestamp};

#[tokio::test]
async fn beyond_its_capacity_the_store_refuses_at_once_and_urgent_work_still_enters() {
    let fixture = Fixture::with(|options| options.settings.queue_capacity = 3);
    let store = fixture.store();
    let (running, runs) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut waiting = Vec::new();
    waiting.push(Box::pin(store.write(Lane::Usual, move |_| {
        running.send(()).unwrap();
        released.recv().unwrap();
        Ok(())
    })));
    poll_once(&mut waiting[0]).await;
    runs.recv().unwrap();
    let mut queued: Vec<_> = (0..3)
        .map(|_| Box::pin(store.write(Lane::Usual, |_| Ok(()))))
        .collect();
    for job in &mut queued {
        poll_once(job).await;
    }
    let refused = store.write(Lane::Usual, |_| Ok(())).await;
    assert!(matches!(refused, Err(StoreError::Overloaded { .. })));
    let mut urgent = Box::pin(store.write(Lane::Urgent, |_| Ok(())));
    poll_once(&mut urgent).await;
    release.send(()).unwrap();
    urgent.await.unwrap();
    for job in queued {
        job.await.unwrap();
    }
    for job in waiting {
        job.await.unwrap();
    }
}

#[tokio::test]
async fn a_full_file_fails_its_requests_leaves_nothing_and_passes() {
    let mut fixture = Fixture::new();
    fixture.record(|_| {}).await;
    let limit = async |fixture: &Fixture, pages: i64| {
        let set = fixture.store().write(Lane::Usual, move |writer| {
            Ok(writer
                .tests
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?)
        });
        set.await.unwrap();
    };
    limit(&fixture, 1).await;
    let mut refused = 0;
    let mut recorded = Vec::new();
    for number in 0..200 {
        let test = fixture
            .new_test(|test| {
                test.swab.fiscal_code = fiscal_code(number + 1);
                test.repeatable = repeatable(&format!("key-{number}"), "content");
            })
            .await;
        let cun = test.reserved.cun;
        match fixture.store().record_test(test).await {
            Ok(outcome) => recorded.push((number, outcome)),
            Err(StoreError::Unavailable { .. }) => {
                refused += 1;
                assert!(fixture.store().find_test(cun).await.unwrap().is_none());
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0, "the file never filled");
    assert_eq!(fixture.store().readiness().await, Readiness::default());
    limit(&fixture, 1_000_000).await;
    for _ in 0..2 {
        for (number, first) in &recorded {
            let retry = fixture
                .new_test(|test| {
                    test.swab.fiscal_code = fiscal_code(number + 1);
                    test.repeatable = repeatable(&format!("key-{number}"), "content");
                })
                .await;
            let RecordOutcome::Recorded { cun, inserted_at } = *first else {
                panic!("{first:?}")
            };
            assert_eq!(
                fixture.store().record_test(retry).await.unwrap(),
                RecordOutcome::Replayed { cun, inserted_at }
            );
        }
        fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(9_000))
            .await;
        fixture.reopen();
    }
}

#[tokio::test]
async fn a_file_that_was_just_being_made_at_a_stop_keeps_no_start_out() {
    let mut fixture = Fixture::new();
    fixture.record(|_| {}).await;
    // As a full disk leaves them, when there is room again and the server is stopped before anything else is written.
    for name in ["access-2026-11-23.db", "patients-2026-11-23.db"] {
        std::fs::File::create_new(fixture.options.folder.join(name)).unwrap();
    }
    for _ in 0..2 {
        fixture.reopen();
        fixture.record(|_| {}).await;
    }
}

#[tokio::test]
async fn a_positive_whose_day_file_cannot_be_made_leaves_no_test_and_keeps_nobody_else_out() {
    let mut fixture = Fixture::new();
    // No table can be made in it, as on a disk that has room for the file's first page and none for its log.
    let strange = fixture.options.folder.join("patients-2026-11-24.db");
    let strange = rusqlite::Connection::open(strange).unwrap();
    strange.pragma_update(None, "application_id", 7).unwrap();
    strange.close().unwrap();
    let positive = fixture.new_test(|_| {}).await;
    let refused = positive.reserved.cun;
    let outcome = fixture.store().record_test(positive).await;
    assert!(outcome.is_err(), "{outcome:?}");
    let mut recorded = Vec::new();
    for _ in 0..2 {
        let negative = |test: &mut NewTest| test.swab.result = TestResult::Negative;
        recorded.push(fixture.record(negative).await);
        let path = fixture.options.folder.join("patients-2026-11-24.db");
        if path.exists() {
            std::fs::remove_file(path).unwrap();
            fixture.reopen();
        }
    }
    assert!(fixture.store().find_test(refused).await.unwrap().is_none());
    assert_eq!(super::records::list_all(&fixture).await, recorded);
}

#[tokio::test]
async fn a_file_or_log_that_is_cut_under_the_store_ends_it_before_it_is_written_again() {
    for name in [
        "tests.db",
        "tests.db-wal",
        "patients-2026-11-24.db",
        "patients-2026-11-24.db-wal",
    ] {
        let fixture = Fixture::new();
        fixture.record(|_| {}).await;
        let cut = std::fs::File::options()
            .write(true)
            .open(fixture.options.folder.join(name))
            .unwrap();
        let half = cut.metadata().unwrap().len() / 2;
        assert!(half > 0, "{name}");
        cut.set_len(half).unwrap();
        let test = fixture.new_test(|_| {}).await;
        let refused = fixture.store().record_test(test).await;
        assert!(refused.is_err(), "{name}: {refused:?}");
        assert_eq!(cut.metadata().unwrap().len(), half, "{name}");
        assert!(!fixture.store().readiness().await.is_ready(), "{name}");
    }
}

#[tokio::test]
async fn after_a_crash_a_start_judges_by_the_batches_of_the_runs_before() {
    let mut fixture = Fixture::new();
    let first = fixture.record(|_| {}).await;
    fixture.close();
    fixture.crashed();
    // What a batch of several tests leaves when the process dies between its two commits.
    let patients = fixture.options.folder.join("patients-2026-11-24.db");
    let patients = rusqlite::Connection::open(patients).unwrap();
    for row in 2..=5 {
        let insert =
            "INSERT INTO patients SELECT ?1, cun + ?1, sealed, tag FROM patients WHERE row = 1";
        assert_eq!(patients.execute(insert, [row]).unwrap(), 1);
    }
    patients.close().unwrap();
    fixture.options.settings.maximum_batch_requests = 1;
    fixture.reopen();
    let found = fixture.store().find_test(first).await.unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn a_writer_that_dies_takes_the_readiness_with_it_and_answers_everybody() {
    let fixture = Fixture::new();
    let test = fixture.new_test(|_| {}).await;
    let died = fixture
        .store()
        .write::<()>(Lane::Usual, |_| panic!("a defect, made by this test"))
        .await;
    assert!(matches!(died, Err(StoreError::UnknownOutcome { .. })));
    let refused = fixture.store().record_test(test).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Unavailable { .. } | StoreError::UnknownOutcome { .. })
        ),
        "{refused:?}"
    );
    assert!(!fixture.store().readiness().await.is_ready());
}

#[tokio::test]
async fn a_keeper_of_access_records_that_dies_takes_the_readiness_with_it_and_answers_everybody() {
    let fixture = Fixture::new();
    let store = fixture.store();
    let died = store.ask_keeper(AccessJob::Panic).await;
    assert!(
        matches!(died, Err(StoreError::UnknownOutcome { .. })),
        "{died:?}"
    );
    // Whether it comes before the queue is closed or after, it is answered.
    let refused = store.ask_keeper(AccessJob::CopyAll).await;
    assert!(refused.is_err());
    assert!(!store.readiness().await.is_ready());
}

#[tokio::test]
async fn a_reading_that_panics_ends_alone() {
    let fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    for _ in 0..=fixture.options.settings.lookup_threads {
        let died = fixture
            .store()
            .lookups
            .read::<()>(|_| panic!("a defect, made by this test"))
            .await;
        assert!(matches!(died, Err(StoreError::Unavailable { .. })));
    }
    assert!(fixture.store().find_test(cun).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_of_tests_that_is_removed_under_the_store_ends_it_and_is_not_made_anew() {
    let mut fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    let file = fixture.options.folder.join("tests.db");
    let aside = fixture.folder.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    let give_up = Instant::now() + Duration::from_secs(30);
    while fixture.store().readiness().await.is_ready() {
        assert!(Instant::now() < give_up, "nobody noticed");
        tokio::task::yield_now().await;
    }
    let test = fixture.new_test(|_| {}).await;
    assert!(fixture.store().record_test(test).await.is_err());
    fixture.close();
    let refused = fixture.try_open();
    assert!(
        matches!(refused, Err(StoreError::NotAsLeft { .. })),
        "{refused:?}"
    );
    std::fs::rename(&aside, &file).unwrap();
    fixture.reopen();
    assert!(fixture.store().find_test(cun).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_ring_that_is_removed_under_the_store_stops_submissions_until_it_is_back() {
    let fixture = Fixture::new();
    let cun = fixture.record(|_| {}).await;
    let (ring, aside) = (
        fixture.folder.path().join("ring"),
        fixture.folder.path().join("aside"),
    );
    std::fs::rename(&ring, &aside).unwrap();
    assert!(!fixture.store().readiness().await.is_ready());
    let test = fixture.new_test(|_| {}).await;
    let refused = fixture.store().record_test(test.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(fixture.store().failure(), None);
    assert!(fixture.store().find_patient(cun).await.unwrap().is_some());
    std::fs::rename(&aside, &ring).unwrap();
    assert!(fixture.store().readiness().await.is_ready());
    fixture.store().record_test(test).await.unwrap();
}

#[tokio::test]
async fn a_day_file_that_is_removed_or_replaced_under_the_store_ends_it_before_an_answer() {
    for (name, replaced) in [
        ("patients-2026-11-24.db", false),
        ("patients-2026-11-24.db-wal", true),
        ("tests.db-wal", true),
        ("progress", false),
    ] {
        let fixture = Fixture::new();
        fixture.record(|_| {}).await;
        let file = fixture.options.folder.join(name);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        if replaced {
            std::fs::write(&file, bytes).unwrap();
        }
        let test = fixture.new_test(|_| {}).await;
        let outcome = fixture.store().record_test(test).await;
        assert!(outcome.is_err(), "{name}: {outcome:?}");
        let failure = fixture.store().failure().unwrap();
        assert!(failure.contains("removed or replaced"), "{name}: {failure}");
    }
}

#[tokio::test]
async fn a_file_of_access_records_that_is_removed_under_the_store_ends_it_before_an_answer() {
    let fixture = Fixture::new();
    let record = || access_record(Timestamp::from_millis(MORNING).unwrap());
    fixture.store().record_access(record()).await.unwrap();
    std::fs::remove_file(fixture.options.folder.join("access-2026-11-24.db")).unwrap();
    let outcome = fixture.store().record_access(record()).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert!(fixture.store().failure().is_some());
}

#[tokio::test]
async fn data_of_a_newer_program_are_told_as_that_and_not_as_damage() {
    let mut fixture = Fixture::new();
    fixture.record(|_| {}).await;
    fixture.close();
    fixture.crashed();
    for name in ["tests.db", "patients-2026-11-24.db"] {
        let file = fixture.options.folder.join(name);
        let connection = rusqlite::Connection::open(&file).unwrap();
        let version = |version: i32| connection.pragma_update(None, "user_version", version);
        let own: i32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        version(own + 1).unwrap();
        let refused = fixture.try_open().unwrap_err();
        assert!(
            matches!(refused, StoreError::NewerProgram { .. }),
            "{name}: {refused:?}"
        );
        let told = refused.to_string();
        assert!(
            told.contains("newer version of this program") && !told.contains("damage"),
            "{told}"
        );
        version(own).unwrap();
    }
    fixture.reopen();
}

/// Lets a future enter the queue.
async fn poll_once<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) {
    std::future::poll_fn(|context| {
        assert!(
            future.as_mut().poll(context).is_pending(),
            "it was answered at once"
        );
        std::task::Poll::Ready(())
    })
    .await;
}
