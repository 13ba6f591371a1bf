//! Health and metrics, on a loopback listener of their own, and the watch over the conditions that both tell.

mod certificates;
mod conditions;
#[cfg(test)]
mod documentation_tests;
mod host;
mod left;
mod told;
mod watch;

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::guard::{self, GuardContext};
use actix_web::{HttpResponse, Route, web};
use metrics_exporter_prometheus::PrometheusHandle;
use sistema_ts_actors::Allocators;
use sistema_ts_actors::retention::RetentionState;
use sistema_ts_model::{ConditionReport, ConditionSeverity};

use crate::front::ShutdownHandle;
use crate::services::admission::Lane;
use crate::services::state::ServerState;
pub use certificates::Certificates;
pub use host::AllowedHosts;
pub use watch::{CONDITION_LOOK_INTERVAL, watch_conditions};

use left::ShownLeft;
use told::Told;

/// What health and metrics are told from.
pub struct StatusState {
    /// The services' state.
    pub server: Arc<ServerState>,
    /// The allocators' pools.
    pub allocators: Allocators,
    /// The trusted time, and what could not be erased in time.
    pub retention: RetentionState,
    /// The collected metrics.
    pub metrics: PrometheusHandle,
    /// Whether the server is stopping.
    pub shutdown: ShutdownHandle,
    /// The names that are answered to.
    hosts: AllowedHosts,
    /// The certificates and lists that it works with.
    certificates: Certificates,
    /// The conditions that were told of.
    told: Told,
    /// What was shown as left of certificates and lists.
    left: ShownLeft,
}

impl StatusState {
    /// Of a server that has told of no condition yet.
    #[must_use]
    pub fn new(
        server: Arc<ServerState>,
        allocators: Allocators,
        retention: RetentionState,
        metrics: PrometheusHandle,
        shutdown: ShutdownHandle,
        hosts: AllowedHosts,
        certificates: Certificates,
    ) -> Self {
        Self {
            server,
            allocators,
            retention,
            metrics,
            shutdown,
            hosts,
            certificates,
            told: Told::default(),
            left: ShownLeft::default(),
        }
    }

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
}

/// Adds the routes.
pub fn configure(config: &mut web::ServiceConfig, state: Arc<StatusState>) {
    let hosts = state.hosts.clone();
    let asked_by_another_name =
        guard::fn_guard(move |context: &GuardContext<'_>| !hosts.admit(context.head()));
    config
        .app_data(web::Data::from(state))
        .service(
            web::resource("/{path:.*}")
                .guard(asked_by_another_name)
                .to(refuse_name),
        )
        .route("/health/live", reading().to(live))
        .route("/health/ready", reading().to(ready))
        .route("/metrics", reading().to(metrics));
}

/// GET, or HEAD, by which many monitors ask: actix-http sends the same header then, and leaves the body out.
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Who asks by another name asks for another server.
async fn refuse_name() -> HttpResponse {
    HttpResponse::Forbidden()
        .content_type("text/plain; charset=utf-8")
        .body("Host is neither a loopback name or address nor one of status.allowed_hosts\n")
}

/// The process answers.
async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("live\n")
}

/// Whether requests should be sent here: 200, or 503 if something stops every service; a line for each condition that holds.
async fn ready(state: web::Data<StatusState>) -> HttpResponse {
    let reports = state.conditions().await;
    let stops = |report: &ConditionReport| {
        report.condition.severity() == ConditionSeverity::StopsEveryService
    };
    let (mut response, mut text) = if reports.iter().any(stops) {
        (HttpResponse::ServiceUnavailable(), String::new())
    } else {
        (HttpResponse::Ok(), "ready\n".to_owned())
    };
    for report in &reports {
        // Writing into a String does not fail.
        let _ = writeln!(text, "{report}");
    }
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
