//! The command line.

mod desk;
mod list;
mod submit;

use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::error::LoadtestError;
use crate::wire::target::Target;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send swab results (invioEsecuzioneTest) in a closed loop: each connection sends the next when its answer is there
    ///
    /// Prints answers a second, CPU per submission and latencies, for each window and for the whole run. Exit status: 0 if
    /// every request sent was accepted with a CUN of its own, 1 if not, 2 if nothing was measured.
    Submit(submit::SubmitArguments),
    /// Verify positives (verificaPositivita) as a call centre in an open loop: requests leave at their times, whatever the server does
    ///
    /// A latency is counted from the time at which its request should have left. Exit status: 0 if every request was answered
    /// 0000, and within the objective if there is one, 1 if not, 2 if nothing was measured.
    Verify(desk::VerifyArguments),
    /// Verify positives once each, and then unlock them (sbloccoCodiceImmuni) in an open loop
    ///
    /// Only the unlocks are measured, each with a made-up one-time code. Exit status as of verify.
    Unlock(desk::UnlockArguments),
    /// Ask for listings (elencoTestEffettuati) as a region, and read them to their end
    ///
    /// Counts the tests as they come, in constant memory. Exit status: 0 if every listing came to its end, in order and with the
    /// tests that were expected, 1 if not, 2 if nothing was measured.
    List(list::ListArguments),
}

/// Where the server is, and the certificate of the one who calls it.
#[derive(Debug, Args)]
struct TargetArguments {
    /// Where the server listens, as `https://name:port`
    #[arg(long, value_name = "URL")]
    url: String,
    /// Authority of the server's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The caller's certificate and chain (PEM)
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The caller's key (PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The server's process on this machine: its CPU time and memory are measured
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl TargetArguments {
    fn target(&self) -> Result<Target, LoadtestError> {
        Target::new(&self.url, &self.ca, Some((&self.certificate, &self.key)))
    }
}

/// Does what the command line says, and returns the exit status.
pub fn run(command: &Command) -> ExitCode {
    let passed = match command {
        Command::Submit(arguments) => arguments.run(),
        Command::Verify(arguments) => arguments.run(),
        Command::Unlock(arguments) => arguments.run(),
        Command::List(arguments) => arguments.run(),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures, prints the report, and writes it to the file. That is opened first: hours of load are not lost to a folder that is not there.
fn with_report<R: Display + Serialize>(
    path: Option<&Path>,
    measure: impl FnOnce() -> Result<R, LoadtestError>,
) -> Result<R, LoadtestError> {
    let file = match path {
        Some(path) => {
            let wrong = LoadtestError::file(path);
            Some((File::create(path).map_err(wrong)?, wrong))
        }
        None => None,
    };
    let report = measure()?;
    print!("{report}");
    if let Some((file, wrong)) = file {
        serde_json::to_writer_pretty(file, &report).map_err(|error| wrong(error.into()))?;
    }
    Ok(report)
}
