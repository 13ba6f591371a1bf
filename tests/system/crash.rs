//! `kill -9` in the middle of a thousand submissions, again and again, each after the server was frozen for a moment. Failure here means that an
//! answered submission is lost or changed, that a code was given twice, or that something is there by half: found by one way of reading and not by
//! another. The files are read as each kill left them; what was answered is judged by the rules of the load tests' ledger.
//!
//! `SISTEMA_TS_CRASH_ROUNDS` sets the number of rounds (default 5).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::RngExt as _;
use rusqlite::{Connection, OpenFlags};
use sistema_ts_loadtest::ledger::{Books, Class, Entry, Rule};
use sistema_ts_model::{
    Cun, RegionCode, SystemClock, TestResult, Timestamp, TransactionId, Verdict,
};
use sistema_ts_store::{AccessQuery, ListingRequest, ListingScope, Store};

use crate::support::books::{SharedLedger, freeze};
use crate::support::installation::{copy_folder, open_store};
use crate::support::{Installation, Server, Session, fiscal_code};

const CLIENTS: usize = 8;
const SUBMISSIONS: u32 = 1_000;

/// Submits the thousand messages of a round from several connections, freezes the server when half of `until` were answered, and
/// kills it when all of those were.
fn submit_and_kill(
    installation: &Installation,
    server: Server,
    ledger: &SharedLedger,
    round: u32,
    until: u32,
) {
    let (next, count) = (AtomicU32::new(0), AtomicU32::new(0));
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
                    let number = round * SUBMISSIONS + number;
                    let settlement = ledger.submit(session, number);
                    if settlement.class == Class::Unknown {
                        // The server is dead, and what became of this one is told by the retry.
                        return;
                    }
                    assert_eq!((settlement.status, settlement.outcome), (200, Some(0)));
                    let answered = count.fetch_add(1, Ordering::Relaxed) + 1;
                    if answered == until.div_ceil(2) {
                        freeze(pid);
                    }
                    if answered == until {
                        // SAFETY: kill takes two integers; nobody has waited for the process yet, so its number is still its own.
                        unsafe { libc::kill(pid, libc::SIGKILL) };
                    }
                }
            });
        }
    });
    server.kill9();
    assert!(count.into_inner() >= until);
}

/// What was answered so far: by its code, whether a test is positive, whose it is, and its time.
fn known(books: &Books) -> BTreeMap<Cun, (bool, String, Option<Timestamp>)> {
    let answered = |entry: Entry| {
        let answer = entry.done()?;
        let person = fiscal_code(entry.intent.person as usize);
        Some((
            answer.cun?,
            (entry.intent.positive, person, answer.data_ora),
        ))
    };
    let entries = books.entries().unwrap().map(Result::unwrap);
    entries.filter_map(answered).collect()
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
    let mut ledger = SharedLedger::new();
    let books = ledger.books();
    let mut server = Server::start(&installation);
    for round in 0..rounds {
        let until = rand::rng().random_range(1..=SUBMISSIONS);
        submit_and_kill(&installation, server, &ledger, round, until);
        let unanswered = runtime.block_on(read_every_way(&installation, &books));
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
            let again = ledger.submit(&mut session, round * SUBMISSIONS + number);
            assert_eq!(again.class, Class::Done);
        }
    }
    let session = Session::region(&installation, &server, "010");
    let listings = ledger.sweep(session);
    assert!(server.terminate().0.success());
    assert_eq!(runtime.block_on(read_every_way(&installation, &books)), 0);
    let judged = [
        Rule::CunOnce,
        Rule::KeyFirstAnswer,
        Rule::ListedOnce,
        Rule::ListedInOrder,
        Rule::ListedAsAnswered,
        Rule::OnlyWhatWasSent,
    ];
    assert!(ledger.judge(&listings, &judged) >= u64::from(rounds * SUBMISSIONS));
}

/// Reads a copy of the store's files in every way, and looks for what is known, each whole; how many whole tests there are beside.
async fn read_every_way(installation: &Installation, books: &Books) -> usize {
    let known = known(books);
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&installation.path("data"), &copy.path().join("data"));
    // With the number beside the ring, which a start raises.
    copy_folder(&installation.path("keys"), &copy.path().join("keys"));
    let store = open_store(copy.path());
    let (listed, times) = list(store.as_ref()).await;
    let codes: BTreeSet<Cun> = listed.iter().copied().collect();
    assert_eq!(codes.len(), listed.len(), "listed once each");
    assert!(times.is_sorted());
    assert_eq!(accessed(store.as_ref()).await, codes);
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
    for (cun, (positive, person, at)) in &known {
        let test = store
            .find_test(*cun)
            .await
            .unwrap()
            .expect("an answered one");
        assert_eq!(test.result == TestResult::Positive, *positive);
        assert_eq!(Some(test.inserted_at), *at);
        if let Some(patient) = store.find_patient(*cun).await.unwrap() {
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

async fn list(store: &dyn Store) -> (Vec<Cun>, Vec<Timestamp>) {
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
async fn accessed(store: &dyn Store) -> BTreeSet<Cun> {
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
            if let (Verdict::Done, TransactionId::Cun(cun)) = (record.verdict, record.transaction) {
                assert!(codes.insert(cun), "one record for each first submission");
            }
        }
        after = page.next;
        if after.is_none() {
            return codes;
        }
    }
}
