//! One request key, sent several times, to several servers: the receipt by claims, which needs a conditional write only where two attempts meet.
//!
//! An attempt writes a claim of its own into the key's partition, with its code and time, and reads the partition from a quorum. Alone there, it writes its
//! test, and reads the partition once more. Still alone, it answers. Whoever sees another's claim, at whichever look, reads the tests of those claims
//! and lets one conditional write decide: for the test that it sees, else for itself. Whatever was decided it follows: it marks the tests of all other
//! claims void, completes the decided one, and answers with that.
//!
//! The person is left out here. An attempt writes it under its own code before its test, or before it proposes itself, and nobody else ever writes it:
//! `receipt_by_condition` says why that is enough. A server that dies is an attempt that does nothing more.
//!
//! A failure is a key with two answers, an answer whose test is not found, a test that is found beside an answered one, or an attempt that never ends
//! although everything has arrived.

mod state;
mod tests;

use crate::cluster::Cluster;
use crate::search::{Model, Property};

use state::{Attempt, MOST, PRESENT, Row, Set, State, Step, bit, lowest, number_8};

/// How an attempt comes to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// As above.
    LooksTwice,
    /// The first look is left out: everybody writes a test.
    LooksLast,
    /// The second look is left out.
    LooksFirst,
    /// The second look is sent beside the test.
    LooksBesideTheTest,
    /// The second look is left out by whom its own clock tells that no time has passed since its claim; whoever sees another's claim waits that time.
    KeepsADeadline,
    /// Whoever sees another's claim follows its own proposal, without a conditional write.
    DecidesAlone,
    /// After the first look the smallest claim seen counts, and whoever sees it writes its test.
    SmallestCounts,
    /// Whoever sees another's claim at the first look waits for the test of one.
    WaitsForTheOther,
}

#[derive(Clone, Copy)]
struct Receipts {
    protocol: Protocol,
    attempts: usize,
    /// Whether tests of claims that lost are marked void.
    voids: bool,
    /// Whether whoever meets another looks for its test before the conditional write, or else proposes itself.
    looks_for_tests: bool,
    /// Whether quorums take the place of replicas, so that more attempts can be searched: a write is under way, and then whole. A read shows what was
    /// whole when it began, and of what was sent before it ends anything. Replicas can do no more than that, and less.
    by_quorums: bool,
    /// Whether a machine may stand still while the others' time passes, its clock with it.
    pauses: bool,
}

const DECIDED: Receipts = Receipts {
    protocol: Protocol::LooksTwice,
    attempts: 2,
    voids: true,
    looks_for_tests: true,
    by_quorums: false,
    pauses: false,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Begins(usize),
    Lands(u8, u8),
    /// A write is whole.
    IsWhole(u8),
    /// What a read of a quorum shows, where quorums take the place of replicas.
    Sees(usize, Set),
    /// What the attempt has written is acknowledged.
    Acknowledged(usize),
    Reads(usize, u8),
    CarriedOut(usize),
    LearnsDecision(usize),
    SeesATest(usize, u8),
    TimePasses,
    TimePassesBut(usize),
}

impl Receipts {
    /// Not alone: whoever sees another's claim goes this way.
    fn meets_others(self, state: &mut State, number: usize) {
        let step = match self.protocol {
            Protocol::KeepsADeadline => {
                // Time passes for whoever waits from here on.
                state.attempts[number].is_late = false;
                Step::Waits
            }
            _ if self.looks_for_tests => Step::LooksForTests,
            _ => return self.propose(state, number, number_8(number)),
        };
        state.attempts[number].step = step;
    }

    fn propose(self, state: &mut State, number: usize, proposal: u8) {
        if self.protocol == Protocol::DecidesAlone {
            self.follow(state, number, proposal);
            return;
        }
        state.proposed[number] = Some(proposal);
        state.attempts[number].step = Step::Proposes(proposal);
    }

    fn follow(self, state: &mut State, number: usize, decided: u8) {
        let losers = state.attempts[number].claims & !(1 << decided);
        if self.voids {
            for loser in (0..3).filter(|loser| losers & (1 << loser) != 0) {
                state.send(Row::Void(loser));
            }
        }
        state.send(Row::Test(decided));
        state.attempts[number].step = Step::Follows(decided);
    }

    fn write_test(self, state: &mut State, number: usize) {
        state.send(Row::Test(number_8(number)));
        state.attempts[number].step = Step::WritesTest;
    }

    fn is_acknowledged(self, state: &State, number: usize) -> bool {
        let attempt = &state.attempts[number];
        let own = number_8(number);
        match attempt.step {
            Step::Claims => state.has(Row::Claim(own)),
            Step::WritesTest => {
                state.has(Row::Test(own))
                    && (self.protocol != Protocol::LooksBesideTheTest || attempt.beside.is_some())
            }
            Step::Follows(decided) => {
                let losers = attempt.claims & !(1 << decided);
                let mut losers = (0..3).filter(|loser| losers & (1 << loser) != 0);
                state.has(Row::Test(decided))
                    && (!self.voids || losers.all(|loser| state.has(Row::Void(loser))))
            }
            _ => false,
        }
    }

    fn acknowledge(self, state: &mut State, number: usize) {
        let own = number_8(number);
        match state.attempts[number].step {
            Step::Claims if self.protocol == Protocol::LooksLast => self.write_test(state, number),
            Step::Claims => state.attempts[number].step = Step::LooksFirst,
            Step::WritesTest => match self.protocol {
                Protocol::LooksFirst | Protocol::SmallestCounts | Protocol::WaitsForTheOther => {
                    state.attempts[number].step = Step::Answered(own);
                }
                Protocol::KeepsADeadline if !state.attempts[number].is_late => {
                    state.attempts[number].step = Step::Answered(own);
                }
                Protocol::LooksBesideTheTest => {
                    let seen = state.attempts[number].beside.take().unwrap();
                    state.attempts[number].claims |= seen;
                    self.second_look(state, number, seen);
                }
                _ => state.attempts[number].step = Step::LooksAgain,
            },
            Step::Follows(decided) => state.attempts[number].step = Step::Answered(decided),
            _ => unreachable!("nothing is written in this step"),
        }
    }

    fn second_look(self, state: &mut State, number: usize, seen: Set) {
        if seen == bit(number) {
            state.attempts[number].step = Step::Answered(number_8(number));
        } else {
            self.meets_others(state, number);
        }
    }

    fn first_look(self, state: &mut State, number: usize, seen: Set) {
        let own = number_8(number);
        match self.protocol {
            Protocol::SmallestCounts if lowest(seen) != own => {
                self.follow(state, number, lowest(seen));
            }
            Protocol::WaitsForTheOther if seen != bit(number) => {
                state.attempts[number].step = Step::Waits;
            }
            Protocol::SmallestCounts => self.write_test(state, number),
            _ if seen == bit(number) => self.write_test(state, number),
            _ => self.meets_others(state, number),
        }
    }

    /// What a read that is complete has shown.
    fn saw(self, state: &mut State, number: usize, seen: Set) {
        let own = number_8(number);
        match state.attempts[number].step {
            Step::LooksFirst => {
                state.attempts[number].claims |= seen;
                self.first_look(state, number, seen);
            }
            Step::LooksAgain => {
                state.attempts[number].claims |= seen;
                self.second_look(state, number, seen);
            }
            Step::WritesTest => state.attempts[number].beside = Some(seen),
            Step::LooksForTests => {
                let seen = seen & state.attempts[number].claims;
                let others = seen & !bit(number);
                if seen & bit(number) != 0 && self.protocol != Protocol::LooksLast {
                    self.propose(state, number, own);
                } else if others != 0 {
                    self.propose(state, number, lowest(others));
                } else {
                    self.propose(state, number, own);
                }
            }
            _ => unreachable!("nothing is read in this step"),
        }
    }

    fn read(self, state: &mut State, number: usize, replica: u8) {
        let row = Self::read_by(&state.attempts[number]);
        let of_tests = state.attempts[number].step == Step::LooksForTests;
        let seen = state.seen_at(replica, row);
        match state.attempts[number].looking.take() {
            None => state.attempts[number].looking = Some((replica, seen)),
            Some((other, before)) => {
                let wanted = |row| match row {
                    Row::Claim(_) => !of_tests,
                    Row::Test(_) => of_tests,
                    Row::Void(_) => false,
                };
                state.cluster.repair(1 << other | 1 << replica, wanted);
                self.saw(state, number, seen | before);
            }
        }
    }

    /// The kind of row that an attempt reads now.
    fn read_by(attempt: &Attempt) -> fn(u8) -> Row {
        if attempt.step == Step::LooksForTests {
            Row::Test
        } else {
            Row::Claim
        }
    }

    fn may_read(self, attempt: &Attempt) -> bool {
        match attempt.step {
            Step::LooksFirst | Step::LooksAgain | Step::LooksForTests => true,
            Step::WritesTest => {
                self.protocol == Protocol::LooksBesideTheTest && attempt.beside.is_none()
            }
            _ => false,
        }
    }

    fn pass_time(state: &mut State, but: Option<usize>) {
        for (number, attempt) in state.attempts.iter_mut().enumerate() {
            let runs = !matches!(attempt.step, Step::Idle | Step::Answered(_));
            if runs && Some(number) != but {
                attempt.is_late = true;
                if attempt.step == Step::Waits {
                    attempt.step = Step::LooksForTests;
                }
            }
        }
    }
}

impl Model for Receipts {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let idle = |number| Attempt {
            step: Step::Idle,
            looking: None,
            claims: bit(number),
            beside: None,
            is_late: false,
        };
        State {
            cluster: Cluster::default(),
            attempts: [idle(0), idle(1), idle(2)],
            proposed: [None; MOST],
            decided: None,
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, attempt) in state.attempts.iter().enumerate() {
            match attempt.step {
                Step::Idle if number < self.attempts => actions.push(Action::Begins(number)),
                Step::Proposes(_) if state.decided.is_some() => {
                    actions.push(Action::LearnsDecision(number));
                }
                Step::Waits if self.protocol == Protocol::WaitsForTheOther => {
                    let others =
                        (0..3).filter(|other| attempt.claims & !bit(number) & (1 << other) != 0);
                    let there = others
                        .filter(|other| state.cluster.may_be_shown(Row::Test(*other), PRESENT));
                    actions.extend(there.map(|other| Action::SeesATest(number, other)));
                }
                _ => {}
            }
            if self.is_acknowledged(state, number) {
                actions.push(Action::Acknowledged(number));
            }
            match attempt.looking {
                _ if !self.may_read(attempt) => {}
                None if self.by_quorums => actions.push(Action::Reads(number, 0)),
                Some((_, whole)) if self.by_quorums => {
                    let sent = state.sent(Self::read_by(attempt));
                    let seen = (0..8).filter(|seen| seen & whole == whole && seen & !sent == 0);
                    actions.extend(seen.map(|seen| Action::Sees(number, seen)));
                }
                read => {
                    let is_new = |replica: &u8| read.is_none_or(|(read, _)| read != *replica);
                    let others = (0..3).filter(is_new);
                    actions.extend(others.map(|replica| Action::Reads(number, replica)));
                }
            }
            if state.decided.is_none() && state.proposed[number].is_some() {
                actions.push(Action::CarriedOut(number));
            }
        }
        if self.protocol == Protocol::KeepsADeadline {
            actions.push(Action::TimePasses);
            if self.pauses {
                actions.extend((0..self.attempts).map(Action::TimePassesBut));
            }
        }
        if self.by_quorums {
            actions.extend(state.cluster.unfinished().map(Action::IsWhole));
        } else {
            let under_way = state.cluster.under_way();
            actions.extend(under_way.map(|(write, replica)| Action::Lands(write, replica)));
        }
    }

    fn after(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Begins(number) => {
                state.send(Row::Claim(number_8(number)));
                state.attempts[number].step = Step::Claims;
            }
            Action::Lands(write, replica) => state.cluster.land(write, replica),
            Action::IsWhole(write) => state.cluster.finish(write),
            Action::Sees(number, seen) => {
                state.attempts[number].looking = None;
                self.saw(&mut state, number, seen);
            }
            Action::Acknowledged(number) => self.acknowledge(&mut state, number),
            Action::Reads(number, replica) => self.read(&mut state, number, replica),
            Action::CarriedOut(number) => {
                state.decided = state.proposed[number];
                state.proposed = [None; MOST];
            }
            Action::LearnsDecision(number) => {
                let decided = state.decided.unwrap();
                self.follow(&mut state, number, decided);
            }
            Action::SeesATest(number, other) => {
                state.send(Row::Test(other));
                state.attempts[number].step = Step::Follows(other);
            }
            Action::TimePasses => Self::pass_time(&mut state, None),
            Action::TimePassesBut(number) => Self::pass_time(&mut state, Some(number)),
        }
        let looking = state.attempts.each_mut();
        let looking = looking.map(|reader| reader.looking.as_mut().map(|(replica, _)| replica));
        state.cluster.renumber(looking);
        state
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ANSWER, |_, state: &State| {
                state.answers().count_ones() <= 1
            }),
            Property::always(ANSWERED_IS_FOUND, |model, state: &State| {
                let answers = state.answers();
                let mut answered = (0..3).filter(|number| answers & (1 << number) != 0);
                answered.all(|number| state.surely_finds(model.by_quorums, number))
            }),
            Property::always(ANSWERED_ALONE, |model, state: &State| {
                let answers = state.answers();
                let mut others = (0..3).filter(|number| answers & (1 << number) == 0);
                answers == 0 || !others.any(|number| state.may_find(model.by_quorums, number))
            }),
            Property::always(ENDS, |model, state: &State| {
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                actions.retain(|action| model.after(state, *action) != *state);
                !actions.is_empty()
                    || state
                        .attempts
                        .iter()
                        .all(|attempt| matches!(attempt.step, Step::Idle | Step::Answered(_)))
            }),
            Property::sometimes("all answer", |model, state: &State| {
                let answered = |attempt: &&Attempt| matches!(attempt.step, Step::Answered(_));
                state.attempts.iter().filter(answered).count() == model.attempts
            }),
        ]
    }
}

const ONE_ANSWER: &str = "one answer for one key";
const ANSWERED_IS_FOUND: &str = "what was answered is found";
const ANSWERED_ALONE: &str = "once a test was answered, no quorum finds another of the key";
const ENDS: &str = "every attempt ends when all has arrived";
