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
mod error;
mod hand_over;
mod keys;
mod migrate;
mod person;
mod pki;
mod restore;
mod roles;
mod serve;

use configuration::Configured;
use error::CliError;

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
    /// Make the tables of a store that servers share, or bring them to this version
    Migrate(migrate::Arguments),
    /// Make the database roles of a store that servers share, or bring them to exactly the rights that they are to have
    Roles(roles::Arguments),
    /// The ring of day keys, without which nothing can be sealed
    Keys(Configured<keys::Command>),
    /// What only a person can decide who has looked at another clock
    Clock(Configured<clock::Command>),
    /// Make certificates for development, tests and demonstrations
    Pki(pki::Arguments),
    /// The register of health cards, against which the call centre's verifications are checked
    Cards(Configured<cards::Command>),
    /// The archive of access records
    Audit(Configured<audit::Command>),
    /// Register callers, structures, users and operators; works beside a running server
    Admin(admin::Arguments),
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
        Command::Migrate(arguments) => migrate::run(arguments),
        Command::Roles(arguments) => roles::run(arguments),
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
