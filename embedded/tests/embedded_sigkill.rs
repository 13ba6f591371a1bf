//! SIGKILL at random moments under load. Failure: an answered test or transition is missing on any reading path afterwards, a code is
//! there twice, half a test is there, a retry is answered otherwise than the first time, or the store takes two seconds to open.
//!
//! The load runs in a child process, this test binary again, which says on a pipe what it does. `SISTEMA_TS_CRASH_ROUNDS` sets the
//! number of kills (20 unless said).

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use sistema_ts_model::SystemClock;
use sistema_ts_store::Store;
use sistema_ts_store::conformance::crash_load::{Ledger, hear};
use support::crash::{check, check_receipts, load, runtime};
use support::place::Place;

const CHILD_FOLDER: &str = "SISTEMA_TS_CRASH_CHILD_FOLDER";
const CHILD_PERSON: &str = "SISTEMA_TS_CRASH_CHILD_PERSON";

/// The child. Does nothing when it is run as an ordinary test.
#[test]
fn child_under_load() {
    let (Ok(folder), Ok(person)) = (std::env::var(CHILD_FOLDER), std::env::var(CHILD_PERSON))
    else {
        return;
    };
    let store: Arc<dyn Store> = Arc::new(Place::at(folder).open(Arc::new(SystemClock)).unwrap());
    // One line is one write to the pipe, which takes it whole or not at all (it is shorter than PIPE_BUF).
    let say = |line: String| {
        std::io::stdout()
            .lock()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap()
    };
    runtime().block_on(load(
        store,
        person.parse().unwrap(),
        Arc::new(AtomicBool::new(false)),
        Arc::new(say),
    ));
    panic!("the load ended although nobody killed it");
}

#[test]
fn nothing_answered_is_lost_by_a_kill() {
    let rounds: u32 = std::env::var("SISTEMA_TS_CRASH_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20);
    let place = Place::new();
    let (runtime, mut log) = (runtime(), Ledger::new());
    let mut answered_in_all = 0;
    for round in 0..rounds {
        // At the start, in the first batches, or in full swing.
        let lines_to_wait = if round == 0 {
            0
        } else {
            rand::random_range(0..1_000usize)
        };
        let delay = Duration::from_micros(rand::random_range(0..30_000));
        kill_under_load(&place, round * 20_000, lines_to_wait, delay, &mut log);

        let began = Instant::now();
        let store = place.open(Arc::new(SystemClock)).unwrap();
        let opened_in = began.elapsed();
        assert!(
            opened_in < Duration::from_secs(2),
            "opening took {opened_in:?}"
        );
        let answered = log.values().filter(|said| said.recorded.is_some()).count();
        runtime.block_on(async {
            check(&store, &mut log).await;
            check_receipts(&store, &mut log, 200).await;
        });
        answered_in_all = answered;
    }
    println!("{rounds} kills, {answered_in_all} answered tests");
    assert!(
        rounds < 5 || answered_in_all > 1_000,
        "the load was too light to prove anything: {answered_in_all}"
    );
}

fn kill_under_load(
    place: &Place,
    person: u32,
    lines_to_wait: usize,
    delay: Duration,
    log: &mut Ledger,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_under_load", "--nocapture"])
        .env(CHILD_FOLDER, place.root())
        .env(CHILD_PERSON, person.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    // Read all the time: a child that waits for its pipe is not under load.
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.split(b'\n') {
            sender.send(line.unwrap()).unwrap();
        }
    });
    for _ in 0..lines_to_wait {
        let line = lines.recv().expect("the child ended by itself");
        hear(log, &String::from_utf8_lossy(&line));
    }
    // A random moment cannot be a condition: this is what the test is about.
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    // What it had said before counts.
    for line in lines {
        hear(log, &String::from_utf8_lossy(&line));
    }
}
