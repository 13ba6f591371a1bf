//! The counts of a caller and of a code, and where guesses stand.

use sistema_ts_model::Timestamp;
use sistema_ts_store::GuessCounter;

use crate::counting::{Current, Of, Seen, Windows};
use crate::row::Row;

pub const REQUESTS: usize = 3;
pub const OPERATORS: usize = 2;

/// The partitions, in the order in which a guess is counted.
pub const PARTITIONS: [Of; 2] = [Of::Caller, Of::Code];
pub const CALLER: usize = 0;
pub const CODE: usize = 1;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A guess by this operator. All are about one code, through one caller.
    Guess(usize),
    /// Forgives the code's failures.
    Forgive,
    /// Never begins.
    Absent,
}

/// An operator's row: its count, and how often the code had been forgiven.
pub type OperatorRow = Option<(GuessCounter, i32)>;

/// What all rows of a partition share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shared {
    pub turn: Option<i64>,
    pub total: Option<GuessCounter>,
    pub forgiven: Option<GuessCounter>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Partition {
    pub shared: Shared,
    pub rows: [OperatorRow; OPERATORS],
}

/// Of what a quorum that is behind shows the state before: each row is shown whole, but not both at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    UpToDate,
    Behind,
    RowsBehind,
    SharedBehind,
}

/// A conditional write to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    pub request: usize,
    pub partition: usize,
    /// What was read.
    pub seen_turn: Option<i64>,
    pub seen_row: Option<GuessCounter>,
    /// What it writes; the row of the operator, if it is about one.
    pub shared: Shared,
    pub row: Option<(usize, OperatorRow)>,
}

/// What a guess that is not looked at, or succeeded, comes to when it is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Exhausted,
    Succeeded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    Failed,
    Succeeded,
    /// It was not looked at.
    Exhausted,
    Forgiven,
    /// There is nothing to forgive.
    NothingForgiven,
    Unknown,
}

/// What a request wants of a partition now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    Count(usize),
    TakeOff(usize, End),
    Forgive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Is absent.
    Never,
    Reads(Goal),
    /// Has sent a conditional write; `is_unknown`: once already, and was not answered.
    Waits {
        goal: Goal,
        write: Write,
        /// What a guess has raised by it, and whether it may succeed then.
        raised: Option<(Windows, bool)>,
        is_unknown: bool,
    },
    /// Was not answered.
    Unanswered {
        goal: Goal,
        write: Write,
        raised: Option<(Windows, bool)>,
    },
    /// Is counted, and looked at.
    Looks,
    Told(Told),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub step: Step,
    /// What it knows to have raised of each partition.
    pub raised: [Option<Windows>; 2],
    /// Whether each partition may count it.
    pub may_count: [bool; 2],
    /// Whether the code has a try left for it.
    pub may_succeed: bool,
    /// Turns that it has drawn.
    pub drawn: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub partitions: [Row<Partition>; 2],
    pub requests: [Request; REQUESTS],
    /// Conditional writes that were sent and not yet carried out.
    pub under_way: Vec<Write>,
    /// Whether the window of the caller and the operators has ended.
    pub is_late: bool,
    /// How many more conditional writes may lose their answers.
    pub losses: u8,
}

impl Partition {
    /// What a read for an operator makes of it.
    pub fn seen(&self, operator: usize) -> Seen {
        let row = self.rows[operator];
        Seen {
            turn: self.shared.turn,
            total: self.shared.total,
            forgiven: self.shared.forgiven,
            row: row.map(|(counter, _)| counter),
            after_forgiven: row.map_or(0, |(_, after)| after),
        }
    }

    /// The partition after a write, if its condition holds.
    pub fn after(&self, write: &Write) -> Self {
        let mut next = self.clone();
        next.shared = write.shared;
        if let Some((operator, row)) = write.row {
            next.rows[operator] = row;
        }
        next
    }
}

impl Shared {
    /// What a write of this turn leaves.
    pub fn of(next: &Current, turn: i64) -> Self {
        Self {
            turn: Some(turn),
            total: Some(next.total),
            forgiven: Some(next.forgiven).filter(|forgiven| forgiven.failures > 0),
        }
    }
}

impl State {
    pub fn now(&self) -> Timestamp {
        let begin = Timestamp::from_millis_clamped(1_790_000_000_000);
        begin.plus_millis(if self.is_late { 60 * 60 * 1_000 } else { 0 })
    }

    /// What a quorum shows of a partition.
    pub fn shown(&self, partition: usize, view: View) -> Partition {
        let row = &self.partitions[partition];
        let (now, before) = (row.now().clone(), row.shown(true));
        match view {
            View::UpToDate => now,
            View::Behind => before,
            View::RowsBehind => Partition {
                shared: now.shared,
                rows: before.rows,
            },
            View::SharedBehind => Partition {
                shared: before.shared,
                rows: now.rows,
            },
        }
    }
}
