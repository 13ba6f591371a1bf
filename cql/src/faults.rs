//! Statements that a test loses on their way: the network and the nodes at their worst, one statement at a time. Not part of a server: behind the
//! feature `faults`.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scylla::errors::{
    BrokenConnectionErrorKind, DbError, ExecutionError, RequestAttemptError, WriteType,
};
use scylla::response::query_result::QueryResult;
use scylla::statement::Consistency;
use tokio::sync::{Notify, watch};

use crate::statement::{Kind, Statement};

/// What becomes of a statement. A batch is one statement, its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is sent and answered.
    Nothing,
    /// It is never carried out, and this is told.
    LostOnTheWayThere(Told),
    /// It is carried out, and this is told all the same.
    LostOnTheWayBack(Told),
    /// This is told, and it is carried out later, when [`Aftermath::late_arrives`] is called.
    ArrivesLate(Told),
    /// The server ends here: nothing goes on.
    EndsBefore,
    /// The server ends when it is carried out.
    EndsAfter,
}

/// What is told in place of the answer, in the driver's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// No answer has come within the driver's limit.
    NoAnswer,
    /// The connection broke.
    ConnectionBroke,
    /// The coordinator knows of too few nodes.
    Unavailable,
    /// Too few nodes have answered the coordinator in time: `ReadTimeout`, or `WriteTimeout` of the type that such a statement has.
    Timeout,
    /// The coordinator has too much to do.
    Overloaded,
}

impl Told {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NoAnswer,
        Self::ConnectionBroke,
        Self::Unavailable,
        Self::Timeout,
        Self::Overloaded,
    ];

    fn error(self, kind: Kind) -> ExecutionError {
        let consistency = Consistency::LocalQuorum;
        let (received, required) = (1, 2);
        let of_node = match self {
            Self::NoAnswer => return ExecutionError::RequestTimeout(Duration::from_secs(5)),
            Self::ConnectionBroke => {
                let error = io::Error::from(io::ErrorKind::ConnectionReset);
                let error = BrokenConnectionErrorKind::WriteError(error);
                let error = RequestAttemptError::BrokenConnectionError(error.into());
                return ExecutionError::LastAttemptError(error);
            }
            Self::Unavailable => DbError::Unavailable {
                consistency,
                required,
                alive: received,
            },
            Self::Timeout => match kind {
                Kind::Read | Kind::SerialRead | Kind::OfNode => DbError::ReadTimeout {
                    consistency,
                    received,
                    required,
                    data_present: false,
                },
                Kind::Write | Kind::Conditional | Kind::Batched => DbError::WriteTimeout {
                    consistency,
                    received,
                    required,
                    write_type: match kind {
                        Kind::Write => WriteType::Simple,
                        _ => WriteType::Cas,
                    },
                },
            },
            Self::Overloaded => DbError::Overloaded,
        };
        let error = RequestAttemptError::DbError(of_node, "told by a test".to_owned());
        ExecutionError::LastAttemptError(error)
    }
}

/// What decides about each statement, in the order in which they are sent.
type Decide = Arc<dyn Fn(Statement) -> Fault + Send + Sync>;

/// What comes after the faults that a test has decided.
#[derive(Clone)]
pub struct Aftermath {
    arrives: Arc<watch::Sender<bool>>,
    under_way: Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>,
    ended: Arc<Notify>,
}

impl Default for Aftermath {
    fn default() -> Self {
        Self {
            arrives: Arc::new(watch::Sender::new(false)),
            under_way: Arc::default(),
            ended: Arc::default(),
        }
    }
}

impl Aftermath {
    /// Everything that is late arrives now, and is carried out when this returns.
    pub async fn late_arrives(&self) {
        self.arrives.send_replace(true);
        let late = std::mem::take(&mut *self.lock());
        for statement in late {
            // One whose runtime has ended never arrives.
            let _ = statement.await;
        }
    }

    /// Waits until the server has ended by a fault, and the statement is carried out that it was to end after.
    pub async fn has_ended(&self) {
        self.ended.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<tokio::task::JoinHandle<()>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands between the store and the driver.
#[derive(Default)]
pub(crate) struct Interception {
    decided: Mutex<Option<(Decide, Aftermath)>>,
}

impl Interception {
    /// Has this decide from now on.
    pub(crate) fn set(&self, decide: Option<Decide>) -> Aftermath {
        let aftermath = Aftermath::default();
        let decided = decide.map(|decide| (decide, aftermath.clone()));
        *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = decided;
        aftermath
    }

    /// Sends a statement as the test decides.
    pub(crate) async fn send(
        &self,
        statement: Statement,
        sending: impl Future<Output = Result<QueryResult, ExecutionError>> + Send + 'static,
    ) -> Result<QueryResult, ExecutionError> {
        let decided = self.decided.lock();
        let decided = decided.unwrap_or_else(PoisonError::into_inner).clone();
        let Some((decide, aftermath)) = decided else {
            return sending.await;
        };
        let kind = statement.kind();
        match decide(statement) {
            Fault::Nothing => sending.await,
            Fault::LostOnTheWayThere(told) => Err(told.error(kind)),
            Fault::LostOnTheWayBack(told) => {
                let _ = sending.await;
                Err(told.error(kind))
            }
            Fault::ArrivesLate(told) => {
                let mut arrives = aftermath.arrives.subscribe();
                let late = tokio::spawn(async move {
                    if arrives.wait_for(|arrives| *arrives).await.is_ok() {
                        let _ = sending.await;
                    }
                });
                aftermath.lock().push(late);
                Err(told.error(kind))
            }
            Fault::EndsBefore => {
                aftermath.ended.notify_one();
                pending().await
            }
            Fault::EndsAfter => {
                let _ = sending.await;
                aftermath.ended.notify_one();
                pending().await
            }
        }
    }
}
