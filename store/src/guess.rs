//! Guessing (§3.3.1): failed verifications are counted per operator, per code, per caller, and per operator and code together, each before
//! anything is checked, so that a hundred at once get no more tries than one after another. The count of one that failed is durable before
//! the failure is told, so that a crash gives nobody a try back.

use sistema_ts_model::{CUN_LIFE_MILLIS, Caller, CodiceFiscale, Cun, Timestamp};

/// The window in which the failures of an operator and of a caller are counted: an hour, in milliseconds, from the first failure in it.
pub const GUESS_WINDOW_MILLIS: i64 = 60 * 60 * 1_000;

/// How many verifications may fail; each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessBudgets {
    /// Of one operator, within an hour.
    pub operator: u32,
    /// Of one code, within the life of a code from the first failure; alike for codes that exist and codes that do not.
    pub code: u32,
    /// Of all operators of one caller, within an hour.
    pub caller: u32,
    /// Of one code by one operator, so that nobody alone uses a code up; within the same time as those of the code.
    pub operator_of_code: u32,
}

impl Default for GuessBudgets {
    fn default() -> Self {
        Self {
            operator: 30,
            code: 10,
            caller: 1_000,
            operator_of_code: 3,
        }
    }
}

/// The wish to check whether a code and a card belong together.
#[derive(Clone, Debug)]
pub struct Guess {
    /// Who wants to know.
    pub operator: CodiceFiscale,
    /// Through which caller.
    pub caller: Caller,
    /// About which code.
    pub cun: Cun,
    /// How many may fail.
    pub budgets: GuessBudgets,
}

/// What became of the wish.
#[derive(Debug, PartialEq, Eq)]
pub enum GuessAdmission {
    /// It is counted against its operator and its caller, and its code is looked up, whatever comes of it.
    Counted {
        /// What it is counted under, until it ends.
        ticket: GuessTicket,
        /// How many the operator has left within its window, should this one fail.
        operator_left: u32,
        /// What the code has left for it.
        code_tries: CodeTries,
    },
    /// The operator has none left before this moment. The guess is not checked, and is given back by nobody.
    OperatorExhausted {
        /// When the window ends.
        until: Timestamp,
    },
    /// The caller has none left before this moment. The guess is not checked, and is given back by nobody.
    CallerExhausted {
        /// When the window ends.
        until: Timestamp,
    },
    /// The operator has none left for this code, issued or not: another operator may try. The guess is not checked, and is given
    /// back by nobody.
    OperatorOfCodeExhausted,
}

/// What a code has left for a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeTries {
    /// This one may succeed, and more after it.
    Some,
    /// This one may succeed; if it fails, the code has none left.
    Last,
    /// None: this one fails, and must look like any other failure. The code's own count stays as it is.
    None,
}

impl CodeTries {
    /// Those of a code that has so many left.
    #[must_use]
    pub const fn of(left: u32) -> Self {
        match left {
            0 => Self::None,
            1 => Self::Last,
            _ => Self::Some,
        }
    }
}

impl GuessAdmission {
    /// Whether the guess is counted against its operator and its caller: then its code is looked up, whatever comes of it.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        match self {
            Self::Counted { .. } => true,
            Self::OperatorExhausted { .. }
            | Self::CallerExhausted { .. }
            | Self::OperatorOfCodeExhausted => false,
        }
    }
}

/// Proof that a guess was counted: the number that the server has given it, which means something to that server alone. The guess ends once and
/// there: by [`Store::finish_verification`], [`Store::fail_guess`] or [`Store::return_guess`], whichever is the first; what comes after it does nothing.
/// A guess that nobody ends stays counted, at most until its windows end.
///
/// [`Store::finish_verification`]: crate::Store::finish_verification
/// [`Store::fail_guess`]: crate::Store::fail_guess
/// [`Store::return_guess`]: crate::Store::return_guess
#[derive(Debug, PartialEq, Eq)]
pub struct GuessTicket(u64);

impl GuessTicket {
    /// The ticket of the guess to which a server has given this number.
    #[must_use]
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// That number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.0
    }
}

/// A count, as a store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GuessCounter {
    /// When the first failure in it was counted.
    pub window_started: Timestamp,
    /// How many were counted since.
    pub failures: u32,
}

/// The wish to send a code of the ASL (§5.1), to be counted against its operator whatever comes of it.
#[derive(Clone, Debug)]
pub struct CountAslOtp {
    /// Who sends it, through whichever caller and as whichever user.
    pub operator: CodiceFiscale,
    /// How many the operator may send within an hour; at least 1.
    pub per_hour: u32,
}

/// What became of that wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AslOtpAdmission {
    /// It is counted and may be sent.
    Admitted,
    /// The operator may send none before this moment. Nothing is counted.
    Exhausted {
        /// When the window ends.
        until: Timestamp,
    },
}

/// How often the failures of one code may be forgiven in its life.
pub const FORGIVENESSES: u32 = 2;

/// What became of the wish that the failures of a code be forgiven. It is the same for a code that exists and one that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgiveness {
    /// The code has all its tries again, from every operator.
    Forgiven {
        /// Failures that counted until now.
        failures: u32,
        /// How often they may be forgiven again.
        left: u32,
    },
    /// No failure counts: nothing was done.
    NothingCounted,
    /// They were forgiven as often as they may be: nothing was done.
    NoneLeft,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Failures of an operator.
    Operator,
    /// Failures for a code, of whichever operator.
    Code,
    /// Failures of all operators of a caller.
    Caller,
    /// Failures of an operator for one code.
    OperatorOfCode,
    /// How often the failures of a code were forgiven; no failure itself.
    Forgiven,
    /// Codes of the ASL that an operator has sent; no failures either.
    AslOtp,
}

impl Counted {
    /// What a guess counts against.
    pub const OF_A_GUESS: [Self; 4] = [
        Self::Operator,
        Self::Code,
        Self::Caller,
        Self::OperatorOfCode,
    ];

    /// Length of the window, in milliseconds.
    #[must_use]
    pub const fn window_millis(self) -> i64 {
        match self {
            Self::Operator | Self::Caller | Self::AslOtp => GUESS_WINDOW_MILLIS,
            // Forgiving comes after the first failure, so what it has forgiven ends before the note of it does.
            Self::Code | Self::OperatorOfCode | Self::Forgiven => CUN_LIFE_MILLIS,
        }
    }

    /// How many a guess may find counted; what is no failure has no limit here.
    #[must_use]
    pub const fn budget(self, budgets: GuessBudgets) -> u32 {
        match self {
            Self::Operator => budgets.operator,
            Self::Code => budgets.code,
            Self::Caller => budgets.caller,
            Self::OperatorOfCode => budgets.operator_of_code,
            Self::Forgiven | Self::AslOtp => u32::MAX,
        }
    }
}

impl GuessCounter {
    /// The count as it stands now: that of a window which has ended is a new one. A clock that went back leaves a window in the future, which
    /// counts on and ends as any other.
    #[must_use]
    pub fn as_of(stored: Option<Self>, counted: Counted, now: Timestamp) -> Self {
        match stored {
            Some(counter)
                if now.millis() - counter.window_started.millis() < counted.window_millis() =>
            {
                counter
            }
            _ => Self {
                window_started: now,
                failures: 0,
            },
        }
    }

    /// When the window ends.
    #[must_use]
    pub fn ends_at(self, counted: Counted) -> Timestamp {
        self.window_started.plus_millis(counted.window_millis())
    }

    /// The count with one failure more.
    #[must_use]
    pub fn raised(self) -> Self {
        Self {
            failures: self.failures.saturating_add(1),
            ..self
        }
    }

    /// The count with one failure less.
    #[must_use]
    pub fn lowered(self) -> Self {
        Self {
            failures: self.failures.saturating_sub(1),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
