//! `kill -9` in the middle of a thousand submissions, again and again. Failure here means that an answered submission is lost or changed, that
//! a code was given twice, or that something is there by half: found by one way of reading and not by another. The files are read twice: as the kill
//! left them, and after every submission was repeated.
//!
//! `SISTEMA_TS_CRASH_ROUNDS` sets the number of rounds (default 5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand::RngExt as _;
use rusqlite::{Connection, OpenFlags};
use sistema_ts_embedded::{EmbeddedOptions, EmbeddedStore};
use sistema_ts_model::{Cun, RegionCode, SystemClock, TestResult, Timestamp, TransactionId};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{AccessQuery, ListingRequest, ListingScope, Store};

use crate::support::installation::copy_folder;
use crate::support::{Installation, Server, Session, Submission, fiscal_code};

const CLIENTS: usize = 8;
const SUBMISSIONS: usize = 1_000;

/// Number `number` of a round: every seventh is positive, every one has a key and a person of its own.
fn message(round: usize, number: usize) -> Submission {
    let mut message = Submission::by_region().with_key(format!("round {round} number {number}"));
    message.fiscal_code = fiscal_code(round * SUBMISSIONS + number);
    message.result = if number.is_multiple_of(7) { "P" } else { "N" }.into();
    message
}

/// What was answered: code and time.
type Answered = (String, String);

/// By its code, whether a test is positive, whose it is, and its time as it was answered.
type Known = BTreeMap<String, (bool, String, String)>;

/// Submits a thousand messages from several connections, and kills the server when `until` of them were answered.
fn submit_and_kill(
    installation: &Installation,
    server: Server,
    round: usize,
    until: usize,
) -> BTreeMap<usize, Answered> {
    let (next, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let answered = Mutex::new(BTreeMap::new());
    let mut sessions: Vec<_> = (0..CLIENTS)
        .map(|_| Session::region(installation, &server, "010"))
        .collect();
    let pid = server.pid().cast_signed();
    std::thread::scope(|scope| {
        for session in &mut sessions {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= SUBMISSIONS {
                        return;
                    }
                    // No answer: the server is dead, and what became of this one is told by the retry.
                    let Ok(reply) = session.try_submit(&message(round, number)) else {
                        return;
                    };
                    assert_eq!(reply.told(), (200, "0000"));
                    let answer = (
                        reply.transaction().to_owned(),
                        reply.value("dataOra").to_owned(),
                    );
                    answered.lock().unwrap().insert(number, answer);
                    if count.fetch_add(1, Ordering::Relaxed) + 1 == until {
                        // SAFETY: kill takes two integers; nobody has waited for the process yet, so its number is still its own.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                    }
                }
            });
        }
    });
    server.kill9();
    answered.into_inner().unwrap()
}

#[test]
fn what_was_answered_before_a_kill_is_found_by_every_way_of_reading() {
    let rounds =
        std::env::var("SISTEMA_TS_CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let installation = Installation::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut known = Known::new();
    let mut server = Server::start(&installation);
    for round in 0..rounds {
        let until = rand::rng().random_range(1..=SUBMISSIONS);
        let answered = submit_and_kill(&installation, server, round, until);
        assert!(answered.len() >= until);
        let mut at_least = known.clone();
        at_least.extend(answered.iter().map(|(&number, (cun, at))| {
            let message = message(round, number);
            let test = (message.result == "P", message.fiscal_code, at.clone());
            (cun.clone(), test)
        }));
        let unanswered = runtime.block_on(read_every_way(&installation, &at_least));
        // Each connection waits for its answer before it sends the next.
        assert!(
            unanswered <= CLIENTS,
            "{unanswered} tests that nobody submitted"
        );
        server = Server::start(&installation);
        println!(
            "round {round}: killed after {until} answers; ready again after {:?}",
            server.start_took
        );
        let mut session = Session::region(&installation, &server, "010");
        for number in 0..SUBMISSIONS {
            let message = message(round, number);
            let reply = session.submit(&message);
            assert_eq!(reply.status(), 200);
            if let Some((cun, at)) = answered.get(&number) {
                assert_eq!(
                    reply.outcome(),
                    "0001",
                    "an answered submission is not known"
                );
                assert_eq!(
                    (reply.transaction(), reply.value("dataOra")),
                    (&**cun, &**at)
                );
            } else {
                assert!(matches!(reply.outcome(), "0000" | "0001"));
            }
            let at = reply.value("dataOra").to_owned();
            let test = (message.result == "P", message.fiscal_code, at);
            let before = known.insert(reply.transaction().to_owned(), test);
            assert!(before.is_none(), "a code was given twice");
        }
    }
    assert!(server.terminate().0.success());
    assert_eq!(runtime.block_on(read_every_way(&installation, &known)), 0);
}

/// Reads a copy of the store's files in every way, and looks for what is known, each whole; how many whole tests there are beside.
async fn read_every_way(installation: &Installation, known: &Known) -> usize {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&installation.path("data"), &copy.path().join("data"));
    // With the number beside the ring, which a start raises.
    copy_folder(&installation.path("keys"), &copy.path().join("keys"));
    let store = EmbeddedStore::open(
        EmbeddedOptions::in_folder(copy.path().join("data")),
        Arc::new(KeyRing::load(&copy.path().join("keys/day-keys")).unwrap()),
        Arc::new(SystemClock),
    )
    .unwrap();
    let (listed, times) = list(&store).await;
    let codes: BTreeSet<Cun> = listed.iter().copied().collect();
    assert_eq!(codes.len(), listed.len(), "listed once each");
    assert!(times.is_sorted());
    assert_eq!(accessed(&store).await, codes);
    let mut positives = 0;
    for &cun in &codes {
        let test = store.find_test(cun).await.unwrap().expect("by its code");
        let by_digest = store.find_by_digest(cun.digest()).await.unwrap();
        let patient = store.find_patient(cun).await.unwrap();
        if test.result == TestResult::Positive {
            positives += 1;
            assert_eq!(by_digest.map(|test| test.cun), Some(cun));
            assert!(patient.is_some(), "a positive whom nobody finds");
        } else {
            assert!(
                patient.is_none(),
                "a negative's fiscal code is kept nowhere"
            );
        }
    }
    for (text, (positive, person, at)) in known {
        let cun = Cun::parse(text).unwrap();
        let test = store
            .find_test(cun)
            .await
            .unwrap()
            .expect("an answered one");
        assert_eq!(test.result == TestResult::Positive, *positive);
        let mut told = Vec::new();
        test.inserted_at.write_rome(&mut told);
        assert_eq!(std::str::from_utf8(&told).unwrap(), at);
        if let Some(patient) = store.find_patient(cun).await.unwrap() {
            assert_eq!(patient.fiscal_code.expose(), person);
        }
    }
    drop(store);
    assert_eq!(
        patients_in(&copy.path().join("data")),
        positives,
        "patients without a test"
    );
    codes.len() - known.len()
}

/// Rows in the patients' files, as SQLite itself sees them.
fn patients_in(folder: &Path) -> usize {
    let mut patients = 0;
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("patients-") && name.ends_with(".db") {
            let file = Connection::open_with_flags(entry.path(), OpenFlags::SQLITE_OPEN_READ_ONLY);
            let count = file
                .unwrap()
                .query_row("SELECT count(*) FROM patients", [], |row| {
                    row.get::<_, i64>(0)
                });
            patients += usize::try_from(count.unwrap()).unwrap();
        }
    }
    patients
}

async fn list(store: &EmbeddedStore) -> (Vec<Cun>, Vec<Timestamp>) {
    let mark = store.listing_mark().await.unwrap();
    let (mut codes, mut times, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let request = ListingRequest {
            scope: ListingScope::Region(RegionCode::parse("010").unwrap()),
            from: mark.at.plus_millis(-86_400_000),
            to: mark.at.plus_millis(86_400_000),
            mark,
            after,
            limit: 1_000,
        };
        let page = store.list_page(request).await.unwrap();
        codes.extend(page.tests.iter().map(|test| test.cun));
        times.extend(page.tests.iter().map(|test| test.inserted_at));
        after = page.next;
        if after.is_none() {
            return (codes, times);
        }
    }
}

/// The codes that the access records of first submissions name.
async fn accessed(store: &EmbeddedStore) -> BTreeSet<Cun> {
    let (mut codes, mut after) = (BTreeSet::new(), None);
    loop {
        let now = sistema_ts_model::Clock::now(&SystemClock);
        let query = AccessQuery {
            from: now.plus_millis(-86_400_000),
            to: now.plus_millis(86_400_000),
            operator: None,
            caller: None,
            transaction: None,
            after,
            limit: 1_000,
        };
        let page = store.search_access(query).await.unwrap();
        for record in &page.records {
            if let ("0000", TransactionId::Cun(cun)) =
                (&*record.outcome.outcome, record.transaction)
            {
                assert!(codes.insert(cun), "one record for each first submission");
            }
        }
        after = page.next;
        if after.is_none() {
            return codes;
        }
    }
}
