//! The schema, as numbered files that are applied in order and never changed.
//!
//! One process at a time applies them: it holds a lock that does not end by itself, since nobody can tell a process that is slow from one that is
//! dead. Every statement may be repeated, so whoever comes after one that died takes the lock over and begins the migration again. A migration is
//! noted once all of its statements are done and all nodes agree on the schema.

mod error;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest;
use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use serde::Deserialize;
use sistema_ts_model::{Clock as _, SystemClock, Timestamp};

use crate::settings::CqlSettings;
use crate::tables::{Keyspace, with_keyspaces};

pub use error::MigrationError;

/// The migrations in their order: the n-th leads to version n.
pub const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001.cql")];

/// Which server the nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Apache Cassandra.
    Cassandra,
    /// ScyllaDB.
    ScyllaDb,
}

impl Engine {
    /// That of the nodes of a session: ScyllaDB alone tells its shards.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let state = session.get_cluster_state();
        let has_shards = state
            .get_nodes_info()
            .iter()
            .any(|node| node.sharder().is_some());
        if has_shards {
            Self::ScyllaDb
        } else {
            Self::Cassandra
        }
    }

    const fn options(self) -> &'static str {
        match self {
            Self::Cassandra => include_str!("../options/cassandra.toml"),
            Self::ScyllaDb => include_str!("../options/scylladb.toml"),
        }
    }
}

/// What each server says in its own way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    keyspace: String,
    fixed_id: String,
    never_deleted_1_day: String,
    never_deleted_14_days: String,
    erased: String,
    conditional: String,
}

impl Options {
    fn of(engine: Engine) -> Result<Self, MigrationError> {
        toml::from_str(engine.options())
            .map_err(|_| MigrationError::Unreadable("the options of the tables"))
    }

    fn fill_in(&self, text: &str) -> String {
        let classes = [
            ("{never_deleted_1_day}", &self.never_deleted_1_day),
            ("{never_deleted_14_days}", &self.never_deleted_14_days),
            ("{erased}", &self.erased),
            ("{conditional}", &self.conditional),
        ];
        classes
            .iter()
            .fold(text.to_owned(), |text, (name, options)| {
                text.replace(name, options)
            })
    }
}

/// Versions before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version that was found; 0 if there was none.
    pub from: i32,
    /// This program's version.
    pub to: i32,
}

/// So often is the lock asked for that was released just before it was looked at.
const MOST_TRIES: usize = 8;
/// The version that this program needs.
const KNOWN: i32 = MIGRATIONS.len() as i32;

/// Statements of a migration: what stands between semicolons, without comments.
fn statements(migration: &str) -> impl Iterator<Item = String> {
    let without_comments: String = migration
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .fold(String::new(), |text, line| text + line + "\n");
    let statements: Vec<String> = without_comments
        .split(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect();
    statements.into_iter()
}

/// What a migration is told from another by.
fn digest_of(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the schema is of this version.
///
/// # Errors
/// [`MigrationError::Older`], [`MigrationError::Newer`], [`MigrationError::Differs`]; others if the nodes do not answer.
pub async fn check(session: &Session, settings: &CqlSettings) -> Result<(), MigrationError> {
    let cluster = Cluster { session, settings };
    // What the driver knows of the tables may be older than they are.
    let keyspace = with_keyspaces("{tests}", &settings.keyspace_prefix);
    let tables = tables_of(session, &keyspace).await?;
    let found = match tables.contains("migration") {
        false => 0,
        true => cluster.version().await?,
    };
    match found == KNOWN {
        true => Ok(()),
        false => Err(MigrationError::Older {
            found,
            known: KNOWN,
        }),
    }
}

/// The tables of a keyspace: none if that is not there.
pub(crate) async fn tables_of(
    session: &Session,
    keyspace: &str,
) -> Result<BTreeSet<String>, MigrationError> {
    let statement = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    names(session, statement, keyspace).await
}

/// The names that a statement about the nodes' schema gives.
async fn names(
    session: &Session,
    statement: &str,
    keyspace: &str,
) -> Result<BTreeSet<String>, MigrationError> {
    let mut statement = Statement::new(statement);
    statement.set_consistency(Consistency::One);
    // The nodes keep names in small letters.
    let values = (keyspace.to_lowercase(),);
    let read = session.query_unpaged(statement, values).await;
    let unreadable = || MigrationError::Unreadable("the cluster's schema");
    let rows = read.map_err(Box::new)?.into_rows_result();
    let rows = rows.map_err(|_| unreadable())?;
    let rows = rows.rows::<(String,)>().map_err(|_| unreadable())?;
    rows.map(|row| row.map(|(name,)| name).map_err(|_| unreadable()))
        .collect()
}

/// Makes what migrating itself needs, where it is not there: the keyspaces, and two tables. An administrator does so before there are roles, so that
/// the role for migrations needs no right to make keyspaces.
///
/// # Errors
/// [`MigrationError`]; what was made stays.
pub(crate) async fn prepare(
    session: &Session,
    settings: &CqlSettings,
) -> Result<(), MigrationError> {
    let options = Options::of(Engine::of(session))?;
    let cluster = Cluster { session, settings };
    cluster.prepare_lock(&options).await
}

/// Brings the schema to this version, if it is older.
///
/// # Errors
/// [`MigrationError`]; what was applied stays.
pub async fn apply(session: &Session, settings: &CqlSettings) -> Result<Migrated, MigrationError> {
    migrate(session, settings, false, &mut |_| ()).await
}

/// The same. `take_over` takes the lock of another process that is known to be dead; `progress` hears of each statement before it is sent.
///
/// # Errors
/// [`MigrationError`]; what was applied stays.
pub async fn migrate(
    session: &Session,
    settings: &CqlSettings,
    take_over: bool,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<Migrated, MigrationError> {
    let options = Options::of(Engine::of(session))?;
    let cluster = Cluster { session, settings };
    cluster.prepare_lock(&options).await?;
    let from = cluster.version().await?;
    if from == KNOWN {
        return Ok(Migrated { from, to: KNOWN });
    }
    let lock = cluster.lock(take_over).await?;
    let migrated = cluster.migrate(&options, &lock, progress).await;
    // One that was taken over is not its own any more, and stays.
    let released = cluster.release(&lock).await;
    let migrated = migrated?;
    released?;
    Ok(migrated)
}

/// The lock, as this process holds it.
struct Lock {
    token: i64,
}

/// The cluster, while its schema is looked after.
struct Cluster<'a> {
    session: &'a Session,
    settings: &'a CqlSettings,
}

impl Cluster<'_> {
    /// The keyspaces, and the two tables that migrating itself needs. Two processes may make them at once: their ids follow from their names, since
    /// nodes that make a table of the same name at once would else give it two. What is there already is not made again: to make a keyspace takes a
    /// right that a role for migrations alone does not have.
    async fn prepare_lock(&self, options: &Options) -> Result<(), MigrationError> {
        let prefix = &self.settings.keyspace_prefix;
        for keyspace in Keyspace::ALL {
            let name = format!("{prefix}_{}", keyspace.name());
            let statement =
                "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
            if !names(self.session, statement, &name).await?.is_empty() {
                continue;
            }
            let statement = format!(
                "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {}}}{}",
                self.settings.datacenter, self.settings.replication_factor, options.keyspace
            );
            self.change_schema(&statement).await?;
        }
        let tests = with_keyspaces("{tests}", prefix);
        let there = tables_of(self.session, &tests).await?;
        for (table, columns) in [
            (
                "migration_lock",
                "name text PRIMARY KEY, holder text, turn bigint",
            ),
            (
                "migration",
                "version int PRIMARY KEY, digest text, applied_at bigint",
            ),
        ] {
            if there.contains(table) {
                continue;
            }
            let digest = digest_of(&format!("{prefix} {table}"));
            let at = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
            // A name-based UUID of no namespace: version 8, which means whatever its maker says.
            let id = format!(
                "{}-{}-8{}-a{}-{}",
                at(0, 8),
                at(8, 12),
                at(12, 15),
                at(15, 18),
                at(18, 30)
            );
            let fixed_id = options.fixed_id.replace("{id}", &id);
            let class = &options.conditional;
            let statement = format!(
                "CREATE TABLE IF NOT EXISTS {{tests}}.{table} ({columns}) WITH {class}{fixed_id}"
            );
            self.change_schema(&statement).await?;
        }
        // Somebody else may have made them on another node.
        let agreement = self.session.await_schema_agreement().await;
        agreement.map(drop).map_err(|error| Box::new(error).into())
    }

    /// The schema's version, if its migrations are those of this program.
    async fn version(&self) -> Result<i32, MigrationError> {
        let statement = "SELECT version, digest FROM {tests}.migration";
        let rows = self.send(statement, (), Consistency::LocalQuorum).await?;
        let unreadable = MigrationError::Unreadable("the versions of the cluster's schema");
        let Ok(rows) = rows.into_rows_result() else {
            return Err(unreadable);
        };
        let Ok(rows) = rows.rows::<(i32, Option<String>)>() else {
            return Err(unreadable);
        };
        let mut found = 0;
        for row in rows {
            let Ok((version, digest)) = row else {
                return Err(unreadable);
            };
            let index = usize::try_from(version - 1).ok();
            let known = index.and_then(|index| MIGRATIONS.get(index));
            if known.is_some_and(|known| digest != Some(digest_of(known))) {
                return Err(MigrationError::Differs { version });
            }
            found = found.max(version);
        }
        if found > KNOWN {
            return Err(MigrationError::Newer {
                found,
                known: KNOWN,
            });
        }
        Ok(found)
    }

    async fn lock(&self, take_over: bool) -> Result<Lock, MigrationError> {
        let token = rand::random::<i64>();
        let holder = holder(SystemClock.now());
        for _ in 0..MOST_TRIES {
            let statement = "INSERT INTO {tests}.migration_lock (name, holder, turn) VALUES ('schema', ?, ?) IF NOT EXISTS";
            let mut asked = self
                .send(statement, (&holder, token), Consistency::LocalQuorum)
                .await;
            let mut held = self.holder().await?;
            if let (true, Some((_, seen))) = (take_over, &held)
                && *seen != token
            {
                let statement = "UPDATE {tests}.migration_lock SET holder = ?, turn = ? WHERE name = 'schema' IF turn = ?";
                let values = (&holder, token, *seen);
                asked = self.send(statement, values, Consistency::LocalQuorum).await;
                held = self.holder().await?;
            }
            match (held, asked) {
                (Some((_, seen)), _) if seen == token => return Ok(Lock { token }),
                (Some((holder, _)), _) => return Err(MigrationError::Locked { holder }),
                (None, Err(unanswered)) => return Err(unanswered),
                // Whoever held it has released it between the two.
                (None, Ok(_)) => {}
            }
        }
        Err(MigrationError::Unreadable("the lock"))
    }

    /// Who holds the lock, and by which token: what was decided, also where the answer was lost.
    async fn holder(&self) -> Result<Option<(String, i64)>, MigrationError> {
        let statement = "SELECT holder, turn FROM {tests}.migration_lock WHERE name = 'schema'";
        let read = self.send(statement, (), Consistency::LocalSerial).await?;
        let unreadable = || MigrationError::Unreadable("the lock");
        let rows = read.into_rows_result().map_err(|_| unreadable())?;
        let row: Option<(Option<String>, Option<i64>)> =
            rows.maybe_first_row().map_err(|_| unreadable())?;
        Ok(row.and_then(|(holder, token)| Some((holder.unwrap_or_default(), token?))))
    }

    /// Refuses to go on once another process has taken over.
    async fn check_lock(&self, lock: &Lock) -> Result<(), MigrationError> {
        match self.holder().await? {
            Some((_, token)) if token == lock.token => Ok(()),
            Some((holder, _)) => Err(MigrationError::TakenOver { holder }),
            None => Err(MigrationError::TakenOver {
                holder: "a process that has ended".to_owned(),
            }),
        }
    }

    async fn release(&self, lock: &Lock) -> Result<(), MigrationError> {
        let statement = "DELETE FROM {tests}.migration_lock WHERE name = 'schema' IF turn = ?";
        let values = (lock.token,);
        let released = self.send(statement, values, Consistency::LocalQuorum).await;
        released.map(drop)
    }

    async fn migrate(
        &self,
        options: &Options,
        lock: &Lock,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Migrated, MigrationError> {
        // Somebody else may have done it before the lock was free.
        let from = self.version().await?;
        let versions = (1..).zip(MIGRATIONS);
        for (version, migration) in versions.filter(|(version, _)| *version > from) {
            for statement in statements(&options.fill_in(migration)) {
                self.check_lock(lock).await?;
                let first = statement.split(" (").next().unwrap_or_default();
                progress(&with_keyspaces(first, &self.settings.keyspace_prefix));
                self.change_schema(&statement).await?;
            }
            self.check_lock(lock).await?;
            let statement =
                "INSERT INTO {tests}.migration (version, digest, applied_at) VALUES (?, ?, ?)";
            let values = (version, digest_of(migration), SystemClock.now().millis());
            self.send(statement, values, Consistency::LocalQuorum)
                .await?;
        }
        Ok(Migrated { from, to: KNOWN })
    }

    async fn change_schema(&self, statement: &str) -> Result<(), MigrationError> {
        self.send(statement, (), Consistency::LocalQuorum).await?;
        self.session
            .await_schema_agreement()
            .await
            .map_err(Box::new)?;
        Ok(())
    }

    /// Sends a statement once.
    async fn send(
        &self,
        statement: &str,
        values: impl SerializeRow,
        consistency: Consistency,
    ) -> Result<QueryResult, MigrationError> {
        let text = with_keyspaces(statement, &self.settings.keyspace_prefix);
        let mut statement = Statement::new(text);
        statement.set_consistency(consistency);
        statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        statement.set_retry_policy(Some(Arc::new(FallthroughRetryPolicy::new())));
        let beginning = statement.contents.split(" (").next().unwrap_or_default();
        let beginning = beginning.to_owned();
        let sent = self.session.query_unpaged(statement, values).await;
        sent.map_err(|error| match error {
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::Unauthorized,
                _,
            )) => MigrationError::Unauthorized {
                role: self.settings.role.clone(),
                statement: beginning,
            },
            other => Box::new(other).into(),
        })
    }
}

/// This process, for whoever wants to know whether it is dead.
fn holder(since: Timestamp) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let process = std::process::id();
    format!("process {process} of {} since {since}", machine.trim())
}
