//! What the nodes' files hold of a person, before and after an erasure: SSTables, commit log, hints, everything in a node's folder.
//!
//! A failure is a fiscal code or a contact in the clear, at any time; or a ciphertext of an erased person that is still in an SSTable after the
//! flush and the compaction that follow its tombstone's time, or in the commit log after the flush that follows the end of its segment.
//!
//! The tombstone's time (`gc_grace_seconds`, a day) is shortened to a second here: `docs/erasure.md` says what follows from it in operation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scylla::client::session::Session;
use sistema_ts_cql::{CqlOptions, CqlSettings, CqlStore, connect};
use sistema_ts_model::{Clock, Contact, Cun, FirstSymbol, SystemClock, TestResult};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{cancellation, contact, fiscal_code, new_test, repeatable};
use sistema_ts_store::{CancelOutcome, RecordOutcome, Store};

use support::nodes::Nodes;

/// People whose tests are cancelled, and as many whose tests stay.
const PEOPLE: u32 = 40;

/// How many of these texts stand in any file below a folder.
fn found_in(folder: &Path, wanted: &[Vec<u8>]) -> usize {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    // A file may go while it is looked for: a compaction removes what it has replaced.
    let contents: Vec<Vec<u8>> = files
        .iter()
        .filter_map(|file| std::fs::read(file).ok())
        .collect();
    let stands = |text: &&Vec<u8>| {
        let stands_in = |content: &Vec<u8>| memchr::memmem::find(content, text).is_some();
        contents.iter().any(stands_in)
    };
    wanted.iter().filter(stands).count()
}

/// A person as texts in the clear.
fn in_the_clear(person: u32) -> [Vec<u8>; 2] {
    let contact = match contact(person) {
        Contact::Mobile(number) => number.expose().to_owned(),
        Contact::Email(address) => address.expose().to_owned(),
    };
    [
        fiscal_code(person).expose().as_bytes().to_vec(),
        contact.into_bytes(),
    ]
}

/// What the store keeps of a code's person, as it lies on the nodes.
async fn ciphertexts(session: &Session, prefix: &str, cun: Cun) -> Vec<Vec<u8>> {
    let statement =
        format!("SELECT sealed, tag, contact FROM {prefix}_patients.patient WHERE code = ?");
    let code = i64::try_from(cun.number()).unwrap();
    let rows = session.query_unpaged(statement, (code,)).await.unwrap();
    let rows = rows.into_rows_result().unwrap();
    let row: scylla::value::Row = rows.first_row().unwrap();
    row.columns
        .into_iter()
        .flatten()
        .map(|value| value.into_blob().unwrap())
        .collect()
}

/// A negative's MAC, in the test and in the claim of its request.
async fn macs(session: &Session, prefix: &str) -> Vec<Vec<u8>> {
    let mut macs = Vec::new();
    for table in ["test", "claim"] {
        let statement = format!("SELECT negative FROM {prefix}_tests.{table}");
        let rows = session.query_unpaged(statement, ()).await.unwrap();
        let rows = rows.into_rows_result().unwrap();
        for row in rows.rows::<(Option<Vec<u8>>,)>().unwrap() {
            macs.extend(row.unwrap().0.filter(|mac| !mac.is_empty()));
        }
    }
    macs
}

async fn record(store: &CqlStore, clock: &SystemClock, person: u32, result: TestResult) -> Cun {
    let first = FirstSymbol::from_index(person as usize % 25).unwrap();
    let reserved = store.reserve(first, 1).await.unwrap()[0];
    let mut test = new_test(reserved, person, result, clock.now());
    test.swab.contact = Some(contact(person));
    test.repeatable = repeatable(&format!("KEY {person}"), "content");
    match store.record_test(test).await.unwrap() {
        RecordOutcome::Recorded { cun, .. } => cun,
        other => panic!("{other:?}"),
    }
}

/// Waits until none of these is in a folder any more, doing what makes them go.
fn until_gone(what: &str, folder: &Path, texts: &[Vec<u8>], mut work: impl FnMut()) {
    let begun = Instant::now();
    loop {
        work();
        let left = found_in(folder, texts);
        if left == 0 {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{left} of {} ciphertexts of erased people are in {what}",
            texts.len()
        );
    }
}

#[test]
fn an_erased_person_goes_from_the_nodes_files_and_never_stood_there_in_the_clear() {
    let Some(nodes) = Nodes::start(1) else {
        return support::cannot_be_had("no node can be started here");
    };
    let settings = CqlSettings {
        replication_factor: 1,
        ..support::patient_settings(nodes.address())
    };
    support::make_keyspaces(&settings);
    let prefix = settings.keyspace_prefix.clone();
    let folder = tempfile::tempdir().unwrap();
    let clock = SystemClock;
    KeyRing::create(&folder.path().join("day-keys-0"), clock.now().rome_day()).unwrap();
    let keys = support::ring_of(folder.path(), 0);
    let options = CqlOptions::of(settings.clone(), folder.path().join("data"));
    let store = CqlStore::open(options, keys, Arc::new(clock)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = nodes.folder_of(1);
    let everybody: Vec<Vec<u8>> = (0..2 * PEOPLE).flat_map(in_the_clear).collect();

    // What is there before: ciphertexts, and nothing in the clear.
    let (session, cancelled, erased) = runtime.block_on(async {
        let session = connect(&settings).await.unwrap();
        for table in ["patient", "tag"] {
            let shorter =
                format!("ALTER TABLE {prefix}_patients.{table} WITH gc_grace_seconds = 1");
            session.query_unpaged(shorter, ()).await.unwrap();
        }
        let (mut cancelled, mut erased) = (Vec::new(), Vec::new());
        for person in 0..2 * PEOPLE {
            let result = if person % 2 == 0 {
                TestResult::Positive
            } else {
                TestResult::Negative
            };
            let cun = record(&store, &clock, person, result).await;
            if person < PEOPLE {
                erased.extend(ciphertexts(&session, &prefix, cun).await);
                cancelled.push((person, cun));
            }
        }
        (session, cancelled, erased)
    });
    nodes.nodetool(1, &["flush"]);
    assert_eq!(
        found_in(&node, &everybody),
        0,
        "a person stands there in the clear"
    );
    assert_eq!(
        found_in(&node.join("data"), &erased),
        erased.len(),
        "what is searched for is not there before the erasure, so its absence would say nothing"
    );

    runtime.block_on(async {
        let before = macs(&session, &prefix).await.len();
        for (person, cun) in &cancelled {
            let outcome = store.cancel(cancellation(*cun, *person)).await.unwrap();
            assert!(matches!(outcome, CancelOutcome::Done { .. }), "{outcome:?}");
        }
        // Of every second one there was a MAC, in the test and in the claim.
        let after = macs(&session, &prefix).await.len();
        assert_eq!(
            before - after,
            PEOPLE as usize,
            "an erased negative has a MAC still"
        );
    });

    // SSTables: gone with the compaction after the tombstones' time.
    let tables = format!("{prefix}_patients");
    until_gone("SSTables", &node.join("data"), &erased, || {
        nodes.nodetool(1, &["flush"]);
        nodes.nodetool(1, &["compact", &tables]);
    });

    // The commit log: gone when its segments are full, and all that was written in them is flushed.
    let mut number = 100_000;
    until_gone("the commit log", &node, &erased, || {
        runtime.block_on(async {
            let filler = format!("INSERT INTO {prefix}_tests.secret (name, value) VALUES (?, ?)");
            for _ in 0..64 {
                number += 1;
                let name = format!("filler {number}");
                session
                    .query_unpaged(filler.clone(), (name, vec![0_u8; 64 * 1024]))
                    .await
                    .unwrap();
            }
        });
        nodes.nodetool(1, &["flush"]);
    });
    assert_eq!(
        found_in(&node, &everybody),
        0,
        "a person stands there in the clear"
    );
}
