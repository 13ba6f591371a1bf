//! Who a request says it is from, and the proof of it.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use sistema_ts_model::{Caller, PinCode, Service, Timestamp};

use super::endpoint::Call;
use super::state::WorkerState;
use crate::auth::{BasicCredentials, BasicRefusal, CallerRefusal};
use crate::front::{CallerShare, CertificateRefusal, ConnectionInfo, ListenerKind};
use crate::soap::{FieldText, SoapFault};

/// Who a request says it is from, as far as its head tells.
pub(super) enum Claimed {
    /// A certificate's caller: proved by the handshake, and valid at this moment.
    Certificate(Caller),
    /// A user whose password was not looked at yet.
    Basic(BasicCredentials),
}

impl Claimed {
    /// Reads the head of a request. The listener decides which proof counts there: a Basic caller can never fall through to a region, nor a
    /// certificate to a structure.
    ///
    /// # Errors
    /// [`SoapFault::CertificateMissing`], [`SoapFault::CertificateRefused`] or [`SoapFault::Unauthorized`].
    pub(super) fn by(
        request: &HttpRequest,
        connection: &ConnectionInfo,
        worker: &WorkerState,
    ) -> Result<Self, SoapFault> {
        match connection.kind {
            ListenerKind::MutualTls => {
                let caller = worker.server.authenticator.caller(connection)?;
                Ok(Self::Certificate(caller))
            }
            ListenerKind::ServerTls => {
                let mut headers = request.headers().get_all(AUTHORIZATION);
                let header = headers.next().map(|value| value.as_bytes());
                if headers.next().is_some() {
                    return Err(SoapFault::Unauthorized);
                }
                Ok(Self::Basic(BasicCredentials::parse(header)?))
            }
            // No service is there; see `serve`.
            ListenerKind::PlainLoopback => Err(SoapFault::Internal),
        }
    }

    /// Whether the message must hold a pincode to prove it.
    pub(super) fn has_pin_code(&self) -> bool {
        matches!(self, Self::Basic(_))
    }

    /// The caller's share of the admission. Of users only the registered have one of their own (their structure's), so that names made up at
    /// will make no entries.
    pub(super) fn share(&self, worker: &WorkerState) -> Arc<CallerShare> {
        let admission = &worker.server.admission;
        match self {
            Self::Certificate(caller) => admission.share_of(&caller.to_key()),
            Self::Basic(credentials) => {
                let register = worker.server.register.snapshot();
                match register.user(credentials.user()) {
                    Some(user) => admission.share_of(&Caller::Structure(user.structure).to_key()),
                    None => admission.share_of("unregistered"),
                }
            }
        }
    }

    /// Proves it, for a user with the pincode that the message holds.
    ///
    /// # Errors
    /// [`SoapFault::Unauthorized`], whatever is wrong; [`SoapFault::Unavailable`] when too many checks are under way.
    pub(super) async fn prove(
        self,
        worker: &WorkerState,
        connection: &ConnectionInfo,
        pin_code: Option<FieldText<'_>>,
        service: Service,
        at: Timestamp,
    ) -> Result<Call, SoapFault> {
        match self {
            Self::Certificate(caller) => Ok(Call {
                caller,
                user: None,
                may_call: true,
                at,
            }),
            Self::Basic(credentials) => {
                let pin_code = pin_code.and_then(|text| PinCode::parse(&text).ok());
                let source = connection.source.map(|address| address.ip());
                let user = worker
                    .server
                    .authenticator
                    .user(&credentials, pin_code.as_ref(), source)
                    .await?;
                Ok(Call {
                    caller: Caller::Structure(user.structure),
                    may_call: user.profiles.contains(service),
                    user: Some(user),
                    at,
                })
            }
        }
    }
}

impl From<CallerRefusal> for SoapFault {
    fn from(refusal: CallerRefusal) -> Self {
        tracing::warn!(target: "security", reason = refusal.label(), "certificate refused");
        metrics::counter!("sistema_ts_certificates_refused_total", "reason" => refusal.label())
            .increment(1);
        match refusal {
            CallerRefusal::Certificate(CertificateRefusal::Missing) => Self::CertificateMissing,
            _ => Self::CertificateRefused,
        }
    }
}

impl From<BasicRefusal> for SoapFault {
    fn from(refusal: BasicRefusal) -> Self {
        match refusal {
            BasicRefusal::Unauthorized => Self::Unauthorized,
            BasicRefusal::Overloaded | BasicRefusal::Unavailable => Self::Unavailable,
        }
    }
}
