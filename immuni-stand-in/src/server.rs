//! Connections in the clear or over mutual TLS, resets, and the control listener.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sistema_ts_model::{Clock, SystemClock};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::authorisations::{AUTHORISED_FOR, Authorisations};
use crate::behaviour::{Behaviour, Fault, Meets, Switches};
use crate::rules::{Answer, code_of};

/// No body of a request is longer, in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// How long a connection may stay without a request: as the real backend's.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long a connection whose handshake failed is read on.
const ALERT_LINGER: Duration = Duration::from_millis(500);

/// How the stand-in is started.
#[derive(Debug, Clone)]
pub struct StandInSettings {
    /// Where codes are posted; a loopback address, unless with certificates.
    pub address: SocketAddr,
    /// Where the switches are; a loopback address.
    pub control: SocketAddr,
    /// Certificates for mutual TLS; in the clear without.
    pub tls: Option<TlsFiles>,
    /// How long a code stays authorised.
    pub authorised_for: Duration,
    /// Decides how long that is, and which day is the backend's today (in UTC).
    pub clock: Arc<dyn Clock>,
}

impl Default for StandInSettings {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            address: free,
            control: free,
            tls: None,
            authorised_for: AUTHORISED_FOR,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Certificates for mutual TLS, in PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
    /// The authority of the clients' certificates.
    pub client_authority: PathBuf,
}

/// Why the stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StandInError {
    /// A socket.
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// Another address than a loopback one.
    #[error(
        "--control must be a loopback address, and so must --address as long as there is no --certificate"
    )]
    NotLoopback,
    /// A file.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificates do not fit.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// A running stand-in; it ends when it is dropped.
pub struct StandIn {
    shared: Arc<Shared>,
    /// Where codes are posted.
    pub address: SocketAddr,
    /// Where the switches are.
    pub control: SocketAddr,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    authorisations: Authorisations,
    switches: Switches,
    /// Whether it is down, for those who wait for it.
    down: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
    /// One more each time that all open connections are reset.
    resets: watch::Sender<u64>,
    since_recycling: AtomicU64,
}

impl Shared {
    fn set(&self, behaviour: Behaviour) {
        self.switches.set(behaviour);
        self.down.send_replace(behaviour.down);
    }

    fn reset_all(&self) {
        self.resets.send_modify(|resets| *resets += 1);
    }

    /// One request more: after the last of a worker's, its connections go.
    fn count_towards_recycling(&self) {
        let Some(after) = self.switches.get().recycle_after else {
            return;
        };
        if self.since_recycling.fetch_add(1, Ordering::Relaxed) + 1 >= after {
            self.since_recycling.store(0, Ordering::Relaxed);
            self.reset_all();
        }
    }

    /// From a code that came to what the backend would answer.
    fn answer(&self, content_type: Option<&str>, body: &[u8]) -> Answer {
        let now = self.clock.now();
        let today = chrono::DateTime::from_timestamp_millis(now.millis())
            .unwrap_or_default()
            .date_naive();
        match code_of(content_type, body, today) {
            Ok(otp) if self.authorisations.authorise(otp.expose(), now) => Answer::Authorised,
            Ok(_) => Answer::AlreadyAuthorised,
            Err(refusal) => {
                self.authorisations.count_refusal();
                refusal
            }
        }
    }
}

impl StandIn {
    /// Starts it on the current runtime.
    ///
    /// # Errors
    /// [`StandInError`].
    pub async fn start(settings: StandInSettings) -> Result<Self, StandInError> {
        let may_listen = settings.tls.is_some() || settings.address.ip().is_loopback();
        if !may_listen || !settings.control.ip().is_loopback() {
            return Err(StandInError::NotLoopback);
        }
        let tls = settings.tls.as_ref().map(acceptor).transpose()?;
        let shared = Arc::new(Shared {
            authorisations: Authorisations::new(settings.authorised_for),
            switches: Switches::default(),
            down: watch::Sender::new(false),
            clock: settings.clock,
            resets: watch::Sender::new(0),
            since_recycling: AtomicU64::new(0),
        });
        let listener = TcpListener::bind(settings.address).await?;
        let address = listener.local_addr()?;
        let control_listener = TcpListener::bind(settings.control).await?;
        let control = control_listener.local_addr()?;
        let tasks = vec![
            tokio::spawn(serve(listener, address, tls, Arc::clone(&shared))).abort_handle(),
            tokio::spawn(serve_control(control_listener, Arc::clone(&shared))).abort_handle(),
        ];
        Ok(Self {
            shared,
            address,
            control,
            tasks,
        })
    }

    /// Sets the switches.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.set(behaviour);
    }

    /// Resets all open connections, as when a worker is recycled.
    pub fn reset_connections(&self) {
        self.shared.reset_all();
    }

    /// What it has authorised.
    #[must_use]
    pub fn authorisations(&self) -> &Authorisations {
        &self.shared.authorisations
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StandInError> {
    let wrong = |file: &PathBuf, reason: String| StandInError::File {
        file: file.clone(),
        reason,
    };
    let certificates = |file: &PathBuf| {
        CertificateDer::pem_file_iter(file)
            .and_then(|found| found.collect::<Result<Vec<_>, _>>())
            .map_err(|error| wrong(file, error.to_string()))
    };
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.client_authority)? {
        roots.add(authority)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .build()
        .map_err(|error| wrong(&files.client_authority, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(|error| wrong(&files.private_key, error.to_string()))?;
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&files.certificate)?, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections while it is not down; then the port is closed, and bound again later.
async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
) {
    let mut down = shared.down.subscribe();
    let mut listener = Some(listener);
    loop {
        if *down.borrow_and_update() {
            listener = None;
            if down.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            // The port may still be going down: connections of before close first.
            None => match TcpListener::bind(address).await {
                Ok(open) => open,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((stream, _)) = accepted {
                    let (tls, shared) = (tls.clone(), Arc::clone(&shared));
                    tokio::spawn(connection(stream, tls, shared));
                }
            }
            _ = down.changed() => {}
        }
        listener = Some(open);
    }
}

/// A connection that can be reset: closed with RST, as a recycled worker does.
struct Plug {
    stream: TcpStream,
    resets: Arc<AtomicBool>,
}

impl Drop for Plug {
    fn drop(&mut self) {
        if self.resets.load(Ordering::Acquire) {
            // With no time to linger, closing resets.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Plug {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Plug {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.resets.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.resets.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let resets = Arc::new(AtomicBool::new(false));
    let (mut down, mut reset_all) = (shared.down.subscribe(), shared.resets.subscribe());
    let keep_alive = shared.switches.get().keep_alive_milliseconds;
    let keep_alive = keep_alive.map_or(KEEP_ALIVE, Duration::from_millis);
    let plug = Plug {
        stream,
        resets: Arc::clone(&resets),
    };
    let service = {
        let (shared, resets) = (Arc::clone(&shared), Arc::clone(&resets));
        service_fn(move |request| {
            let (shared, resets) = (Arc::clone(&shared), Arc::clone(&resets));
            async move { respond(request, &shared, &resets).await }
        })
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(keep_alive);
    let served = async {
        // What goes wrong with a connection is its client's to notice.
        match tls {
            None => {
                shared.authorisations.count_connection();
                let _ = http.serve_connection(TokioIo::new(plug), service).await;
            }
            Some(tls) => match tls.accept(plug).into_fallible().await {
                Ok(stream) => {
                    shared.authorisations.count_connection();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                }
                // Closed with bytes unread it would be reset, and the alert that says why might be lost.
                Err((_, mut plug)) => {
                    let mut rest = [0; 1_024];
                    let until_end =
                        async { while plug.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
                    let _ = tokio::time::timeout(ALERT_LINGER, until_end).await;
                }
            },
        }
    };
    tokio::select! {
        () = served => {}
        // Going down cuts what is open.
        _ = down.wait_for(|down| *down) => resets.store(true, Ordering::Release),
        _ = reset_all.changed() => resets.store(true, Ordering::Release),
    }
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
struct Reset;

async fn respond(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    resets: &AtomicBool,
) -> Result<Response<Full<Bytes>>, Reset> {
    match (request.uri().path(), request.method()) {
        ("/v1/otp" | "/v1/otp/", &Method::POST) => {}
        ("/", &Method::GET) => return Ok(response(Answer::Alive)),
        ("/v1/otp" | "/v1/otp/" | "/", _) => return Ok(response(Answer::MethodNotAllowed)),
        _ => return Ok(response(Answer::NotFound)),
    }
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = Limited::new(request.into_body(), LONGEST_BODY)
        .collect()
        .await
        .map_err(|_| Reset)?
        .to_bytes();
    shared.authorisations.count_request();
    shared.count_towards_recycling();
    let Meets {
        delay,
        latency,
        fault,
    } = shared.switches.next();
    let reset = || {
        resets.store(true, Ordering::Release);
        Err(Reset)
    };
    match fault {
        Some(Fault::ResetBeforeStoring) => return reset(),
        Some(Fault::ErrorBeforeStoring) => return Ok(response(Answer::Failed)),
        Some(Fault::Unavailable) => return Ok(response(Answer::Unavailable)),
        Some(Fault::Hang) => std::future::pending::<()>().await,
        Some(Fault::Status(status)) => return Ok(response(Answer::Other(status))),
        Some(Fault::ResetAfterStoring | Fault::ErrorAfterStoring | Fault::HangAfterStoring)
        | None => {}
    }
    // Beside the connection: a client that leaves does not undo what it sent.
    let storing = Arc::clone(shared);
    let answer = tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        storing.answer(content_type.as_deref(), &body)
    })
    .await
    .unwrap_or(Answer::Failed);
    tokio::time::sleep(latency).await;
    match fault {
        Some(Fault::ResetAfterStoring) => reset(),
        Some(Fault::ErrorAfterStoring) => Ok(response(Answer::Failed)),
        Some(Fault::HangAfterStoring) => std::future::pending().await,
        _ => Ok(response(answer)),
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body()));
    // Every status of the backend is a valid one.
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if matches!(answer, Answer::Authorised | Answer::Alive) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if answer != Answer::Alive {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
    }
    response
}

/// `GET` and `PUT /behaviour`, `GET /counts`, in JSON.
async fn serve_control(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(control(request, &shared).await) }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn control(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match (method, path.as_str()) {
        (Method::GET, "/behaviour") => json(&shared.switches.get()),
        (Method::GET, "/counts") => json(&shared.authorisations.counts()),
        (Method::PUT, "/behaviour") => {
            let body = Limited::new(request.into_body(), LONGEST_BODY)
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            match serde_json::from_slice::<Behaviour>(&body) {
                Ok(behaviour) => {
                    shared.set(behaviour);
                    json(&behaviour)
                }
                Err(error) => {
                    let mut response = Response::new(Full::from(format!("{error}\n")));
                    *response.status_mut() = StatusCode::BAD_REQUEST;
                    response
                }
            }
        }
        _ => {
            let mut response = Response::new(Full::from("GET or PUT /behaviour, GET /counts\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    let mut response = Response::new(Full::from(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
