//! What is counted of the services: requests and their latency, by service and outcome. Handles are made once per worker, so that a request
//! looks nothing up.

use std::time::Instant;

use actix_web::http::StatusCode;
use metrics::{Counter, Histogram, counter, histogram};
use sistema_ts_model::{Service, Verdict};

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub enum Ended {
    /// With an answer of the service.
    Answered(Verdict),
    /// Before it, with this status.
    Refused(StatusCode),
}

/// The handles of all services.
pub struct Metrics([ServiceMetrics; Service::ALL.len()]);

impl Metrics {
    /// Registers the metrics of every service.
    #[must_use]
    pub fn new() -> Self {
        Self(Service::ALL.map(ServiceMetrics::new))
    }

    /// Those of one.
    #[must_use]
    pub fn of(&self, service: Service) -> &ServiceMetrics {
        // `Service::ALL` is in the order of the variants, as its test says.
        &self.0[service as usize]
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The handles of one service.
pub struct ServiceMetrics {
    answered: [Measure; Verdict::ALL.len()],
    faults: Measure,
    unauthorized: Measure,
    unavailable: Measure,
    abandoned: Measure,
}

/// A request that has begun. One that is dropped without an end was abandoned by its client, who left before the answer; what it asked for may
/// have been done.
pub struct Begun<'a> {
    metrics: &'a ServiceMetrics,
    at: Instant,
    has_ended: bool,
}

struct Measure {
    requests: Counter,
    seconds: Histogram,
}

impl Measure {
    fn new(service: Service, outcome: &'static str) -> Self {
        let service = service.name();
        Self {
            requests: counter!("sistema_ts_requests_total", "service" => service, "outcome" => outcome),
            seconds: histogram!("sistema_ts_request_seconds", "service" => service, "outcome" => outcome),
        }
    }
}

impl ServiceMetrics {
    /// Registers the metrics of `service`.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            answered: Verdict::ALL.map(|verdict| {
                Measure::new(
                    service,
                    match verdict {
                        Verdict::Done => "done",
                        Verdict::DoneWithWarnings => "done_with_warnings",
                        Verdict::NotDone => "not_done",
                    },
                )
            }),
            faults: Measure::new(service, "fault"),
            unauthorized: Measure::new(service, "unauthorized"),
            unavailable: Measure::new(service, "unavailable"),
            abandoned: Measure::new(service, "abandoned"),
        }
    }

    /// Begins a request.
    #[must_use]
    pub fn begin(&self) -> Begun<'_> {
        Begun {
            metrics: self,
            at: Instant::now(),
            has_ended: false,
        }
    }
}

impl Begun<'_> {
    /// Counts the request.
    pub fn end(mut self, ended: Ended) {
        self.has_ended = true;
        let metrics = self.metrics;
        self.count(match ended {
            // `Verdict::ALL` is in the order of the variants.
            Ended::Answered(verdict) => &metrics.answered[verdict as usize],
            Ended::Refused(StatusCode::UNAUTHORIZED) => &metrics.unauthorized,
            Ended::Refused(StatusCode::SERVICE_UNAVAILABLE) => &metrics.unavailable,
            Ended::Refused(_) => &metrics.faults,
        });
    }

    fn count(&self, measure: &Measure) {
        measure.requests.increment(1);
        measure.seconds.record(self.at.elapsed().as_secs_f64());
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.count(&self.metrics.abandoned);
        }
    }
}

#[cfg(test)]
mod tests;
