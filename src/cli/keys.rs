//! `sistema-ts keys …`: the ring of day keys.

use std::fs::DirBuilder;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use sistema_ts_model::{Clock as _, SystemClock};
use sistema_ts_store::keys::{KeyError, KeyRing, oldest_live_day};

use super::CliError;
use super::configuration::ConfigurationArguments;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the ring, once for an installation; refused where there is one
    Create,
    /// Show from which day on its keys exist
    Age,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let path = &configuration.store.key_ring_file;
    let today = SystemClock.now().rome_day();
    let mut output = io::stdout().lock();
    match arguments.command {
        Command::Create => {
            if let Some(folder) = path.parent() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .map_err(|source| KeyError::Io {
                        path: folder.to_owned(),
                        action: "written",
                        source,
                    })?;
            }
            KeyRing::create(path, today)?;
            writeln!(
                output,
                "{}: day keys from {today} on. It belongs in no backup (see docs/administration.md).",
                path.display()
            )
        }
        Command::Age => {
            let oldest = KeyRing::load(path)?.oldest();
            let days = (today - oldest).num_days() + 1;
            let needed = oldest_live_day(SystemClock.now()).max(oldest);
            writeln!(
                output,
                "{}: day keys from {oldest} on, {days} {}; the oldest that is still needed is that of {needed}.",
                path.display(),
                if days == 1 { "day" } else { "days" },
            )
        }
    }
    .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
