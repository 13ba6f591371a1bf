//! Claiming a code: each attempt writes a claim of its own into the code's partition, and once a quorum has it, reads the partition from a quorum.
//! Whoever sees another's claim burns the code. Three attempts on one code, of two servers or of one that has drawn it twice.
//!
//! A failure is a code that two attempts both take, or a person under a code whose owner is somebody else.

use crate::cluster::{Cluster, Looking, QUORUM, Value};
use crate::search::{Model, Property, fails, holds};

/// The most attempts that are searched.
const ATTEMPTS: usize = 3;

/// The rows of a code's partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Row {
    /// A claim, by its number.
    Claim(u8),
    /// The person, under the code alone.
    Person,
}

/// When an attempt reads the claims.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// When its own claim is acknowledged.
    AfterTheClaim,
    /// While its own claim is under way.
    BesideTheClaim,
    /// Not at all.
    Never,
}

/// When an attempt writes the person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Person {
    AfterTheCheck,
    BesideTheClaim,
}

/// The protocol, each guard of which can be switched off.
#[derive(Clone, Copy)]
struct Claiming {
    attempts: usize,
    check: Check,
    /// How many replicas must have a claim before it is acknowledged, and how many are read.
    written: u8,
    read: u8,
    /// Whether each attempt draws a number of its own for its claim; else all use the same.
    own_numbers: bool,
    person: Person,
    /// Whether a read that sees replicas differ repairs them before it answers.
    repairs: bool,
}

/// Two attempts show what a guard is for.
const TWO: Claiming = Claiming {
    attempts: 2,
    ..DECIDED
};

const DECIDED: Claiming = Claiming {
    attempts: ATTEMPTS,
    check: Check::AfterTheClaim,
    written: QUORUM,
    read: QUORUM,
    own_numbers: true,
    person: Person::AfterTheCheck,
    repairs: true,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    Idle,
    Claiming,
    Claimed,
    Burned,
    WritesPerson,
    Taken,
}

/// Claims that were seen, a bit each.
type Claims = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Attempt {
    step: Step,
    looking: Looking<Claims>,
    seen: Option<Claims>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    cluster: Cluster<Row>,
    attempts: [Attempt; ATTEMPTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Begin(usize),
    Lands(u8, u8),
    Acknowledged(usize),
    Reads(usize, u8),
    Decides(usize),
    PersonAcknowledged(usize),
}

impl Claiming {
    fn number(self, attempt: usize) -> u8 {
        let attempt = u8::try_from(attempt).unwrap();
        if self.own_numbers { attempt } else { 0 }
    }

    fn claims_at(cluster: &Cluster<Row>, replica: u8) -> Claims {
        let is_there = |number: &u8| {
            let claim = Row::Claim(*number);
            cluster.shown_at(replica, claim).is_some()
        };
        (0..3)
            .filter(is_there)
            .fold(0, |claims, number| claims | 1 << number)
    }

    fn may_read(self, attempt: &Attempt) -> bool {
        let in_time = match self.check {
            Check::AfterTheClaim => attempt.step == Step::Claimed,
            Check::BesideTheClaim => matches!(attempt.step, Step::Claiming | Step::Claimed),
            Check::Never => false,
        };
        in_time && attempt.seen.is_none()
    }

    fn send_person(cluster: &mut Cluster<Row>, attempt: usize) {
        let attempt = u8::try_from(attempt).unwrap();
        cluster.send(Row::Person, attempt, Value::Of(attempt));
    }

    fn read(self, state: &mut State, attempt: usize, replica: u8) {
        let claims = Self::claims_at(&state.cluster, replica);
        let reader = &mut state.attempts[attempt];
        let (others, seen) = match reader.looking.take() {
            None if self.read > 1 => {
                reader.looking = Some((replica, claims));
                return;
            }
            None => (0, 0),
            Some((other, seen)) => (1 << other, seen),
        };
        reader.seen = Some(seen | claims);
        if self.repairs {
            let wanted = |row| matches!(row, Row::Claim(_));
            state.cluster.repair(others | 1 << replica, wanted);
        }
    }
}

impl Model for Claiming {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let idle = Attempt {
            step: Step::Idle,
            looking: None,
            seen: None,
        };
        State {
            cluster: Cluster::default(),
            attempts: [idle; ATTEMPTS],
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, attempt) in state.attempts.iter().enumerate() {
            match attempt.step {
                Step::Idle if number < self.attempts => actions.push(Action::Begin(number)),
                Step::Claiming => {
                    let claim = Row::Claim(self.number(number));
                    let cluster = &state.cluster;
                    if cluster.is_acknowledged(claim, 0, Value::Of(0), self.written) {
                        actions.push(Action::Acknowledged(number));
                    }
                }
                Step::Claimed if attempt.seen.is_some() || self.check == Check::Never => {
                    actions.push(Action::Decides(number));
                }
                Step::WritesPerson => {
                    let number_8 = u8::try_from(number).unwrap();
                    let cluster = &state.cluster;
                    let person = Value::Of(number_8);
                    if cluster.is_acknowledged(Row::Person, number_8, person, QUORUM) {
                        actions.push(Action::PersonAcknowledged(number));
                    }
                }
                Step::Idle | Step::Claimed | Step::Burned | Step::Taken => {}
            }
            if self.may_read(attempt) {
                let read = attempt.looking.map(|(replica, _)| replica);
                let others = (0..3).filter(|replica| read != Some(*replica));
                actions.extend(others.map(|replica| Action::Reads(number, replica)));
            }
        }
        let under_way = state.cluster.under_way();
        actions.extend(under_way.map(|(write, replica)| Action::Lands(write, replica)));
    }

    fn after(&self, state: &State, action: Action) -> State {
        let mut state = state.clone();
        match action {
            Action::Begin(number) => {
                let claim = Row::Claim(self.number(number));
                state.cluster.send(claim, 0, Value::Of(0));
                if self.person == Person::BesideTheClaim {
                    Self::send_person(&mut state.cluster, number);
                }
                state.attempts[number].step = Step::Claiming;
            }
            Action::Lands(write, replica) => state.cluster.land(write, replica),
            Action::Acknowledged(number) => state.attempts[number].step = Step::Claimed,
            Action::Reads(number, replica) => self.read(&mut state, number, replica),
            Action::Decides(number) => {
                let own = 1 << self.number(number);
                let seen = state.attempts[number].seen.take();
                if seen.is_some_and(|seen| seen & !own != 0) {
                    state.attempts[number].step = Step::Burned;
                } else {
                    Self::send_person(&mut state.cluster, number);
                    state.attempts[number].step = Step::WritesPerson;
                }
            }
            Action::PersonAcknowledged(number) => state.attempts[number].step = Step::Taken,
        }
        let looking = state.attempts.each_mut();
        let looking = looking.map(|reader| reader.looking.as_mut().map(|(replica, _)| replica));
        state.cluster.renumber(looking);
        state
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OWNER, |_, state: &State| {
                let owns =
                    |attempt: &&Attempt| matches!(attempt.step, Step::WritesPerson | Step::Taken);
                state.attempts.iter().filter(owns).count() <= 1
            }),
            Property::always(OWNERS_PERSON, |_, state: &State| {
                let mut taken = state.attempts.iter().zip(0..);
                taken.all(|(attempt, number)| {
                    attempt.step != Step::Taken
                        || state.cluster.is_shown(Row::Person, Value::Of(number))
                })
            }),
            Property::sometimes("a code is taken", |_, state: &State| {
                state
                    .attempts
                    .iter()
                    .any(|attempt| attempt.step == Step::Taken)
            }),
            Property::sometimes("all burn it", |_, state: &State| {
                state
                    .attempts
                    .iter()
                    .all(|attempt| attempt.step == Step::Burned)
            }),
        ]
    }
}

const ONE_OWNER: &str = "at most one attempt owns the code";
const OWNERS_PERSON: &str = "the person under a code is its owner's";

/// That two attempts own the code at the end of the way.
fn two_own_it(model: Claiming) {
    let way = fails(&model, ONE_OWNER);
    let (last, state) = way.last().unwrap();
    assert!(matches!(last, Action::Decides(_)), "{last:?}");
    let owns = |attempt: &&Attempt| attempt.step == Step::WritesPerson;
    assert_eq!(state.attempts.iter().filter(owns).count(), 2);
}

#[test]
fn at_most_one_attempt_takes_a_code() {
    holds(&DECIDED);
}

#[test]
fn at_most_one_attempt_takes_a_code_also_without_read_repair() {
    holds(&Claiming {
        repairs: false,
        ..DECIDED
    });
}

#[test]
fn without_the_check_two_take_it() {
    two_own_it(Claiming {
        check: Check::Never,
        ..TWO
    });
}

#[test]
fn with_the_check_sent_beside_the_claim_two_take_it() {
    two_own_it(Claiming {
        check: Check::BesideTheClaim,
        ..TWO
    });
}

#[test]
fn with_claims_acknowledged_by_one_replica_two_take_it() {
    two_own_it(Claiming { written: 1, ..TWO });
}

#[test]
fn with_claims_read_from_one_replica_two_take_it() {
    two_own_it(Claiming { read: 1, ..TWO });
}

#[test]
fn with_a_claim_that_is_used_twice_two_take_it() {
    two_own_it(Claiming {
        own_numbers: false,
        ..TWO
    });
}

#[test]
fn with_the_person_written_beside_the_claim_another_stands_under_the_code() {
    let way = fails(
        &Claiming {
            person: Person::BesideTheClaim,
            ..TWO
        },
        OWNERS_PERSON,
    );
    let (_, state) = way.last().unwrap();
    let taken = state
        .attempts
        .iter()
        .position(|attempt| attempt.step == Step::Taken);
    let owner = Value::Of(u8::try_from(taken.unwrap()).unwrap());
    assert!(
        (0..3)
            .map(Value::Of)
            .any(|person| { person != owner && state.cluster.may_be_shown(Row::Person, person) })
    );
}
