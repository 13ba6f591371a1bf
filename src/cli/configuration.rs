//! The options by which a command finds the configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sistema_ts_store::permissions::check_data_folder;

use super::error::CliError;
use crate::config::{CONFIGURATION_FILE_VARIABLE, Configuration, ConfigurationError};

#[derive(Debug, Args)]
pub(super) struct ConfigurationArguments {
    /// The configuration file; without it all keys have their defaults (docs/configuration.md)
    #[arg(long, short, value_name = "FILE", env = CONFIGURATION_FILE_VARIABLE, global = true)]
    configuration: Option<PathBuf>,
}

/// A command that works with the configuration, and what it is asked to do.
#[derive(Debug, Args)]
pub(super) struct Configured<C: Subcommand> {
    #[command(flatten)]
    pub(super) configuration: ConfigurationArguments,

    #[command(subcommand)]
    pub(super) command: C,
}

impl ConfigurationArguments {
    /// For a command that works on the data folder or on keys, which must be safe from other users of the machine.
    pub(super) fn load(&self) -> Result<Configuration, CliError> {
        let configuration = self.load_unchecked()?;
        check_data_folder(&configuration.store.data_folder)?;
        Ok(configuration)
    }

    /// For the server, which checks the folder itself, once its log can take the warnings.
    pub(super) fn load_unchecked(&self) -> Result<Configuration, ConfigurationError> {
        Configuration::load(self.configuration.as_deref())
    }
}
