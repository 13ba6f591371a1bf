//! The archive of access records: one file a day, written by a thread of its own.
//!
//! A record that a service brings is committed before its answer leaves, in group commits beside those of the tests. An accepted
//! submission brings none: what its record says stands durably in its own row, and this thread copies it from there, some
//! thousand rows at a time. How far it came is what the newest file holds, so a copy is never made twice nor left out.

mod archive;
mod chunk;
mod columns;
mod keeper;
mod repair;
mod search;
mod visitor;

pub(super) use archive::Archive;
pub(super) use keeper::{AccessJob, Keeper};
pub(super) use repair::{finish_merging, repair_archive};
pub(super) use search::search;
pub use visitor::EmbeddedAccessArchive;
