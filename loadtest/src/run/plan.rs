//! What is to be run.

use std::path::PathBuf;

use crate::scenario::Scenario;

/// What is to be run.
pub struct RunPlan {
    /// The scenario.
    pub scenario: Scenario,
    /// The environment's file.
    pub environment: PathBuf,
    /// Where results are written; it is made.
    pub folder: PathBuf,
    /// Instead of the scenario's seed.
    pub seed: Option<u64>,
    /// The server's name, repeated: without it nothing but loopback is called.
    pub confirmed_host: Option<String>,
    /// Whether the client's own ceiling is measured first.
    pub ceiling: bool,
    /// Whether progress is told on standard error.
    pub progress: bool,
    /// The command that does it again.
    pub command: String,
}
