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

/// What was done to the database roles of a store that servers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolesRenewed {
    /// Names of roles that were not there before.
    pub made: Vec<String>,
    /// Names of roles that were there and have another password now.
    pub passwords: Vec<String>,
    /// How many rights were given.
    pub given: usize,
    /// How many rights, and roles within roles, were taken away.
    pub taken: usize,
    /// Whether tables are missing, so that rights to them could not be given yet.
    pub lacks_tables: bool,
}
