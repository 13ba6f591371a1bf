//! How a store is opened.

use std::path::PathBuf;

use sistema_ts_model::CUN_LIFE_MILLIS;

use crate::settings::CqlSettings;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct CqlOptions {
    /// Where the cluster is, and how it is asked.
    pub settings: CqlSettings,
    /// The folder of what this server notes for itself.
    pub data_folder: PathBuf,
    /// How long a test is kept, in milliseconds from its communication: at least [`CUN_LIFE_MILLIS`], and less than the tables' time to live.
    pub retention_millis: i64,
    /// By how much the clocks of two servers may differ, in milliseconds.
    pub clock_error_millis: i64,
}

impl CqlOptions {
    /// With these settings, all else as it is by default.
    #[must_use]
    pub fn of(settings: CqlSettings, data_folder: PathBuf) -> Self {
        Self {
            settings,
            data_folder,
            retention_millis: CUN_LIFE_MILLIS,
            clock_error_millis: 1_000,
        }
    }
}
