//! SIGKILL while the files of a closed day are rewritten. Failure: a patient is lost or comes back, a half-written file stays, or a byte of an
//! erased lookup tag is left once the rewrite was done after all.
//!
//! The rewrite runs in a child process, this test binary again, which says on a pipe when it begins.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sistema_ts_model::{Clock as _, Cun, FirstSymbol, ManualClock, TestResult, Timestamp};
use sistema_ts_store::samples::{cancellation, new_test};
use sistema_ts_store::{CancelOutcome, RecordOutcome, Store};
use support::place::Place;

const CHILD_FOLDER: &str = "SISTEMA_TS_REWRITE_CHILD_FOLDER";
const CHILD_NOW: &str = "SISTEMA_TS_REWRITE_CHILD_NOW";

/// 2026-11-24, 08:00 in Rome.
const MORNING: i64 = 1_795_503_600_000;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// Rounds, each a day: as long as codes live.
const ROUNDS: u32 = 12;
const PATIENTS: u32 = 6_000;
const ERASED_A_ROUND: u32 = 40;

fn clock(at: i64) -> ManualClock {
    ManualClock::new(Timestamp::from_millis(at).unwrap())
}

/// The child. Does nothing when it is run as an ordinary test.
#[tokio::test]
async fn child_that_rewrites() {
    let (Ok(folder), Ok(now)) = (std::env::var(CHILD_FOLDER), std::env::var(CHILD_NOW)) else {
        return;
    };
    let place = Place::at(folder);
    let store = place.open(Arc::new(clock(now.parse().unwrap()))).unwrap();
    let say = |word: &str| writeln!(std::io::stdout().lock(), "\n{word}").unwrap();
    say("begins");
    say(&format!(
        "rewritten {}",
        store.rewrite_erased().await.unwrap()
    ));
    // The pipe's other end is closed when the parent is done with this process.
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rewrite_loses_nothing_and_is_done_again() {
    let place = Place::new();
    let codes = fill(&place).await;
    let tags = tags(&place);
    let (mut erased, mut killed_before_the_end) = (0, 0);
    for round in 1..=ROUNDS {
        let yesterday = MORNING + i64::from(round - 1) * DAY_MILLIS;
        let today = yesterday + DAY_MILLIS;
        let store = place.open(Arc::new(clock(yesterday))).unwrap();
        for person in erased..erased + ERASED_A_ROUND {
            let request = cancellation(codes[person as usize], person);
            let cancelled = store.cancel(request).await.unwrap();
            assert!(matches!(cancelled, CancelOutcome::Done { .. }));
        }
        erased += ERASED_A_ROUND;
        drop(store);
        // Early in every other round, at any moment in the others.
        let longest = if round % 2 == 0 { 3_000 } else { 25_000 };
        let delay = Duration::from_micros(rand::random_range(0..longest));
        killed_before_the_end += u32::from(!kill_while_rewriting(&place, today, delay));

        let store = place.open(Arc::new(clock(today))).unwrap();
        let names = std::fs::read_dir(place.data()).unwrap();
        let left = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .find(|name| name.contains(".new"));
        assert_eq!(left, None, "a half-written file stays");
        store.rewrite_erased().await.unwrap();
        for (person, cun) in (0..).zip(&codes).step_by(7) {
            let patient = store.find_patient(*cun).await.unwrap();
            assert_eq!(patient.is_none(), person < erased, "person {person}");
        }
        drop(store);
        let erased_tags = codes[..erased as usize].iter().map(|cun| tags[cun].clone());
        assert_eq!(
            seen(&place.data(), &erased_tags.collect()),
            0,
            "erased tags are left"
        );
    }
    println!("{killed_before_the_end} of {ROUNDS} rewrites were killed before their end");
    assert!(
        killed_before_the_end > 0,
        "no rewrite was killed: nothing is proved"
    );
}

async fn fill(place: &Place) -> Vec<Cun> {
    let clock = clock(MORNING);
    let store: Arc<dyn Store> = Arc::new(place.open(Arc::new(clock.clone())).unwrap());
    let first = FirstSymbol::from_index(5).unwrap();
    let reserved = store.reserve(first, PATIENTS as usize).await.unwrap();
    assert_eq!(reserved.len(), PATIENTS as usize);
    let mut answers = Vec::new();
    for (person, reserved) in (0..).zip(reserved) {
        let (store, now) = (store.clone(), clock.now());
        answers.push(tokio::spawn(async move {
            let test = new_test(reserved, person, TestResult::Positive, now);
            match store.record_test(test).await.unwrap() {
                RecordOutcome::Recorded { cun, .. } => cun,
                other => panic!("not recorded: {other:?}"),
            }
        }));
    }
    let mut codes = Vec::new();
    for answer in answers {
        codes.push(answer.await.unwrap());
    }
    codes
}

/// Says whether the rewrite had ended before it was killed.
fn kill_while_rewriting(place: &Place, now: i64, delay: Duration) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_rewrites", "--nocapture"])
        .env(CHILD_FOLDER, place.root())
        .env(CHILD_NOW, now.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .find(|line| line.as_ref().unwrap() == "begins")
        .expect("the child ended by itself")
        .unwrap();
    // A random moment cannot be a condition: this is what the test is about.
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.any(|line| line.unwrap().starts_with("rewritten"))
}

/// The lookup tags of all persons by code, as they stand in the first day's file.
fn tags(place: &Place) -> HashMap<Cun, Vec<u8>> {
    let file = place.data().join("patients-2026-11-24.db");
    let connection = rusqlite::Connection::open(file).unwrap();
    let mut select = connection.prepare("SELECT cun, tag FROM patients").unwrap();
    let rows = select
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
        .unwrap();
    rows.map(|row| {
        let (number, tag) = row.unwrap();
        (Cun::from_number(number as u64).unwrap(), tag)
    })
    .collect()
}

/// How many of these tags are in the bytes of the patients' files.
fn seen(folder: &Path, tags: &HashSet<Vec<u8>>) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("patients-") {
            let bytes = std::fs::read(entry.path()).unwrap();
            let windows = bytes.windows(tags.iter().next().unwrap().len());
            count += windows.filter(|window| tags.contains(*window)).count();
        }
    }
    count
}
