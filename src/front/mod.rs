//! The network front: from a TCP connection to a request whose sender is known, without any knowledge of SOAP.
//!
//! `actix_server` accepts; an acceptor of ours reads the PROXY header and makes the TLS handshake within their time
//! limit; actix-http speaks HTTP/1 over the result; a gate counts requests and refuses them during a drain; then
//! actix-web's application runs. A handler finds who is at the other end by [`Connection::of`], asks
//! [`ConnectionInfo::valid_certificate`] **at each request**, and reads its body with [`gather_body`].
//!
//! Time limits are kept without a timer per request (see `watch.rs`). Neither bodies nor headers are logged here; of a
//! refused connection the log has the listener, the source and a reason of our own (`refused.rs`).

mod authorities;
mod body;
mod certificate;
mod connect_error;
mod connection;
mod connection_slots;
mod drain;
mod gate;
mod intermediates;
mod judgement;
mod kept_lists;
mod line_ends;
mod listener;
mod material;
mod pacer;
mod proxy;
mod refusal;
mod refused;
mod reload;
mod revocation;
mod revocation_set;
mod server;
mod server_certificates;
mod settings;
mod signature;
mod sources;
mod stream;
mod trust;
mod trust_error;
mod watch;

pub use body::gather_body;
pub use certificate::{CertificateError, CertificateSubject, ClientCertificate, RevocationKey};
pub use connection::{CertificateRefusal, Connection, ConnectionInfo};
pub use drain::{ShutdownHandle, Stage};
pub use judgement::{CertificateFault, ClientAuthorities};
pub use proxy::{ProxyHeaderError, read_proxy_header};
pub use refusal::{Refusal, RefusalBody, RefusalRenderer, plain_refusal};
pub use reload::{ListenerTrust, Reloader, spawn_signal_handlers};
pub use revocation::{RevocationListError, RevocationListStatus};
pub use revocation_set::RevocationSet;
pub use server::{DrainReport, Front, FrontError, ListenerInfo};
pub use server_certificates::ServerCertificateStatus;
pub use settings::{
    FrontLimits, FrontSettings, ListenerKind, ListenerSettings, PairFiles, TlsFiles,
};
pub use trust::{Trust, TrustStore};
pub use trust_error::TrustError;
