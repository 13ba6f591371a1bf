//! Readers beside the writer. A failure: a reader that keeps the rule "view first, then transaction" and is told anything but the truth, or
//! pages that a view holds on to after its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::IndexError;
use super::{Harness, SMALL, connect, hash};

#[test]
fn an_old_view_finds_its_pages_for_as_long_as_it_lives() {
    let mut harness = Harness::new(SMALL);
    for batch in 0..20u64 {
        harness.insert(
            &(0..20)
                .map(|offset| hash(batch * 20 + offset))
                .collect::<Vec<_>>(),
            true,
        );
    }
    let view = harness.index.reader().view();
    for batch in 20..200u64 {
        harness.insert(
            &(0..20)
                .map(|offset| hash(batch * 20 + offset))
                .collect::<Vec<_>>(),
            true,
        );
    }
    harness.settle();
    for number in 0..400 {
        assert_eq!(
            view.candidates(&harness.connection, hash(number)).unwrap(),
            [number + 1]
        );
    }
    let held = harness.index.retired.len();
    assert!(held > 0);
    drop(view);
    harness.settle();
    assert!(
        harness.index.retired.is_empty(),
        "pages of a view that is gone are not freed"
    );
}

#[test]
fn a_transaction_older_than_its_view_is_told_so() {
    let mut harness = Harness::new(SMALL);
    harness.insert(&[hash(0)], true);
    let reader = connect(&harness.folder.path().join("index.db"));
    reader.execute_batch("BEGIN").unwrap();
    reader
        .query_row("SELECT count(*) FROM code_page", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap();
    for batch in 0..20u64 {
        harness.insert(
            &(1..21)
                .map(|offset| hash(batch * 20 + offset))
                .collect::<Vec<_>>(),
            true,
        );
    }
    harness.settle();
    let view = harness.index.reader().view();
    assert!(matches!(
        view.candidates(&reader, hash(0)),
        Err(IndexError::StaleView)
    ));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(view.candidates(&reader, hash(0)).unwrap(), [1]);
}

#[test]
fn readers_find_everything_committed_while_runs_are_written_merged_and_reused() {
    let mut harness = Harness::new(SMALL);
    let (reader, path) = (
        harness.index.reader(),
        harness.folder.path().join("index.db"),
    );
    let (committed, stop, looked) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let threads: Vec<_> = (0..3u64)
        .map(|thread| {
            let (reader, path) = (reader.clone(), path.clone());
            let (committed, stop, looked) = (committed.clone(), stop.clone(), looked.clone());
            std::thread::spawn(move || {
                let connection = connect(&path);
                let mut random = hash(thread + 1);
                while !stop.load(Ordering::Acquire) {
                    let through = committed.load(Ordering::Acquire);
                    let view = reader.view();
                    connection.execute_batch("BEGIN").unwrap();
                    for _ in 0..20 {
                        random = hash(random);
                        if through > 0 {
                            let number = random % through;
                            assert_eq!(
                                view.candidates(&connection, hash(number)).unwrap(),
                                [number + 1]
                            );
                        }
                        assert_eq!(
                            view.candidates(&connection, hash(u64::MAX / 2 + random % 1000))
                                .unwrap(),
                            Vec::<u64>::new()
                        );
                    }
                    connection.execute_batch("COMMIT").unwrap();
                    looked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut next = 0u64;
    while next < 30_000 || looked.load(Ordering::Relaxed) < 300 {
        let keys: Vec<u64> = (next..next + 25).map(hash).collect();
        harness.insert(&keys, true);
        next += 25;
        committed.store(next, Ordering::Release);
        if threads.iter().any(|thread| thread.is_finished()) {
            break;
        }
    }
    stop.store(true, Ordering::Release);
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(
        harness.count("SELECT max(run) FROM code_run") > 500,
        "too few runs were made to prove anything"
    );
}

#[test]
fn memory_alone_tells_most_absent_keys_and_never_denies_a_present_one() {
    let mut harness = Harness::new(SMALL);
    let keys: Vec<u64> = (1..=500).map(hash).collect();
    for some in keys.chunks(20) {
        harness.insert(some, true);
    }
    let view = harness.index.reader().view();
    assert!(view.run_count() > 0, "all of it is still in memory tables");
    assert!(keys.iter().all(|&key| !view.is_surely_absent(key)));
    let absent = (1_000..2_000)
        .filter(|&number| view.is_surely_absent(hash(number)))
        .count();
    assert!(absent > 900, "only {absent} of 1000");
}
