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

/// The handles of one service.
pub struct ServiceMetrics {
    answered: [Measure; Verdict::ALL.len()],
    faults: Measure,
    unauthorized: Measure,
    unavailable: Measure,
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
        }
    }

    /// When a request began.
    #[must_use]
    pub fn begin(&self) -> Instant {
        Instant::now()
    }

    /// Counts a request that began at `began`.
    pub fn end(&self, began: Instant, ended: Ended) {
        let measure = match ended {
            Ended::Answered(Verdict::Done) => &self.answered[0],
            Ended::Answered(Verdict::DoneWithWarnings) => &self.answered[1],
            Ended::Answered(Verdict::NotDone) => &self.answered[2],
            Ended::Refused(StatusCode::UNAUTHORIZED) => &self.unauthorized,
            Ended::Refused(StatusCode::SERVICE_UNAVAILABLE) => &self.unavailable,
            Ended::Refused(_) => &self.faults,
        };
        measure.requests.increment(1);
        measure.seconds.record(began.elapsed().as_secs_f64());
    }
}
