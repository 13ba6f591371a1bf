//! One try: a connection from the pool or a new one, a request, the status of its answer.
//!
//! What matters is to know surely-not-sent from maybe. A request that the HTTP library gives back was never begun; a handshake that failed
//! carried nothing of it. Everything after the first byte of a request is a maybe.

use std::collections::VecDeque;
use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, ClientConfig};
use rustls_pki_types::ServerName;
use sistema_ts_actors::relay::{ImmuniBackend, NoAnswer, NotSent, OtpBody, TryOutcome};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::BackendAddress;
use super::error::ImmuniError;
use super::tls::BackendTls;

/// Connections kept for the next post.
const IDLE_CONNECTIONS: usize = 16;

/// How long one is kept: servers commonly close theirs after five seconds, and a post that meets the close is a maybe.
const IDLE_TIME: Duration = Duration::from_secs(3);

/// Time to get a connection, out of a try's.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// What is read of an answer's body, in bytes; more is no answer of this backend.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Time from the head of an answer to the end of its body, which says little.
const BODY_LIMIT: Duration = Duration::from_millis(500);

/// To the letter: the backend takes no other.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A pooled client of one backend.
pub struct HttpBackend {
    address: BackendAddress,
    host: HeaderValue,
    path: String,
    tls: Option<(Arc<BackendTls>, ServerName<'static>)>,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The certificates it was made with.
    made_with: Option<Arc<ClientConfig>>,
}

impl HttpBackend {
    /// A client; connections are made when they are needed. `tls` is needed for an `https` address, and unused for another.
    ///
    /// # Errors
    /// [`ImmuniError::Name`].
    pub fn new(address: BackendAddress, tls: Option<Arc<BackendTls>>) -> Result<Self, ImmuniError> {
        let name = ServerName::try_from(address.host.clone()).map_err(|_| ImmuniError::Name)?;
        let host = HeaderValue::try_from(address.host_header()).map_err(|_| ImmuniError::Name)?;
        Ok(Self {
            host,
            path: format!("{}/v1/otp", address.path),
            tls: tls.filter(|_| address.is_tls()).map(|tls| (tls, name)),
            address,
            idle: Mutex::default(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        // Nothing under the lock panics.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is open as far as we know.
    fn pooled(&self) -> Option<Connection> {
        let certificates = self.tls.as_ref().map(|(tls, _)| tls.current());
        let mut idle = self.idle();
        idle.retain(|entry| {
            entry.since.elapsed() < IDLE_TIME
                && !entry.connection.sender.is_closed()
                && entry.connection.is_made_with(certificates.as_ref())
        });
        // The one used last is the least likely to be closed from the other side meanwhile.
        let at = idle
            .iter()
            .rposition(|entry| entry.connection.sender.is_ready())?;
        idle.remove(at).map(|entry| entry.connection)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() >= IDLE_CONNECTIONS {
            idle.pop_front();
        }
        idle.push_back(Idle {
            connection,
            since: Instant::now(),
        });
    }

    async fn connect(&self) -> Result<Connection, NotSent> {
        // The system's resolver, on a thread for blocking work.
        let tcp = TcpStream::connect((&*self.address.host, self.address.port))
            .await
            .map_err(|_| NotSent::Unreachable)?;
        // A request is one small write: nothing is gained by waiting for more.
        let _ = tcp.set_nodelay(true);
        match &self.tls {
            None => open(tcp, None).await,
            Some((tls, name)) => {
                let certificates = tls.current();
                let connector = TlsConnector::from(Arc::clone(&certificates));
                let stream = connector
                    .connect(name.clone(), tcp)
                    .await
                    .map_err(|error| {
                        tracing::warn!(%error, "no handshake with the Immuni backend");
                        NotSent::Handshake
                    })?;
                open(stream, Some(certificates)).await
            }
        }
    }

    fn request(&self, body: &OtpBody) -> Request<Full<Bytes>> {
        // Bytes hold the relay's own buffer, which is overwritten when the last of them is gone.
        let body = Full::new(Bytes::from_owner(body.clone()));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        // The path's characters were checked when the address was read.
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("sistema-ts"));
        request
    }

    /// `may_be_sent` is set before the first byte of the request can leave.
    async fn attempt(
        &self,
        body: OtpBody,
        send_before: Instant,
        may_be_sent: &AtomicBool,
    ) -> TryOutcome {
        let mut request = self.request(&body);
        let mut is_fresh = false;
        let mut pooled = self.pooled();
        loop {
            let mut connection = match pooled.take() {
                Some(connection) => connection,
                None => {
                    is_fresh = true;
                    match tokio::time::timeout(CONNECT_LIMIT, self.connect()).await {
                        Ok(Ok(connection)) => connection,
                        Ok(Err(reason)) => return TryOutcome::NotSent(reason),
                        Err(_) => return TryOutcome::NotSent(NotSent::Unreachable),
                    }
                }
            };
            if Instant::now() >= send_before {
                return TryOutcome::NotSent(NotSent::Deadline);
            }
            may_be_sent.store(true, Ordering::Relaxed);
            match connection.sender.try_send_request(request).await {
                Ok(response) => return self.read(connection, response).await,
                Err(mut refused) => match refused.take_message() {
                    // Closed while it lay in the pool, and not a byte of the request is out: once more, on a new one.
                    Some(unsent) if !is_fresh => {
                        may_be_sent.store(false, Ordering::Relaxed);
                        request = unsent;
                    }
                    Some(_) => return TryOutcome::NotSent(NotSent::Unreachable),
                    None if is_fresh && refuses_certificate(refused.error()) => {
                        tracing::warn!(
                            "no handshake with the Immuni backend: it refuses this server's certificate"
                        );
                        return TryOutcome::NotSent(NotSent::Handshake);
                    }
                    None => return TryOutcome::NoAnswer(NoAnswer::Broken),
                },
            }
        }
    }

    /// The status of an answer; its connection is kept if all of it came.
    async fn read(&self, mut connection: Connection, response: Response<Incoming>) -> TryOutcome {
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER);
        // The status says nearly all; the body is read for the connection's sake, and no answer is made to wait for it.
        let read = tokio::time::timeout(BODY_LIMIT, body.collect()).await;
        let content = match read {
            Ok(Ok(whole)) => {
                if connection.sender.ready().await.is_ok() {
                    self.keep(connection);
                }
                whole.to_bytes()
            }
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        match status {
            400 if !may_be_of_backend(&content) => TryOutcome::Misdirected(status),
            status => TryOutcome::Answered(status),
        }
    }
}

#[async_trait]
impl ImmuniBackend for HttpBackend {
    async fn post(&self, body: OtpBody, send_before: Instant, limit: Duration) -> TryOutcome {
        let may_be_sent = AtomicBool::new(false);
        let attempt = self.attempt(body, send_before, &may_be_sent);
        match tokio::time::timeout(limit, attempt).await {
            Ok(outcome) => outcome,
            Err(_) if may_be_sent.load(Ordering::Relaxed) => {
                TryOutcome::NoAnswer(NoAnswer::TooSlow)
            }
            Err(_) => TryOutcome::NotSent(NotSent::Deadline),
        }
    }
}

/// Whether the body of a 400 may be the backend's, which is a JSON object. Fronts that do not take a certificate send a page with that status.
fn may_be_of_backend(content: &[u8]) -> bool {
    content.is_empty()
        || serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(content).is_ok()
}

/// HTTP/1.1 over a stream.
async fn open(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    made_with: Option<Arc<ClientConfig>>,
) -> Result<Connection, NotSent> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| NotSent::Unreachable)?;
    // It ends with its stream, or when nothing can be sent on it any more; what went wrong is told to whoever sent.
    tokio::spawn(connection);
    Ok(Connection { sender, made_with })
}

impl Connection {
    /// Whether it was made with these certificates, and not with ones that have been replaced since.
    fn is_made_with(&self, certificates: Option<&Arc<ClientConfig>>) -> bool {
        match (&self.made_with, certificates) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Whether a fresh connection broke because the backend does not accept our certificate. In TLS 1.3 that is told only after the client's side
/// of the handshake, when the request may be on its way; a server that says so has read none of it.
fn refuses_certificate(error: &hyper::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let alert = inner.or_else(|| cause.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = alert {
            return matches!(
                alert,
                AlertDescription::CertificateRequired
                    | AlertDescription::BadCertificate
                    | AlertDescription::UnsupportedCertificate
                    | AlertDescription::CertificateRevoked
                    | AlertDescription::CertificateExpired
                    | AlertDescription::CertificateUnknown
                    | AlertDescription::UnknownCA
                    | AlertDescription::AccessDenied
                    | AlertDescription::HandshakeFailure
                    | AlertDescription::DecryptError
            );
        }
        source = cause.source();
    }
    false
}
