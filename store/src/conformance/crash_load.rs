//! A load that can be cut off at any moment, and what must be true afterwards.
//!
//! The load says what it is about to do and what it was answered, as lines of text; the check compares a store that was opened anew
//! with all that was said. How it is cut off is each store's own test: its process is killed, its disk loses what was not synchronised, a node is
//! stopped. The check of the suite ends the store in order.
//!
//! Failure: a test, a cancellation or a confirmation that was answered and is not there; half a test; one twice; a person that outlives an erasure
//! that was answered; a repetition with the same key that gets another answer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::contention::{PAUSE, TRIES};
use super::world::{
    SESSION_MILLIS, World, call_center, cancellation, confirmation, contact, fiscal_code, new_test,
    operator, region, repeatable,
};
use crate::{
    AccessQuery, CancelOutcome, ClaimOutcome, ClaimUnlock, ConcludeOutcome, ListingRequest,
    ListingScope, NewTest, OpenOutcome, OpenSession, RecordOutcome, ReservedCun, SettleUnlock,
    Store, StoreError,
};
use sistema_ts_model::{
    ClaimId, Clock, Cun, CunState, Effect, FirstSymbol, Moment, NewClaim, Origin, PostOutcome,
    SessionId, TestResult, Timestamp, TransactionId,
};

/// Tests that the suite's own runs have answered at least before their end.
const ANSWERED: usize = 200;

/// Tasks that record at once.
const TASKS: u32 = 48;

/// The person of a message. Messages are numbered without end, and the number is in the receipt's key; there are fewer persons.
fn person_of(number: u32) -> u32 {
    number % 400_000
}

/// Everything that was said of one test.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The message's number, which says its person, too.
    pub person: u32,
    pub positive: bool,
    pub receipt: bool,
    /// `dataInserimento`, once the submission was answered.
    pub recorded: Option<i64>,
    pub closing: bool,
    pub cancelled: bool,
    pub confirmed: bool,
}

/// All that was said, by code.
pub type Ledger = BTreeMap<Cun, Said>;

/// Takes one line into the ledger. A line that was cut off is not taken.
pub fn hear(ledger: &mut Ledger, line: &str) {
    let mut words = line
        .strip_suffix('.')
        .into_iter()
        .flat_map(str::split_whitespace);
    let (Some(kind), Some(Ok(cun))) = (words.next(), words.next().map(Cun::parse)) else {
        return;
    };
    match kind {
        "record" => {
            let Some(Ok(person)) = words.next().map(str::parse) else {
                return;
            };
            let positive = words.next() == Some("P");
            let receipt = words.next() == Some("receipt");
            ledger.insert(
                cun,
                Said {
                    person,
                    positive,
                    receipt,
                    ..Said::default()
                },
            );
        }
        "recorded" => {
            ledger.get_mut(&cun).unwrap().recorded =
                words.next().and_then(|millis| millis.parse().ok())
        }
        "close" => ledger.get_mut(&cun).unwrap().closing = true,
        "cancelled" => ledger.get_mut(&cun).unwrap().cancelled = true,
        "confirmed" => ledger.get_mut(&cun).unwrap().confirmed = true,
        _ => {}
    }
}

/// What the load says each thing by.
pub type Say = Arc<dyn Fn(String) + Send + Sync>;

/// Submits, cancels, unlocks and confirms through these servers until an operation fails, saying each thing by `say`. The messages are numbered
/// from `first_message` on. Returns when every task has met a failure or `stop` is set.
pub async fn drive(
    servers: &[Arc<dyn Store>],
    clock: Arc<dyn Clock>,
    first_message: u32,
    stop: Arc<AtomicBool>,
    say: Say,
) {
    let person = Arc::new(AtomicU32::new(first_message));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&servers[task as usize % servers.len()]);
        let (clock, stop) = (Arc::clone(&clock), Arc::clone(&stop));
        let (say, person) = (Arc::clone(&say), Arc::clone(&person));
        tasks.spawn(async move {
            let first = FirstSymbol::from_index(task as usize % 25).unwrap();
            while !stop.load(Ordering::Acquire) {
                let reserved = match once_there_is_room(|| store.reserve(first, 16)).await {
                    Ok(reserved) => reserved,
                    // Codes of which nothing is known are nobody's.
                    Err(StoreError::UnknownOutcome { .. }) => continue,
                    Err(_) => return,
                };
                for reserved in reserved {
                    let person = person.fetch_add(1, Ordering::Relaxed);
                    match one(&*store, &*clock, reserved, person, &*say).await {
                        // What was not answered is not said to be: the next message.
                        Ok(()) | Err(StoreError::UnknownOutcome { .. }) => {}
                        Err(_) => return,
                    }
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

/// Asks again as long as the store has no room.
async fn once_there_is_room<T, F>(mut ask: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 0;
    loop {
        match ask().await {
            Err(StoreError::Overloaded { .. }) if tries < TRIES => tries += 1,
            answer => return answer,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One test and, of some, its end. What the store fails with, if it fails.
async fn one(
    store: &dyn Store,
    clock: &dyn Clock,
    reserved: ReservedCun,
    person: u32,
    say: &(dyn Fn(String) + Send + Sync),
) -> Result<(), StoreError> {
    let positive = person.is_multiple_of(3);
    let with_receipt = person.is_multiple_of(2);
    let test = submission(clock.now(), reserved, person, positive, with_receipt);
    let cun = reserved.cun;
    let (result, receipt) = (
        if positive { "P" } else { "N" },
        if with_receipt { "receipt" } else { "bare" },
    );
    say(format!("record {cun} {person} {result} {receipt} ."));
    let tries = AtomicU32::new(0);
    let recorded = once_there_is_room(|| {
        tries.fetch_add(1, Ordering::Relaxed);
        store.record_test(test.clone())
    });
    match recorded.await? {
        RecordOutcome::Recorded { inserted_at, .. } => {
            say(format!("recorded {cun} {} .", inserted_at.millis()))
        }
        // What was turned away may have burned its code.
        RecordOutcome::CodeTaken if tries.load(Ordering::Relaxed) > 1 => return Ok(()),
        other => panic!("a fresh code and a fresh key were not taken: {other:?}"),
    }
    match person % 15 {
        0 => {
            say(format!("close {cun} ."));
            let session = SessionId::random();
            let operator = operator(1);
            let open = OpenSession {
                cun,
                session,
                operator: operator.clone(),
                caller: call_center("CC1"),
                lifetime_millis: SESSION_MILLIS,
            };
            let opened = once_there_is_room(|| store.open_session(open.clone())).await?;
            let OpenOutcome::Opened(_) = opened else {
                panic!("not verified")
            };
            let claim = NewClaim {
                id: ClaimId(u64::from(person) + 1),
                deadline: clock.now().plus_millis(600_000),
            };
            let claim = ClaimUnlock {
                session,
                operator,
                caller: call_center("CC1"),
                claim,
            };
            let answer = once_there_is_room(|| store.claim_unlock(claim.clone())).await?;
            let ClaimOutcome::Claimed { claimed, .. } = answer else {
                panic!("not claimed")
            };
            let settlement = SettleUnlock {
                cun,
                claim: claimed.id,
                outcome: PostOutcome::Delivered,
            };
            once_there_is_room(|| store.settle_unlock(settlement)).await?;
            let confirmation = confirmation(cun, Some(session));
            let confirmed = once_there_is_room(|| store.confirm(confirmation.clone())).await?;
            assert_eq!(confirmed, ConcludeOutcome::Done(Effect::Done));
            say(format!("confirmed {cun} ."));
        }
        1 | 3 => {
            say(format!("close {cun} ."));
            let cancellation = cancellation(cun, person_of(person));
            let cancelled = once_there_is_room(|| store.cancel(cancellation.clone())).await?;
            assert!(
                matches!(
                    cancelled,
                    CancelOutcome::Done {
                        effect: Effect::Done,
                        ..
                    }
                ),
                "{cancelled:?}"
            );
            say(format!("cancelled {cun} ."));
        }
        _ => {}
    }
    Ok(())
}

fn submission(
    now: Timestamp,
    reserved: ReservedCun,
    person: u32,
    positive: bool,
    with_receipt: bool,
) -> NewTest {
    let result = if positive {
        TestResult::Positive
    } else {
        TestResult::Negative
    };
    let mut test = new_test(reserved, person_of(person), result, now);
    test.swab.contact = Some(contact(person));
    if with_receipt {
        test.repeatable = repeatable(&format!("KEY {person}"), "content");
    }
    test
}

/// Whether everything that was answered is there, by every reading path, and of everything else either all or nothing. Adds to the ledger
/// what turned out to have been recorded without an answer. Nothing but the load is in the place since the moment `since`.
pub async fn check(store: &dyn Store, clock: &dyn Clock, since: Timestamp, ledger: &mut Ledger) {
    let listed = list(store, since).await;
    let accessed = accesses(store, since).await;
    let codes: HashSet<Cun> = listed.iter().map(|(cun, _)| *cun).collect();
    assert_eq!(codes.len(), listed.len(), "a code is listed twice");
    assert!(
        codes.iter().all(|cun| ledger.contains_key(cun)),
        "a test is listed that nobody submitted"
    );
    let listed: HashMap<Cun, i64> = listed.into_iter().collect();
    for (&cun, said) in ledger.iter_mut() {
        let found = store.find_test(cun).await.unwrap();
        let digest = store.find_by_digest(cun.digest()).await.unwrap();
        let patient = store.find_patient(cun).await.unwrap();
        let access = accessed.get(&cun).copied().unwrap_or(0);
        let Some(found) = found else {
            assert!(said.recorded.is_none(), "an answered test is lost");
            assert!(
                digest.is_none() && patient.is_none() && !listed.contains_key(&cun) && access == 0,
                "half a test is there"
            );
            continue;
        };
        let inserted = found.inserted_at.millis();
        assert_eq!(
            *said.recorded.get_or_insert(inserted),
            inserted,
            "a test has another time than was answered"
        );
        assert!(digest.is_some(), "a test is not found by its digest");
        assert_eq!(access, 1, "a test has {access} access records");
        assert_eq!(found.result == TestResult::Positive, said.positive);
        let origin = Origin {
            issued_at: found.inserted_at,
            result: found.result,
            submitter: found.caller,
        };
        let state = found.life.state_at(
            &origin,
            Moment {
                now: clock.now(),
                clock_error_millis: 0,
            },
        );
        assert!(
            !said.cancelled || state == CunState::Cancelled,
            "an answered cancellation is lost"
        );
        assert!(
            !said.confirmed || state == CunState::Consumed,
            "an answered confirmation is lost"
        );
        assert!(
            said.closing || state == CunState::Issued,
            "a test changed that nobody touched"
        );
        assert_eq!(
            listed.get(&cun).copied(),
            (state != CunState::Cancelled).then_some(inserted),
            "the listing differs from the row"
        );
        let person = patient.map(|patient| patient.fiscal_code);
        assert_eq!(
            person,
            (said.positive && !state.is_over()).then(|| fiscal_code(person_of(said.person))),
            "the patients' archive differs"
        );
    }
}

/// Whether a retry of each message is answered as the first time. At most `most` of them.
pub async fn check_receipts(
    store: &dyn Store,
    clock: &dyn Clock,
    ledger: &mut Ledger,
    most: usize,
) {
    let with_receipt: Vec<Cun> = ledger
        .iter()
        .rev()
        .filter(|(_, said)| said.receipt)
        .map(|(cun, _)| *cun)
        .take(most)
        .collect();
    for cun in with_receipt {
        let said = ledger[&cun].clone();
        let reserved = store.reserve(cun.first_symbol(), 1).await.unwrap()[0];
        let outcome = store
            .record_test(submission(
                clock.now(),
                reserved,
                said.person,
                said.positive,
                true,
            ))
            .await
            .unwrap();
        match (said.recorded, outcome) {
            (
                Some(millis),
                RecordOutcome::Replayed {
                    cun: first,
                    inserted_at,
                },
            ) => {
                assert_eq!(
                    (first, inserted_at.millis()),
                    (cun, millis),
                    "a retry got another answer"
                );
            }
            (Some(_), RecordOutcome::ReplayedErased { .. }) => assert!(
                said.closing,
                "a retry was told that a living test is erased"
            ),
            (None, RecordOutcome::Recorded { inserted_at, .. }) => {
                // The first message left nothing: the retry has made the test.
                ledger.remove(&cun);
                ledger.insert(
                    reserved.cun,
                    Said {
                        recorded: Some(inserted_at.millis()),
                        closing: false,
                        ..said
                    },
                );
            }
            (_, other) => panic!(
                "a retry of a message answered {:?} was answered {other:?}",
                said.recorded
            ),
        }
    }
}

async fn list(store: &dyn Store, since: Timestamp) -> Vec<(Cun, i64)> {
    let mark = store.listing_mark().await.unwrap();
    let mut request = ListingRequest {
        scope: ListingScope::Region(region()),
        from: since,
        to: Timestamp::MAX,
        mark,
        after: None,
        limit: 10_000,
    };
    let mut tests = Vec::new();
    loop {
        let page = store.list_page(request.clone()).await.unwrap();
        tests.extend(
            page.tests
                .iter()
                .map(|test| (test.cun, test.inserted_at.millis())),
        );
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    assert!(
        tests.is_sorted_by_key(|(_, inserted)| *inserted),
        "the listing is out of order"
    );
    tests
}

/// How many access records each submission has.
async fn accesses(store: &dyn Store, since: Timestamp) -> HashMap<Cun, usize> {
    let mut query = AccessQuery {
        from: since,
        to: Timestamp::MAX,
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 10_000,
    };
    let mut counts = HashMap::new();
    loop {
        let page = store.search_access(query.clone()).await.unwrap();
        for record in page.records {
            if let TransactionId::Cun(cun) = record.transaction {
                *counts.entry(cun).or_default() += 1;
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return counts,
        }
    }
}

/// The load of two runs, each ended in order.
pub async fn what_was_answered_under_load_is_there_after_an_end(world: World) {
    let mut world = world;
    let ledger = Arc::new(Mutex::new(Ledger::new()));
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    for round in 0..2 {
        let stop = Arc::new(AtomicBool::new(false));
        let say: Say = {
            let (ledger, stop) = (Arc::clone(&ledger), Arc::clone(&stop));
            Arc::new(move |line| {
                let mut ledger = ledger.lock().unwrap();
                hear(&mut ledger, &line);
                let answered = ledger.values().filter(|said| said.recorded.is_some());
                if answered.count() >= (round + 1) * ANSWERED {
                    stop.store(true, Ordering::Release);
                }
            })
        };
        let first_message = round as u32 * 20_000;
        drive(world.servers(), clock.clone(), first_message, stop, say).await;
        world = world.reopen().await;
        let mut heard = std::mem::take(&mut *ledger.lock().unwrap());
        check(&**world.store(), &*clock, world.began(), &mut heard).await;
        check_receipts(&**world.store(), &*clock, &mut heard, 50).await;
        assert!(heard.len() >= (round + 1) * ANSWERED);
        *ledger.lock().unwrap() = heard;
    }
}
