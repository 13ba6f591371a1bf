//! Statements that a test loses on their way: the network and the nodes at their worst, one statement at a time. Not part of a server: behind the
//! feature `faults`.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::statement::bound::BoundStatement;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::statement::Statement;

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is sent and answered.
    Nothing,
    /// It never arrives, and an error is told.
    LostOnTheWayThere,
    /// It is carried out, and an error is told all the same.
    LostOnTheWayBack,
    /// An error is told, and it is carried out later, when [`Lateness::arrives`] is called.
    ArrivesLate,
    /// The server ends here: nothing goes on.
    EndsBefore,
    /// The server ends when it is carried out.
    EndsAfter,
}

/// What decides about each statement, in the order in which they are sent.
type Decide = Arc<dyn Fn(Statement) -> Fault + Send + Sync>;

/// Lets what is late arrive.
#[derive(Clone)]
pub struct Lateness {
    arrives: Arc<watch::Sender<bool>>,
    under_way: Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>,
}

impl Default for Lateness {
    fn default() -> Self {
        Self {
            arrives: Arc::new(watch::Sender::new(false)),
            under_way: Arc::default(),
        }
    }
}

impl Lateness {
    /// Everything that is late arrives now, and is carried out when this returns.
    pub async fn arrives(&self) {
        self.arrives.send_replace(true);
        let late = std::mem::take(&mut *self.lock());
        for statement in late {
            // One whose runtime has ended never arrives.
            let _ = statement.await;
        }
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
    decide: Mutex<Option<Decide>>,
    pub(crate) lateness: Lateness,
}

impl Interception {
    pub(crate) fn set(&self, decide: Option<Decide>) {
        *self.decide.lock().unwrap_or_else(PoisonError::into_inner) = decide;
    }

    /// Sends a statement as the test decides. The error that is told for a lost one is that of a statement without an answer.
    pub(crate) async fn send(
        &self,
        session: Arc<Session>,
        statement: Statement,
        bound: BoundStatement,
    ) -> Result<Result<QueryResult, ExecutionError>, Failure> {
        let decide = self
            .decide
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let fault = decide.map_or(Fault::Nothing, |decide| decide(statement));
        let lost = || Failure::Cluster {
            statement,
            reason: "lost by a test",
        };
        match fault {
            Fault::Nothing => Ok(session.execute_bound_unpaged(&bound).await),
            Fault::LostOnTheWayThere => Err(lost()),
            Fault::LostOnTheWayBack => {
                let _ = session.execute_bound_unpaged(&bound).await;
                Err(lost())
            }
            Fault::ArrivesLate => {
                let mut arrives = self.lateness.arrives.subscribe();
                let late = tokio::spawn(async move {
                    if arrives.wait_for(|arrives| *arrives).await.is_ok() {
                        let _ = session.execute_bound_unpaged(&bound).await;
                    }
                });
                self.lateness.lock().push(late);
                Err(lost())
            }
            Fault::EndsBefore => pending().await,
            Fault::EndsAfter => {
                let _ = session.execute_bound_unpaged(&bound).await;
                pending().await
            }
        }
    }
}
