//! SIGKILL of the server while all services of the chain are at work, and while an ASL's or an operator's code is on its way; the same data under
//! a new server afterwards. (Two sessions and SIGKILL: `unlock_crash`.)
//!
//! Failure here means that something that was answered does not hold after the kill or has no access record, that an unanswered request was done
//! by half, or that a CUN whose holder died is stuck, moves before it may, or moves for somebody who may not move it. That the answers about a CUN
//! fit together, over the kill, is for the rules of the load tests' ledger. What they do not know is asserted here: access records, how long a claim
//! lives, what reached the backend, which CUNs a code of the ASL uses up, and whose an operator's code is.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use immuni_stand_in::{Behaviour, Fault};
use rand::RngExt as _;
use sistema_ts_loadtest::ledger::{Kind, Rule};

use crate::support::installation::{COLLEAGUE, DESK, STRANGER};
use crate::support::positives::{BookedChain, Positive, Told};
use crate::support::{otp, spin_until, until};

/// After so long nobody's claim lives any more: deadline and permitted clock error.
const CLAIM_LIVES: Duration = Duration::from_millis(2_100);

/// Kills at a random moment; `SISTEMA_TS_CRASH_ROUNDS` sets another number.
const ROUNDS: u64 = 8;

/// What the server is asked to do when it is killed.
const WORKS: [Kind; 6] = [
    Kind::Verify,
    Kind::Unlock,
    Kind::Confirm,
    Kind::Annul,
    Kind::Cancel,
    Kind::SendCode,
];

/// Of each work at once.
const EACH: usize = 4;

/// A positive, got as far as the work asks.
fn made_ready(booked: &BookedChain, work: Kind, number: u64) -> Positive {
    // A multiple of the works: no code of the ASL is for a person of another work.
    let person = usize::try_from(number % 96).unwrap();
    let mut positive = booked.positive_of(person, otp(3 * number + 1));
    if matches!(work, Kind::Unlock | Kind::Confirm | Kind::Annul) {
        booked.verify(&mut positive);
        assert!(work == Kind::Unlock || booked.ask(&positive, Kind::Unlock).is_done(0));
    }
    positive.code = otp(3 * number);
    positive
}

/// After the restart: the same is asked again, and then what follows, up to the end of the positive. Nothing of it may be stuck.
fn finish(booked: &BookedChain, work: Kind, mut positive: Positive, answered: Option<&Told>) {
    let is_stored = booked.chain.backend.stored(&positive.code) == 1;
    if let Some(told) = answered {
        assert!(told.is_done(0), "{work:?}: {told:?}");
        assert!(is_stored || !matches!(work, Kind::Unlock | Kind::SendCode));
    }
    match (work, answered) {
        // The verification holds.
        (Kind::Verify, Some(told)) => positive.session = told.session(),
        (Kind::Verify, None) => booked.verify(&mut positive),
        (Kind::SendCode, _) => {
            let told = booked.ask(&positive, Kind::Cancel);
            // Either it was never claimed, so that nothing can have been sent, or it is used up.
            let is_free = told.is_done(0) && answered.is_none() && !is_stored;
            assert!(is_free || told.is_refused(&[3002, 3014]), "{told:?}");
            return;
        }
        (Kind::Unlock, _) => {
            // What was delivered is not forgotten.
            let again = booked.ask(&positive, work);
            assert!(again.is_done(if is_stored { 5001 } else { 0 }), "{again:?}");
        }
        _ => assert_ne!(booked.ask(&positive, work).1.outcome(), "9999"),
    }
    if work == Kind::Annul {
        // The code is free, and its old verification closed.
        let old = booked.ask(&positive, Kind::Unlock);
        assert!(old.is_refused(&[3004]), "{old:?}");
        positive.operator = COLLEAGUE;
        booked.verify(&mut positive);
    }
    if matches!(work, Kind::Verify | Kind::Annul) {
        assert!(booked.ask(&positive, Kind::Unlock).is_done(0));
    }
    // It ends one way and not the other. Whether it had ended before is for the rules to say.
    let ends = [Kind::Confirm, Kind::Cancel];
    let is_so = ends.map(|end| booked.ask(&positive, end).1.outcome() != "9999");
    assert_eq!(is_so, [work != Kind::Cancel, work == Kind::Cancel]);
}

#[test]
fn what_was_answered_holds_and_has_its_record_and_the_rest_is_done_or_not() {
    let rounds = std::env::var("SISTEMA_TS_CRASH_ROUNDS")
        .map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let mut booked = BookedChain::start();
    let (mut number, mut answers, mut silences) = (0, 0, 0);
    for round in 0..rounds {
        let mut cases = Vec::new();
        for work in [WORKS; EACH].concat() {
            number += 1;
            cases.push((work, made_ready(&booked, work, number)));
        }
        booked.chain.backend.behave(Behaviour {
            delay_milliseconds: round % 3,
            latency_at_most_milliseconds: Some(20),
            ..Behaviour::default()
        });
        let most = rand::rng().random_range(0..cases.len());
        let after = Duration::from_micros(rand::rng().random_range(0..3_000));
        let (restarted, told) = booked.die_while(&cases, |_, ended| {
            until("some have their answers", || {
                ended.load(Ordering::Relaxed) >= most
            });
            spin_until(Instant::now() + after);
        });
        booked = restarted;
        let records = booked.chain.installation.run(&["audit", "search"]);
        for told in told.iter().flatten() {
            let record = format!(r#""transaction":"{}""#, told.1.transaction());
            assert!(records.contains(&record), "no record of {told:?}");
        }
        answers += told.iter().flatten().count();
        silences += told.iter().filter(|told| told.is_none()).count();
        // All of them at once: each may have to wait for the same deadline.
        thread::scope(|scope| {
            for ((work, positive), told) in cases.into_iter().zip(&told) {
                let booked = &booked;
                scope.spawn(move || finish(booked, work, positive, told.as_ref()));
            }
        });
    }
    // Both happened, or the moments were badly chosen.
    assert!(answers > 0 && silences > 0, "{answers} and {silences}");
    booked.judge(&[
        Rule::CunOnce,
        Rule::CancelledGone,
        Rule::OneUnlock,
        Rule::ConfirmedGone,
        Rule::OneOrder,
    ]);
}

/// Has it asked, kills the server once the backend has the code and never answers, and starts it again. The moment before the claim.
fn die_while_posting(
    booked: BookedChain,
    positive: &Positive,
    work: Kind,
    fault: Fault,
) -> (BookedChain, Instant) {
    booked.chain.backend.fails(fault, u64::MAX);
    let requests = booked.chain.backend.counts().requests;
    let began = Instant::now();
    let (booked, _) = booked.die_while(&[(work, positive.clone())], |chain, _| {
        until("the post has arrived", || {
            chain.backend.counts().requests > requests
        });
    });
    (booked, began)
}

/// The answer when the claim has ended, which is not before it may.
fn wait_for_end(booked: &BookedChain, asked: &Positive, kind: Kind, began: Instant) -> Told {
    let told = booked.ask(asked, kind);
    let after = began.elapsed();
    assert!(after >= CLAIM_LIVES, "{told:?} after {after:?}");
    told
}

#[test]
fn a_code_whose_operators_server_died_is_that_operators_after_the_deadline_and_not_before() {
    let mut booked = BookedChain::start();
    for (number, kind) in [(1, Kind::Confirm), (2, Kind::Annul)] {
        let positive = made_ready(&booked, Kind::Unlock, number);
        // A second operator has verified it, too.
        let mut second = positive.with(COLLEAGUE, otp(1_000 + number));
        booked.verify(&mut second);
        let (restarted, began) =
            die_while_posting(booked, &positive, Kind::Unlock, Fault::HangAfterStoring);
        booked = restarted;
        // Until the deadline nobody moves it; asking does not either.
        let told = wait_for_end(&booked, &second, Kind::Unlock, began);
        assert!(told.is_refused(&[3012]), "{told:?}");
        assert_eq!(booked.chain.backend.posts(&second.code), 0);
        let told = booked.ask(&positive.with(STRANGER, String::new()), kind);
        assert!(told.is_refused(&[3003]), "{told:?}");
        // Its operator may ask what became of the code.
        let told = booked.ask(&positive, Kind::Unlock);
        assert!(told.is_done(5001), "{told:?}");
        let told = booked.ask(&positive, kind);
        assert!(told.is_done(0), "{told:?}");
        let told = booked.ask(&second, Kind::Unlock);
        // After a confirmation the rules know that it is none's.
        assert!(kind == Kind::Confirm || told.is_done(0), "{told:?}");
    }
    booked.judge(&[Rule::OneUnlock, Rule::ConfirmedGone, Rule::OneOrder]);
}

#[test]
fn a_code_whose_asls_server_died_is_used_up_after_the_deadline_and_not_before() {
    let mut booked = BookedChain::start();
    for (number, fault) in [(1, Fault::Hang), (2, Fault::HangAfterStoring)] {
        // Two positives of the person: one free, one unlocked by an operator.
        let free = made_ready(&booked, Kind::SendCode, number);
        let unlocked = made_ready(&booked, Kind::Confirm, number);
        let (restarted, began) = die_while_posting(booked, &free, Kind::SendCode, fault);
        booked = restarted;
        let told = wait_for_end(&booked, &free, Kind::Cancel, began);
        assert!(told.is_refused(&[3002, 3014]), "{told:?}");
        // The operator who had unlocked one hears that it is confirmed, and nothing can be annulled any more.
        let told = booked.ask(&unlocked, Kind::Annul);
        assert!(told.is_refused(&[3003]), "{told:?}");
        let told = booked.ask(&unlocked, Kind::Confirm);
        assert!(told.is_done(3022), "{told:?}");
        // Neither can be verified: their person is erased.
        for positive in [&free, &unlocked] {
            let told = booked.ask(positive, Kind::Verify);
            assert!(told.is_refused(&[3001]), "{told:?}");
        }
        // The ASL may send another code.
        let next = free.with(DESK, otp(700 + number));
        assert!(booked.ask(&next, Kind::SendCode).is_done(0));
    }
    booked.judge(&[Rule::CunOnce, Rule::ConfirmedGone]);
}

#[test]
fn a_server_that_dies_again_before_the_deadline_changes_nothing() {
    let booked = BookedChain::start();
    let positive = made_ready(&booked, Kind::Unlock, 1);
    let (mut booked, began) = die_while_posting(booked, &positive, Kind::Unlock, Fault::Hang);
    for _ in 0..2 {
        // Asked, which reads the row, and killed.
        let told = booked.try_ask(&mut booked.chain.region(), &positive, Kind::Cancel);
        let is_over = began.elapsed() >= CLAIM_LIVES;
        let is_on_its_way = |told: &Told| told.is_refused(&[3011]);
        assert!(
            is_over || told.as_ref().is_none_or(is_on_its_way),
            "{told:?}"
        );
        if is_over {
            // A machine too slow for this test: the submitter may cancel by now.
            return;
        }
        booked = booked.die_while(&[], |_, _| {}).0;
    }
    let told = wait_for_end(&booked, &positive, Kind::Confirm, began);
    assert!(told.is_done(0), "{told:?}");
    booked.judge(&[Rule::ConfirmedGone, Rule::OneOrder]);
}
