//! `kill -9` in the middle of a thousand submissions, again and again. Failure here means that an answered submission is lost or changed, that
//! a code was given twice, or that something is there by half: found by one way of reading and not by another.
//!
//! `SISTEMA_TS_CRASH_ROUNDS` sets the number of rounds (default 5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand::RngExt as _;
use sistema_ts_model::{Cun, RegionCode, SystemClock, TestResult, Timestamp, TransactionId};
use sistema_ts_store::embedded::{EmbeddedOptions, EmbeddedStore};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{AccessQuery, ListingRequest, ListingScope, Store};

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
    // Every message ever sent to the store's end: its code, whether positive, and whose.
    let mut known: BTreeMap<String, (bool, String)> = BTreeMap::new();
    let mut server = Server::start(&installation);
    for round in 0..rounds {
        let until = rand::rng().random_range(1..=SUBMISSIONS);
        let answered = submit_and_kill(&installation, server, round, until);
        assert!(answered.len() >= until);
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
            let person = (message.result == "P", message.fiscal_code);
            let before = known.insert(reply.transaction().to_owned(), person);
            assert!(before.is_none(), "a code was given twice");
        }
    }
    assert!(server.terminate().0.success());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(read_every_way(&installation, &known));
}

/// Opens the store's files and looks for exactly what is known.
async fn read_every_way(installation: &Installation, known: &BTreeMap<String, (bool, String)>) {
    let store = EmbeddedStore::open(
        EmbeddedOptions::in_folder(installation.path("data")),
        Arc::new(KeyRing::load(&installation.path("keys/day-keys")).unwrap()),
        Arc::new(SystemClock),
    )
    .unwrap();
    for (text, (positive, person)) in known {
        let cun = Cun::parse(text).unwrap();
        let test = store.find_test(cun).await.unwrap().expect("by its code");
        assert_eq!(test.result == TestResult::Positive, *positive);
        let patient = store.find_patient(cun).await.unwrap();
        if *positive {
            let by_digest = store.find_by_digest(cun.digest()).await.unwrap();
            assert_eq!(by_digest.map(|test| test.cun), Some(cun));
            assert_eq!(patient.unwrap().fiscal_code.expose(), person);
        } else {
            assert!(
                patient.is_none(),
                "a negative's fiscal code is kept nowhere"
            );
        }
    }
    let codes: BTreeSet<Cun> = known.keys().map(|text| Cun::parse(text).unwrap()).collect();
    let (listed, times) = list(&store).await;
    assert_eq!(listed.len(), known.len(), "listed once each");
    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), codes);
    assert!(times.is_sorted());
    assert_eq!(accessed(&store).await, codes);
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
