//! Which services are at which addresses of which listener.

use std::sync::Arc;

use actix_web::web;

use super::admission::Lane;
use super::asl_otp::AslOtp;
use super::cancellation::Cancellation;
use super::confirmation::Confirmation;
use super::endpoint::{PublishedWsdl, handle, not_found};
use super::listing::Listing;
use super::service::CarryOut;
use super::state::{ServerState, WorkerState};
use super::submission::Submission;
use super::unlock::Unlock;
use super::verification::Verification;
use crate::front::ListenerKind;

/// Adds to one worker's application the services that a listener of this kind has. `public_url` is the base of every `soap:address`.
pub fn configure(
    config: &mut web::ServiceConfig,
    worker: WorkerState,
    kind: ListenerKind,
    public_url: &str,
) {
    let mut routes = Routes {
        server: Arc::clone(&worker.server),
        config,
        kind,
        public_url,
    };
    routes.add::<Submission>();
    routes.add::<Cancellation>();
    routes.add::<Listing>();
    routes.add::<Verification>();
    routes.add::<Unlock>();
    routes.add::<Confirmation>();
    routes.add::<AslOtp>();
    config
        .app_data(web::Data::new(worker))
        .default_service(web::to(not_found));
}

struct Routes<'a> {
    server: Arc<ServerState>,
    config: &'a mut web::ServiceConfig,
    kind: ListenerKind,
    public_url: &'a str,
}

impl Routes<'_> {
    fn add<S: CarryOut>(&mut self) {
        let is_for_its_callers = match self.kind {
            ListenerKind::MutualTls => true,
            ListenerKind::ServerTls => S::PIN_CODE.is_some(),
            ListenerKind::PlainLoopback => false,
        };
        // Without a way to the backend there is nobody to send a code to.
        let has_what_it_needs = S::LANE != Lane::Relay || self.server.relay.is_some();
        if is_for_its_callers && has_what_it_needs {
            let wsdl = PublishedWsdl::<S>::new(self.public_url);
            self.config.app_data(web::Data::new(wsdl)).route(
                &format!("/soap/v1/{}", S::SERVICE.name()),
                web::to(handle::<S>),
            );
        }
    }
}
