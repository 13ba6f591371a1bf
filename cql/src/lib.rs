//! The store over ScyllaDB and Apache Cassandra.
//!
//! What several servers do to rows that live on several nodes was decided by search, before it was written: `tests/models` holds a model of each
//! decision, of what lost against it, and of each guard that it stands on. `docs/cql.md` says what was decided, and why.

// Until every operation is there.
#![allow(dead_code)]

mod cluster;
mod connecting;
mod core;
mod failure;
mod listing;
mod lookup;
pub mod migrations;
mod options;
mod place;
mod receipt;
mod settings;
pub mod statement;
mod store;
mod submission;
pub mod tables;
mod test_row;

pub use connecting::{ConnectError, connect};
pub use options::CqlOptions;
pub use settings::CqlSettings;
pub use store::CqlStore;
