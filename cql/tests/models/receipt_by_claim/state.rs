//! The rows of a request's key, and where its attempts stand.

use crate::cluster::{Cluster, Looking, QUORUM, QUORUMS, Value};

/// The most attempts that are searched.
pub const MOST: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// In the key's partition: that an attempt is there, with its code and time.
    Claim(u8),
    /// The test of an attempt's code.
    Test(u8),
    /// The mark in that test's row by which nobody finds it.
    Void(u8),
}

/// Attempts, a bit each.
pub type Set = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Idle,
    /// Has sent its claim.
    Claims,
    /// Reads the claims for the first time.
    LooksFirst,
    /// Alone so far: has sent its test.
    WritesTest,
    /// Reads the claims for the second time.
    LooksAgain,
    /// Is not alone: waits until others' time has passed.
    Waits,
    /// Is not alone: reads the tests.
    LooksForTests,
    /// Has sent the conditional write.
    Proposes(u8),
    /// Completes what was decided.
    Follows(u8),
    Answered(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    pub step: Step,
    pub looking: Looking<Set>,
    /// Claims that it has seen, its own among them.
    pub claims: Set,
    /// What it saw beside its own test, where it looks there.
    pub beside: Option<Set>,
    /// Whether time has passed since its claim, by its own clock.
    pub is_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub cluster: Cluster<Row>,
    pub attempts: [Attempt; MOST],
    /// Conditional writes that were sent and not yet carried out: for whom. They may be at any later time, or never.
    pub proposed: [Option<u8>; MOST],
    /// What the first of them that was carried out has decided.
    pub decided: Option<u8>,
}

/// What every row holds.
pub const PRESENT: Value = Value::Of(0);

pub fn bit(number: usize) -> Set {
    1 << number
}

pub fn lowest(set: Set) -> u8 {
    u8::try_from(set.trailing_zeros()).unwrap()
}

pub fn number_8(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

impl State {
    pub fn send(&mut self, row: Row) {
        self.cluster.send(row, 0, PRESENT);
    }

    pub fn has(&self, row: Row) -> bool {
        self.cluster.is_acknowledged(row, 0, PRESENT, QUORUM)
    }

    pub fn seen_at(&self, replica: u8, row: impl Fn(u8) -> Row) -> Set {
        let shows = |number: &u8| self.cluster.shown_at(replica, row(*number)).is_some();
        (0..3)
            .filter(shows)
            .fold(0, |set, number| set | 1 << number)
    }

    /// Attempts whose rows of a kind were sent.
    pub fn sent(&self, row: fn(u8) -> Row) -> Set {
        let sent = |number: &u8| self.cluster.is_sent(row(*number));
        (0..3).filter(sent).fold(0, |set, number| set | 1 << number)
    }

    /// Whether a read that begins now may find a test.
    pub fn may_find(&self, by_quorums: bool, number: u8) -> bool {
        if by_quorums {
            self.cluster.is_sent(Row::Test(number)) && !self.has(Row::Void(number))
        } else {
            QUORUMS.iter().any(|quorum| self.finds(*quorum, number))
        }
    }

    /// Whether any read that begins now finds a test.
    pub fn surely_finds(&self, by_quorums: bool, number: u8) -> bool {
        if by_quorums {
            self.has(Row::Test(number)) && !self.cluster.is_sent(Row::Void(number))
        } else {
            QUORUMS.iter().all(|quorum| self.finds(*quorum, number))
        }
    }

    /// Whether a quorum that consists of these replicas finds a test.
    pub fn finds(&self, replicas: u8, number: u8) -> bool {
        let shows = |row| self.cluster.shown_by(replicas, row).is_some();
        shows(Row::Test(number)) && !shows(Row::Void(number))
    }

    /// Which answers were given.
    pub fn answers(&self) -> Set {
        self.attempts
            .iter()
            .fold(0, |answers, attempt| match attempt.step {
                Step::Answered(number) => answers | 1 << number,
                _ => answers,
            })
    }
}
