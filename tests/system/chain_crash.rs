//! SIGKILL of the server while all services of the chain are at work, and while an ASL's or an operator's code is on its way; the same data under
//! a new server afterwards. (Two sessions and SIGKILL: `unlock_crash`.)
//!
//! Failure here means that something that was answered does not hold after the kill or has no access record, that an unanswered request was done
//! by half, or that a CUN whose holder died is stuck, moves before it may, or moves for somebody who may not move it.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use immuni_stand_in::{Behaviour, Fault};
use rand::RngExt as _;

use crate::support::chain::{Chain, told};
use crate::support::installation::{
    ASL_OPERATOR, COLLEAGUE, DESK, OTHER_CALL_CENTRE, STRANGER, card_of,
};
use crate::support::{Message, Session, Submission, fiscal_code, otp, spin_until, until};

/// The shortest deadline that there is, in seconds, and the permitted clock error.
const SETTINGS: &[(&str, &str)] = &[
    ("IMMUNI__DEADLINE_SECONDS", "2"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "2000"),
    ("STORE__PERMITTED_CLOCK_ERROR_MILLISECONDS", "100"),
];

/// After so long nobody's claim lives any more: deadline and permitted clock error.
const CLAIM_LIVES: Duration = Duration::from_millis(2_100);

/// Kills at a random moment; `SISTEMA_TS_CRASH_ROUNDS` sets another number.
const ROUNDS: u64 = 8;

/// What the server is asked to do when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Verify,
    Unlock,
    Confirm,
    Annul,
    Cancel,
    AslOtp,
}

const WORKS: [Work; 6] = [
    Work::Verify,
    Work::Unlock,
    Work::Confirm,
    Work::Annul,
    Work::Cancel,
    Work::AslOtp,
];

/// Of each work at once.
const EACH: u64 = 4;

/// A positive, got as far as the work asks.
struct Case {
    work: Work,
    person: usize,
    cun: String,
    session: String,
    code: String,
}

/// What a request was told: outcome, findings in a row, transaction, and the id of a verification if there is one.
#[derive(Debug)]
struct Told {
    outcome: String,
    findings: String,
    transaction: String,
    verification: String,
}

impl Told {
    fn is(&self, outcome: &str, findings: &[&str]) -> bool {
        self.outcome == outcome && findings.contains(&self.findings.as_str())
    }

    fn is_done(&self) -> bool {
        self.is("0000", &[""])
    }
}

/// `None` without an answer, or with the one that says that nothing was done: a busy machine.
fn try_ask(session: &mut Session, message: &Message) -> Option<Told> {
    let reply = session.try_ask(message).ok()?;
    if reply.is_unavailable() {
        return None;
    }
    let (outcome, findings) = told(&reply);
    Some(Told {
        outcome: outcome.to_owned(),
        findings: findings.join(" "),
        transaction: reply.transaction().to_owned(),
        verification: reply.value("idVerificaTampone").to_owned(),
    })
}

/// The answer of a server that lives; asked again while it says that it is too busy.
fn ask(session: &mut Session, message: &Message) -> Told {
    let mut told = None;
    until("an answer", || {
        told = try_ask(session, message);
        told.is_some()
    });
    told.unwrap()
}

/// Repeats a request until it is told something else than that a code is on its way.
fn ask_until_claim_ends(session: &mut Session, message: &Message) -> Told {
    let mut told = ask(session, message);
    until("the dead holder's claim ends", || {
        if told.is("9999", &["3011"]) {
            told = ask(session, message);
        }
        !told.is("9999", &["3011"])
    });
    told
}

impl Case {
    fn new(chain: &Chain, work: Work, number: u64) -> Self {
        let person = usize::try_from(number % 100).unwrap();
        let cun = chain.submitted(&Submission::about(person));
        let mut case = Self {
            work,
            person,
            cun,
            session: String::new(),
            code: otp(3 * number),
        };
        let mut desk = chain.desk();
        if matches!(work, Work::Unlock | Work::Confirm | Work::Annul) {
            let verified = ask(&mut desk, &case.verification(DESK));
            assert!(verified.is_done(), "{verified:?}");
            case.session = verified.verification;
        }
        if matches!(work, Work::Confirm | Work::Annul) {
            let earlier = Message::unlock(DESK, &case.session, &otp(3 * number + 1));
            let unlocked = ask(&mut desk, &earlier);
            assert!(unlocked.is_done(), "{unlocked:?}");
        }
        case
    }

    fn verification(&self, operator: &str) -> Message {
        Message::verification(operator, &card_of(self.person), &self.cun)
    }

    fn cancellation(&self) -> Message {
        Message::cancellation(&self.cun, &fiscal_code(self.person))
    }

    /// What is asked when the server dies, and once more afterwards.
    fn message(&self) -> Message {
        match self.work {
            Work::Verify => self.verification(DESK),
            Work::Unlock => Message::unlock(DESK, &self.session, &self.code),
            Work::Confirm => Message::confirmation("C", DESK, &self.cun),
            Work::Annul => Message::confirmation("A", DESK, &self.cun),
            Work::Cancel => self.cancellation(),
            Work::AslOtp => {
                let patient = fiscal_code(self.person);
                Message::asl_otp_of_region(ASL_OPERATOR, &self.code, &patient)
            }
        }
    }

    /// A connection of who asks that.
    fn connection(&self, chain: &Chain) -> Session {
        match self.work {
            Work::Cancel | Work::AslOtp => chain.region(),
            _ => chain.desk(),
        }
    }

    /// After the restart: what was answered holds, what was not was done wholly or not at all, and nothing is stuck.
    fn check(&self, chain: &Chain, answered: Option<&Told>) {
        if let Some(told) = answered {
            assert!(told.is_done(), "{:?}: {told:?}", self.work);
        }
        let was_answered = answered.is_some();
        let (mut desk, mut region) = (chain.desk(), chain.region());
        let confirm = Message::confirmation("C", DESK, &self.cun);
        match self.work {
            Work::Verify => {
                let session = answered.map_or_else(
                    || {
                        // Unanswered, it may be asked again: nothing was done to the code.
                        let verified = ask(&mut desk, &self.verification(DESK));
                        assert!(verified.is_done(), "{verified:?}");
                        verified.verification
                    },
                    |told| told.verification.clone(),
                );
                let unlock = Message::unlock(DESK, &session, &self.code);
                let unlocked = ask(&mut desk, &unlock);
                assert!(unlocked.is_done(), "{unlocked:?}");
                assert!(ask(&mut desk, &confirm).is_done());
            }
            Work::Unlock => self.check_unlock(chain, was_answered),
            Work::Confirm => {
                let again = ask(&mut desk, &confirm);
                let is_done_before = again.is("0001", &["3022"]);
                assert!(is_done_before || !was_answered && again.is_done());
                // Its person is erased with it.
                let told = ask(&mut region, &self.cancellation());
                assert!(told.is("9999", &["3002", "3014"]), "{told:?}");
            }
            Work::Annul => {
                let again = ask(&mut desk, &self.message());
                let is_done_before = again.is("0001", &["3023"]);
                assert!(is_done_before || !was_answered && again.is_done());
                // The code is free, and its old verification closed.
                let old = Message::unlock(DESK, &self.session, &self.code);
                assert!(ask(&mut desk, &old).is("9999", &["3004"]));
                let verified = ask(&mut desk, &self.verification(COLLEAGUE));
                assert!(verified.is_done(), "{verified:?}");
            }
            Work::Cancel => {
                let again = ask(&mut region, &self.cancellation());
                let is_done_before = again.is("0001", &["3021"]);
                assert!(is_done_before || !was_answered && again.is_done());
                assert!(ask(&mut desk, &confirm).is("9999", &["3003"]));
            }
            Work::AslOtp => self.check_asl_otp(chain, was_answered),
        }
    }

    fn check_unlock(&self, chain: &Chain, was_answered: bool) {
        let mut desk = chain.desk();
        let stored = chain.backend.stored(&self.code);
        assert!(stored == 1 || !was_answered);
        let confirm = Message::confirmation("C", DESK, &self.cun);
        let told = ask_until_claim_ends(&mut desk, &confirm);
        if told.is_done() {
            return;
        }
        // It was never claimed, so nothing can have been sent.
        assert!(told.is("9999", &["3003"]), "{told:?}");
        assert!(!was_answered && stored == 0, "delivered and forgotten");
        let unlocked = ask(&mut desk, &self.message());
        assert!(unlocked.is_done(), "{unlocked:?}");
        assert!(ask(&mut desk, &confirm).is_done());
    }

    fn check_asl_otp(&self, chain: &Chain, was_answered: bool) {
        let mut region = chain.region();
        let stored = chain.backend.stored(&self.code);
        assert!(stored == 1 || !was_answered);
        let told = ask_until_claim_ends(&mut region, &self.cancellation());
        if told.is_done() {
            // It was never claimed, so nothing can have been sent.
            assert!(!was_answered && stored == 0, "delivered and not used up");
        } else {
            assert!(told.is("9999", &["3002", "3014"]), "{told:?}");
        }
    }
}

/// Transactions of all access records, as `sistema-ts audit search` shows them beside the running server.
fn recorded(chain: &Chain) -> BTreeSet<String> {
    let shown = chain.installation.run(&["audit", "search"]);
    shown
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["transaction"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Asks all at once, and kills the server after this long; what was answered before.
fn ask_all_and_kill(chain: &Chain, cases: &[Case], after: Duration) -> Vec<Option<Told>> {
    let connections: Vec<_> = cases.iter().map(|case| case.connection(chain)).collect();
    thread::scope(|scope| {
        let asking: Vec<_> = cases
            .iter()
            .zip(connections)
            .map(|(case, mut session)| scope.spawn(move || try_ask(&mut session, &case.message())))
            .collect();
        spin_until(Instant::now() + after);
        chain.server.signal(libc::SIGKILL);
        asking
            .into_iter()
            .map(|asking| asking.join().unwrap())
            .collect()
    })
}

#[test]
fn what_was_answered_holds_and_has_its_record_and_the_rest_is_done_or_not() {
    let rounds = std::env::var("SISTEMA_TS_CRASH_ROUNDS")
        .map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let mut chain = Chain::start_with(SETTINGS);
    let (mut number, mut answers, mut silences) = (0, 0, 0);
    for round in 0..rounds {
        let cases: Vec<_> = (0..EACH)
            .flat_map(|_| WORKS)
            .map(|work| {
                number += 1;
                Case::new(&chain, work, number)
            })
            .collect();
        chain.backend.behave(Behaviour {
            delay_milliseconds: round % 3,
            latency_at_most_milliseconds: Some(20),
            ..Behaviour::default()
        });
        let after = Duration::from_micros(rand::rng().random_range(0..60_000));
        let told = ask_all_and_kill(&chain, &cases, after);
        chain = chain.restart(SETTINGS);
        let records = recorded(&chain);
        for told in told.iter().flatten() {
            let transaction = &told.transaction;
            assert!(records.contains(transaction), "no record of {told:?}");
        }
        answers += told.iter().flatten().count();
        silences += told.iter().filter(|told| told.is_none()).count();
        // All of them at once: each may have to wait for the same deadline.
        thread::scope(|scope| {
            for (case, told) in cases.iter().zip(&told) {
                let chain = &chain;
                scope.spawn(move || case.check(chain, told.as_ref()));
            }
        });
    }
    // Both happened, or the moments were badly chosen.
    assert!(answers > 0 && silences > 0, "{answers} and {silences}");
}

/// Has it asked, kills the server once the backend has the code and never answers, and starts it again. The moment before the claim.
fn die_while_posting(chain: Chain, case: &Case, fault: Fault) -> (Chain, Instant) {
    chain.backend.behave(Behaviour {
        fault: Some(fault),
        ..Behaviour::default()
    });
    let requests = chain.backend.counts().requests;
    let began = Instant::now();
    let mut session = case.connection(&chain);
    session.send(&case.message()).unwrap();
    until("the post has arrived", || {
        chain.backend.counts().requests > requests
    });
    let chain = chain.restart(SETTINGS);
    chain.backend.behave(Behaviour::default());
    (chain, began)
}

/// As [`ask_until_claim_ends`], which is not before it may.
fn wait_for_end(session: &mut Session, message: &Message, began: Instant) -> Told {
    let told = ask_until_claim_ends(session, message);
    let after = began.elapsed();
    assert!(after >= CLAIM_LIVES, "{told:?} after {after:?}");
    told
}

#[test]
fn a_code_whose_operators_server_died_is_that_operators_after_the_deadline_and_not_before() {
    let mut chain = Chain::start_with(SETTINGS);
    for (number, kind) in [(1, "C"), (2, "A")] {
        let case = Case::new(&chain, Work::Unlock, number);
        // A second operator has verified it, too.
        let second = ask(&mut chain.desk(), &case.verification(COLLEAGUE)).verification;
        let second = Message::unlock(COLLEAGUE, &second, &otp(1_000 + number));
        let (restarted, began) = die_while_posting(chain, &case, Fault::HangAfterStoring);
        chain = restarted;
        let (mut desk, mut other) = (chain.desk(), chain.desk_of(OTHER_CALL_CENTRE));
        let by_stranger = Message::confirmation(kind, STRANGER, &case.cun);
        // Until the deadline nobody moves it; asking does not either.
        let told = wait_for_end(&mut desk, &second, began);
        assert!(told.is("9999", &["3012"]), "{told:?}");
        assert_eq!(chain.backend.posts(&otp(1_000 + number)), 0);
        let told = ask(&mut other, &by_stranger);
        assert!(told.is("9999", &["3003"]), "{told:?}");
        // Its operator may ask what became of the code.
        let told = ask(&mut desk, &case.message());
        assert!(told.is("0001", &["5001"]), "{told:?}");
        let told = ask(&mut desk, &Message::confirmation(kind, DESK, &case.cun));
        assert!(told.is_done(), "{told:?}");
        let told = ask(&mut desk, &second);
        if kind == "A" {
            assert!(told.is_done(), "{told:?}");
        } else {
            assert!(told.is("9999", &["3004", "3014"]), "{told:?}");
        }
    }
}

#[test]
fn a_code_whose_asls_server_died_is_used_up_after_the_deadline_and_not_before() {
    let mut chain = Chain::start_with(SETTINGS);
    for (number, fault) in [(1, Fault::Hang), (2, Fault::HangAfterStoring)] {
        // Two positives of the person: one free, one unlocked by an operator.
        let case = Case::new(&chain, Work::AslOtp, number);
        let unlocked = Case {
            code: otp(500 + number),
            ..Case::new(&chain, Work::Confirm, number)
        };
        let (restarted, began) = die_while_posting(chain, &case, fault);
        chain = restarted;
        let mut region = chain.region();
        let told = wait_for_end(&mut region, &case.cancellation(), began);
        assert!(told.is("9999", &["3002", "3014"]), "{told:?}");
        // The operator who had unlocked one hears that it is confirmed, and nothing can be annulled any more.
        let mut desk = chain.desk();
        let told = ask(&mut desk, &Message::confirmation("A", DESK, &unlocked.cun));
        assert!(told.is("9999", &["3003"]), "{told:?}");
        let told = ask(&mut desk, &unlocked.message());
        assert!(told.is("0001", &["3022"]), "{told:?}");
        // Neither can be verified: their person is erased.
        for cun in [&case.cun, &unlocked.cun] {
            let card = card_of(case.person);
            let told = ask(&mut desk, &Message::verification(DESK, &card, cun));
            assert!(told.is("9999", &["3001"]), "{told:?}");
        }
        // The ASL may send another code.
        let next =
            Message::asl_otp_of_region(ASL_OPERATOR, &otp(700 + number), &fiscal_code(case.person));
        assert!(ask(&mut region, &next).is_done());
    }
}

#[test]
fn a_server_that_dies_again_before_the_deadline_changes_nothing() {
    let chain = Chain::start_with(SETTINGS);
    let case = Case::new(&chain, Work::Unlock, 1);
    let (mut chain, began) = die_while_posting(chain, &case, Fault::Hang);
    for _ in 0..2 {
        // Asked, which reads the row, and killed.
        let told = ask(&mut chain.region(), &case.cancellation());
        let is_over = began.elapsed() >= CLAIM_LIVES;
        assert!(is_over || told.is("9999", &["3011"]), "{told:?}");
        if is_over {
            // A machine too slow for this test: the submitter may cancel by now.
            return;
        }
        chain = chain.restart(SETTINGS);
    }
    let confirm = Message::confirmation("C", DESK, &case.cun);
    let told = wait_for_end(&mut chain.desk(), &confirm, began);
    assert!(told.is_done(), "{told:?}");
}
