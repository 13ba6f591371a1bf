//! The result of a run. Its JSON is the source of every report, and of comparisons between runs.
//!
//! Times are milliseconds, rates are by the second, memory is KiB, processor time is cores (1.0 is one core all the time), unless a
//! field's name says otherwise.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::percentiles::Percentiles;
use super::stage::StageResult;

/// Version of the schema. A field that is added keeps it; one that changes its meaning or goes raises it.
pub const SCHEMA: u32 = 1;

/// What a run came to, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// An answer, or its effect, was not what a server of this contract must give.
    TruthViolated,
    /// An objective of the scenario was missed.
    ObjectiveMissed,
    /// The client was the limit, or the run did not do what the scenario asks: the numbers say nothing of the server.
    Invalid,
    /// All objectives were kept, and no rule was broken.
    Kept,
}

impl Verdict {
    /// The verdict of a run: truth goes before objectives, and these before validity.
    #[must_use]
    pub fn of(objectives: &[ObjectiveResult], truth: &Truth, validity: &[ValidityCheck]) -> Self {
        if truth.rules.iter().any(|rule| rule.violations > 0) {
            Self::TruthViolated
        } else if objectives.iter().any(|objective| !objective.kept) {
            Self::ObjectiveMissed
        } else if validity.iter().any(|check| !check.ok) {
            Self::Invalid
        } else {
            Self::Kept
        }
    }

    /// The exit status of the command.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::ObjectiveMissed => 10,
            Self::TruthViolated => 11,
            Self::Invalid => 12,
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::ObjectiveMissed => "objective missed",
            Self::TruthViolated => "truth violated",
            Self::Invalid => "invalid",
        }
    }
}

/// Everything that a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`SCHEMA`] of the version that wrote it.
    pub schema: u32,
    /// What it came to.
    pub verdict: Verdict,
    /// What was run.
    pub scenario: ScenarioFacts,
    /// When it began: `xs:dateTime` in Rome.
    pub started: String,
    /// How long the load lasted, without preparation and sweep.
    pub seconds: f64,
    /// The objectives, in the scenario's order.
    pub objectives: Vec<ObjectiveResult>,
    /// What the ledger says.
    pub truth: Truth,
    /// Each step of the scenario.
    pub steps: Vec<StepResult>,
    /// Each stage of the open streams that have several.
    #[serde(default)]
    pub stages: Vec<StageResult>,
    /// The run by the second.
    pub series: Vec<Second>,
    /// Each caller of the scenario.
    pub callers: Vec<CallerResult>,
    /// What the scenario did to the server.
    pub events: Vec<EventResult>,
    /// Whether the numbers are the server's and not the client's.
    pub validity: Vec<ValidityCheck>,
    /// How often each code of `listaErrori` or of a fault was answered.
    pub findings: BTreeMap<String, u64>,
    /// How often connections ended early, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Handshakes: how many, and how long they took.
    pub handshakes: Percentiles,
    /// How it was measured.
    pub method: Method,
    /// Where it was measured.
    pub machine: Machine,
    /// The command that does it again.
    pub command: String,
}

/// What was run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioFacts {
    /// Its name.
    pub name: String,
    /// What it is for, in a sentence.
    pub title: String,
    /// The file, to the letter.
    pub text: String,
    /// Where the random choices begin.
    pub seed: u64,
}

/// An objective and how it was met.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveResult {
    /// As the scenario has it.
    pub text: String,
    /// What was measured; `None` if there was nothing to measure, which misses the objective.
    pub measured: Option<f64>,
    /// The limit, in the same unit.
    pub limit: f64,
    /// Unit of both: `ms`, `%`, `/s`, `×`.
    pub unit: String,
    /// Whether it was kept.
    pub kept: bool,
}

/// What the ledger says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Requests that were answered as done.
    pub done: u64,
    /// Requests that were refused, or never sent.
    pub refused: u64,
    /// Requests of which it is not known.
    pub unknown: u64,
    /// Each rule with what it found.
    pub rules: Vec<RuleResult>,
}

/// A rule and how often it was broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Its name: `cun-once` and so on.
    pub name: String,
    /// What must hold, in a sentence.
    pub says: String,
    /// How often it did not.
    pub violations: u64,
    /// Of how many.
    pub of: u64,
    /// Some of the violations, by the numbers of their requests and callers.
    pub examples: Vec<String>,
}

/// A step of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Its name in the scenario.
    pub step: String,
    /// Requests that were due.
    pub due: u64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that never left: no connection was free in time.
    pub unsent: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// How often its turn came and the queue that feeds it was empty.
    pub starved: u64,
    /// By outcome: `0000`, `0001`, `9999`, `HTTP 503`, `lost` …
    pub outcomes: Vec<OutcomeResult>,
    /// From the intended time to the last byte of the answer.
    pub response: Percentiles,
    /// From the send to the last byte of the answer.
    pub service: Percentiles,
    /// From the intended time to the send; all zero in a closed loop.
    pub lateness: Percentiles,
    /// The response's distribution: pairs of a quantile below 1 and its time, both rising.
    pub curve: Vec<(f64, f64)>,
}

impl StepResult {
    /// The quantiles of [`StepResult::curve`], close to 1 as the plot's logarithm wants them.
    pub const CURVE: [f64; 19] = [
        0.0, 0.1, 0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999,
        0.9995, 0.9999, 0.99995, 0.99999,
    ];

    /// The curve of a histogram of nanoseconds.
    #[must_use]
    pub fn curve_of_nanoseconds(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
        if histogram.is_empty() {
            return Vec::new();
        }
        // Beyond 1 − 1/count there is nothing but the maximum.
        let last = 1.0 - 1.0 / histogram.len() as f64;
        Self::CURVE
            .into_iter()
            .filter(|quantile| *quantile <= last)
            .map(|quantile| (quantile, histogram.value_at_quantile(quantile) as f64 / 1e6))
            .collect()
    }
}

/// How often an outcome was answered, and how fast.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomeResult {
    /// `0000`, `0001`, `9999`, `HTTP 503`, `fault 8003`, `lost` …
    pub outcome: String,
    /// How often.
    pub count: u64,
    /// From the intended time.
    pub response: Percentiles,
    /// From the send.
    pub service: Percentiles,
}

/// One second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its end, in seconds since the load's beginning.
    pub at: f64,
    /// Requests that were due.
    pub offered: u64,
    /// Requests that left.
    pub sent: u64,
    /// Answers.
    pub answered: u64,
    /// Requests under way at its end.
    pub in_flight: u64,
    /// Response p50, p99, p99.9 of what was answered; `None` without an answer.
    pub response: Option<(f64, f64, f64)>,
    /// Service p99 of what was answered.
    pub service_p99: Option<f64>,
    /// Own lateness at p99 of what left.
    pub lateness_p99: Option<f64>,
    /// Answers by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The server's processor and memory, if its process is known.
    pub server: Option<CpuAndMemory>,
    /// Processor of the harness, in cores.
    pub client_cpu: f64,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuAndMemory {
    /// Cores.
    pub cpu: f64,
    /// Resident memory in KiB.
    pub memory_kib: u64,
}

/// A caller of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallerResult {
    /// Its name: region, call centre, structure.
    pub caller: String,
    /// Its share of what was offered, 0 to 1.
    pub share: f64,
    /// Requests that left.
    pub sent: u64,
    /// Answers `0000` and `0001`.
    pub done: u64,
    /// Answers that refused.
    pub refused: u64,
    /// Requests of which it is not known.
    pub unknown: u64,
    /// Answers that turned a request away for overload (503).
    pub turned_away: u64,
    /// From the intended time.
    pub response: Percentiles,
}

/// What the scenario did to the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EventResult {
    /// Its name in the scenario.
    pub name: String,
    /// When it began, in seconds since the load's beginning.
    pub at: f64,
    /// How long its command took, in seconds.
    pub took: f64,
    /// The command.
    pub command: String,
    /// Whether the command succeeded.
    pub ok: bool,
    /// From the event's beginning to the first answer `0000` or `0001` that was sent after it, in seconds.
    pub first_answer: Option<f64>,
    /// From the event's beginning to the end of the first of three seconds on end whose p99 is at most twice that of before, in seconds.
    pub steady: Option<f64>,
}

/// A check that the numbers are the server's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidityCheck {
    /// What was checked, in a sentence.
    pub says: String,
    /// What was measured.
    pub measured: f64,
    /// The limit.
    pub limit: f64,
    /// Unit of both.
    pub unit: String,
    /// Whether it holds.
    pub ok: bool,
}

/// How it was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Name and version of this program.
    pub tool: String,
    /// The address.
    pub target: String,
    /// `open` or `closed`.
    pub loop_kind: String,
    /// Connections, all callers together.
    pub connections: u64,
    /// The most that this client reached against a constant answer on this machine, requests a second; `None` if it was not measured.
    pub ceiling: Option<f64>,
    /// Median service time of the target while idle, which ratios refer to; `None` if it was not measured.
    pub idle_p50: Option<f64>,
    /// Read-backs during the run, and of how many requests.
    pub probes: (u64, u64),
    /// What else a reader has to know, each in a sentence.
    pub remarks: Vec<String>,
}

/// Where it was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: u64,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Name and release of the system.
    pub system: String,
    /// Whether client and server shared this machine.
    pub shared_with_server: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a broken rule is outweighed by something, or percentiles are not those of the histogram.

    use super::*;

    #[test]
    fn truth_goes_before_objectives_and_these_before_validity() {
        let objective = |kept| {
            vec![ObjectiveResult {
                kept,
                ..ObjectiveResult::default()
            }]
        };
        let truth = |violations| Truth {
            rules: vec![RuleResult {
                violations,
                ..RuleResult::default()
            }],
            ..Truth::default()
        };
        let validity = |ok| {
            vec![ValidityCheck {
                ok,
                ..ValidityCheck::default()
            }]
        };
        let cases = [
            (true, 0, true, Verdict::Kept, 0),
            (true, 0, false, Verdict::Invalid, 12),
            (false, 0, false, Verdict::ObjectiveMissed, 10),
            (false, 1, false, Verdict::TruthViolated, 11),
            (true, 1, true, Verdict::TruthViolated, 11),
        ];
        for (kept, violations, ok, verdict, status) in cases {
            let of = Verdict::of(&objective(kept), &truth(violations), &validity(ok));
            assert_eq!((of, of.exit_status()), (verdict, status));
        }
    }

    #[test]
    fn percentiles_and_curve_are_those_of_the_histogram_in_milliseconds() {
        let mut histogram = Histogram::new(3).unwrap();
        assert_eq!(
            Percentiles::of_nanoseconds(&histogram),
            Percentiles::default()
        );
        for millis in 1..=1_000_u64 {
            histogram.record(millis * 1_000_000).unwrap();
        }
        let percentiles = Percentiles::of_nanoseconds(&histogram);
        let near = |value: f64, wanted: f64| (value / wanted - 1.0).abs() < 0.002;
        assert_eq!(percentiles.count, 1_000);
        assert!(near(percentiles.p50, 500.0) && near(percentiles.p99, 990.0));
        assert!(near(percentiles.max, 1_000.0) && near(percentiles.mean, 500.5));
        let curve = StepResult::curve_of_nanoseconds(&histogram);
        assert_eq!(curve.last().unwrap().0, 0.999);
        assert!(curve.is_sorted());
    }
}
