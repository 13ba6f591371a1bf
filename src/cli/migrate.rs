//! `sistema-ts migrate`: makes the tables of a store that servers share, or brings them to this version.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;

use super::configuration::ConfigurationArguments;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,

    /// Take over from another process that was at it and is known to be dead
    #[arg(long)]
    take_over: bool,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let archives = configuration.archives();
    let migrated = archives.migrate(arguments.take_over)?;
    let has_changed = migrated.is_some_and(|(from, to)| from != to);
    let has_roles = !archives.sections.cql.role.is_empty();
    let mut told = match migrated {
        None => "Nothing to do: of this store a server does so itself.".to_owned(),
        Some((from, to)) if from == to => format!("The schema has version {to} already."),
        Some((0, to)) => format!("The schema is made, of version {to}."),
        Some((from, to)) => format!("The schema had version {from} and has version {to} now."),
    };
    if has_changed && has_roles {
        told.push_str(" New tables are for no role yet: run `sistema-ts roles`.");
    }
    writeln!(io::stdout().lock(), "{told}").map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}
