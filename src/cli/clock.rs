//! `sistema-ts clock …`: what only a person can decide who has looked at another clock.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Subcommand;
use sistema_ts_model::{Clock as _, SystemClock};
use sistema_ts_store::keys::Renewal;

use super::configuration::Configured;
use super::error::{CliError, ClockError};
use crate::control::{self, AskError, Order, Reply};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say that the clock is right now: what is past its time by it is destroyed. Works on a running server and on a stopped one
    Confirm,
    /// Put right what was stamped by a clock that was ahead; the server must be stopped, and the clock right
    Repair,
}

pub(super) fn run(arguments: Configured<Command>) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let mut output = io::stdout().lock();
    let now = SystemClock.now();
    match arguments.command {
        Command::Confirm => {
            let lag_seconds = match control::ask(&configuration.control_socket(), &Order::ConfirmClock) {
                Ok(Reply::ClockConfirmed { lag_seconds }) => lag_seconds,
                Ok(Reply::NotDone { reason } | Reply::Unknown { reason }) => {
                    return Err(ClockError::NotDone(reason).into());
                }
                Ok(_) => return Err(ClockError::Ask(AskError::NotUnderstood).into()),
                // Without a server the word is noted in its store.
                Err(AskError::NotRunning(_)) => {
                    let store = configuration.archives().maintenance();
                    store.confirm_clock(now).map_err(ClockError::from)? / 1_000
                }
                Err(error) => return Err(ClockError::Ask(error).into()),
            };
            writeln!(
                output,
                "The clock is confirmed: {now}. What is destroyed goes by it from now on; the time by which it went so far was {lag_seconds} seconds behind."
            )
        }
        Command::Repair => {
            let ring = &configuration.store.key_ring_file;
            let store = configuration.archives().maintenance();
            let done = store.repair_clock(now).map_err(ClockError::from)?;
            writeln!(
                output,
                "{} tests, {} access records and {} other entries that were later than {now} have this time now.",
                done.tests, done.access_records, done.others
            )
            .and_then(|()| match done.ring {
                Renewal::From(day) => writeln!(
                    output,
                    "{}: the ring began in the future; it has keys from {day} on now.",
                    ring.display()
                ),
                Renewal::NotNeeded => Ok(()),
            })
        }
    }
    .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
