//! The command line.

use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rustls::pki_types::ServerName;
use sistema_ts_model::{
    Clock as _, PinCode, StructureDescription, StructureId, StructureReference, SystemClock,
};

use crate::engine::{Settings, submit};
use crate::error::LoadtestError;
use crate::report::Report;
use crate::request::{Credentials, Submission};
use crate::tls::client_config;

/// Load tests of the Sistema TS services, with made-up people only.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send swab results (invioEsecuzioneTest) in a closed loop: each connection sends the next when its answer is there
    ///
    /// Prints answers a second, CPU per submission and latencies, for each window and for the whole run. Exit status: 0 if
    /// every request sent was accepted with a CUN of its own, 1 if not, 2 if nothing was measured.
    Submit(SubmitArguments),
}

#[derive(Debug, Args)]
struct SubmitArguments {
    /// Where the server listens, as `https://name:port`
    #[arg(long, value_name = "URL")]
    url: String,
    /// Authority of the server's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The region's certificate and chain (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        required_unless_present = "user"
    )]
    certificate: Option<PathBuf>,
    /// The region's key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Send as this user of a structure instead, by Basic authentication; password and pincode are read from the
    /// environment, `LOADTEST_PASSWORD` and `LOADTEST_PINCODE`
    #[arg(long, conflicts_with = "certificate")]
    user: Option<String>,
    /// The structure that took the swabs, as `010-101-000123`
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "structure_description"
    )]
    structure: Option<String>,
    /// The structure's description instead, which only a region may send
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["structure", "user"])]
    structure_description: Option<String>,
    /// Requests to send
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    requests: u64,
    /// Connections, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Send no more after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    duration: Option<u32>,
    /// Positives, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 14, value_parser = clap::value_parser!(u8).range(0..=100))]
    positive: u8,
    /// Give each request a receipt key (identificativoRichiesta) of its own
    #[arg(long)]
    receipt_keys: bool,
    /// The same seed sends the same people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest time for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=290))]
    answer_limit: u32,
    /// Answers of a window
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// The server's process on this machine: its CPU time and memory are measured
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Wait so long at most, after the last answer, until the server is idle: what it does then is counted in the whole
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        requires = "server_pid"
    )]
    settle: u32,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write a line for each accepted submission: CUN, P or N, receipt key or `-`, separated by tabs
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
}

/// Does what the command line says, and returns the exit status.
#[must_use]
pub fn run() -> ExitCode {
    let Command::Submit(arguments) = Arguments::parse().command;
    match run_submit(&arguments) {
        Ok(report) if report.all_accepted() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}

fn run_submit(arguments: &SubmitArguments) -> Result<Report, LoadtestError> {
    let settings = settings(arguments)?;
    // Opened first: hours of load are not lost to a folder that is not there.
    let mut report_file = match &arguments.report {
        Some(path) => Some((
            path,
            std::fs::File::create(path).map_err(|cause| file_error(path, cause))?,
        )),
        None => None,
    };
    let report = submit(&settings)?;
    print!("{report}");
    if let Some((path, file)) = &mut report_file {
        serde_json::to_writer_pretty(&mut *file, &report)
            .map_err(|error| file_error(path, error.into()))?;
    }
    Ok(report)
}

fn file_error(path: &std::path::Path, cause: std::io::Error) -> LoadtestError {
    LoadtestError::File {
        path: path.to_owned(),
        cause,
    }
}

fn settings(arguments: &SubmitArguments) -> Result<Settings, LoadtestError> {
    let host = arguments
        .url
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#']))
        .ok_or_else(|| {
            LoadtestError::Address("the address must be like https://name:port".into())
        })?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let with_port = if bracketed || !host.contains(':') {
        format!("{host}:443")
    } else {
        host.to_owned()
    };
    let address = with_port
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| LoadtestError::Address(format!("{with_port} is no address")))?;
    let name = with_port.rsplit_once(':').map_or("", |(name, _)| name);
    let name = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let server_name = ServerName::try_from(name).map_err(|_| {
        LoadtestError::Address(format!(
            "{with_port} has no name that a certificate can have"
        ))
    })?;
    let identity = arguments
        .certificate
        .as_deref()
        .zip(arguments.key.as_deref());
    Ok(Settings {
        address,
        server_name,
        host: host.to_owned(),
        tls: client_config(&arguments.ca, identity)?,
        submission: Submission {
            credentials: credentials(arguments)?,
            structure: structure(arguments)?,
            positive_percent: arguments.positive,
            receipt_keys: arguments.receipt_keys,
            today: SystemClock.now().rome_day(),
            seed: arguments.seed,
        },
        connections: usize::from(arguments.connections),
        requests: arguments.requests,
        duration: arguments
            .duration
            .map(|seconds| Duration::from_secs(u64::from(seconds))),
        answer_limit: Duration::from_secs(u64::from(arguments.answer_limit)),
        window: arguments.window,
        server_pid: arguments.server_pid,
        settle: Duration::from_secs(u64::from(arguments.settle)),
        answers: arguments.answers.clone(),
    })
}

fn credentials(arguments: &SubmitArguments) -> Result<Credentials, LoadtestError> {
    let Some(user) = &arguments.user else {
        return Ok(Credentials::Certificate);
    };
    let secret = |name: &str| {
        std::env::var(name)
            .map_err(|_| LoadtestError::Usage(format!("--user needs {name} in the environment")))
    };
    let pin_code = secret("LOADTEST_PINCODE")?;
    PinCode::parse(&pin_code)
        .map_err(|error| LoadtestError::Usage(format!("LOADTEST_PINCODE: {error}")))?;
    Ok(Credentials::Basic {
        user: user.clone(),
        password: secret("LOADTEST_PASSWORD")?,
        pin_code,
    })
}

fn structure(arguments: &SubmitArguments) -> Result<StructureReference, LoadtestError> {
    let usage = |error: &dyn std::fmt::Display| LoadtestError::Usage(format!("structure: {error}"));
    match (&arguments.structure, &arguments.structure_description) {
        (Some(id), _) => StructureId::parse(id)
            .map(StructureReference::Identifier)
            .map_err(|error| usage(&error)),
        (None, Some(text)) => StructureDescription::parse(text)
            .map(StructureReference::Description)
            .map_err(|error| usage(&error)),
        (None, None) => Err(usage(&"none given")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
