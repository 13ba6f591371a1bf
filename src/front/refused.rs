//! What is counted and logged of a connection that came to nothing before its first request: which listener, from where, and why, in words of
//! this program. What the other side sent is never among them.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error as TlsError, PeerIncompatible};

use super::connect_error::ConnectError;
use super::judgement::CertificateFault;
use crate::telemetry::{LogBudget, source_network};

/// Why a connection was refused: a kind, which has a budget of its own in the log, and a reason for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) kind: Kind,
    pub(super) reason: Cow<'static, str>,
}

/// What went wrong, roughly: a flood of one kind hides no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The client's certificate is not accepted.
    Certificate,
    /// The client does not accept this server, by its own word.
    Alert,
    /// The two sides found no common ground, or what came is no TLS.
    Handshake,
    /// The PROXY header.
    ProxyHeader,
    /// The listener is full, or not able to serve.
    Listener,
    /// It ended, or said nothing in time, before it said anything wrong: as connections of load balancers do that look whether the port is open.
    Silent,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Alert => "alert",
            Self::Handshake => "handshake",
            Self::ProxyHeader => "proxy-header",
            Self::Listener => "listener",
            Self::Silent => "silent",
        }
    }

    fn budget(self) -> &'static LogBudget {
        static CERTIFICATE: LogBudget = LogBudget::new("connection-certificate");
        static ALERT: LogBudget = LogBudget::new("connection-alert");
        static HANDSHAKE: LogBudget = LogBudget::new("connection-handshake");
        static PROXY_HEADER: LogBudget = LogBudget::new("connection-proxy-header");
        static LISTENER: LogBudget = LogBudget::new("connection-listener");
        static SILENT: LogBudget = LogBudget::new("connection-silent");
        match self {
            Self::Certificate => &CERTIFICATE,
            Self::Alert => &ALERT,
            Self::Handshake => &HANDSHAKE,
            Self::ProxyHeader => &PROXY_HEADER,
            Self::Listener => &LISTENER,
            Self::Silent => &SILENT,
        }
    }
}

/// Counts and logs it. `source` is where the connection comes from, as far as that is known: behind a proxy, what the proxy says.
pub(super) fn tell(listener: &str, source: Option<IpAddr>, error: &ConnectError) {
    metrics::counter!(
        "sistema_ts_front_connections_refused_total",
        "listener" => listener.to_owned(),
        "reason" => error.reason()
    )
    .increment(1);
    let Refused { kind, reason } = Refused::of(error);
    // Nothing more is done where the level forbids the line.
    if kind == Kind::Silent && !tracing::enabled!(target: "security", tracing::Level::DEBUG) {
        return;
    }
    let Some(left_out) = kind.budget().take_for(&source.map(source_network)) else {
        return;
    };
    let source = source.map(tracing::field::display);
    let (kind_name, reason) = (kind.name(), &*reason);
    if kind == Kind::Silent {
        tracing::debug!(target: "security", kind = kind_name, listener, source, reason, left_out, "connection refused");
    } else {
        tracing::info!(target: "security", kind = kind_name, listener, source, reason, left_out, "connection refused");
    }
}

impl Refused {
    pub(super) fn of(error: &ConnectError) -> Refused {
        let (kind, reason) = match error {
            ConnectError::TooMany => (Kind::Listener, "too many connections"),
            ConnectError::TooManyOfSource => (Kind::Listener, "too many connections of one source"),
            ConnectError::NoTrust => (Kind::Listener, "the listener has no certificates"),
            ConnectError::Timeout => (Kind::Silent, "the handshake was not done in time"),
            ConnectError::Socket(_) => (Kind::Silent, "the connection was lost"),
            ConnectError::ProxyHeader(error) => return Self::of_proxy_header(error),
            ConnectError::Certificate(_) => {
                (Kind::Certificate, "the client's certificate cannot be read")
            }
            ConnectError::Tls(error) => return Self::of_handshake(error),
        };
        Refused {
            kind,
            reason: reason.into(),
        }
    }

    fn of_proxy_header(error: &super::ProxyHeaderError) -> Refused {
        use super::ProxyHeaderError as Header;
        let (kind, reason) = match error {
            Header::Io(_) => (
                Kind::Silent,
                "the connection was lost within the PROXY header",
            ),
            Header::Missing => (Kind::ProxyHeader, "no PROXY header from a listed proxy"),
            Header::Malformed(reason) => (Kind::ProxyHeader, *reason),
            Header::TooLong => (Kind::ProxyHeader, "the PROXY header is too long"),
        };
        Refused {
            kind,
            reason: reason.into(),
        }
    }

    /// Why the handshake failed, from what rustls says. Of its errors none but the variants is looked at: some hold what the client sent.
    fn of_handshake(error: &io::Error) -> Refused {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if let Some(TlsError::InvalidCertificate(error)) = inner {
            return Refused {
                kind: Kind::Certificate,
                reason: of_certificate(error),
            };
        }
        let (kind, reason) = match inner {
            None => (Kind::Silent, "the connection was lost within the handshake"),
            Some(TlsError::NoCertificatesPresented) => {
                (Kind::Certificate, "no client certificate was shown")
            }
            Some(TlsError::AlertReceived(alert)) => (Kind::Alert, of_alert(*alert)),
            Some(TlsError::NoApplicationProtocol) => {
                (Kind::Handshake, "the client speaks no HTTP/1 (ALPN)")
            }
            Some(TlsError::PeerIncompatible(error)) => (Kind::Handshake, of_peer(error)),
            Some(
                TlsError::InvalidMessage(_)
                | TlsError::PeerSentOversizedRecord
                | TlsError::InappropriateMessage { .. }
                | TlsError::InappropriateHandshakeMessage { .. },
            ) => (Kind::Handshake, "what came is no TLS, or broken"),
            Some(TlsError::PeerMisbehaved(_) | TlsError::DecryptError) => {
                (Kind::Handshake, "the client broke the rules of TLS")
            }
            Some(_) => (Kind::Handshake, "the handshake failed"),
        };
        Refused {
            kind,
            reason: reason.into(),
        }
    }
}

/// Why a client's certificate is not accepted, in the words in which `admin certificate add` refuses it.
fn of_certificate(error: &CertificateError) -> Cow<'static, str> {
    format!(
        "the client's certificate is refused: {}",
        CertificateFault::of(error)
    )
    .into()
}

/// What a client says when it ends the handshake.
fn of_alert(alert: AlertDescription) -> &'static str {
    use AlertDescription as Alert;
    match alert {
        Alert::UnknownCA => "the client does not know the authority of this server's certificate",
        Alert::CertificateExpired => "the client takes this server's certificate for expired",
        Alert::CertificateRevoked => "the client takes this server's certificate for revoked",
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied
        | Alert::DecryptError => "the client does not accept this server's certificate",
        Alert::ProtocolVersion => "the client does not accept the version of TLS",
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "the client finds nothing in common in the handshake"
        }
        Alert::UnrecognisedName => "the client asked for another name",
        Alert::CloseNotify | Alert::UserCanceled => "the client ended the handshake",
        _ => "the client ended the handshake with an alert",
    }
}

/// What the two sides do not have in common.
fn of_peer(error: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as Peer;
    match error {
        Peer::Tls12NotOffered
        | Peer::Tls12NotOfferedOrEnabled
        | Peer::SupportedVersionsExtensionRequired => "the client offers neither TLS 1.2 nor 1.3",
        Peer::NoCipherSuitesInCommon => "no cipher suite in common",
        Peer::NoKxGroupsInCommon | Peer::NamedGroupsExtensionRequired => {
            "no group for the key exchange in common"
        }
        Peer::NoSignatureSchemesInCommon
        | Peer::NoCertificateRequestSignatureSchemesInCommon
        | Peer::SignatureAlgorithmsExtensionRequired => "no signature scheme in common",
        Peer::ExtendedMasterSecretExtensionRequired => {
            "the client lacks the extended master secret of TLS 1.2"
        }
        _ => "the client lacks something that TLS here needs",
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that what a stranger sent gets into the log, or that a refused caller cannot be told why.
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    fn of(error: TlsError) -> Refused {
        Refused::of(&ConnectError::Tls(io::Error::new(
            io::ErrorKind::InvalidData,
            error,
        )))
    }

    #[test]
    fn a_certificates_fault_is_told_by_its_reason() {
        let other = |text: &str| {
            CertificateError::Other(OtherError(Arc::new(io::Error::other(text.to_owned()))))
        };
        for (error, word) in [
            (CertificateError::Expired, "expired"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::UnknownIssuer, "no authority of"),
            (CertificateError::InvalidPurpose, "client authentication"),
            (CertificateError::BadSignature, "the key that signed it"),
            (other("UnsupportedCertVersion"), "version 3 of X.509"),
            (other("CaUsedAsEndEntity"), "CA:TRUE"),
            (other("RSSMRA80A01H501U"), "the verifier of handshakes"),
        ] {
            let refused = of(TlsError::InvalidCertificate(error));
            assert!(!refused.reason.contains("RSSMRA"));
            assert_eq!(refused.kind, Kind::Certificate);
            assert!(refused.reason.contains(word), "{}", refused.reason);
        }
    }

    #[test]
    fn other_faults_have_kinds_of_their_own() {
        for (error, kind) in [
            (
                TlsError::AlertReceived(AlertDescription::UnknownCA),
                Kind::Alert,
            ),
            (TlsError::NoApplicationProtocol, Kind::Handshake),
            (
                TlsError::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                Kind::Handshake,
            ),
            (
                TlsError::General("RSSMRA80A01H501U".to_owned()),
                Kind::Handshake,
            ),
        ] {
            let refused = of(error);
            assert_eq!(refused.kind, kind);
            assert!(!refused.reason.contains("RSSMRA"));
        }
        let lost = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(Refused::of(&ConnectError::Tls(lost)).kind, Kind::Silent);
    }
}
