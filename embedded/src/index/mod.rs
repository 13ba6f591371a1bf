//! The late index: from a 64-bit hash (of a CUN, of a receipt's key) to row numbers, without a random B-tree.
//!
//! Rows are written in the order of time, their codes are random. A B-tree over the codes would dirty one page of its own for
//! almost every row, and that is what an embedded store spends its time on. Here the newest entries live in memory
//! ([`table`]), in a table whose slots are ordered by hash. A full table is frozen and written as a *run*, in slices within the
//! ordinary transactions of the writer. A run is a row of sorted pages of about 400 entries, each the size of one SQLite page.
//! Four runs of one level are merged into one of the next, a few pages a transaction. So an entry is written about as often
//! as there are levels, always sequentially in its run, at ten bytes each.
//!
//! A look-up asks the memory tables, then each run: the first keys of all its pages and a small Bloom filter per page stay in
//! memory, so that a run which lacks the key costs two cache misses and one that has it costs one row read.
//!
//! # What a caller must know
//!
//! - What comes out are **candidates**: rows whose code had this hash. The caller reads the row and compares the code. An entry
//!   is visible from its insertion, before its commit, and a candidate's row may therefore not be there (yet).
//! - Keys must be uniform hashes that no caller of the service can steer: the first bytes of a SHA-256 over random codes, or of
//!   a *keyed* hash over anything that callers choose. (Steered keys cost speed, never correctness.)
//! - Readers take a [`View`] *first* and open their read transaction after it. What the view lists was committed before, and its
//!   pages are reused only once no view names them, so every later snapshot holds them all.
//! - Everything durable changes in the writer's transaction. After each of them the writer says [`IndexWriter::committed`] or
//!   [`IndexWriter::rolled_back`]. After a crash the store gives
//!   it the rows above [`IndexWriter::covered_through`] again, by [`IndexWriter::restore`].

mod filter;
mod merge;
mod page;
mod plan;
mod reader;
mod run;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{IndexReader, View};
pub use writer::{IndexWriter, WorkDone};

/// One code and the row it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The hash of the code.
    pub key: u64,
    /// The row's number; rows are numbered in the order of time, below 2^63.
    pub row: u64,
}

/// The measures of an index. The default ones are for production; tests use smaller ones.
#[derive(Clone, Copy, Debug)]
pub struct IndexOptions {
    /// Entries kept in memory before they are frozen and written as a run (a power of two, at least 16).
    pub memory_entries: usize,
    /// Runs of one level that are merged into one of the next (2 to 16).
    pub fan_in: usize,
    /// The highest level. Runs of that level are merged no further; they leave when all their rows are below the floor.
    pub top_level: u8,
    /// Upper bound of the memory for Bloom filters, in bytes. Runs beyond it have none and cost a row read per look-up.
    pub filter_budget: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            memory_entries: 131_072,
            fan_in: 4,
            top_level: 3,
            filter_budget: 96 << 20,
        }
    }
}

/// What can go wrong in the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite failed.
    #[error("the index's table cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The transaction of the look-up is older than its view: the view must be taken first.
    #[error("the read transaction is older than the view of the index")]
    StaleView,
    /// A stored page or run makes no sense.
    #[error("the index is damaged: {0}")]
    Damaged(&'static str),
    /// A row number that is not above all earlier ones, or at least 2^63.
    #[error("row numbers must ascend and stay below 2^63")]
    RowOrder,
}
