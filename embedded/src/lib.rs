//! The embedded store: SQLite inside the process, for one machine and as the default.
//!
//! One thread writes, in group commits ([`writer`]); others read, each on a connection of its own ([`readers`]). The files:
//!
//! - `tests.db`: the tests, their sessions, receipts and the late indexes;
//! - `patients-<day>.db`: the fiscal codes of the positives of one Rome day, sealed; rewritten once a day after erasures, unlinked
//!   whole when the day has expired;
//! - `access-<day>.db`: the access records of one Rome day.

mod access;
mod asking;
pub mod cards;
mod closing;
mod contract;
mod day;
mod dictionary;
mod epoch;
mod erasing;
mod examination;
mod expiry;
mod failure;
mod files;
mod guarded;
mod guesses;
pub mod index;
mod inventory;
mod job;
mod listing;
mod log;
mod lookup;
mod maintenance;
mod noted_time;
mod noting;
mod opened;
mod options;
mod paths;
mod patients;
mod progress;
mod queue;
mod readers;
mod record;
mod recovery;
pub mod register;
mod repair;
mod restore;
mod rows;
mod schema;
mod sessions;
mod settings;
mod shared;
mod stock;
mod store;
mod submit;
mod tenancy;
mod under_way;
mod writer;

pub use access::EmbeddedAccessArchive;
pub use maintenance::EmbeddedMaintenance;
pub use options::EmbeddedOptions;
pub use settings::EmbeddedSettings;
pub use store::EmbeddedStore;

#[cfg(test)]
mod tests;
