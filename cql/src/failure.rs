//! Why something could not be done on the cluster, and what that means to whoever asked for it.

use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};
use sistema_ts_store::StoreError;
use sistema_ts_store::keys::KeyError;
use thiserror::Error;

use crate::statement::Statement;

/// Why something could not be done. No text has a value of a statement.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The cluster has not answered, or has refused.
    #[error("{}: {reason}", statement.name())]
    Cluster {
        /// What it was asked.
        statement: Statement,
        /// What it said, without the server's own words, which may repeat values.
        reason: &'static str,
    },
    /// A node has turned it away, or this server has too much under way: it was not carried out, but for a conditional write, of which nodes may say
    /// so when it is decided already.
    #[error("{}: {reason}", statement.name())]
    Overloaded {
        /// What it was asked.
        statement: Statement,
        /// Where there is no room.
        reason: &'static str,
    },
    /// A day's key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What was read contradicts itself.
    #[error("{0}")]
    Corrupt(&'static str),
    /// What the store itself says.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failure {
    pub(crate) fn of(statement: Statement, error: &ExecutionError) -> Self {
        match overload(error) {
            Some(reason) => Self::Overloaded { statement, reason },
            None => Self::Cluster {
                statement,
                reason: reason(error),
            },
        }
    }

    /// What it means for a write that may have been done all the same.
    pub(crate) fn unknown(self) -> Self {
        match self {
            Self::Cluster { .. } | Self::Overloaded { .. } => {
                Self::Store(StoreError::UnknownOutcome {
                    reason: self.to_string(),
                })
            }
            other => other,
        }
    }
}

/// Nothing was done, but where [`Failure::unknown`] has said otherwise.
impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cluster { .. } => StoreError::Unavailable {
                reason: format!("the cluster: {failure}"),
            },
            Failure::Overloaded { .. } => StoreError::Overloaded {
                what: "the cluster",
            },
            Failure::Key(error) => error.into(),
            Failure::Corrupt(what) => StoreError::Corrupt {
                what: what.to_owned(),
            },
            Failure::Store(error) => error,
        }
    }
}

/// Where there is no room, if that is why.
fn overload(error: &ExecutionError) -> Option<&'static str> {
    let ExecutionError::LastAttemptError(error) = error else {
        return None;
    };
    match error {
        RequestAttemptError::DbError(DbError::Overloaded, _) => Some("a node is overloaded"),
        RequestAttemptError::DbError(DbError::RateLimitReached { .. }, _) => {
            Some("a node's limit is reached")
        }
        RequestAttemptError::UnableToAllocStreamId => Some("too much is under way on a connection"),
        _ => None,
    }
}

/// Why a statement has failed, without a node's own words.
pub(crate) fn reason(error: &ExecutionError) -> &'static str {
    match error {
        ExecutionError::BadQuery(_) => "its values do not fit",
        ExecutionError::EmptyPlan => "no node is known",
        ExecutionError::PrepareError(PrepareError::ConnectionPoolError(_))
        | ExecutionError::ConnectionPoolError(_) => "no connection to a node",
        ExecutionError::PrepareError(_) => "it could not be prepared",
        ExecutionError::RequestTimeout(_) => "no answer in time",
        ExecutionError::LastAttemptError(error) => attempt_reason(error),
        _ => "the driver has given up",
    }
}

fn attempt_reason(error: &RequestAttemptError) -> &'static str {
    match error {
        RequestAttemptError::DbError(error, _) => match error {
            DbError::Unavailable { .. } => "too few nodes are there",
            DbError::IsBootstrapping => "a node is starting",
            DbError::ReadTimeout { .. } => "too few nodes have read in time",
            DbError::WriteTimeout { .. } => "too few nodes have written in time",
            DbError::ReadFailure { .. } => "nodes have failed to read",
            DbError::WriteFailure { .. } => "nodes have failed to write",
            DbError::Unauthorized => {
                "this role may not do it: `sistema-ts roles` gives it its rights"
            }
            DbError::Invalid => "a node does not take it: is the schema of this version?",
            _ => "a node has refused it",
        },
        RequestAttemptError::BrokenConnectionError(_) => "the connection broke",
        _ => "a node has answered something else",
    }
}
