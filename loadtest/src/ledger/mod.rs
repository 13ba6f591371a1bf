//! The books of a run: what was asked, what was answered, and which rules a server of this contract must keep.
//!
//! Each request has an [`Intent`], which stands in the ledger's file before its first byte leaves, and a [`Settlement`] once it
//! is known what became of it. The file is a mapping that the kernel keeps: it survives the death of whoever writes it, at any
//! instruction. What follows is judged from the file alone.

mod admissions;
mod case;
mod codes;
mod encoding;
mod journal;
mod judge;
mod keys;
mod listed;
mod order;
mod reading;
mod record;
mod rules;
mod sample;
mod segment;
mod sweep;

pub use case::{CallerFacts, Case};
pub use journal::{Ledger, LedgerError};
pub use listed::{Listed, Listing, ListingWriter, NewListing};
pub use reading::{Books, Entries};
pub use record::{Class, Entry, Intent, Kind, Purpose, Settlement, session_mark};
pub use rules::Rule;
pub use sample::Sampler;
pub use sweep::{Lister, Reach, Sweep, SweepError};

/// The place of a request in its ledger: the first is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);
