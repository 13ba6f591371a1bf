//! `sistema-ts restore`: looks at the data folder, and accepts it as it is on the operator's word.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;

use super::configuration::ConfigurationArguments;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,

    /// Accept the folder as it is: what is lost stays lost. Without it the folder is only looked at
    #[arg(long)]
    accept: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let store = configuration.archives().maintenance();
    let findings = if arguments.accept {
        store.accept()?
    } else {
        store.examine()?
    };
    let mut output = io::stdout().lock();
    let mut say = |line: &str| writeln!(output, "{line}").map_err(CliError::Output);
    for finding in &findings {
        say(finding)?;
    }
    match (findings.is_empty(), arguments.accept) {
        (true, _) => say("The data folder is as the server left it: there is nothing to accept.")?,
        (false, true) => say("Accepted: the server starts on the folder as it is.")?,
        (false, false) => {
            say("Put back what is missing or newer, or accept the folder as it is with --accept.")?;
            return Ok(ExitCode::from(1));
        }
    }
    Ok(ExitCode::SUCCESS)
}
