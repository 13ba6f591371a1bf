//! Who a request says it is from, and the proof of it.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use sistema_ts_model::{Caller, PinCode, Service, Timestamp};

use super::endpoint::{Call, Places};
use super::security_log;
use super::state::WorkerState;
use crate::auth::{BasicCredentials, BasicRefusal};
use crate::front::{ConnectionInfo, Lane, ListenerKind, Permit, Refusal};
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
                let caller = worker
                    .server
                    .authenticator
                    .caller(connection)
                    .map_err(|refusal| security_log::certificate_refused(refusal, connection))?;
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

    /// Admits a certificate's caller to `lane`, before its message is read. Whose share a user's work is part of is known only once the
    /// credentials are checked, of which the message holds the last: see [`Self::prove`].
    ///
    /// # Errors
    /// [`Refusal::Overloaded`].
    pub(super) fn admit(
        &self,
        worker: &WorkerState,
        lane: Lane,
    ) -> Result<Option<Permit>, Refusal> {
        let admission = &worker.server.admission;
        match self {
            Self::Certificate(caller) => admission
                .try_enter(lane, &admission.share_of(&caller.to_key()))
                .map(Some),
            Self::Basic(_) => Ok(None),
        }
    }

    /// Proves it, for a user with the pincode that the message holds, and admits the user's structure to `lane`.
    ///
    /// # Errors
    /// [`SoapFault::Unauthorized`], whatever is wrong; [`SoapFault::Unavailable`] when too many checks are under way, or too much work.
    pub(super) async fn prove(
        self,
        worker: &WorkerState,
        connection: &ConnectionInfo,
        pin_code: Option<FieldText<'_>>,
        (service, lane): (Service, Lane),
        at: Timestamp,
    ) -> Result<(Call, Option<Permit>), SoapFault> {
        let client_address = connection.source.unwrap_or(connection.peer).ip();
        match self {
            Self::Certificate(caller) => {
                let call = Call {
                    caller,
                    user: None,
                    may_call: is_for(service, &caller),
                    at,
                    client_address,
                    places: Places::default(),
                };
                Ok((call, None))
            }
            Self::Basic(credentials) => {
                let pin_code = pin_code.and_then(|text| PinCode::parse(&text).ok());
                let source = connection.source.map(|address| address.ip());
                let admission = &worker.server.admission;
                let enter = |share: &str| {
                    admission
                        .try_enter(lane, &admission.share_of(share))
                        .map_err(|refusal| SoapFault::from(&refusal))
                };
                let authenticator = &worker.server.authenticator;
                let user = match authenticator.remembered_user(&credentials, pin_code.as_ref()) {
                    Some(user) => user,
                    // Those who wait for a check take no place of those who work: the waiting room has bounds of its own.
                    None => {
                        authenticator
                            .user(&credentials, pin_code.as_ref(), source)
                            .await?
                    }
                };
                let caller = Caller::Structure(user.structure);
                let permit = enter(&caller.to_key())?;
                let call = Call {
                    caller,
                    may_call: user.profiles.contains(service),
                    user: Some(user),
                    at,
                    client_address,
                    places: Places::default(),
                };
                Ok((call, Some(permit)))
            }
        }
    }
}

/// Whether a service is for callers of this kind, when they prove themselves by certificate (Tables 1 and 8, §5.2).
fn is_for(service: Service, caller: &Caller) -> bool {
    match service {
        Service::Submission | Service::Cancellation | Service::Listing | Service::AslOtp => {
            matches!(caller, Caller::Region(_))
        }
        Service::Verification | Service::Unlock | Service::Confirmation => {
            matches!(caller, Caller::CallCenter(_))
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
