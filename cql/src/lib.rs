//! The store over ScyllaDB and Apache Cassandra.
//!
//! What several servers do to rows that live on several nodes was decided by search, before it was written: `tests/models` holds a model of each
//! decision, of what lost against it, and of each guard that it stands on. `docs/cql.md` says what was decided, and why.
//!
//! Without the feature `driver` this crate has the settings alone.

mod accounts;
mod settings;

pub use accounts::{Account, Accounts};
pub use settings::CqlSettings;

#[cfg(feature = "driver")]
mod access;
#[cfg(feature = "driver")]
mod cancellation;
#[cfg(feature = "driver")]
mod cluster;
#[cfg(feature = "driver")]
mod connect_error;
#[cfg(feature = "driver")]
mod connecting;
#[cfg(feature = "driver")]
mod core;
#[cfg(feature = "driver")]
mod counting;
#[cfg(feature = "driver")]
mod erasing;
#[cfg(feature = "driver")]
mod failure;
#[cfg(feature = "faults")]
pub mod faults;
#[cfg(feature = "driver")]
mod guarded;
#[cfg(feature = "driver")]
mod guess;
#[cfg(feature = "driver")]
mod health;
#[cfg(feature = "driver")]
mod listing;
#[cfg(feature = "driver")]
mod lookup;
#[cfg(feature = "driver")]
mod maintenance;
#[cfg(feature = "driver")]
pub mod migrations;
#[cfg(feature = "driver")]
mod noted_hours;
#[cfg(feature = "driver")]
mod noted_time;
#[cfg(feature = "driver")]
mod options;
#[cfg(feature = "driver")]
mod password;
#[cfg(feature = "driver")]
mod person;
#[cfg(feature = "driver")]
mod place;
#[cfg(feature = "driver")]
mod receipt;
#[cfg(feature = "driver")]
pub mod register;
#[cfg(feature = "driver")]
pub mod roles;
#[cfg(feature = "driver")]
mod session;
#[cfg(feature = "driver")]
pub mod statement;
#[cfg(feature = "driver")]
mod store;
#[cfg(feature = "driver")]
mod submission;
#[cfg(feature = "driver")]
mod sweep;
#[cfg(feature = "driver")]
pub mod tables;
#[cfg(feature = "driver")]
mod test_row;
#[cfg(feature = "driver")]
mod threads;
#[cfg(feature = "driver")]
mod ticket;

#[cfg(feature = "driver")]
pub use access::CqlAccessArchive;
#[cfg(feature = "driver")]
pub use connecting::{ConnectError, connect};
#[cfg(feature = "driver")]
pub use maintenance::CqlMaintenance;
#[cfg(feature = "driver")]
pub use options::CqlOptions;
#[cfg(feature = "driver")]
pub use store::CqlStore;
