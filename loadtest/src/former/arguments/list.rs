//! `loadtest list`.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use clap::Args;
use sistema_ts_model::{Clock as _, CodiceFiscale, SystemClock};

use super::{TargetArguments, with_report};
use crate::error::LoadtestError;
use crate::former::listing::{Listing, list};

#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Codice fiscale of the operator who asks (identificativoUtente), registered for listings
    #[arg(long, value_name = "CODICE_FISCALE", value_parser = operator)]
    operator: String,
    /// First day [default: today in Rome]
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// Last day [default: today in Rome]
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<NaiveDate>,
    /// Tests of one answer at most (massimoElementi)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    maximum: Option<u32>,
    /// How many read the same listing at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    readers: u16,
    /// Read so slowly
    #[arg(long, value_name = "BYTES_PER_SECOND", value_parser = clap::value_parser!(u64).range(20..))]
    slow: Option<u64>,
    /// Longest time without a byte, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=290))]
    answer_limit: u32,
    /// The tests must be exactly those of this file, as `loadtest submit --answers` writes it
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
}

fn operator(text: &str) -> Result<String, String> {
    match CodiceFiscale::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl ListArguments {
    pub(super) fn run(&self) -> Result<bool, LoadtestError> {
        let target = self.target.target()?;
        let today = SystemClock.now().rome_day();
        let listing = Listing {
            operator: self.operator.clone(),
            from: self.from.unwrap_or(today).to_string(),
            to: self.to.unwrap_or(today).to_string(),
            maximum: self.maximum,
            readers: usize::from(self.readers),
            bytes_per_second: self.slow,
            answer_limit: Duration::from_secs(u64::from(self.answer_limit)),
            server_pid: self.target.server_pid,
            expected: self.expect.clone(),
        };
        let report = with_report(self.target.report.as_deref(), || list(&target, &listing))?;
        Ok(report.passed())
    }
}
