//! `sistema-ts admin cun …`: what the running server is asked to do about one code.

use std::process::ExitCode;

use clap::Subcommand;
use sistema_ts_model::Cun;

use super::output::Output;
use crate::cli::error::{AdminError, CliError};
use crate::cli::person::{lines_of, read_input};
use crate::config::Configuration;
use crate::control::{self, AskError, Order, Reply};
use crate::plain_text::single_value;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a CUN back the verifications that failed, so that it can be verified again; the CUN is read from standard input
    ///
    /// The running server does it, at most twice in the life of a CUN, and notes it in its security log under a reference that is printed here.
    /// Failures that count against operators and call centres stay.
    Forgive,
}

pub(super) fn run(
    configuration: &Configuration,
    output: Output,
    command: &Command,
) -> Result<ExitCode, CliError> {
    match command {
        Command::Forgive => forgive(configuration, output),
    }
}

fn forgive(configuration: &Configuration, output: Output) -> Result<ExitCode, CliError> {
    let text = read_input("CUN", "the CUN")?;
    let [line] = lines_of(&text)?;
    let code = Cun::parse_spoken(single_value(line)).map_err(AdminError::from)?;
    let order = Order::ForgiveCode { code };
    let reply = control::ask(&configuration.control_socket(), &order).map_err(AdminError::from)?;
    match reply {
        Reply::CodeForgiven {
            failures,
            left,
            reference,
        } => {
            output.fields(&[
                ("forgiven_failures", failures.into()),
                ("can_be_forgiven_again", left.into()),
                ("reference", reference.into()),
            ])?;
            Ok(ExitCode::SUCCESS)
        }
        Reply::NoFailureCounts => {
            output.done("no failed verification counts against this CUN: nothing changed")?;
            Ok(ExitCode::SUCCESS)
        }
        Reply::NoForgivenessLeft => {
            output.done("this CUN was forgiven as often as it may be: nothing changed")?;
            Ok(ExitCode::FAILURE)
        }
        // The reply to another order.
        Reply::ClockConfirmed { .. } | Reply::RegisterChangeNoted => {
            Err(AdminError::from(AskError::NotUnderstood).into())
        }
        Reply::NotDone { reason } => Err(AdminError::NotDone(reason).into()),
        Reply::Unknown { reason } => Err(AdminError::NotKnown(reason).into()),
    }
}
