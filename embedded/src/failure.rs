//! What can go wrong inside the embedded store, and what its callers are told of it.

use std::io::ErrorKind;

use rusqlite::ffi;
use sistema_ts_model::LifeDecodeError;
use sistema_ts_store::StoreError;
use sistema_ts_store::keys::KeyError;

use super::index::IndexError;

/// What a failure of the disk or of what is on it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The disk is full, which passes.
    Full,
    /// What is stored contradicts itself.
    Damaged,
    /// Anything else, for example that the disk fails.
    Other,
}

/// Why a job did not go through.
#[derive(Debug)]
pub(super) enum Failure {
    /// This job alone cannot be done; it wrote nothing. The others of its batch are not touched.
    Alone(StoreError),
    /// SQLite or the index failed: the whole batch is rolled back.
    Batch { reason: String, cause: Cause },
}

impl Failure {
    /// Whether the disk was full, and nothing else is wrong.
    pub(super) fn is_full(&self) -> bool {
        matches!(
            self,
            Failure::Batch {
                cause: Cause::Full,
                ..
            }
        )
    }
}

impl Cause {
    fn of(error: &rusqlite::Error) -> Cause {
        if surely_not_committed(error) {
            Cause::Full
        } else if is_damage(error) {
            Cause::Damaged
        } else {
            Cause::Other
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Batch {
            cause: Cause::of(&error),
            reason: describe(&error),
        }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Failure {
        match error {
            IndexError::Sqlite(error) => error.into(),
            error => Failure::Batch {
                reason: error.to_string(),
                cause: Cause::Damaged,
            },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Alone(error)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Failure {
        Failure::Alone(error.into())
    }
}

impl From<LifeDecodeError> for Failure {
    fn from(error: LifeDecodeError) -> Failure {
        Failure::Alone(StoreError::Corrupt {
            what: error.to_string(),
        })
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Batch {
            cause: match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Cause::Full,
                _ => Cause::Other,
            },
            reason: error.to_string(),
        }
    }
}

impl From<Failure> for StoreError {
    /// For a failure that nothing was written under, or whose writing was undone.
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Alone(error) => error,
            Failure::Batch { reason, cause } => match cause {
                Cause::Damaged => StoreError::Corrupt { what: reason },
                Cause::Full | Cause::Other => StoreError::Unavailable { reason },
            },
        }
    }
}

impl From<IndexError> for StoreError {
    fn from(error: IndexError) -> StoreError {
        Failure::from(error).into()
    }
}

/// Why a batch failed, to be told to each of its jobs.
pub(super) enum BatchFailure {
    /// Nothing of it was written.
    Undone(Failure),
    /// It may have been written.
    Unknown(String),
}

impl BatchFailure {
    /// What each of its jobs is told.
    pub(super) fn told(&self) -> StoreError {
        match self {
            BatchFailure::Undone(Failure::Alone(error)) => StoreError::Unavailable {
                reason: error.to_string(),
            },
            BatchFailure::Undone(Failure::Batch {
                reason,
                cause: Cause::Damaged,
            }) => StoreError::Corrupt {
                what: reason.clone(),
            },
            BatchFailure::Undone(Failure::Batch { reason, .. }) => StoreError::Unavailable {
                reason: reason.clone(),
            },
            BatchFailure::Unknown(reason) => StoreError::UnknownOutcome {
                reason: reason.clone(),
            },
        }
    }
}

/// What failed, without any value: SQLite's own text of the code, and the code.
pub(super) fn describe(error: &rusqlite::Error) -> String {
    match error {
        // The message of such an error may quote SQL or names of columns, never a bound value; the code says as much.
        rusqlite::Error::SqliteFailure(error, _) => format!("SQLite: {error}"),
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            "SQLite: a column holds another type than it should".to_owned()
        }
        rusqlite::Error::QueryReturnedNoRows => "SQLite: a row is missing".to_owned(),
        other => format!("SQLite: {other}"),
    }
}

/// Whether a failed commit surely wrote nothing that a restart could find: the disk was full before its end was written.
pub(super) fn surely_not_committed(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_FULL)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(error, _) => {
            matches!(
                error.code,
                rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase
            )
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    }
}
