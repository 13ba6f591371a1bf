//! `loadtest verify` and `loadtest unlock`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{TargetArguments, with_report};
use crate::error::LoadtestError;
use crate::former::desk::{DeskReport, Operators, Positives, unlock, verify};
use crate::former::paced::Pace;

#[derive(Debug, Args)]
struct PaceArguments {
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 50.0, value_parser = rate)]
    rate: f64,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    duration: u32,
    /// Connections; a request whose time has come waits for a free one, and that counts
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Longest time for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=290))]
    answer_limit: u32,
    /// A file of lines CUN;card digits, as `loadtest submit --write-positives` writes it
    #[arg(long, value_name = "FILE")]
    positives: PathBuf,
    /// A file of the operators' codici fiscali, one a line: they work in turn
    #[arg(long, value_name = "FILE")]
    operators: PathBuf,
    /// Fail unless 99 of 100 answers come within so many milliseconds
    #[arg(long, value_name = "MILLISECONDS")]
    p99: Option<f64>,
}

#[derive(Debug, Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    pace: PaceArguments,
}

#[derive(Debug, Args)]
pub struct UnlockArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    pace: PaceArguments,
    /// The same seed sends the same one-time codes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Make this file, empty, when the sessions are open and the unlocks begin
    #[arg(long, value_name = "FILE")]
    mark_start: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.01..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.01 to 1000000".into()),
    }
}

impl PaceArguments {
    fn pace(&self, target: &TargetArguments) -> Pace {
        Pace {
            per_second: self.rate,
            // At least one, at most 86,400 million: in range.
            requests: (self.rate * f64::from(self.duration)).ceil() as u64,
            connections: usize::from(self.connections),
            answer_limit: Duration::from_secs(u64::from(self.answer_limit)),
            server_pid: target.server_pid,
        }
    }

    fn report(
        &self,
        target: &TargetArguments,
        measure: impl FnOnce(&Positives, &Operators) -> Result<DeskReport, LoadtestError>,
    ) -> Result<bool, LoadtestError> {
        let positives = Positives::read(&self.positives)?;
        let operators = Operators::read(&self.operators)?;
        let report = with_report(target.report.as_deref(), || {
            let mut report = measure(&positives, &operators)?;
            report.p99_objective_ms = self.p99;
            Ok(report)
        })?;
        Ok(report.passed())
    }
}

impl VerifyArguments {
    pub(super) fn run(&self) -> Result<bool, LoadtestError> {
        let target = self.target.target()?;
        let pace = self.pace.pace(&self.target);
        self.pace.report(&self.target, |positives, operators| {
            verify(&target, &pace, positives, operators)
        })
    }
}

impl UnlockArguments {
    pub(super) fn run(&self) -> Result<bool, LoadtestError> {
        let target = self.target.target()?;
        let pace = self.pace.pace(&self.target);
        self.pace.report(&self.target, |positives, operators| {
            unlock(
                &target,
                &pace,
                positives,
                operators,
                self.seed,
                self.mark_start.as_deref(),
            )
        })
    }
}
