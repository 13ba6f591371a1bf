//! A listener at work: how many connections it has, and how a new one is made ready for HTTP.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::ClientCertificate;
use super::connect_error::ConnectError;
use super::connection::ConnectionInfo;
use super::connection_slots::{ConnectionSlot, ConnectionSlots};
use super::drain::Drain;
use super::proxy::read_proxy_header;
use super::refused;
use super::settings::ListenerKind;
use super::sources::{SourceCounts, SourceSlot};
use super::stream::FrontStream;
use super::trust::TrustStore;
use super::watch::Sweep;

/// What all workers share of one listener.
pub(super) struct Listener {
    pub(super) name: Arc<str>,
    pub(super) kind: ListenerKind,
    pub(super) trust: Option<Arc<TrustStore>>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) handshake: Duration,
    pub(super) slots: Arc<ConnectionSlots>,
    pub(super) sources: Arc<SourceCounts>,
    pub(super) drain: Arc<Drain>,
}

impl Listener {
    fn slot(&self) -> Result<ConnectionSlot, ConnectError> {
        self.slots.take().ok_or(ConnectError::TooMany)
    }

    /// Makes an accepted TCP connection ready for HTTP: PROXY header, then TLS, both within the time limit.
    pub(super) async fn accept_tls(
        self: Arc<Self>,
        tcp: TcpStream,
        sweep: Rc<Sweep>,
    ) -> io::Result<FrontStream<TlsStream<TcpStream>>> {
        // Kept outside of what may fail: whoever is refused is told apart by it.
        let mut source = tcp.peer_addr().ok().map(canonical);
        let slot = self.slot().map_err(|error| self.refused(source, error))?;
        let established =
            tokio::time::timeout(self.handshake, self.establish(tcp, &mut source)).await;
        let (stream, info, source_slot) = established
            .unwrap_or(Err(ConnectError::Timeout))
            .map_err(|error| self.refused(source, error))?;
        let watch = sweep.watch(&self.drain.stage());
        Ok(FrontStream {
            stream,
            info: Arc::new(info),
            watch,
            _slot: slot,
            _source_slot: source_slot,
        })
    }

    /// The same without TLS, on the loopback listener.
    pub(super) async fn accept_plain(
        self: Arc<Self>,
        tcp: TcpStream,
        sweep: Rc<Sweep>,
    ) -> io::Result<FrontStream<TcpStream>> {
        let slot = self.slot().map_err(|error| self.refused(None, error))?;
        let peer = ready_socket(&tcp).map_err(|error| self.refused(None, error))?;
        let info = self.info(peer, Some(peer), false, None, 0);
        let watch = sweep.watch(&self.drain.stage());
        Ok(FrontStream {
            stream: tcp,
            info: Arc::new(info),
            watch,
            _slot: slot,
            _source_slot: None,
        })
    }

    /// `source` is where the connection comes from, known better once a proxy has said so.
    async fn establish(
        &self,
        mut tcp: TcpStream,
        source: &mut Option<SocketAddr>,
    ) -> Result<(TlsStream<TcpStream>, ConnectionInfo, Option<SourceSlot>), ConnectError> {
        let peer = ready_socket(&tcp)?;
        *source = Some(peer);
        if self.trusts_proxy(peer.ip()) {
            *source = read_proxy_header(&mut tcp).await?;
        }
        // Before the handshake, which costs.
        let source_slot = self.source_slot(*source)?;
        // From anybody else a PROXY header is no TLS, and the handshake refuses it.
        let trust = self.trust.as_ref().ok_or(ConnectError::NoTrust)?;
        let state = trust.current().clone();
        let stream = TlsAcceptor::from(Arc::clone(&state.server_config))
            .accept(tcp)
            .await
            .map_err(ConnectError::Tls)?;
        let session = stream.get_ref().1;
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let certificate = session
            .peer_certificates()
            .map(ClientCertificate::from_chain)
            .transpose()?;
        if let Some(certificate) = &certificate {
            let shown = state.unknown_intermediates(certificate);
            if !shown.is_empty() {
                // Before the first request, which is judged by their lists; not on this thread, since lists may have to be written. What a
                // panic in there leaves out is done at the next handshake.
                let trust = Arc::clone(trust);
                let _ = tokio::task::spawn_blocking(move || trust.learn(shown)).await;
            }
        }
        let info = self.info(peer, *source, resumed, certificate, state.authorities_since);
        Ok((stream, info, source_slot))
    }

    /// A place among its source's connections; none is needed where the source is this machine, a proxy itself, or not known.
    fn source_slot(&self, source: Option<SocketAddr>) -> Result<Option<SourceSlot>, ConnectError> {
        let bounded = source
            .map(|source| source.ip().to_canonical())
            .filter(|address| !address.is_loopback() && !self.trusts_proxy(*address));
        bounded
            .map(|address| {
                let slot = self.sources.enter(address);
                slot.ok_or(ConnectError::TooManyOfSource)
            })
            .transpose()
    }

    fn info(
        &self,
        peer: SocketAddr,
        source: Option<SocketAddr>,
        resumed: bool,
        certificate: Option<ClientCertificate>,
        verified_by: u64,
    ) -> ConnectionInfo {
        ConnectionInfo {
            listener: Arc::clone(&self.name),
            kind: self.kind,
            peer,
            source,
            resumed,
            certificate,
            trust: self.trust.clone(),
            verified_by: AtomicU64::new(verified_by),
            // Judged by no generation yet: a handshake asks no revocation list.
            judged_in: AtomicU64::new(0),
        }
    }

    fn trusts_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(&peer))
    }

    /// Counts and notes a connection that came to nothing.
    fn refused(&self, source: Option<SocketAddr>, error: ConnectError) -> io::Error {
        refused::tell(&self.name, source.map(|source| source.ip()), &error);
        io::Error::other(error)
    }
}

/// Sets up an accepted socket and tells its other end.
fn ready_socket(tcp: &TcpStream) -> Result<SocketAddr, ConnectError> {
    // Answers are written in one piece: nothing is gained by waiting for more.
    tcp.set_nodelay(true).map_err(ConnectError::Socket)?;
    let peer = tcp.peer_addr().map_err(ConnectError::Socket)?;
    Ok(canonical(peer))
}

/// The same address; one of IPv4 that IPv6 wraps is unwrapped.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Listener")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
