//! Logs and metrics of the running server. Neither ever holds personal data: what is logged are names of outcomes, of listeners and of files.

use std::io;

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

/// Collects metrics from now on; the handle renders them for `/metrics`.
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
