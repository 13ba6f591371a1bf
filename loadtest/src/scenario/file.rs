//! The scenario's file, as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::step::{CallerKind, Step};

/// A scenario: who calls, what is sent when, what happens meanwhile, and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScenarioFile {
    /// Its name in results.
    pub(crate) name: String,
    /// What it is for, in a sentence or two.
    pub(crate) about: String,
    /// The same seed sends the same people.
    #[serde(default = "one")]
    pub(crate) seed: u64,
    /// How long an answer may take from its request's time; what takes longer is lost. At most 290.
    #[serde(default = "answer_limit_seconds")]
    pub(crate) answer_limit_seconds: Spanned<f64>,
    /// Positives among the submissions, in percent.
    #[serde(default = "positive_percent")]
    pub(crate) positive_percent: Spanned<f64>,
    /// Who calls.
    pub(crate) callers: Vec<Spanned<CallersFile>>,
    /// What is sent: all streams run at once.
    pub(crate) stream: Vec<Spanned<StreamFile>>,
    /// What happens meanwhile.
    #[serde(default)]
    pub(crate) event: Vec<Spanned<EventFile>>,
    /// What must be kept: see [`super::objective`].
    #[serde(default)]
    pub(crate) objectives: Vec<Spanned<String>>,
    /// When the client was the limit.
    #[serde(default)]
    pub(crate) validity: ValidityFile,
    /// How the truth is judged.
    #[serde(default)]
    pub(crate) truth: TruthFile,
}

/// A group of the environment's callers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallersFile {
    /// What streams call the group.
    pub(crate) name: String,
    /// Which of the environment's callers.
    pub(crate) kind: CallerKind,
    /// Only those with these names; without it all of the kind.
    pub(crate) only: Option<Vec<String>>,
    /// All but those with these names.
    #[serde(default)]
    pub(crate) except: Vec<String>,
    /// How requests are shared out among them.
    #[serde(default)]
    pub(crate) weight: Weight,
    /// Whether nobody else sends as these callers: then nothing may be listed for them that was not sent.
    #[serde(default)]
    pub(crate) exclusive: bool,
}

/// How requests are shared out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    /// Each gets as many.
    #[default]
    Equal,
    /// By the region's swabs on the record day (data/national-peak-by-region.csv).
    OfficialVolumes,
}

/// One source of requests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamFile {
    /// Its name in results.
    pub(crate) name: String,
    /// The group of callers that sends it.
    pub(crate) callers: Spanned<String>,
    /// Connections of all its callers together, at least one each.
    pub(crate) connections: Spanned<u32>,
    /// When requests leave.
    pub(crate) arrival: Arrival,
    /// The rate over time, of an open loop.
    #[serde(default)]
    pub(crate) stages: Vec<Spanned<StageFile>>,
    /// How long a closed loop goes on.
    pub(crate) seconds: Option<Spanned<f64>>,
    /// A closed loop's requests in all.
    pub(crate) requests: Option<Spanned<u64>>,
    /// How much of each step, by weight.
    pub(crate) mix: Spanned<BTreeMap<Step, f64>>,
    /// After so many requests a connection is closed and another opened; without it connections are kept.
    pub(crate) requests_per_connection: Option<Spanned<u32>>,
}

/// When requests leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arrival {
    /// At even times, whether earlier ones were answered or not.
    Constant,
    /// At times that know nothing of each other, as people's.
    Poisson,
    /// The next one when an answer is there: for capacity, not for latency.
    Closed,
}

/// A stretch of time with its rate.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StageFile {
    /// How long.
    pub(crate) seconds: f64,
    /// The rate throughout.
    pub(crate) per_second: Option<f64>,
    /// The rate at its beginning, which changes evenly.
    pub(crate) from_per_second: Option<f64>,
    /// The rate at its end.
    pub(crate) to_per_second: Option<f64>,
}

/// Something that happens during the run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventFile {
    /// When, from the beginning of the load.
    pub(crate) at_seconds: f64,
    /// A program and its arguments.
    pub(crate) run: Option<Vec<String>>,
    /// The name of one of the environment's commands instead.
    pub(crate) command: Option<String>,
    /// What it is, for results; without it the command.
    pub(crate) label: Option<String>,
    /// The caller that its command revokes: once that is known, each request of it must be refused.
    pub(crate) revokes: Option<String>,
    /// The caller that its command admits again: once that is known, no request of it may be refused as a stranger's.
    pub(crate) admits: Option<String>,
    /// The caller whose certificate its command replaces: the files are read again, connections are made anew with it, and once it is known no
    /// request may be refused as a stranger's.
    pub(crate) renews: Option<String>,
    /// How long after the command's end the server may take to know it, from 0 to 60; without it 1.
    pub(crate) known_after_seconds: Option<f64>,
}

/// Bounds beyond which the client is called the limit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidityFile {
    /// Greatest own lateness at p99 of an open loop.
    pub lateness_p99_milliseconds: f64,
    /// Greatest share of a core that the driving thread may use in an open loop.
    pub driver_cpu_percent: f64,
    /// Greatest rate, in percent of the client's own ceiling.
    pub ceiling_percent: f64,
    /// Smallest share of due requests that must have left.
    pub sent_percent: f64,
}

impl Default for ValidityFile {
    fn default() -> Self {
        Self {
            lateness_p99_milliseconds: 5.0,
            driver_cpu_percent: 90.0,
            ceiling_percent: 80.0,
            sent_percent: 99.0,
        }
    }
}

/// How the truth is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TruthFile {
    /// How many of the answered submissions are read back during the run, in percent.
    pub read_back_percent: f64,
    /// Whether everything is read back after the run.
    pub sweep: bool,
}

impl Default for TruthFile {
    fn default() -> Self {
        Self {
            read_back_percent: 1.0,
            sweep: true,
        }
    }
}

fn one() -> u64 {
    1
}

fn answer_limit_seconds() -> Spanned<f64> {
    Spanned::new(0..0, 30.0)
}

/// As on the record day.
fn positive_percent() -> Spanned<f64> {
    Spanned::new(0..0, 14.0)
}
