//! What the front needs to know before it can listen.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// How a listener knows its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// TLS that asks for a client certificate. The WSDL is public, so the handshake succeeds without one; the services
    /// then require it (§2.3, §3.3).
    MutualTls,
    /// TLS with a server certificate only: callers prove themselves by Basic credentials and pincode (§2.3).
    ServerTls,
    /// No TLS, loopback addresses only: health and metrics. Not touched by a drain, so that it can be watched.
    PlainLoopback,
}

impl ListenerKind {
    /// A short fixed name, used as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::ServerTls => "server-tls",
            Self::PlainLoopback => "plain-loopback",
        }
    }
}

/// A certificate chain and its private key, each in a file of its own; the same file may be both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate and those above it, in any order.
    pub certificate_chain: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub private_key: PathBuf,
}

/// The files of a TLS listener, in PEM or DER. They are read again by [`super::TrustStore::reload`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Server certificate and its intermediates.
    pub certificate_chain: PathBuf,
    /// Private key of the server certificate: PKCS#8, PKCS#1 or SEC1.
    pub private_key: PathBuf,
    /// A second server certificate with a key of another kind, for clients that cannot use the first.
    pub second_pair: Option<PairFiles>,
    /// Authorities that sign client certificates. Required for [`ListenerKind::MutualTls`], ignored elsewhere.
    pub client_authorities: Option<PathBuf>,
    /// Revocation lists, one or many in a file. Those that none of `client_authorities` signed wait for chains that show their issuer.
    pub revocation_lists: Vec<PathBuf>,
    /// Folder in which the newest list of each authority is kept, intermediates included, so that an older one is not taken after a restart either.
    pub kept_lists: Option<PathBuf>,
}

impl TlsFiles {
    /// The server's certificates and keys.
    pub(super) fn pairs(&self) -> impl Iterator<Item = PairFiles> {
        let first = PairFiles {
            certificate_chain: self.certificate_chain.clone(),
            private_key: self.private_key.clone(),
        };
        std::iter::once(first).chain(self.second_pair.clone())
    }
}

/// One address to listen on.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Name in logs and for the service configuration, e.g. `regions`.
    pub name: String,
    /// How callers are known here.
    pub kind: ListenerKind,
    /// Address and port; port 0 takes a free one, see [`super::Front::addresses`].
    pub address: SocketAddr,
    /// Certificates; required for the TLS kinds.
    pub tls: Option<TlsFiles>,
    /// Networks of the proxies that stand before this listener. From these a PROXY protocol header (v1 or v2) is
    /// required on each connection; from anywhere else it is a refused connection.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections open at once, handshakes included; one more is closed at once. At least 1.
    pub max_connections: usize,
    /// Connections open at once of one source (an IPv4 address, or an IPv6 network of 48 bits), as a proxy tells it. Loopback, and the proxies
    /// themselves, have no such bound. At least 1.
    pub max_connections_per_source: usize,
    /// Length of the kernel's queue of connections not yet accepted.
    pub backlog: i32,
}

/// Time limits and sizes of every listener.
#[derive(Clone, Debug)]
pub struct FrontLimits {
    /// From the accepted connection to the end of the TLS handshake, PROXY header included.
    pub handshake: Duration,
    /// From a connection's readiness, or a later request's first byte, to the end of its header.
    pub header: Duration,
    /// From the end of the header to the end of the body.
    pub body: Duration,
    /// A kept-alive connection without a request.
    pub idle: Duration,
    /// A client that takes no byte of what is to be sent to it; also what the waits for a client that takes few may come to in all, beyond what
    /// they are at 16 KB/s.
    pub write_stall: Duration,
    /// How long an early answer (413, 415, 503 …) waits for the rest of its request before it cuts the connection:
    /// closing at once would reset it, and the client would never read the answer.
    pub linger: Duration,
    /// Bytes of a request body that [`super::gather_body`] accepts.
    pub max_body_bytes: usize,
    /// Requests being worked on at once over all listeners; one more is refused with 503 before its body is read.
    /// The last quarter is for connections with a verified client certificate.
    /// Bounds the memory of gathered bodies: this × `max_body_bytes`.
    pub max_requests: usize,
    /// Refusals with 503 a second that leave at once; further ones wait for their turn, at most 1 s, so that clients that
    /// repeat without a pause cannot spend the server on refusals.
    pub refusals_per_second: u32,
    /// After a drain began: how long requests in flight may take before they are cut.
    pub drain: Duration,
    /// After a drain began: how long at least 503 is answered before the listeners close, so that a load balancer
    /// can take notice.
    pub drain_notice: Duration,
    /// How often the TLS files' modification times are looked at; zero looks never (SIGHUP still works).
    pub file_poll: Duration,
    /// TLS sessions remembered for resumption, per listener (about 2 KiB each with a client certificate).
    pub session_cache: usize,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            body: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            write_stall: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            max_body_bytes: 64 * 1024,
            max_requests: 4_096,
            refusals_per_second: 10_000,
            drain: Duration::from_secs(30),
            drain_notice: Duration::ZERO,
            file_poll: Duration::from_secs(5),
            session_cache: 8_192,
        }
    }
}

/// Everything [`super::Front::bind`] needs.
#[derive(Clone, Debug)]
pub struct FrontSettings {
    /// Worker threads, at least 1; each runs its own event loop.
    pub workers: usize,
    /// At least one listener.
    pub listeners: Vec<ListenerSettings>,
    /// Time limits and sizes.
    pub limits: FrontLimits,
}
