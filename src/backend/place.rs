//! Where the archives over a cluster are.

use std::path::PathBuf;

use sistema_ts_cql::CqlSettings;

/// A cluster, and what one server of it keeps for itself.
pub(super) struct Place {
    pub(super) settings: CqlSettings,
    pub(super) data_folder: PathBuf,
    pub(super) retention_millis: i64,
    pub(super) clock_error_millis: i64,
}
