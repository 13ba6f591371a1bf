//! The options by which a command finds the configuration.

use std::path::PathBuf;

use clap::Args;

use crate::config::{CONFIGURATION_FILE_VARIABLE, Configuration, ConfigurationError};

#[derive(Debug, Args)]
pub(super) struct ConfigurationArguments {
    /// The configuration file; without it all keys have their defaults (docs/configuration.md)
    #[arg(long, short, value_name = "FILE", env = CONFIGURATION_FILE_VARIABLE, global = true)]
    configuration: Option<PathBuf>,
}

impl ConfigurationArguments {
    pub(super) fn load(&self) -> Result<Configuration, ConfigurationError> {
        Configuration::load(self.configuration.as_deref())
    }
}
