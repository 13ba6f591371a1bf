//! `loadtest scenarios` and `loadtest check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::error::LoadtestError;
use crate::scenario::{SHIPPED, Scenario, Shipped};

#[derive(Debug, Args)]
pub(super) struct ScenariosArguments {
    #[command(subcommand)]
    command: Option<ScenariosCommand>,
}

#[derive(Debug, Subcommand)]
enum ScenariosCommand {
    /// Print the file of a scenario, to begin one's own from
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The scenario's file, or the name of a shipped one
    scenario: PathBuf,
}

impl ScenariosArguments {
    pub(super) fn run(&self) -> Result<ExitCode, LoadtestError> {
        match &self.command {
            Some(ScenariosCommand::Show { name }) => {
                let shipped = Shipped::find(name).ok_or_else(|| {
                    let reason =
                        format!("there is no scenario {name}; `loadtest scenarios` lists them");
                    LoadtestError::Usage(reason)
                })?;
                print!("{}", shipped.text);
            }
            None => {
                for shipped in SHIPPED {
                    println!("{:<17}{}", shipped.name, shipped.scenario()?.about);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl CheckArguments {
    pub(super) fn run(&self) -> Result<ExitCode, LoadtestError> {
        let scenario = Scenario::read(&self.scenario)?;
        match scenario.length() {
            Some(length) => println!(
                "{}: right; its load lasts {:.0} s",
                scenario.name,
                length.as_secs_f64()
            ),
            None => println!("{}: right; it ends with its requests", scenario.name),
        }
        Ok(ExitCode::SUCCESS)
    }
}
