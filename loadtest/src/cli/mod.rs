//! The command line: one file per command.

mod scenarios;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::LoadtestError;
use crate::former;

/// Exit status of a wrong command line, scenario or environment, and of a run that could not begin.
const USAGE: u8 = 2;

/// Load tests of the Sistema TS services, with made-up people only.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios that come with the program, or show the file of one
    Scenarios(scenarios::ScenariosArguments),
    /// Check a scenario's file, and say what is wrong with its line and column
    Check(scenarios::CheckArguments),
    #[command(flatten)]
    Former(former::Command),
}

/// Does what the command line says, and returns the exit status.
#[must_use]
pub fn run() -> ExitCode {
    let done: Result<ExitCode, LoadtestError> = match Arguments::parse().command {
        Command::Scenarios(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
        Command::Former(command) => return former::run(&command),
    };
    done.unwrap_or_else(|error| {
        eprintln!("loadtest: {error}");
        ExitCode::from(USAGE)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
