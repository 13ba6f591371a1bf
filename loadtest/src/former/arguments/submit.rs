//! `loadtest submit`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sistema_ts_model::{
    Clock as _, PinCode, StructureDescription, StructureId, StructureReference, SystemClock,
};

use super::with_report;
use crate::error::LoadtestError;
use crate::former::engine::{Settings, submit};
use crate::former::request::{Credentials, Submission};
use crate::wire::target::Target;

#[derive(Debug, Args)]
pub struct SubmitArguments {
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
    /// Write a line for each of the first accepted positives: CUN, card digits, codice fiscale, separated by semicolons; the cards
    /// are those of `loadtest people --cards` with the same seed
    #[arg(long, value_name = "FILE")]
    write_positives: Option<PathBuf>,
    /// How many
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        requires = "write_positives"
    )]
    positives: u64,
    /// Make this file, empty, when the connections are open and the first request leaves
    #[arg(long, value_name = "FILE")]
    mark_start: Option<PathBuf>,
}

impl SubmitArguments {
    pub(super) fn run(&self) -> Result<bool, LoadtestError> {
        let settings = settings(self)?;
        let report = with_report(self.report.as_deref(), || submit(&settings))?;
        Ok(report.all_accepted())
    }
}

fn settings(arguments: &SubmitArguments) -> Result<Settings, LoadtestError> {
    let identity = arguments
        .certificate
        .as_deref()
        .zip(arguments.key.as_deref());
    Ok(Settings {
        target: Target::new(&arguments.url, &arguments.ca, identity)?,
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
        positives: arguments
            .write_positives
            .clone()
            .map(|path| (path, arguments.positives)),
        mark_start: arguments.mark_start.clone(),
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
