//! The command line: one file per command.

mod mirror;
mod people;
mod prepare;
mod report;
mod run;
mod scenarios;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::LoadtestError;

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
    /// Run a scenario against a server, and judge it
    ///
    /// Exit status: 0 all objectives kept, 10 an objective missed, 11 the truth violated, 12 invalid since the client was the limit,
    /// 2 a wrong command line, scenario or environment, or a run that could not be done.
    Run(run::RunArguments),
    /// Make the page of a run again, from its `result.json`
    Report(report::ReportArguments),
    /// Write made-up people, cards, operators, requests for certificates, and the commands that register and remove them
    ///
    /// Nothing that is registered on the server is replaced by what is written.
    Prepare(prepare::PrepareArguments),
    /// Write files about made-up people: their health cards, or their codici fiscali
    People(people::PeopleArguments),
    /// Answer every request alike, for as long as it runs: what a client reaches against this is its own limit
    Mirror(mirror::MirrorArguments),
    /// List the scenarios that come with the program, or show the file of one
    Scenarios(scenarios::ScenariosArguments),
    /// Check a scenario's file, and say what is wrong with its line and column
    Check(scenarios::CheckArguments),
}

/// Does what the command line says, and returns the exit status.
#[must_use]
pub fn run() -> ExitCode {
    let done: Result<ExitCode, LoadtestError> = match Arguments::parse().command {
        Command::Run(arguments) => arguments.run(),
        Command::Report(arguments) => arguments.run(),
        Command::Prepare(arguments) => arguments.run(),
        Command::People(arguments) => arguments.run(),
        Command::Mirror(arguments) => arguments.run(),
        Command::Scenarios(arguments) => arguments.run(),
        Command::Check(arguments) => arguments.run(),
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
    fn the_description_of_the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }
}
