//! The command line: one file per command, each with its options, its entry point and what it prints.
//!
//! Exit status: 0 done, 1 the command's own "no" (a code that is not valid), 2 a wrong command line or a failure; `serve` has two more
//! ([`crate::serve::ServeError::exit_status`]).

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod admin;
mod audit;
mod cards;
mod clock;
mod code;
mod configuration;
mod keys;
mod pki;
mod restore;
mod serve;

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1_000;

/// The services of Sistema TS for swab results and for unlocking the Immuni app.
#[derive(Debug, Parser)]
#[command(name = "sistema-ts", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check and complete codes: CUN, OTP, codice fiscale
    #[command(subcommand)]
    Code(code::Command),
    /// Run the server
    Serve(serve::Arguments),
    /// Look at a data folder that the server refuses, and accept it as it is
    Restore(restore::Arguments),
    /// The ring of day keys, without which nothing can be sealed
    Keys(keys::Arguments),
    /// What only a person can decide who has looked at another clock
    Clock(clock::Arguments),
    /// Make certificates for development, tests and demonstrations
    Pki(pki::Arguments),
    /// The register of health cards, against which the call centre's verifications are checked
    Cards(cards::Arguments),
    /// The archive of access records
    Audit(audit::Arguments),
    /// Register callers, structures, users and operators; works beside a running server
    Admin(admin::Arguments),
}

/// Why a command could not be done. Its text never holds a code or another personal value.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// Standard input could not be read.
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] crate::config::ConfigurationError),
    /// The server did not start, or did not end well.
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// A secret lies open to other users of the machine.
    #[error(transparent)]
    Permissions(#[from] sistema_ts_store::permissions::PermissionError),
    /// The ring of day keys.
    #[error(transparent)]
    Keys(#[from] sistema_ts_store::keys::KeyError),
    /// The clock could not be confirmed or repaired.
    #[error(transparent)]
    Clock(#[from] clock::ClockError),
    /// The data folder.
    #[error(transparent)]
    Store(#[from] sistema_ts_store::StoreError),
    /// The development authority refused.
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
    /// Health cards.
    #[error(transparent)]
    Cards(#[from] cards::CardsError),
    /// Access records.
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
    /// The register refused, or what was to be registered cannot be.
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
}

/// Does what the command line says, and returns the exit status.
#[must_use]
pub fn run() -> ExitCode {
    restrict_new_files();
    let command = Arguments::parse().command;
    if !matches!(command, Command::Serve(_)) {
        crate::telemetry::install_notices();
    }
    let result = match command {
        Command::Code(command) => code::run(command),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Keys(arguments) => keys::run(arguments),
        Command::Clock(arguments) => clock::run(arguments),
        Command::Pki(arguments) => pki::run(arguments),
        Command::Cards(arguments) => cards::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Admin(arguments) => admin::run(arguments),
    };
    result.unwrap_or_else(|error| {
        // Whoever closed the pipe has read enough, and wants no complaint.
        if !matches!(&error, CliError::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe) {
            crate::telemetry::last_words(&format!("sistema-ts: {error}"));
        }
        match &error {
            CliError::Serve(error) => ExitCode::from(error.exit_status()),
            _ => ExitCode::from(2),
        }
    })
}

/// Makes every file and folder that this process creates its owner's alone, whatever the umask it was started with: keys, registers and archives
/// are nobody else's to read. What is public (certificates) is opened again where it is written.
fn restrict_new_files() {
    // SAFETY: umask only replaces a number of this process; no other thread runs yet that creates files.
    unsafe {
        libc::umask(0o077);
    }
}
