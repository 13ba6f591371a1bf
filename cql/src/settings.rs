//! What an installation may set of a store over CQL: the section `[cql]` of the configuration.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The section `[cql]`. Each number has bounds ([`CqlSettings::bounds`]), which whoever reads a configuration checks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CqlSettings {
    /// Some of the nodes, each `host:port`: the others are learnt from them.
    pub nodes: Vec<String>,
    /// The datacenter whose nodes are asked, and whose quorum decides. One datacenter writes.
    pub datacenter: String,
    /// How many nodes hold each row. Three is the least that lets one be away.
    pub replication_factor: usize,
    /// What the names of the keyspaces begin with.
    pub keyspace_prefix: String,
    /// The database role as which it signs in; empty: it does not.
    pub role: String,
    /// The file with that role's password, readable by its owner alone.
    pub password_file: PathBuf,
    /// The authorities, in PEM, that have signed the nodes' certificates; empty: no TLS to the nodes.
    pub authority_file: PathBuf,
    /// How long a plain statement may take, in milliseconds. The nodes' own limits are to be shorter.
    pub statement_timeout_milliseconds: usize,
    /// How long a conditional statement may take, in milliseconds. The nodes' own limits are to be shorter.
    pub conditional_timeout_milliseconds: usize,
    /// After how many milliseconds without an answer a plain statement is sent to a second node as well.
    pub second_node_after_milliseconds: usize,
    /// How many operations may be under way at once; more are turned away.
    pub maximum_operations: usize,
    /// Threads that speak with the nodes.
    pub threads: usize,
}

impl Default for CqlSettings {
    fn default() -> Self {
        Self {
            nodes: vec!["localhost:9042".to_owned()],
            datacenter: "datacenter1".to_owned(),
            replication_factor: 3,
            keyspace_prefix: "sistema_ts".to_owned(),
            role: String::new(),
            password_file: PathBuf::new(),
            authority_file: PathBuf::new(),
            statement_timeout_milliseconds: 5_000,
            conditional_timeout_milliseconds: 5_000,
            second_node_after_milliseconds: 300,
            maximum_operations: 2_048,
            threads: 2,
        }
    }
}

impl CqlSettings {
    /// The keys whose values are paths.
    pub fn paths_mut(&mut self) -> [&mut PathBuf; 2] {
        [&mut self.password_file, &mut self.authority_file]
    }

    /// The name of each key with its value, and the values that it may have.
    #[must_use]
    pub fn bounds(&self) -> [(&'static str, usize, RangeInclusive<usize>); 6] {
        [
            ("replication_factor", self.replication_factor, 1..=9),
            (
                "statement_timeout_milliseconds",
                self.statement_timeout_milliseconds,
                100..=60_000,
            ),
            (
                "conditional_timeout_milliseconds",
                self.conditional_timeout_milliseconds,
                100..=60_000,
            ),
            (
                "second_node_after_milliseconds",
                self.second_node_after_milliseconds,
                10..=60_000,
            ),
            (
                "maximum_operations",
                self.maximum_operations,
                64..=1_048_576,
            ),
            ("threads", self.threads, 1..=64),
        ]
    }
}
