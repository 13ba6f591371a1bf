//! SIGKILL while codes are on their way: between the claim of a CUN, the post, and its outcome (§2.4.1.1).
//!
//! Failure here means that a server which died let a second session deliver a code for the same positive test, or that a code is stuck: neither
//! the operator who had it, nor anybody else, can bring it to its end.

use std::thread;
use std::time::{Duration, Instant};

use immuni_stand_in::{Behaviour, Fault};
use rand::RngExt as _;

use crate::support::chain::{Chain, told};
use crate::support::installation::{COLLEAGUE, DESK, card_of};
use crate::support::{Message, Submission, otp, spin_until, until};

/// The shortest deadline that there is: nobody waits for a dead holder's longer.
const SETTINGS: &[(&str, &str)] = &[
    ("IMMUNI__DEADLINE_SECONDS", "2"),
    ("IMMUNI__TRY_LIMIT_MILLISECONDS", "2000"),
    ("STORE__PERMITTED_CLOCK_ERROR_MILLISECONDS", "100"),
];

/// CUNs on their way at one kill.
const AT_ONCE: u64 = 12;

/// A positive test with two verifications: one operator is at work on it when the server dies, the other tries afterwards.
struct Case {
    cun: String,
    sessions: [String; 2],
    codes: [String; 2],
}

/// What had become of it when the second operator could be told.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It was never claimed, or surely nothing was sent: the second operator has delivered.
    Free,
    /// It counts as the first operator's.
    Taken,
}

impl Case {
    fn new(chain: &Chain, number: u64) -> Self {
        let person = usize::try_from(number % 100).unwrap();
        let cun = chain.submitted(&Submission::about(person));
        let sessions = [DESK, COLLEAGUE]
            .map(|operator| chain.desk().verified(operator, &card_of(person), &cun));
        let codes = [otp(2 * number), otp(2 * number + 1)];
        Self {
            cun,
            sessions,
            codes,
        }
    }

    fn unlock_by_first(&self) -> Message {
        Message::unlock(DESK, &self.sessions[0], &self.codes[0])
    }

    /// After the restart: the second operator tries until it is told something final, then the code is brought to its end.
    fn finish(&self, chain: &Chain) -> Found {
        let second = Message::unlock(COLLEAGUE, &self.sessions[1], &self.codes[1]);
        let mut desk = chain.desk();
        let mut found = None;
        until("the dead holder's claim ends", || {
            let reply = desk.ask(&second);
            found = match told(&reply) {
                ("0000", findings) if findings.is_empty() => Some(Found::Free),
                ("9999", findings) if findings == ["3012"] => Some(Found::Taken),
                ("9999", findings) if findings == ["3011"] => None,
                other => panic!("{other:?}"),
            };
            found.is_some()
        });
        let found = found.unwrap();
        let [of_first, of_second] = self.codes.each_ref().map(|code| chain.backend.stored(code));
        match found {
            // Nobody else's code was or will be authorised: what is delivered twice is found at the end of the test.
            Found::Free => assert_eq!((of_first, of_second), (0, 1)),
            Found::Taken => {
                assert_eq!(chain.backend.posts(&self.codes[1]), 0);
                // The operator who had it goes on with it, whether the code has arrived or not.
                let reply = desk.ask(&self.unlock_by_first());
                let (outcome, findings) = told(&reply);
                match (of_first, outcome) {
                    (0, "0000") => assert!(findings.is_empty()),
                    (1, "0001") => assert_eq!(findings, ["5001"]),
                    other => panic!("{other:?} {findings:?}"),
                }
                assert_eq!(chain.backend.stored(&self.codes[0]), 1);
            }
        }
        let confirmation = Message::confirmation("C", DESK, &self.cun);
        assert_eq!(told(&desk.ask(&confirmation)), ("0000", vec![]));
        found
    }
}

/// Has the first operators of all cases unlock at once, kills the server when `when` returns, and starts it again beside a well-behaved backend.
fn kill_while_unlocking(chain: Chain, cases: &[Case], when: impl FnOnce(&Chain)) -> Chain {
    let desks = cases.iter().map(|case| {
        let mut desk = chain.desk();
        desk.send(&case.unlock_by_first()).unwrap();
        desk
    });
    // Held until the server is dead: none of the clients leaves before.
    let _open: Vec<_> = desks.collect();
    when(&chain);
    let chain = chain.restart(SETTINGS);
    chain.backend.behave(Behaviour::default());
    chain
}

fn cases(chain: &Chain, round: u64) -> Vec<Case> {
    (0..AT_ONCE)
        .map(|at| Case::new(chain, round * AT_ONCE + at))
        .collect()
}

/// All of them at once: each may have to wait for the same deadline.
fn finish_all(chain: &Chain, cases: &[Case]) -> Vec<Found> {
    thread::scope(|scope| {
        let finishing: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(|| case.finish(chain)))
            .collect();
        let found = finishing.into_iter().map(|case| case.join().unwrap());
        found.collect()
    })
}

#[test]
fn a_kill_between_post_and_outcome_leaves_the_code_to_the_operator_who_had_it() {
    let mut chain = Chain::start_with(SETTINGS);
    for (round, fault) in [Fault::Hang, Fault::HangAfterStoring]
        .into_iter()
        .enumerate()
    {
        let cases = cases(&chain, round as u64);
        chain.backend.behave(Behaviour {
            fault: Some(fault),
            ..Behaviour::default()
        });
        let before = chain.backend.counts().requests;
        chain = kill_while_unlocking(chain, &cases, |chain| {
            until("all posts have arrived", || {
                chain.backend.counts().requests == before + AT_ONCE
            });
        });
        for found in finish_all(&chain, &cases) {
            assert_eq!(found, Found::Taken, "{fault:?}");
        }
    }
}

#[test]
fn a_kill_while_the_backend_is_down_leaves_no_code_stuck_or_free_too_early() {
    let chain = Chain::start_with(SETTINGS);
    let cases = cases(&chain, 0);
    chain.backend.goes_down();
    let chain = kill_while_unlocking(chain, &cases, |chain| {
        until("the tries have begun", || {
            chain.server.metric("sistema_ts_relay_tries_total", &[]) > 0.0
        });
    });
    // Each was claimed or not yet, and nothing had arrived of any.
    let found = finish_all(&chain, &cases);
    assert_eq!(found.len(), cases.len());
}

#[test]
fn killed_at_any_moment_no_code_is_delivered_for_two_sessions_and_none_is_stuck() {
    let mut chain = Chain::start_with(SETTINGS);
    let (mut free, mut taken) = (0, 0);
    for round in 0..6 {
        let cases = cases(&chain, round);
        chain.backend.behave(Behaviour {
            delay_milliseconds: round % 3,
            latency_at_most_milliseconds: Some(20),
            ..Behaviour::default()
        });
        let moment = Duration::from_micros(rand::rng().random_range(0..12_000));
        chain = kill_while_unlocking(chain, &cases, |_| {
            spin_until(Instant::now() + moment);
        });
        for found in finish_all(&chain, &cases) {
            match found {
                Found::Free => free += 1,
                Found::Taken => taken += 1,
            }
        }
        for case in &cases {
            let [first, second] = case.codes.each_ref().map(|code| chain.backend.stored(code));
            assert_eq!(first + second, 1, "killed after {moment:?}");
        }
    }
    assert_eq!(free + taken, 6 * AT_ONCE, "{free} and {taken}");
}
