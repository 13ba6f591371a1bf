//! What is told at the end: a table to read, and the same as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use sistema_ts_model::{Clock as _, SystemClock};

use crate::former::counts::Counts;
use crate::former::engine::Settings;
use crate::former::request::Credentials;
use crate::wire::target::Target;

/// Latencies, in microseconds unless a field's name says otherwise, from the moment a request is handed to TLS to the last byte of its answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 90 %
    pub p90: f64,
    /// 99 %
    pub p99: f64,
    /// 99.9 %
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    /// The same as milliseconds, from microseconds.
    pub(crate) fn in_milliseconds(self) -> Self {
        Self {
            p50: self.p50 / 1000.0,
            p90: self.p90 / 1000.0,
            p99: self.p99 / 1000.0,
            p999: self.p999 / 1000.0,
            max: self.max / 1000.0,
        }
    }

    /// From nanoseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1000.0,
        }
    }
}

/// A stretch of the run, or all of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Window {
    /// Answers of any kind.
    pub answered: u64,
    /// Submissions accepted.
    pub accepted: u64,
    /// How long it took.
    pub seconds: f64,
    /// Answers a second.
    pub per_second: f64,
    /// CPU time of the server for each accepted submission, in µs, if its process was named. For the whole run it
    /// counts what the server did after the last answer.
    pub server_cpu_us: Option<f64>,
    /// CPU time of this program for each answer, in µs.
    pub client_cpu_us: Option<f64>,
    /// Latencies.
    pub latency_us: Latency,
}

/// What measured what, where and when.
#[derive(Debug, Serialize)]
pub struct Method {
    /// Name and version of this program.
    pub tool: String,
    /// Processor, number of cores.
    pub machine: String,
    /// When it ended, in Rome's time.
    pub ended_at: String,
    /// Address of the server.
    pub target: String,
}

impl Method {
    /// Of a run that has just ended.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            tool: concat!("loadtest ", env!("CARGO_PKG_VERSION")).into(),
            machine: machine(),
            ended_at: String::from_utf8_lossy(&SystemClock.now().rome_text()).into_owned(),
            target: target.host.clone(),
        }
    }
}

/// The line that a table begins with.
impl Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.tool, self.machine)
    }
}

/// The result of a run, with its method.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How it was measured.
    #[serde(flatten)]
    pub method: Method,
    /// `certificate` or `basic`.
    pub credentials: &'static str,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Bytes of a request, head and body, before TLS.
    pub request_bytes: usize,
    /// Positives, in percent.
    pub positive_percent: u8,
    /// Whether each request had a receipt key.
    pub receipt_keys: bool,
    /// Requests that were to be sent, at most.
    pub requests: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests sent and never answered.
    pub unanswered: u64,
    /// CUNs that were answered more than once.
    pub duplicate_cuns: u64,
    /// How often each outcome, or HTTP status without one, was answered.
    pub outcomes: BTreeMap<String, u64>,
    /// How often each code of `listaErrori` was answered.
    pub findings: BTreeMap<String, u64>,
    /// How often a connection ended early, by reason.
    pub failures: BTreeMap<String, u64>,
    /// All of it.
    pub whole: Window,
    /// Seconds for which the server was busy after the last answer; absent if not waited for, or if it did not become idle.
    pub settled_seconds: Option<f64>,
    /// Resident memory of the server at the end, and at most, in KiB.
    pub server_memory_kib: Option<(u64, u64)>,
    /// One after another; the last may be shorter.
    pub windows: Vec<Window>,
}

impl Report {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        settings: &Settings,
        counts: &mut Counts,
        sent: u64,
        request_bytes: usize,
        whole: Window,
        windows: Vec<Window>,
        settled: Option<Duration>,
        server_memory_kib: Option<(u64, u64)>,
    ) -> Self {
        let submission = &settings.submission;
        Self {
            method: Method::of(&settings.target),
            credentials: match submission.credentials {
                Credentials::Certificate => "certificate",
                Credentials::Basic { .. } => "basic",
            },
            connections: settings.connections,
            request_bytes,
            positive_percent: submission.positive_percent,
            receipt_keys: submission.receipt_keys,
            requests: settings.requests,
            sent,
            unanswered: counts.unanswered,
            duplicate_cuns: counts.duplicates(),
            outcomes: counts.all_outcomes(),
            findings: counts.findings.clone(),
            failures: counts.failures.clone(),
            whole,
            settled_seconds: settled.map(|time| time.as_secs_f64()),
            server_memory_kib,
            windows,
        }
    }

    /// Whether every request sent was accepted, each with a CUN of its own.
    #[must_use]
    pub fn all_accepted(&self) -> bool {
        self.whole.accepted == self.sent && self.sent > 0 && self.duplicate_cuns == 0
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        writeln!(
            f,
            "{} ({}), {} connections, {} bytes a request, {} % positive{}\n",
            self.method.target,
            self.credentials,
            self.connections,
            self.request_bytes,
            self.positive_percent,
            if self.receipt_keys {
                ", receipt keys"
            } else {
                ""
            },
        )?;
        writeln!(
            f,
            "    answers  per second   server µs   client µs     p50 ms     p99 ms   p99.9 ms     max ms"
        )?;
        let mut end = 0;
        for window in &self.windows {
            end += window.answered;
            line(f, &end.to_string(), window)?;
        }
        line(f, "all", &self.whole)?;
        writeln!(f)?;
        writeln!(
            f,
            "sent {}, accepted {}, unanswered {}",
            self.sent, self.whole.accepted, self.unanswered
        )?;
        write_counts(f, &self.outcomes, &self.findings, &self.failures)?;
        if self.duplicate_cuns > 0 {
            writeln!(f, "CUNs ANSWERED MORE THAN ONCE: {}", self.duplicate_cuns)?;
        }
        if let Some(seconds) = self.settled_seconds {
            writeln!(f, "server busy for {seconds:.2} s after the last answer")?;
        }
        write_memory(f, self.server_memory_kib)
    }
}

/// A line for each kind of answer, and for each reason of a connection's end.
pub(crate) fn write_counts(
    f: &mut fmt::Formatter<'_>,
    outcomes: &BTreeMap<String, u64>,
    findings: &BTreeMap<String, u64>,
    failures: &BTreeMap<String, u64>,
) -> fmt::Result {
    for (title, counts) in [
        ("outcome", outcomes),
        ("finding", findings),
        ("connection ended", failures),
    ] {
        for (kind, count) in counts {
            writeln!(f, "{title} {kind}: {count}")?;
        }
    }
    Ok(())
}

/// Resident memory of the server at the end, and at most, if it was measured.
pub(crate) fn write_memory(
    f: &mut fmt::Formatter<'_>,
    memory_kib: Option<(u64, u64)>,
) -> fmt::Result {
    let Some((resident, peak)) = memory_kib else {
        return Ok(());
    };
    writeln!(
        f,
        "server memory {} MiB, at most {} MiB",
        resident / 1024,
        peak / 1024
    )
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, window: &Window) -> fmt::Result {
    let optional = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
    let latency = window.latency_us;
    writeln!(
        f,
        "{name:>11} {:>11.0} {:>11} {:>11} {:>10.2} {:>10.2} {:>10.2} {:>10.2}",
        window.per_second,
        optional(window.server_cpu_us),
        optional(window.client_cpu_us),
        latency.p50 / 1000.0,
        latency.p99 / 1000.0,
        latency.p999 / 1000.0,
        latency.max / 1000.0,
    )
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}
