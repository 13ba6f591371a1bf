//! Why the schema is not of this version.

use scylla::errors::{ExecutionError, SchemaAgreementError};
use thiserror::Error;

/// Why the schema is not, or could not be brought to, this version.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// A statement was refused, or not answered.
    #[error("a statement of the schema has failed: {0}")]
    Statement(#[from] Box<ExecutionError>),
    /// This role may not do it.
    #[error(
        "the role {role:?} may not do this to the schema: {statement}. `sistema-ts migrate` signs in as the role for migrations; `sistema-ts roles` gives roles their rights"
    )]
    Unauthorized {
        /// Who signed in.
        role: String,
        /// The statement's beginning.
        statement: String,
    },
    /// The nodes do not agree on the schema.
    #[error("the nodes do not agree on the schema: {0}")]
    Agreement(#[from] Box<SchemaAgreementError>),
    /// What this program or the cluster holds cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    /// There are no tables, or older ones.
    #[error(
        "the cluster's schema has version {found}, and this program needs version {known}: run `sistema-ts migrate`"
    )]
    Older {
        /// The schema's version; 0 if there is none.
        found: i32,
        /// This program's.
        known: i32,
    },
    /// A newer program has been here.
    #[error(
        "the cluster's schema has version {found}, which a newer program has made; this one knows version {known}: start the newer program"
    )]
    Newer {
        /// The schema's version.
        found: i32,
        /// This program's.
        known: i32,
    },
    /// A migration was applied from another file than this program's.
    #[error(
        "migration {version} of the cluster's schema is not the one that this program has: they are of different builds, and the tables may differ"
    )]
    Differs {
        /// Which.
        version: i32,
    },
    /// Somebody else applies migrations, or has died over it.
    #[error(
        "the schema is being migrated by {holder}: if that process is known to be dead, `sistema-ts migrate --take-over`"
    )]
    Locked {
        /// Machine, process, and since when.
        holder: String,
    },
    /// Somebody else has taken the lock over.
    #[error("the schema is being migrated by {holder}, who has taken over from this process")]
    TakenOver {
        /// Machine, process, and since when.
        holder: String,
    },
}
