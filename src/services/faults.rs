//! From what goes wrong inside to what is said on the wire: every layer's error has one exhaustive match here.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use sistema_ts_actors::AllocationError;
use sistema_ts_store::StoreError;
use sistema_ts_store::cards::CardError;

use crate::auth::{BasicRefusal, CHALLENGE, CallerRefusal};
use crate::front::CertificateRefusal;
use crate::soap::{CONTENT_TYPE, SoapFault, render_refusal};
use crate::telemetry::LogBudget;

impl From<StoreError> for SoapFault {
    fn from(error: StoreError) -> Self {
        static LOG: LogBudget = LogBudget::new("store-failed");
        let log = |what: &'static str| {
            if let Some(left_out) = LOG.take() {
                tracing::error!(%error, left_out, "{what}");
            }
        };
        match &error {
            StoreError::Overloaded { .. } => Self::UNAVAILABLE,
            StoreError::Unavailable { .. } | StoreError::KeyMissing(_) => {
                log("the store cannot serve");
                Self::UNAVAILABLE
            }
            StoreError::UnknownOutcome { .. } => {
                log("a write has an unknown outcome");
                // Whether it has a key the service knows: `handle` says so.
                Self::OutcomeUnknown { has_key: false }
            }
            StoreError::Corrupt { .. }
            | StoreError::NotAsLeft { .. }
            | StoreError::NewerProgram { .. }
            | StoreError::Invalid { .. } => {
                log("the store failed");
                Self::Internal
            }
        }
    }
}

impl From<CardError> for SoapFault {
    fn from(error: CardError) -> Self {
        static LOG: LogBudget = LogBudget::new("cards-failed");
        if !matches!(error, CardError::Overloaded)
            && let Some(left_out) = LOG.take()
        {
            tracing::error!(%error, left_out, "no card can be checked: verifications are answered 503, and count against nobody");
        }
        match error {
            CardError::Overloaded
            | CardError::Missing
            | CardError::Unavailable(_)
            | CardError::WrongKey => Self::UNAVAILABLE,
            // Those of an import, and of the key at start: no check of a card has them.
            CardError::ImportUnderWay
            | CardError::Empty
            | CardError::FarFewer { .. }
            | CardError::Key(_) => Self::Internal,
        }
    }
}

impl From<AllocationError> for SoapFault {
    fn from(error: AllocationError) -> Self {
        match error {
            AllocationError::MailboxFull
            | AllocationError::Exhausted
            | AllocationError::Stopped => Self::UNAVAILABLE,
        }
    }
}

impl From<CallerRefusal> for SoapFault {
    fn from(refusal: CallerRefusal) -> Self {
        match refusal {
            CallerRefusal::Certificate(CertificateRefusal::Missing) => Self::CertificateMissing,
            CallerRefusal::Certificate(
                CertificateRefusal::Revoked
                | CertificateRefusal::Expired
                | CertificateRefusal::Untrusted,
            )
            | CallerRefusal::Unregistered
            | CallerRefusal::Disabled
            | CallerRefusal::Mismatch
            | CallerRefusal::Network => Self::CertificateRefused,
        }
    }
}

impl From<BasicRefusal> for SoapFault {
    fn from(refusal: BasicRefusal) -> Self {
        match refusal {
            BasicRefusal::Unauthorized => Self::Unauthorized,
            BasicRefusal::Overloaded | BasicRefusal::Unavailable => Self::UNAVAILABLE,
        }
    }
}

/// A fault as a whole response.
pub fn fault_response(fault: &SoapFault) -> HttpResponse {
    if let SoapFault::Refused(refusal) = fault {
        // With its Retry-After, as the front says it.
        return refusal.response(render_refusal(refusal));
    }
    // Every status of the table of faults is a valid one; its test reads them all.
    let status =
        StatusCode::from_u16(fault.on_wire().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, CHALLENGE));
    }
    response.content_type(CONTENT_TYPE).body(fault.to_body())
}
