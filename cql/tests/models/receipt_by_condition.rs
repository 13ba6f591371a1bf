//! One request key, sent twice, to two servers, for two persons, and an erasure afterwards: the receipt by one conditional write.
//!
//! An attempt writes its person under its own code, then the receipt on the condition that there is none, with its code and time, and then its test.
//! If there is a receipt already, the attempt completes that one's test, whose content is its own, erases the person under its own code and answers with the
//! receipt's code. It never writes a person under another attempt's code, so the receipt need not say whose person it is.
//!
//! The erasure belongs to whichever server ends the code's life; its clock may be behind the one that made the receipt.
//!
//! A failure is a key with two answers, an answer whose test or person is not found, a test without its person, a person under another attempt's code, or one
//! that any quorum shows after an erasure was answered.

use crate::cluster::{Cluster, QUORUM, QUORUMS, Value};
use crate::search::{Model, Property, Way, fails, holds};

const ATTEMPTS: usize = 2;

/// The time of every receipt, and of all that is written for its code.
const RECEIPT: u8 = 2;
/// What the clock of the server that erases shows: it is behind.
const SLOW_CLOCK: u8 = 1;
/// What a server's clock shows later than all that.
const LATER: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Row {
    /// The person under an attempt's code.
    Person(u8),
    /// The test of an attempt's code.
    Test(u8),
}

/// When an attempt writes its own person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Person {
    BeforeTheReceipt,
    AfterTheReceipt,
}

/// What an attempt that finds another's receipt writes under its code beside the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Help {
    Nothing,
    /// The person that its own message names.
    ItsPerson,
    /// The same, if the receipt says by a MAC that it is the same person; else the attempt is refused. Here it never is.
    ItsPersonIfTheSame,
}

/// When a replica may forget a tombstone, and what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgets {
    /// When all that was sent to its row has reached every replica.
    WhenAllHasArrived,
    /// At any time.
    AtOnce,
    Never,
}

#[derive(Clone, Copy)]
struct Receipts {
    person: Person,
    help: Help,
    /// Timestamps of what a helper writes: the receipt's, or its own clock's.
    helps_with_own_time: bool,
    /// Whether an erasure's timestamp is above that of what it erases, whatever its server's clock shows.
    erases_above: bool,
    forgets: Forgets,
}

const DECIDED: Receipts = Receipts {
    person: Person::BeforeTheReceipt,
    help: Help::Nothing,
    helps_with_own_time: false,
    erases_above: true,
    forgets: Forgets::WhenAllHasArrived,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Step {
    Idle,
    /// Has sent its person.
    WritesPerson,
    /// Has sent the conditional write.
    Proposes,
    /// Has the receipt, and has sent a person for it.
    WritesPersonOf(u8),
    /// Has the receipt, and has sent its test.
    WritesTest(u8),
    Answered(u8),
    Refused,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Erasure {
    NotAsked,
    UnderWay(u8),
    Answered(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    cluster: Cluster<Row>,
    attempts: [Step; ATTEMPTS],
    /// Conditional writes that were sent and not yet carried out. They may be at any later time, or never.
    proposed: [bool; ATTEMPTS],
    receipt: Option<u8>,
    erasure: Erasure,
    has_died: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Begins(usize),
    Lands(u8, u8),
    Acknowledged(usize),
    CarriedOut(usize),
    LearnsReceipt(usize),
    Dies(usize),
    Erases(u8),
    ErasureAcknowledged,
    Forgets(u8, u8),
}

fn number_8(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

impl Receipts {
    fn erasure_time(self) -> u8 {
        if self.erases_above {
            SLOW_CLOCK.max(RECEIPT + 1)
        } else {
            SLOW_CLOCK
        }
    }

    /// What an attempt writes as the person of a code, and when.
    fn person_of(self, number: usize, code: u8) -> (Row, u8, Value) {
        let own_time = self.helps_with_own_time && code != number_8(number);
        let time = if own_time { LATER } else { RECEIPT };
        (Row::Person(code), time, Value::Of(number_8(number)))
    }

    fn is_acknowledged(self, state: &State, number: usize) -> bool {
        let has = |(row, time, value)| state.cluster.is_acknowledged(row, time, value, QUORUM);
        let own = number_8(number);
        match state.attempts[number] {
            Step::WritesPerson => has(self.person_of(number, own)),
            Step::WritesPersonOf(code) => has(self.person_of(number, code)),
            Step::WritesTest(code) => {
                let orphan = (Row::Person(own), RECEIPT + 1, Value::Erased);
                let has_orphan = code != own && self.person == Person::BeforeTheReceipt;
                has((Row::Test(code), RECEIPT, Value::Of(0))) && (!has_orphan || has(orphan))
            }
            _ => false,
        }
    }

    fn write_test(self, state: &mut State, number: usize, code: u8) {
        let own = number_8(number);
        if code != own && self.person == Person::BeforeTheReceipt {
            let orphan = Row::Person(own);
            state.cluster.send(orphan, RECEIPT + 1, Value::Erased);
        }
        state.cluster.send(Row::Test(code), RECEIPT, Value::Of(0));
        state.attempts[number] = Step::WritesTest(code);
    }

    fn acknowledge(self, state: &mut State, number: usize) {
        match state.attempts[number] {
            Step::WritesPerson => {
                state.proposed[number] = state.receipt.is_none();
                state.attempts[number] = Step::Proposes;
            }
            Step::WritesPersonOf(code) => self.write_test(state, number, code),
            Step::WritesTest(code) => state.attempts[number] = Step::Answered(code),
            _ => unreachable!("nothing is written in this step"),
        }
    }

    fn learn(self, state: &mut State, number: usize) {
        let code = state.receipt.unwrap();
        let is_own = code == number_8(number);
        let writes_person = if is_own {
            self.person == Person::AfterTheReceipt
        } else {
            self.help == Help::ItsPerson
        };
        if writes_person {
            let (row, time, value) = self.person_of(number, code);
            state.cluster.send(row, time, value);
            state.attempts[number] = Step::WritesPersonOf(code);
        } else if !is_own && self.help == Help::ItsPersonIfTheSame {
            state.attempts[number] = Step::Refused;
        } else {
            self.write_test(state, number, code);
        }
    }
}

impl Model for Receipts {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State {
            cluster: Cluster::default(),
            attempts: [Step::Idle; ATTEMPTS],
            proposed: [false; ATTEMPTS],
            receipt: None,
            erasure: Erasure::NotAsked,
            has_died: false,
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, step) in state.attempts.iter().enumerate() {
            match step {
                Step::Idle => actions.push(Action::Begins(number)),
                Step::Proposes if state.receipt.is_some() => {
                    actions.push(Action::LearnsReceipt(number));
                }
                Step::Answered(code) if state.erasure == Erasure::NotAsked => {
                    actions.push(Action::Erases(*code));
                }
                _ => {}
            }
            if self.is_acknowledged(state, number) {
                actions.push(Action::Acknowledged(number));
            }
            if state.receipt.is_none() && state.proposed[number] {
                actions.push(Action::CarriedOut(number));
            }
            let lives = !matches!(
                step,
                Step::Idle | Step::Answered(_) | Step::Refused | Step::Dead
            );
            if lives && !state.has_died {
                actions.push(Action::Dies(number));
            }
        }
        if let Erasure::UnderWay(code) = state.erasure {
            let row = Row::Person(code);
            let time = self.erasure_time();
            if state
                .cluster
                .is_acknowledged(row, time, Value::Erased, QUORUM)
            {
                actions.push(Action::ErasureAcknowledged);
            }
        }
        for (write, replica) in state.cluster.tombstones() {
            let is_due = match self.forgets {
                Forgets::WhenAllHasArrived => {
                    state.cluster.is_settled(state.cluster.write(write).row)
                }
                Forgets::AtOnce => true,
                Forgets::Never => false,
            };
            if is_due {
                actions.push(Action::Forgets(write, replica));
            }
        }
        let under_way = state.cluster.under_way();
        actions.extend(under_way.map(|(write, replica)| Action::Lands(write, replica)));
    }

    fn after(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Begins(number) => match self.person {
                Person::BeforeTheReceipt => {
                    let (row, time, value) = self.person_of(number, number_8(number));
                    state.cluster.send(row, time, value);
                    state.attempts[number] = Step::WritesPerson;
                }
                Person::AfterTheReceipt => {
                    state.proposed[number] = state.receipt.is_none();
                    state.attempts[number] = Step::Proposes;
                }
            },
            Action::Lands(write, replica) => state.cluster.land(write, replica),
            Action::Acknowledged(number) => self.acknowledge(&mut state, number),
            Action::CarriedOut(number) => {
                state.receipt = Some(number_8(number));
                state.proposed = [false; ATTEMPTS];
            }
            Action::LearnsReceipt(number) => self.learn(&mut state, number),
            Action::Dies(number) => {
                state.attempts[number] = Step::Dead;
                state.has_died = true;
            }
            Action::Erases(code) => {
                let time = self.erasure_time();
                state.cluster.send(Row::Person(code), time, Value::Erased);
                state.erasure = Erasure::UnderWay(code);
            }
            Action::ErasureAcknowledged => {
                if let Erasure::UnderWay(code) = state.erasure {
                    state.erasure = Erasure::Answered(code);
                }
            }
            Action::Forgets(write, replica) => state.cluster.forget(write, replica),
        }
        state.cluster.renumber([]);
        state
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ANSWER, |_, state: &State| {
                let mut answers = state.attempts.iter().filter_map(|step| match step {
                    Step::Answered(code) => Some(*code),
                    _ => None,
                });
                let first = answers.next();
                answers.all(|answer| Some(answer) == first)
            }),
            Property::always(ANSWERED_IS_FOUND, |_, state: &State| {
                state.attempts.iter().all(|step| match step {
                    Step::Answered(code) => {
                        state.cluster.is_shown(Row::Test(*code), Value::Of(0))
                            && (state.erasure != Erasure::NotAsked
                                || state.cluster.is_shown(Row::Person(*code), Value::Of(*code)))
                    }
                    _ => true,
                })
            }),
            Property::always(TEST_HAS_PERSON, |_, state: &State| {
                (0..2).all(|code| {
                    let person = Row::Person(code);
                    let found = state.cluster.may_be_shown(Row::Test(code), Value::Of(0));
                    let has = QUORUMS
                        .iter()
                        .all(|quorum| state.cluster.shown_by(*quorum, person).is_some());
                    !found || has || state.erasure != Erasure::NotAsked
                })
            }),
            Property::always(OWN_PERSON, |_, state: &State| {
                (0..2).all(|code| {
                    let other = Value::Of(1 - code);
                    !state.cluster.may_be_shown(Row::Person(code), other)
                })
            }),
            Property::always(NOT_AGAIN, |_, state: &State| match state.erasure {
                Erasure::Answered(code) => (0..2)
                    .map(Value::Of)
                    .all(|person| !state.cluster.may_be_shown(Row::Person(code), person)),
                _ => true,
            }),
            Property::always(NO_ORPHAN, |_, state: &State| {
                (0..).zip(&state.attempts).all(|(number, step)| match step {
                    Step::Answered(code) if *code != number => {
                        let own = Value::Of(number);
                        !state.cluster.may_be_shown(Row::Person(number), own)
                    }
                    _ => true,
                })
            }),
            Property::sometimes("a person is erased", |_, state: &State| {
                matches!(state.erasure, Erasure::Answered(_))
            }),
            Property::sometimes("a receipt is repeated", |_, state: &State| {
                let answered = |step: &&Step| matches!(step, Step::Answered(_) | Step::Refused);
                state.attempts.iter().filter(answered).count() == ATTEMPTS
            }),
        ]
    }
}

const ONE_ANSWER: &str = "one answer for one key";
const ANSWERED_IS_FOUND: &str = "what was answered is found, with its person until it is erased";
const TEST_HAS_PERSON: &str = "a test that is found has its person";
const OWN_PERSON: &str = "under a code stands no person but its own attempt's";
const NOT_AGAIN: &str = "whom an answered erasure has erased, no quorum shows again";
const NO_ORPHAN: &str = "whoever answers with another's code leaves no person under its own";

/// Whether one attempt has completed the other's receipt on the way.
fn has_helped(way: &Way<Receipts>) -> bool {
    way.iter().any(|(_, state)| {
        (0..).zip(&state.attempts).any(|(number, step)| match step {
            Step::WritesPersonOf(code) | Step::WritesTest(code) => *code != number,
            _ => false,
        })
    })
}

#[test]
fn a_receipt_needs_no_mac_of_the_person_if_the_person_is_written_before_it() {
    holds(&DECIDED);
}

#[test]
fn a_receipt_with_a_mac_of_the_person_does_as_well() {
    holds(&Receipts {
        person: Person::AfterTheReceipt,
        help: Help::ItsPersonIfTheSame,
        ..DECIDED
    });
}

#[test]
fn without_a_mac_a_helper_puts_its_own_person_under_the_code() {
    let way = fails(
        &Receipts {
            person: Person::AfterTheReceipt,
            help: Help::ItsPerson,
            ..DECIDED
        },
        OWN_PERSON,
    );
    assert!(has_helped(&way));
}

#[test]
fn with_the_person_written_after_the_receipt_a_helper_leaves_a_test_without_a_person() {
    let way = fails(
        &Receipts {
            person: Person::AfterTheReceipt,
            ..DECIDED
        },
        TEST_HAS_PERSON,
    );
    assert!(has_helped(&way));
}

#[test]
fn an_erasure_by_a_slow_clock_erases_nothing() {
    let way = fails(
        &Receipts {
            erases_above: false,
            ..DECIDED
        },
        NOT_AGAIN,
    );
    assert!(matches!(way.last().unwrap().0, Action::ErasureAcknowledged));
}

#[test]
fn a_person_comes_back_if_a_tombstone_is_forgotten_before_all_has_arrived() {
    let way = fails(
        &Receipts {
            forgets: Forgets::AtOnce,
            ..DECIDED
        },
        NOT_AGAIN,
    );
    assert!(
        way.iter()
            .any(|(action, _)| matches!(action, Action::Forgets(..)))
    );
}

#[test]
fn a_person_comes_back_if_a_helper_writes_it_with_its_own_time() {
    let way = fails(
        &Receipts {
            person: Person::AfterTheReceipt,
            help: Help::ItsPerson,
            helps_with_own_time: true,
            forgets: Forgets::Never,
            ..DECIDED
        },
        NOT_AGAIN,
    );
    assert!(has_helped(&way));
}
