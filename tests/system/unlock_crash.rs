//! SIGKILL while codes are on their way: between the claim of a CUN, the post, and its outcome (§2.4.1.1).
//!
//! Failure here means that a server which died let a second session deliver a code for the same positive test, or that a code is stuck: neither
//! the operator who had it, nor anybody else, can bring it to its end. The answers about a CUN are judged by the rules of the load tests' ledger;
//! what has reached the backend they do not know, and is counted here.

use std::thread;
use std::time::{Duration, Instant};

use immuni_stand_in::{Behaviour, Fault};
use rand::RngExt as _;
use sistema_ts_loadtest::ledger::{Kind, Rule};

use crate::support::chain::Chain;
use crate::support::installation::COLLEAGUE;
use crate::support::positives::{BookedChain, Positive};
use crate::support::{otp, spin_until, until};

/// CUNs on their way at one kill.
const AT_ONCE: u64 = 12;

/// The rules that all of these tests must have something for.
const JUDGED: [Rule; 3] = [Rule::OneUnlock, Rule::ConfirmedGone, Rule::OneOrder];

/// A positive test with two verifications: one operator is at work on it when the server dies, the other tries afterwards.
struct Case {
    first: Positive,
    second: Positive,
}

impl Case {
    fn new(booked: &BookedChain, number: u64) -> Self {
        let person = usize::try_from(number % 100).unwrap();
        let mut first = booked.positive_of(person, otp(2 * number));
        let mut second = first.with(COLLEAGUE, otp(2 * number + 1));
        booked.verify(&mut first);
        booked.verify(&mut second);
        Self { first, second }
    }

    /// How often the backend has the code of each operator.
    fn stored(&self, booked: &BookedChain) -> [u64; 2] {
        [&self.first, &self.second].map(|positive| booked.chain.backend.stored(&positive.code))
    }

    /// After the restart: the second operator tries until it is told something final, then the code is brought to its end. Whether it counted as
    /// the first operator's; otherwise it was never claimed, or surely nothing was sent.
    fn finish(&self, booked: &BookedChain) -> bool {
        let told = booked.ask(&self.second, Kind::Unlock);
        let stored = self.stored(booked);
        let is_taken = told.is_refused(&[3012]);
        if is_taken {
            assert_eq!(booked.chain.backend.posts(&self.second.code), 0);
            // The operator who had it goes on with it, whether the code has arrived or not.
            let told = booked.ask(&self.first, Kind::Unlock);
            let finding = if stored[0] == 0 { 0 } else { 5001 };
            assert!(told.is_done(finding), "{told:?}");
            assert_eq!(self.stored(booked), [1, 0]);
        } else {
            assert!(told.is_done(0), "{told:?}");
            // Nobody else's code was or will be authorised: what is delivered twice is found at the end of the test.
            assert_eq!(stored, [0, 1]);
        }
        let told = booked.ask(&self.first, Kind::Confirm);
        assert!(told.is_done(0), "{told:?}");
        is_taken
    }
}

/// Has the first operators of all cases unlock at once, kills the server when `when` returns, and starts it again beside a well-behaved backend.
fn kill_while_unlocking(
    booked: BookedChain,
    cases: &[Case],
    when: impl FnOnce(&Chain),
) -> BookedChain {
    let firsts = cases.iter().map(|case| (Kind::Unlock, case.first.clone()));
    let firsts: Vec<_> = firsts.collect();
    booked.die_while(&firsts, |chain, _| when(chain)).0
}

fn cases(booked: &BookedChain, round: u64) -> Vec<Case> {
    (0..AT_ONCE)
        .map(|at| Case::new(booked, round * AT_ONCE + at))
        .collect()
}

/// All of them at once: each may have to wait for the same deadline.
fn finish_all(booked: &BookedChain, cases: &[Case]) -> Vec<bool> {
    thread::scope(|scope| {
        let finishing: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(|| case.finish(booked)))
            .collect();
        let found = finishing.into_iter().map(|case| case.join().unwrap());
        found.collect()
    })
}

#[test]
fn a_kill_between_post_and_outcome_leaves_the_code_to_the_operator_who_had_it() {
    let mut booked = BookedChain::start();
    for (round, fault) in [Fault::Hang, Fault::HangAfterStoring]
        .into_iter()
        .enumerate()
    {
        let cases = cases(&booked, round as u64);
        booked.chain.backend.fails(fault, u64::MAX);
        let before = booked.chain.backend.counts().requests;
        booked = kill_while_unlocking(booked, &cases, |chain| {
            until("all posts have arrived", || {
                chain.backend.counts().requests == before + AT_ONCE
            });
        });
        let are_taken = finish_all(&booked, &cases);
        assert_eq!(are_taken, vec![true; cases.len()], "{fault:?}");
    }
    booked.judge(&JUDGED);
}

#[test]
fn a_kill_while_the_backend_is_down_leaves_no_code_stuck_or_free_too_early() {
    let booked = BookedChain::start();
    let cases = cases(&booked, 0);
    booked.chain.backend.goes_down();
    let booked = kill_while_unlocking(booked, &cases, |chain| {
        until("the tries have begun", || {
            chain.server.metric("sistema_ts_relay_tries_total", &[]) > 0.0
        });
    });
    // Each was claimed or not yet, and nothing had arrived of any.
    finish_all(&booked, &cases);
    booked.judge(&JUDGED);
}

#[test]
fn killed_at_any_moment_no_code_is_delivered_for_two_sessions_and_none_is_stuck() {
    let mut booked = BookedChain::start();
    for round in 0..6 {
        let cases = cases(&booked, round);
        booked.chain.backend.behave(Behaviour {
            delay_milliseconds: round % 3,
            latency_at_most_milliseconds: Some(20),
            ..Behaviour::default()
        });
        let moment = Duration::from_micros(rand::rng().random_range(0..12_000));
        booked = kill_while_unlocking(booked, &cases, |_| {
            spin_until(Instant::now() + moment);
        });
        finish_all(&booked, &cases);
        for case in &cases {
            let [first, second] = case.stored(&booked);
            assert_eq!(first + second, 1, "killed after {moment:?}");
        }
    }
    booked.judge(&JUDGED);
}
