//! The cluster as the store sees it: a session of the driver, and every statement prepared, each sent as its kind says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::cluster::Node;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy};
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};

use crate::connecting::{ConnectError, connect};
use crate::failure::Failure;
use crate::migrations::{self, MigrationError};
use crate::roles::{self, Role};
use crate::settings::CqlSettings;
use crate::statement::{Kind, Statement};
use crate::tables::with_keyspaces;

/// A node that has not answered for so long when it is asked about itself is not asked again.
const NODE_PATIENCE: Duration = Duration::from_secs(2);

/// How a conditional write ended.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Whether it was carried out.
    pub(crate) applied: bool,
    columns: Vec<(String, Option<CqlValue>)>,
}

impl Decided {
    /// A number in the row that stood against it: Cassandra tells of the columns of the condition, or of the whole row where that was `IF NOT EXISTS`.
    pub(crate) fn number(&self, column: &str) -> Option<i64> {
        self.value(column)?.as_bigint()
    }

    /// Bytes in that row.
    pub(crate) fn bytes(&self, column: &str) -> Option<&[u8]> {
        self.value(column)?.as_blob().map(Vec::as_slice)
    }

    /// A text in that row.
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        self.value(column)?.as_text().map(String::as_str)
    }

    fn value(&self, column: &str) -> Option<&CqlValue> {
        let mut columns = self.columns.iter();
        let (_, value) = columns.find(|(name, _)| name == column)?;
        value.as_ref()
    }
}

/// A session with every statement prepared.
pub(crate) struct Cluster {
    session: Arc<Session>,
    /// At the place of each in [`Statement::ALL`].
    prepared: Vec<PreparedStatement>,
    /// How batches are sent.
    once: ExecutionProfileHandle,
    /// How often each was sent, repetitions by the driver not counted.
    sent: Vec<AtomicU64>,
    #[cfg(feature = "faults")]
    pub(crate) interception: crate::faults::Interception,
}

impl Cluster {
    /// Connects as the role of the settings, if the schema is of this version and that role may do what `role` must be able to.
    pub(crate) async fn open(settings: &CqlSettings, role: Role) -> Result<Self, ConnectError> {
        let session = connect(settings).await?;
        migrations::check(&session, settings).await?;
        roles::check_own(&session, settings, role).await?;
        Self::prepare(session, settings).await
    }

    /// Prepares every statement. Fails if the schema is not there, or not of this version.
    async fn prepare(session: Session, settings: &CqlSettings) -> Result<Self, ConnectError> {
        let profiles = Profiles::of(settings);
        let preparing = Statement::ALL.iter().map(|statement| {
            let text = with_keyspaces(statement.text(), &settings.keyspace_prefix);
            let (session, profiles) = (&session, &profiles);
            async move {
                let made = session.prepare(text).await;
                let mut made = made.map_err(|reason| ConnectError::Schema {
                    statement: statement.name(),
                    reason: reason.to_string(),
                })?;
                profiles.apply(statement.kind(), &mut made);
                Ok::<_, ConnectError>(made)
            }
        });
        // All at once: every command prepares them, too.
        let prepared = futures_util::future::try_join_all(preparing).await?;
        let once = profiles.once;
        let sent = Statement::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Ok(Self {
            session: Arc::new(session),
            prepared,
            once,
            sent,
            #[cfg(feature = "faults")]
            interception: crate::faults::Interception::default(),
        })
    }

    /// The same connections and statements, without what a test has decided.
    #[cfg(feature = "faults")]
    pub(crate) fn again(&self) -> Self {
        Self {
            session: Arc::clone(&self.session),
            prepared: self.prepared.clone(),
            once: self.once.clone(),
            sent: Statement::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            interception: crate::faults::Interception::default(),
        }
    }

    /// Rows that a reading statement gives, which has a bound of its own: it is read in one piece.
    pub(crate) async fn read<T>(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<Vec<T>, Failure>
    where
        T: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        self.send(statement, values).await.and_then(rows_of)
    }

    /// The only row that a reading statement gives.
    pub(crate) async fn read_one<T>(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<Option<T>, Failure>
    where
        T: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        Ok(self.read(statement, values).await?.pop())
    }

    /// A plain write. After an error it may have been done, and may still be.
    pub(crate) async fn write(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<(), Failure> {
        self.send(statement, values).await.map(drop)
    }

    /// A conditional write. After an error it may have been done, and may still be.
    pub(crate) async fn decide(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<Decided, Failure> {
        self.send(statement, values).await.and_then(decided)
    }

    /// A conditional write with others of its partition, in one unlogged batch. After an error they may have been done, and may still be.
    pub(crate) async fn decide_together(
        &self,
        statements: &[(Statement, Vec<Option<CqlValue>>)],
    ) -> Result<Decided, Failure> {
        let Some((first, _)) = statements.first() else {
            return Err(Failure::Corrupt("a batch of nothing"));
        };
        let mut batch = Batch::new(BatchType::Unlogged);
        batch.set_execution_profile_handle(Some(self.once.clone()));
        batch.set_is_idempotent(false);
        let mut values = Vec::with_capacity(statements.len());
        for (statement, of_statement) in statements {
            batch.append_statement(self.prepared[*statement as usize].clone());
            values.push(of_statement.clone());
            self.count(*statement);
        }
        let session = Arc::clone(&self.session);
        let sending = async move { session.batch(&batch, values).await };
        self.carry_out(*first, sending).await.and_then(decided)
    }

    /// Whether the schema is of this version still.
    pub(crate) async fn check_schema(&self, settings: &CqlSettings) -> Result<(), MigrationError> {
        migrations::check(&self.session, settings).await
    }

    /// The nodes of the datacenter whose quorum decides, as far as they are known.
    pub(crate) fn nodes(&self, settings: &CqlSettings) -> Vec<Arc<Node>> {
        let state = self.session.get_cluster_state();
        let nodes = state.get_nodes_info().iter();
        nodes
            .filter(|node| node.datacenter.as_ref() == Some(&settings.datacenter))
            .cloned()
            .collect()
    }

    /// What one node shows by its own clock, in milliseconds since 1970.
    pub(crate) async fn clock_of(&self, node: Arc<Node>) -> Result<i64, Failure> {
        let statement = Statement::ReadNodeClock;
        let mut asking = self.prepared[statement as usize].clone();
        let target = NodeIdentifier::Node(node);
        asking.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(target, None)));
        self.count(statement);
        let session = Arc::clone(&self.session);
        let sending = async move { session.execute_unpaged(&asking, ()).await };
        let told = self.carry_out(statement, sending).await?;
        match rows_of::<(i64,)>(told)?.pop() {
            Some((time,)) => Ok(time),
            None => Err(Failure::Corrupt("a node's clock")),
        }
    }

    /// How often each statement was sent since the store was opened.
    pub(crate) fn sent(&self) -> Vec<(Statement, u64)> {
        let counts = self.sent.iter().map(|count| count.load(Ordering::Relaxed));
        Statement::ALL.iter().copied().zip(counts).collect()
    }

    async fn send(
        &self,
        statement: Statement,
        values: impl SerializeRow,
    ) -> Result<QueryResult, Failure> {
        let prepared = &self.prepared[statement as usize];
        self.count(statement);
        debug_assert!(statement.kind() != Kind::Conditional || !prepared.get_is_idempotent());
        #[cfg(feature = "faults")]
        let sending = {
            // It may be carried out later than it is answered.
            let bound = prepared.clone().bind(&values);
            let bound = bound.map_err(|_| Failure::Corrupt("the values of a statement"))?;
            let session = Arc::clone(&self.session);
            async move { session.execute_bound_unpaged(&bound).await }
        };
        #[cfg(not(feature = "faults"))]
        let sending = self.session.execute_unpaged(prepared, values);
        self.carry_out(statement, sending).await
    }

    fn count(&self, statement: Statement) {
        self.sent[statement as usize].fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(not(feature = "faults"))]
    async fn carry_out(
        &self,
        statement: Statement,
        sending: impl Future<Output = Result<QueryResult, ExecutionError>>,
    ) -> Result<QueryResult, Failure> {
        let sent = sending.await;
        sent.map_err(|error| Failure::of(statement, &error))
    }

    /// As the other, with a test between.
    #[cfg(feature = "faults")]
    async fn carry_out(
        &self,
        statement: Statement,
        sending: impl Future<Output = Result<QueryResult, ExecutionError>> + Send + 'static,
    ) -> Result<QueryResult, Failure> {
        let sent = self.interception.send(statement, sending).await;
        sent.map_err(|error| Failure::of(statement, &error))
    }
}

/// Reads the rows of an answer.
fn rows_of<T>(result: QueryResult) -> Result<Vec<T>, Failure>
where
    T: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
{
    let unreadable = Failure::Corrupt("rows of another form than this version's");
    let Ok(rows) = result.into_rows_result() else {
        return Err(unreadable);
    };
    let Ok(rows) = rows.rows::<T>() else {
        return Err(unreadable);
    };
    rows.collect::<Result<_, _>>().map_err(|_| unreadable)
}

/// Reads the answer to a conditional write.
fn decided(result: QueryResult) -> Result<Decided, Failure> {
    let unreadable = || Failure::Corrupt("the answer to a conditional write");
    let rows = result.into_rows_result().map_err(|_| unreadable())?;
    let names: Vec<String> = rows
        .column_specs()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let row: Row = rows.first_row().map_err(|_| unreadable())?;
    let mut columns = names.into_iter().zip(row.columns);
    // Its first column says whether it was carried out, on Cassandra and on ScyllaDB.
    let (_, applied) = columns.next().ok_or_else(unreadable)?;
    let applied = applied.and_then(|applied| applied.as_boolean());
    Ok(Decided {
        applied: applied.ok_or_else(unreadable)?,
        columns: columns.collect(),
    })
}

/// How statements of each kind are sent.
struct Profiles {
    plain: ExecutionProfileHandle,
    once: ExecutionProfileHandle,
    of_node: ExecutionProfileHandle,
}

impl Profiles {
    fn of(settings: &CqlSettings) -> Self {
        let milliseconds = |count: usize| Duration::from_millis(count as u64);
        let second_node = SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: milliseconds(settings.second_node_after_milliseconds),
        };
        let plain = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .request_timeout(Some(milliseconds(settings.statement_timeout_milliseconds)))
            .retry_policy(Arc::new(DefaultRetryPolicy::new()))
            .speculative_execution_policy(Some(Arc::new(second_node)));
        let once = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .serial_consistency(Some(SerialConsistency::LocalSerial))
            .request_timeout(Some(milliseconds(
                settings.conditional_timeout_milliseconds,
            )))
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .speculative_execution_policy(None);
        let of_node = ExecutionProfile::builder()
            .consistency(Consistency::One)
            .request_timeout(Some(NODE_PATIENCE))
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .speculative_execution_policy(None);
        Self {
            plain: plain.build().into_handle(),
            once: once.build().into_handle(),
            of_node: of_node.build().into_handle(),
        }
    }

    fn apply(&self, kind: Kind, statement: &mut PreparedStatement) {
        let profile = match kind {
            Kind::Read | Kind::Write => &self.plain,
            Kind::SerialRead | Kind::Conditional | Kind::Batched => &self.once,
            Kind::OfNode => &self.of_node,
        };
        statement.set_execution_profile_handle(Some(profile.clone()));
        statement.set_is_idempotent(kind.is_idempotent());
        if kind == Kind::SerialRead {
            statement.set_consistency(Consistency::LocalSerial);
        }
    }
}
