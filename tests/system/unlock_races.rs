//! Two sessions that unlock one CUN at the same moment (§2.4.1.1, §3.3.2).
//!
//! Failure here means that the apps of two people can be unlocked with one person's positive test: that a second code was posted, or that both
//! were told it was done, or that neither was.

use std::thread;
use std::time::{Duration, Instant};

use immuni_stand_in::{Behaviour, Fault};
use rand::RngExt as _;

use crate::support::chain::{Chain, IMPATIENT, Told, told_to_keep};
use crate::support::installation::{
    CALL_CENTRE, COLLEAGUE, DESK, OTHER_CALL_CENTRE, STRANGER, card_of,
};
use crate::support::{Message, Session, Submission, otp, spin_until};

const RACES: u64 = 1_000;

/// At once on as many connections of each kind.
const LANES: u64 = 4;

/// How far apart two may start: a little more than an unlock takes.
const FARTHEST_MICROSECONDS: u64 = 15_000;

/// Who may race: two operators of a call centre, those of two, one operator with two sessions.
const PAIRS: [[(&str, &str); 2]; 3] = [
    [(CALL_CENTRE, DESK), (CALL_CENTRE, COLLEAGUE)],
    [(CALL_CENTRE, DESK), (OTHER_CALL_CENTRE, STRANGER)],
    [(CALL_CENTRE, DESK), (CALL_CENTRE, DESK)],
];

/// Connections on which races are run, one after another.
struct Lane {
    region: Session,
    pairs: [[Session; 2]; 3],
}

impl Lane {
    fn of(chain: &Chain) -> Self {
        Self {
            region: chain.region(),
            pairs: PAIRS.map(|pair| pair.map(|(call_centre, _)| chain.desk_of(call_centre))),
        }
    }

    /// Race `number`, in which the second starts so much later than the first. Each posts a code of its own.
    fn race(&mut self, number: u64, later: Duration) -> [Told; 2] {
        let person = usize::try_from(number % 100).unwrap();
        let cun = self.region.submitted(&Submission::about(person));

        let pair = usize::try_from(number % 3).unwrap();
        let mut turn = 0;
        let runners = self.pairs[pair].each_mut().map(|desk| {
            let operator = PAIRS[pair][turn].1;
            let session = desk.verified(operator, &card_of(person), &cun);
            let code = codes(number)[turn].clone();
            turn += 1;
            (desk, Message::unlock(operator, &session, &code))
        });
        let start = Instant::now();
        let starts = [start, start + later];
        thread::scope(|scope| {
            let mut starts = starts.into_iter();
            runners
                .map(|(desk, unlock)| {
                    let start = starts.next().unwrap();
                    scope.spawn(move || {
                        spin_until(start);
                        told_to_keep(&desk.ask(&unlock))
                    })
                })
                .map(|runner| runner.join().unwrap())
        })
    }
}

/// The codes that the two of race `number` post.
fn codes(number: u64) -> [String; 2] {
    [otp(2 * number), otp(2 * number + 1)]
}

/// One was done, the other was told why not, and only the code of the first has reached the backend. Answers which of the two it was.
fn assert_one_won(chain: &Chain, number: u64, told: &[Told; 2]) -> usize {
    let winner = usize::from(told[0].0 != "0000");
    let loser = 1 - winner;
    assert_eq!(told[winner], ("0000".to_owned(), String::new()), "{told:?}");
    assert_eq!(told[loser].0, "9999", "{told:?}");
    assert!(
        ["3011", "3012"].contains(&told[loser].1.as_str()),
        "{told:?}"
    );
    let codes = codes(number);
    assert_eq!(chain.backend.stored(&codes[winner]), 1, "{told:?}");
    assert_eq!(chain.backend.posts(&codes[loser]), 0, "{told:?}");
    winner
}

#[test]
fn of_a_thousand_races_of_two_each_has_one_winner_and_one_post() {
    let chain = Chain::start();
    chain.backend.behave(Behaviour {
        latency_at_most_milliseconds: Some(10),
        ..Behaviour::default()
    });
    let wins = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let chain = &chain;
                scope.spawn(move || {
                    let mut connections = Lane::of(chain);
                    let mut wins = [0_u64; 2];
                    for number in (lane..RACES).step_by(usize::try_from(LANES).unwrap()) {
                        let later = match number / 3 % 4 {
                            0 | 1 => 0,
                            2 => rand::rng().random_range(0..FARTHEST_MICROSECONDS / 10),
                            _ => rand::rng().random_range(0..FARTHEST_MICROSECONDS),
                        };
                        let told = connections.race(number, Duration::from_micros(later));
                        wins[assert_one_won(chain, number, &told)] += 1;
                    }
                    wins
                })
            })
            .collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().unwrap())
            .fold([0, 0], |sum, wins| [sum[0] + wins[0], sum[1] + wins[1]])
    });
    assert_eq!(wins[0] + wins[1], RACES);
    let counts = chain.backend.counts();
    assert_eq!((counts.requests, counts.stored), (RACES, RACES));
    // They were races: whoever starts later wins some, too.
    assert!(wins[1] > 0, "{wins:?}");
}

#[test]
fn a_backend_that_fails_the_first_try_gives_the_second_session_no_way_in() {
    let chain = Chain::start_with(IMPATIENT);
    let mut lane = Lane::of(&chain);
    let faults = [
        Fault::ResetBeforeStoring,
        Fault::ResetAfterStoring,
        Fault::ErrorBeforeStoring,
        Fault::ErrorAfterStoring,
        Fault::Unavailable,
    ];
    for number in 0..60 {
        chain.backend.behave(Behaviour {
            latency_at_most_milliseconds: Some(10),
            fault: Some(faults[usize::try_from(number).unwrap() % faults.len()]),
            times: Some(1),
            ..Behaviour::default()
        });
        let later = rand::rng().random_range(0..10 * FARTHEST_MICROSECONDS);
        let told = lane.race(number, Duration::from_micros(later));
        assert_one_won(&chain, number, &told);
    }
    assert_eq!(chain.backend.counts().stored, 60);
}
