//! `sistema-ts serve`: runs the server.

use std::process::ExitCode;

use clap::Args;

use super::configuration::ConfigurationArguments;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load_unchecked()?;
    crate::serve::serve(&configuration)?;
    Ok(ExitCode::SUCCESS)
}
