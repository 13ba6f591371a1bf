//! What counting, taking off and forgiving make of the counts of one partition. `cql/tests/models/guesses.rs` searches what several servers do with it,
//! so this file sends nothing and reads no clock.

use sistema_ts_model::Timestamp;
use sistema_ts_store::{
    CodeTries, Counted, FORGIVENESSES, Forgiveness, GuessBudgets, GuessCounter,
};

/// Whose guesses a partition counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Caller,
    Code,
    /// An operator's codes of the ASL, which are no guesses.
    AslOtps,
}

impl Of {
    /// What the partition counts itself.
    pub(crate) fn total(self) -> Counted {
        match self {
            Self::Caller => Counted::Caller,
            Self::Code => Counted::Code,
            Self::AslOtps => Counted::AslOtp,
        }
    }

    /// What the row of an operator counts in it.
    pub(crate) fn row(self) -> Counted {
        match self {
            Self::Caller => Counted::Operator,
            Self::Code => Counted::OperatorOfCode,
            Self::AslOtps => Counted::AslOtp,
        }
    }
}

/// Counts as they were read: the partition's own, and those of an operator's row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) turn: Option<i64>,
    pub(crate) total: Option<GuessCounter>,
    pub(crate) forgiven: Option<GuessCounter>,
    pub(crate) row: Option<GuessCounter>,
    pub(crate) after_forgiven: i32,
}

/// Counts as they stand now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) total: GuessCounter,
    pub(crate) row: GuessCounter,
    /// How often the code's failures have been forgiven.
    pub(crate) forgiven: GuessCounter,
}

/// What a guess has raised of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Windows {
    /// The window of the partition's own count; none if that was not raised.
    pub(crate) total: Option<Timestamp>,
    /// The window of the operator's count.
    pub(crate) row: Timestamp,
    /// How often the code's failures had been forgiven.
    pub(crate) after_forgiven: i32,
}

/// Why a partition does not count a guess.
pub(crate) enum Exhausted {
    Total(Timestamp),
    Row(Timestamp),
}

/// A guess that a partition counts.
pub(crate) struct Counting {
    pub(crate) next: Current,
    pub(crate) raised: Windows,
    /// What the partition's own count has left for it.
    pub(crate) tries: CodeTries,
    /// What the operator has left in the partition, should it fail.
    pub(crate) row_left: u32,
}

impl Seen {
    pub(crate) fn as_of(&self, of: Of, now: Timestamp) -> Current {
        let forgiven = GuessCounter::as_of(self.forgiven, Counted::Forgiven, now);
        // What an operator's row counts from before the code was forgiven is past.
        let is_of_now = i64::from(self.after_forgiven) == i64::from(forgiven.failures);
        let row = self.row.filter(|_| is_of_now);
        Current {
            total: GuessCounter::as_of(self.total, of.total(), now),
            row: GuessCounter::as_of(row, of.row(), now),
            forgiven,
        }
    }
}

impl Current {
    pub(crate) fn epoch(&self) -> i32 {
        // At most two.
        self.forgiven.failures as i32
    }

    /// Counts a guess. The own count of a code without tries stays as it is, and is written all the same: the work tells nothing.
    pub(crate) fn count(self, of: Of, budgets: GuessBudgets) -> Result<Counting, Exhausted> {
        let left = |counted: Counted, counter: GuessCounter| {
            counted.budget(budgets).saturating_sub(counter.failures)
        };
        let row_left = left(of.row(), self.row);
        let total_left = left(of.total(), self.total);
        if row_left == 0 {
            return Err(Exhausted::Row(self.row.ends_at(of.row())));
        }
        if total_left == 0 && of != Of::Code {
            return Err(Exhausted::Total(self.total.ends_at(of.total())));
        }
        let is_raised = total_left > 0;
        let next = Self {
            total: if is_raised {
                self.total.raised()
            } else {
                self.total
            },
            row: self.row.raised(),
            ..self
        };
        Ok(Counting {
            next,
            raised: Windows {
                total: is_raised.then_some(next.total.window_started),
                row: next.row.window_started,
                after_forgiven: next.epoch(),
            },
            tries: CodeTries::of(total_left),
            row_left: row_left - 1,
        })
    }

    /// Takes a guess off what it has raised, as far as the windows are the same; none if there is nothing to take off.
    pub(crate) fn take_off(self, raised: &Windows) -> Option<Self> {
        if self.epoch() != raised.after_forgiven {
            return None;
        }
        let lowered = |counter: GuessCounter, window: Option<Timestamp>| {
            if window == Some(counter.window_started) {
                counter.lowered()
            } else {
                counter
            }
        };
        let next = Self {
            total: lowered(self.total, raised.total),
            row: lowered(self.row, Some(raised.row)),
            ..self
        };
        ((next.total, next.row) != (self.total, self.row)).then_some(next)
    }

    /// Forgives a code's failures: how often they have been forgiven then, and what is told.
    pub(crate) fn forgive(self) -> Result<(GuessCounter, Forgiveness), Forgiveness> {
        let failures = self.total.failures;
        if failures == 0 {
            return Err(Forgiveness::NothingCounted);
        }
        if self.forgiven.failures >= FORGIVENESSES {
            return Err(Forgiveness::NoneLeft);
        }
        let forgiven = self.forgiven.raised();
        let left = FORGIVENESSES - forgiven.failures;
        Ok((forgiven, Forgiveness::Forgiven { failures, left }))
    }
}
