//! How an embedded store is opened.

use std::path::PathBuf;

use sistema_ts_model::CUN_LIFE_MILLIS;

use super::index::IndexOptions;

/// The settings of an embedded store. Those of [`EmbeddedOptions::in_folder`] are for production.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The folder of its files, made if it is not there. One process at a time may use it.
    pub folder: PathBuf,
    /// The SQLite VFS to go through, by name; tests inject faults by one.
    pub vfs: Option<String>,
    /// How long a test is kept, in milliseconds from its communication: at least [`CUN_LIFE_MILLIS`].
    pub retention_millis: i64,
    /// How far the clock may be ahead of what it was when a claim's deadline was set, in milliseconds: a holder counts as dead only when its
    /// deadline has passed by this much. One process owns the store, but its clock may be stepped.
    pub clock_error_millis: i64,
    /// How many requests may wait for the writer in each of its two lanes, and for each pool of readers.
    pub queue_capacity: usize,
    /// The most requests that one commit carries.
    pub batch_jobs: usize,
    /// Pages of the WAL of the file of tests after which they are moved into the file.
    pub checkpoint_pages: u32,
    /// Memory for pages of the file of tests, on the writer's side, in KiB.
    pub cache_kib: u32,
    /// Threads that look up single tests.
    pub lookup_threads: usize,
    /// Threads that read pages of listings and search access records.
    pub listing_threads: usize,
    /// The late index of codes.
    pub codes: IndexOptions,
    /// The late index of receipts.
    pub receipts: IndexOptions,
}

impl EmbeddedOptions {
    /// The settings for production, in this folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> EmbeddedOptions {
        EmbeddedOptions {
            folder: folder.into(),
            vfs: None,
            retention_millis: CUN_LIFE_MILLIS,
            clock_error_millis: 1_000,
            queue_capacity: 8_192,
            batch_jobs: 1_024,
            checkpoint_pages: 60_000,
            cache_kib: 16 * 1_024,
            lookup_threads: 2,
            listing_threads: 1,
            codes: IndexOptions::default(),
            receipts: IndexOptions {
                memory_entries: 32_768,
                filter_budget: 32 << 20,
                ..IndexOptions::default()
            },
        }
    }
}
