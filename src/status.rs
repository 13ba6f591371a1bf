//! Health and metrics, on a loopback listener of their own.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::PrometheusHandle;
use sistema_ts_actors::Allocators;
use sistema_ts_store::Readiness;

use crate::front::{Lane, ShutdownHandle};
use crate::services::state::ServerState;

/// What health and metrics are told from.
pub struct StatusState {
    /// The services' state.
    pub server: Arc<ServerState>,
    /// The allocators' pools.
    pub allocators: Allocators,
    /// The collected metrics.
    pub metrics: PrometheusHandle,
    /// Whether the server is stopping.
    pub shutdown: ShutdownHandle,
}

impl StatusState {
    /// Reads what has a level rather than a count, at the moment it is asked for: queues, pools, what is open and in flight.
    fn take_levels(&self) {
        let level = |name: &'static str, value: usize| metrics::gauge!(name).set(value as f64);
        level("sistema_ts_connections", self.shutdown.connections());
        level(
            "sistema_ts_requests_in_flight",
            self.shutdown.requests_in_flight(),
        );
        level(
            "sistema_ts_reserved_codes",
            self.allocators.reserved_codes(),
        );
        let admission = &self.server.admission;
        for lane in Lane::ALL {
            metrics::gauge!("sistema_ts_admitted", "lane" => lane.name())
                .set(f64::from(admission.in_flight(lane)));
        }
    }

    /// Why the server cannot serve now; empty if it can.
    async fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        if self.shutdown.is_draining() {
            obstacles.push("the server is stopping".to_owned());
        }
        if !self.server.register.is_current() {
            obstacles.push("the register could not be read of late".to_owned());
        }
        if !self.allocators.are_ready() {
            obstacles.push("no reserved codes are ready".to_owned());
        }
        if let Readiness::NotReady(reasons) = self.server.store.readiness().await {
            obstacles.extend(reasons);
        }
        obstacles
    }
}

/// Adds the routes.
pub fn configure(config: &mut web::ServiceConfig, state: Arc<StatusState>) {
    config
        .app_data(web::Data::from(state))
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

/// The process answers.
async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("live\n")
}

/// Whether requests should be sent here: 200, or 503 with one reason a line.
async fn ready(state: web::Data<StatusState>) -> HttpResponse {
    let obstacles = state.obstacles().await;
    let (mut response, text) = if obstacles.is_empty() {
        (HttpResponse::Ok(), "ready\n".to_owned())
    } else {
        (
            HttpResponse::ServiceUnavailable(),
            obstacles.join("\n") + "\n",
        )
    };
    response
        .content_type("text/plain; charset=utf-8")
        .body(text)
}

/// The metrics, in Prometheus' text format.
async fn metrics(state: web::Data<StatusState>) -> HttpResponse {
    state.take_levels();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(state.metrics.render())
}
