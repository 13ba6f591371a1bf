//! Who a request says it is from, and the proof of it.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use sistema_ts_model::{Caller, PinCode};
use sistema_ts_store::register::RegisteredUser;

use super::admission::{Lane, Permit};
use super::security_log;
use super::service::SoapService;
use super::state::WorkerState;
use crate::auth::BasicCredentials;
use crate::front::{ConnectionInfo, ListenerKind, Refusal};
use crate::soap::{FieldText, SoapFault};

/// Who a request says it is from, as far as its head tells.
pub(super) enum Claimed {
    /// A certificate's caller: proved by the handshake, and valid at this moment.
    Certificate(Caller),
    /// A user whose password was not looked at yet.
    Basic(BasicCredentials),
}

/// Who a request is from.
pub(super) struct Proved {
    /// The registered caller.
    pub(super) caller: Caller,
    /// The user of a Basic caller.
    pub(super) user: Option<Arc<RegisteredUser>>,
    /// Whether the service is for this caller, as far as the register says.
    pub(super) may_call: bool,
    /// The place of a user's structure or ASL; a certificate's caller was admitted before its message was read.
    pub(super) permit: Option<Permit>,
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
                let caller = worker.server.authenticator.caller(connection);
                caller.map(Self::Certificate).map_err(|refusal| {
                    security_log::certificate_refused(refusal, connection);
                    refusal.into()
                })
            }
            ListenerKind::ServerTls => {
                let mut headers = request.headers().get_all(AUTHORIZATION);
                let header = headers.next().map(|value| value.as_bytes());
                if headers.next().is_some() {
                    return Err(SoapFault::Unauthorized);
                }
                Ok(Self::Basic(BasicCredentials::parse(header)?))
            }
            // No service is there; see `routes`.
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
    /// [`Refusal::Unavailable`].
    pub(super) fn admit(
        &self,
        worker: &WorkerState,
        lane: Lane,
    ) -> Result<Option<Permit>, Refusal> {
        match self {
            Self::Certificate(caller) => admit(worker, lane, caller).map(Some),
            Self::Basic(_) => Ok(None),
        }
    }

    /// Proves it to the service `S`, for a user with the pincode that the message holds, and admits the user's structure or ASL.
    ///
    /// # Errors
    /// [`SoapFault::Unauthorized`], whatever is wrong; [`Refusal::Unavailable`] when too many checks are under way, or too much work.
    pub(super) async fn prove<S: SoapService>(
        self,
        worker: &WorkerState,
        connection: &ConnectionInfo,
        pin_code: Option<FieldText<'_>>,
    ) -> Result<Proved, SoapFault> {
        let credentials = match self {
            Self::Certificate(caller) => {
                return Ok(Proved {
                    caller,
                    user: None,
                    may_call: S::CERTIFICATES.include(&caller),
                    permit: None,
                });
            }
            Self::Basic(credentials) => credentials,
        };
        let pin_code = pin_code.and_then(|text| PinCode::parse(&text).ok());
        let authenticator = &worker.server.authenticator;
        let user = match authenticator.remembered_user(&credentials, pin_code.as_ref()) {
            Some(user) => user,
            // Those who wait for a check take no place of those who work: the waiting room has bounds of its own.
            None => {
                let source = connection.source.map(|address| address.ip());
                authenticator
                    .user(&credentials, pin_code.as_ref(), source)
                    .await?
            }
        };
        let caller = user.workplace.caller();
        Ok(Proved {
            permit: Some(admit(worker, S::LANE, &caller)?),
            may_call: user.profiles.contains(S::SERVICE),
            user: Some(user),
            caller,
        })
    }
}

fn admit(worker: &WorkerState, lane: Lane, caller: &Caller) -> Result<Permit, Refusal> {
    let admission = &worker.server.admission;
    admission.try_enter(lane, &admission.share_of(&caller.to_key()))
}
