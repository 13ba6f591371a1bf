//! The schema, as numbered files that are applied in order and never changed.

use scylla::client::session::Session;
use scylla::errors::{ExecutionError, SchemaAgreementError};
use serde::Deserialize;
use thiserror::Error;

use crate::settings::CqlSettings;
use crate::tables::{Keyspace, with_keyspaces};

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
    never_deleted_1_day: String,
    never_deleted_14_days: String,
    erased: String,
    conditional: String,
}

impl Options {
    fn of(engine: Engine) -> Result<Self, MigrationError> {
        toml::from_str(engine.options()).map_err(|_| MigrationError::Options)
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

/// Why the schema could not be brought to this version.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// A statement was refused, or not answered.
    #[error("a statement of the schema has failed: {0}")]
    Statement(#[from] Box<ExecutionError>),
    /// The nodes do not agree on the schema.
    #[error("the nodes do not agree on the schema: {0}")]
    Agreement(#[from] Box<SchemaAgreementError>),
    /// The options within this program cannot be read.
    #[error("the options of the tables cannot be read")]
    Options,
}

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

/// Makes the keyspaces and applies every migration. Each statement may be repeated.
///
/// # Errors
/// [`MigrationError`]; what was applied stays.
pub async fn apply(session: &Session, settings: &CqlSettings) -> Result<(), MigrationError> {
    let options = Options::of(Engine::of(session))?;
    for keyspace in Keyspace::ALL {
        let name = format!("{}_{}", settings.keyspace_prefix, keyspace.name());
        let statement = format!(
            "CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = {{'class': 'NetworkTopologyStrategy', '{}': {}}}{}",
            settings.datacenter, settings.replication_factor, options.keyspace
        );
        session
            .query_unpaged(statement, ())
            .await
            .map_err(Box::new)?;
    }
    for migration in MIGRATIONS {
        for statement in statements(&options.fill_in(migration)) {
            let statement = with_keyspaces(&statement, &settings.keyspace_prefix);
            session
                .query_unpaged(statement, ())
                .await
                .map_err(Box::new)?;
        }
    }
    session.await_schema_agreement().await.map_err(Box::new)?;
    Ok(())
}
