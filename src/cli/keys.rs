//! `sistema-ts keys …`: the ring of day keys.

use std::fs::DirBuilder;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::process::ExitCode;

use chrono::{Days, NaiveDate};
use clap::Subcommand;
use sistema_ts_model::{Clock as _, SystemClock};
use sistema_ts_store::keys::{KeyError, KeyRing, RENEWAL_AHEAD_DAYS, oldest_live_day};

use super::configuration::Configured;
use super::error::CliError;
use super::hand_over;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the ring, once for an installation; refused where there is one
    Create,
    /// Mix fresh entropy in from a coming day on, so that no copy of the ring made before leads to the keys of that day and later ones; works
    /// beside a running server
    Renew {
        /// The day, at least two days ahead [default: two days ahead]
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<NaiveDate>,
    },
    /// Show from which day on its keys exist
    Age,
    /// Hand ring and register key over to another server of the same store, sealed
    #[command(subcommand)]
    HandOver(hand_over::Command),
}

pub(super) fn run(arguments: Configured<Command>) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let path = &configuration.store.key_ring_file;
    let today = SystemClock.now().rome_day();
    let mut output = io::stdout().lock();
    match arguments.command {
        Command::HandOver(command) => {
            drop(output);
            hand_over::run(&command, &configuration)?;
            return Ok(ExitCode::SUCCESS);
        }
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
        Command::Renew { from } => {
            let from = from.unwrap_or(today + Days::new(RENEWAL_AHEAD_DAYS));
            KeyRing::renew(path, today, from)?;
            writeln!(
                output,
                "{}: renewed from {from} on; a running server takes it up by itself within a minute.",
                path.display()
            )
        }
        Command::Age => {
            let ring = configuration.archives().key_ring()?;
            let oldest = ring.oldest();
            let days = (today - oldest).num_days() + 1;
            let needed = oldest_live_day(SystemClock.now()).max(oldest);
            writeln!(
                output,
                "{}: day keys from {oldest} on, {days} {}; the oldest that is still needed is that of {needed}.",
                path.display(),
                if days == 1 { "day" } else { "days" },
            )
            .and_then(|()| {
                ring.renewals()
                    .iter()
                    .try_for_each(|day| writeln!(output, "Renewed from {day} on."))
            })
        }
    }
    .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
