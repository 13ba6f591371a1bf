//! What is known of the peer of a connection, for the handlers of its requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::HttpRequest;

use super::certificate::ClientCertificate;
use super::judgement::{CertificateFault, judge};
use super::settings::ListenerKind;
use super::trust::{Trust, TrustStore};
use super::watch::Watch;

/// A connection as its requests' handlers see it, see [`Connection::of`].
pub struct Connection {
    /// Who is at the other end.
    pub info: Arc<ConnectionInfo>,
    pub(super) watch: Rc<Watch>,
}

impl Connection {
    /// The connection that `request` came on; absent only in tests that call an application without a front.
    pub fn of(request: &HttpRequest) -> Option<&Self> {
        request.conn_data::<Self>()
    }
}

/// Who is at the other end of a connection: fixed once it is established.
pub struct ConnectionInfo {
    /// Name of the listener it came to.
    pub listener: Arc<str>,
    /// How that listener knows its callers.
    pub kind: ListenerKind,
    /// The other end of the TCP connection: the client, or the proxy before it.
    pub peer: SocketAddr,
    /// Where the client really is: `peer`, or what a listed proxy tells. `None` if the proxy does not know or speaks for
    /// itself: then no network may be assumed.
    pub source: Option<SocketAddr>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// The certificate that the client showed and whose chain the handshake verified.
    pub certificate: Option<ClientCertificate>,
    pub(super) trust: Option<Arc<TrustStore>>,
    /// The authorities' generation by which the chain was last verified: at first the handshake's (a resumed one's too,
    /// since sessions do not outlive their authorities).
    pub(super) verified_by: AtomicU64,
    /// The generation of trust under which `certificate` was last found good.
    pub(super) judged_in: AtomicU64,
}

/// Why a connection's certificate proves nothing, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// The client showed none.
    #[error("no client certificate")]
    Missing,
    /// A revocation list has it, or one of its chain.
    #[error("client certificate revoked")]
    Revoked,
    /// Its time is over, or has not begun.
    #[error("client certificate expired or not yet valid")]
    Expired,
    /// The authorities in force now do not vouch for it (any more).
    #[error("client certificate of an unknown authority")]
    Untrusted,
}

impl ConnectionInfo {
    /// The client's certificate if it counts at this moment. To be asked at **each request**: since the handshake it
    /// may have been revoked or have expired, or its authority may have been removed. Nearly free while nothing
    /// changed.
    ///
    /// `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`CertificateRefusal`]
    pub fn valid_certificate(&self, now: i64) -> Result<&ClientCertificate, CertificateRefusal> {
        let (Some(certificate), Some(trust)) = (&self.certificate, &self.trust) else {
            return Err(CertificateRefusal::Missing);
        };
        if now > certificate.not_after || now < certificate.not_before {
            return Err(CertificateRefusal::Expired);
        }
        let trust = trust.current();
        if self.judged_in.load(Ordering::Relaxed) == trust.generation {
            return Ok(certificate);
        }
        if trust.revocations.revokes(certificate, &trust.provider) {
            return Err(CertificateRefusal::Revoked);
        }
        if self.verified_by.load(Ordering::Relaxed) != trust.authorities_since {
            verify(certificate, &trust, now)?;
            self.verified_by
                .store(trust.authorities_since, Ordering::Relaxed);
        }
        self.judged_in.store(trust.generation, Ordering::Relaxed);
        Ok(certificate)
    }
}

/// Verifies a chain by the authorities in force now.
fn verify(
    certificate: &ClientCertificate,
    trust: &Trust,
    now: i64,
) -> Result<(), CertificateRefusal> {
    let verifier = trust
        .verifier
        .as_ref()
        .ok_or(CertificateRefusal::Untrusted)?;
    judge(&**verifier, &certificate.chain, now).map_err(|fault| match fault {
        CertificateFault::Expired | CertificateFault::NotYetValid => CertificateRefusal::Expired,
        _ => CertificateRefusal::Untrusted,
    })
}
