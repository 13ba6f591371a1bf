//! Logs and metrics of the running server. Neither ever holds personal data: what is logged are names of outcomes, of listeners and of files.

use std::any::Any;
use std::io;
use std::panic::PanicHookInfo;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, LogLevel, LoggingSection};

/// Upper bounds of the buckets of latencies, in seconds.
const LATENCY_BUCKETS: &[f64] = &[
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the buckets of batch sizes, in jobs.
const BATCH_BUCKETS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// How often the samples of histograms are gathered up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Another recorder or subscriber is installed already.
    #[error("logs or metrics are set up already")]
    Installed,
    /// The buckets are not ones that the exporter takes.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Sends the operational log to standard error.
///
/// # Errors
/// [`TelemetryError::Installed`].
pub fn install_log(settings: &LoggingSection) -> Result<(), TelemetryError> {
    let level = match settings.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    // Only this project's own events: what libraries log may quote a request. actix-http notes each broken request of a stranger as an error.
    let filter = EnvFilter::new(format!(
        "warn,actix_http=off,sistema_ts={level},sistema_ts_store={level},sistema_ts_actors={level},security={level}"
    ));
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match settings.format {
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(io::stderr),
            )
            .try_init(),
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(false)
                    .with_writer(io::stderr),
            )
            .try_init(),
    };
    installed.map_err(|_| TelemetryError::Installed)
}

/// Has a panic told in the log, by its place alone. Its text may quote what was being read (that of a wrong cut through a string does), so it is
/// left out unless it stands so in the code.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            text = text_in_the_code(panic.payload()),
            "a panic: a defect of this program"
        );
    }));
}

/// The text of a panic if it was not made at run time.
fn text_in_the_code(payload: &dyn Any) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(left out)")
}

/// How many lines of one kind the log takes: for events that strangers can cause as fast as they like. A full disk, or a reader of the log that
/// falls behind, would otherwise stop the server.
#[derive(Debug)]
pub struct LogBudget {
    /// The second in which lines were last written.
    second: AtomicU64,
    /// Lines in it.
    lines: AtomicU64,
    /// Lines left out since one was last written.
    left_out: AtomicU64,
}

impl LogBudget {
    /// Lines a second.
    pub const LINES: u64 = 10;

    /// An unused budget.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            second: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line may be written now, and then how many were left out before it.
    pub fn take(&self) -> Option<u64> {
        static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
        self.take_at(STARTED.elapsed().as_secs())
    }

    /// Two threads at the turn of a second may write a line too many, or leave one out.
    fn take_at(&self, second: u64) -> Option<u64> {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.lines.store(0, Ordering::Relaxed);
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) < Self::LINES {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Default for LogBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// Gathers up, for as long as the process lives, what histograms have sampled. Without it each sample stays in memory until somebody reads the
/// metrics.
///
/// # Errors
/// What the system says when it gives no thread.
pub fn spawn_upkeep(metrics: PrometheusHandle) -> io::Result<()> {
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP_INTERVAL);
                metrics.run_upkeep();
            }
        })
        .map(drop)
}

/// Collects metrics from now on; the handle renders them for `/metrics`. See [`spawn_upkeep`].
///
/// # Errors
/// [`TelemetryError`].
pub fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), BATCH_BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Installed)?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    //! A failure means that a panic's text, which may quote a request, gets into the log, or that strangers fill it.
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_panic_quotes_nothing() {
        let text = |cut: fn()| text_in_the_code(&*std::panic::catch_unwind(cut).unwrap_err());
        let quoting = || {
            let name = std::hint::black_box("RSSMRA80A01H501\u{e9}");
            let _ = std::hint::black_box(&name[..16]);
        };
        assert_eq!(text(quoting), "(left out)");
        assert_eq!(text(|| panic!("as in the code")), "as in the code");
    }

    #[test]
    fn beyond_its_budget_a_second_leaves_lines_out_and_the_next_one_says_how_many() {
        let budget = LogBudget::new();
        for second in [0, 7] {
            let taken = (0..100).filter_map(|_| budget.take_at(second));
            let told: Vec<u64> = taken.collect();
            assert_eq!(told.len() as u64, LogBudget::LINES);
            assert_eq!(told[0], second / 7 * 90);
        }
    }
}
