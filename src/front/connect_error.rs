//! Why a connection came to nothing before its first request.

use std::io;

use super::certificate::CertificateError;
use super::proxy::ProxyHeaderError;

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("too many connections")]
    TooMany,
    #[error("too many connections of one source")]
    TooManyOfSource,
    #[error("handshake not done in time")]
    Timeout,
    #[error(transparent)]
    ProxyHeader(#[from] ProxyHeaderError),
    #[error("TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("connection lost: {0}")]
    Socket(#[source] io::Error),
    #[error("the listener has no certificates")]
    NoTrust,
}

impl ConnectError {
    /// A short fixed name, used as a metric label.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::TooManyOfSource => "too-many-of-source",
            Self::Timeout => "timeout",
            Self::ProxyHeader(_) => "proxy-header",
            Self::Tls(_) => "tls",
            Self::Certificate(_) => "certificate",
            Self::Socket(_) => "socket",
            Self::NoTrust => "no-trust",
        }
    }
}
