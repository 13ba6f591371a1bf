//! What can go wrong in a store, in the terms of whoever calls it.

use sistema_ts_model::Timestamp;
use thiserror::Error;

/// Why a store could not do what it was asked.
///
/// No variant carries personal data: texts name files, operations and limits, never a value of a request.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no room. Nothing was done; the caller may be told to come back (503).
    #[error("the store has no room for more work right now: {what}")]
    Overloaded {
        /// Where there is none.
        what: &'static str,
    },
    /// The store cannot serve at all: not started, shutting down, its disk or its cluster failing. Nothing was done.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What happened, for the operator of the service.
        reason: String,
    },
    /// The key of a day that is needed cannot be had: the ring is missing, too old, or that day's key is destroyed.
    #[error("the day key is not available: {0}")]
    KeyMissing(#[from] crate::keys::KeyError),
    /// The write may or may not have happened. The caller repeats with the same request key, or is told so.
    #[error("the outcome of a write is unknown: {reason}")]
    UnknownOutcome {
        /// What happened, for the operator of the service.
        reason: String,
    },
    /// What was read contradicts itself: a damaged file, a row that no version of this store writes.
    #[error("stored data are damaged: {what}")]
    Corrupt {
        /// Which datum, without its value.
        what: String,
    },
    /// A start finds another folder than the last run has left: files that are missing, cut, older or changed. Nothing was changed.
    #[error(
        "the data folder is not as it was left, so it was not opened, and nothing was changed: {what}. Put back what is missing or newer; \
         `sistema-ts restore` accepts the folder as it is (docs/administration.md, \"When it does not start\")"
    )]
    NotAsLeft {
        /// What was found, in sentences that name files.
        what: String,
    },
    /// The data are of a newer program than this one. Nothing is wrong with them.
    #[error(
        "the data were written by a newer version of this program, which is to be started instead: {what}"
    )]
    NewerProgram {
        /// Which file.
        what: String,
    },
    /// A request that no correct caller makes, such as a bookmark of another store.
    #[error("not a valid request to the store: {what}")]
    Invalid {
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A wall clock that is clearly behind the newest test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockFault {
    /// When the newest test was communicated, by the clock of then.
    pub newest: Timestamp,
    /// What the clock shows now.
    pub now: Timestamp,
}

impl std::fmt::Display for ClockFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the clock is behind the newest test ({} after {}): if it is wrong, set it right; if it was ahead when that test came, stop the server and run `sistema-ts clock repair`",
            self.now, self.newest
        )
    }
}

impl From<ClockFault> for StoreError {
    fn from(fault: ClockFault) -> StoreError {
        StoreError::Unavailable {
            reason: fault.to_string(),
        }
    }
}

impl StoreError {
    /// Whether nothing at all was done, so that the same request may be sent again without a request key.
    pub fn had_no_effect(&self) -> bool {
        !matches!(self, StoreError::UnknownOutcome { .. })
    }

    /// A short name for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            StoreError::Overloaded { .. } => "overloaded",
            StoreError::Unavailable { .. } => "unavailable",
            StoreError::KeyMissing(_) => "key_missing",
            StoreError::UnknownOutcome { .. } => "unknown_outcome",
            StoreError::Corrupt { .. } => "corrupt",
            StoreError::NotAsLeft { .. } => "not_as_left",
            StoreError::NewerProgram { .. } => "newer_program",
            StoreError::Invalid { .. } => "invalid",
        }
    }
}
