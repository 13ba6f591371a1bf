//! The metrics of the running server.

use std::io;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::TelemetryError;

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
