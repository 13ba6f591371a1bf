//! Where the archives over a cluster are.

use std::path::PathBuf;

use sistema_ts_cql::CqlSettings;

/// A cluster, and what one server of it keeps for itself. A program without the store over a cluster reads the settings alone.
#[cfg_attr(not(feature = "cql"), allow(dead_code))]
pub(super) struct Place {
    pub(super) settings: CqlSettings,
    pub(super) data_folder: PathBuf,
    pub(super) retention_millis: i64,
    pub(super) clock_error_millis: i64,
}
