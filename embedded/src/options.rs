//! How an embedded store is opened.

use std::path::PathBuf;

use sistema_ts_model::CUN_LIFE_MILLIS;

use super::index::IndexOptions;
use super::settings::EmbeddedSettings;

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
    /// What an installation may set.
    pub settings: EmbeddedSettings,
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
            settings: EmbeddedSettings::default(),
            codes: IndexOptions::default(),
            receipts: IndexOptions {
                memory_entries: 32_768,
                filter_budget: 32 << 20,
                ..IndexOptions::default()
            },
        }
    }
}
