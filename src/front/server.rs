//! Binding, running and stopping the listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{App, dev::AppConfig, web};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::body::declared_length;
use super::connection::Connection;
use super::connection_slots::ConnectionSlots;
use super::drain::{Drain, ShutdownHandle};
use super::gate::{GateFactory, GateRules};
use super::listener::Listener;
use super::pacer::RefusalPacer;
use super::refusal::{Refusal, RefusalRenderer};
use super::reload::Reloader;
use super::settings::{FrontLimits, FrontSettings, ListenerKind, ListenerSettings};
use super::sources::SourceCounts;
use super::stream::FrontStream;
use super::trust::TrustStore;
use super::trust_error::TrustError;
use super::watch::Sweep;

/// How long connections may take to end once nothing is in flight.
const CLOSING_TIME: Duration = Duration::from_secs(2);

/// Why the front cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The settings contradict themselves.
    #[error("listener {listener}: {problem}")]
    Settings {
        /// Name of the listener.
        listener: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The TLS files of a listener cannot be used.
    #[error("listener {listener}: {source}")]
    Trust {
        /// Name of the listener.
        listener: String,
        /// What is wrong.
        source: TrustError,
    },
    /// An address cannot be listened on.
    #[error("listener {listener}: cannot listen on {address}: {source}")]
    Bind {
        /// Name of the listener.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server failed while it ran.
    #[error("the server failed: {0}")]
    Run(#[source] io::Error),
}

/// Which listener an application is configured for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// How callers are known there.
    pub kind: ListenerKind,
    /// Where it really listens.
    pub address: SocketAddr,
}

/// The listeners, bound and not yet served: the kernel queues connections already.
pub struct Front {
    builder: ServerBuilder,
    listeners: Vec<ListenerInfo>,
    shutdown: ShutdownHandle,
    reloader: Reloader,
    limits: FrontLimits,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Requests that were still in flight when their time was over, and were cut. 0 is a clean end.
    pub cut_requests: usize,
}

impl Front {
    /// Reads the TLS files, binds all addresses and prepares one application for each worker and listener.
    ///
    /// `configure` adds the routes that a listener has; it runs on each worker. `render` writes the bodies of the
    /// front's own refusals (503, 413).
    ///
    /// # Errors
    /// [`FrontError`]; nothing is served then.
    pub fn bind<C>(
        settings: FrontSettings,
        render: RefusalRenderer,
        configure: C,
    ) -> Result<Self, FrontError>
    where
        C: Fn(&ListenerInfo, &mut web::ServiceConfig) + Clone + Send + 'static,
    {
        let FrontSettings {
            workers,
            listeners,
            limits,
        } = settings;
        let drain = Drain::new(limits.max_requests);
        let pacer = Arc::new(RefusalPacer::new(limits.refusals_per_second));
        let connections: usize = listeners
            .iter()
            .map(|listener| listener.max_connections)
            .sum();
        let mut builder = ServerBuilder::new()
            .workers(workers.clamp(1, 512))
            .disable_signals()
            // Each listener counts for itself; this bound only must never strike first, since it stops all of them.
            .max_concurrent_connections(connections.saturating_add(1_024));
        let mut infos = Vec::new();
        let mut reloader = Reloader::default();
        for settings in listeners {
            let trust = check(&settings, limits.session_cache)?.map(Arc::new);
            let (socket, address) = bind_socket(&settings)?;
            let name: Arc<str> = settings.name.as_str().into();
            if let Some(trust) = &trust {
                reloader.add(Arc::clone(&name), Arc::clone(trust));
            }
            let info = ListenerInfo {
                name: Arc::clone(&name),
                kind: settings.kind,
                address,
            };
            let listener = Arc::new(Listener {
                name,
                kind: settings.kind,
                trust,
                trusted_proxies: settings.trusted_proxies,
                handshake: limits.handshake,
                slots: ConnectionSlots::new(settings.max_connections.max(1), Arc::clone(&drain)),
                sources: SourceCounts::new(settings.max_connections_per_source),
                drain: Arc::clone(&drain),
            });
            let watched = settings.kind != ListenerKind::PlainLoopback;
            let rules = GateRules {
                drain: watched.then(|| Arc::clone(&drain)),
                render,
                max_body_bytes: limits.max_body_bytes,
                pacer: Arc::clone(&pacer),
            };
            infos.push(info.clone());
            let parts = Parts {
                info,
                listener,
                rules,
                limits: limits.clone(),
                configure: configure.clone(),
            };
            builder = parts
                .listen(builder, socket)
                .map_err(|source| FrontError::Bind {
                    listener: settings.name,
                    address,
                    source,
                })?;
        }
        let shutdown = ShutdownHandle { drain };
        Ok(Self {
            builder,
            listeners: infos,
            shutdown,
            reloader,
            limits,
        })
    }

    /// The listeners with the addresses they really have.
    pub fn listeners(&self) -> &[ListenerInfo] {
        &self.listeners
    }

    /// For whoever may end it.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }

    /// For whoever may have the TLS files read again.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Serves until a drain has begun (see [`ShutdownHandle::drain`]) and ended. TLS files are looked at regularly
    /// meanwhile. Signals are not touched: see [`super::spawn_signal_handlers`].
    ///
    /// # Errors
    /// [`FrontError::Run`] when the server stops by itself.
    pub async fn run(self) -> Result<DrainReport, FrontError> {
        let server = self.builder.run();
        let handle = server.handle();
        let mut server = tokio::spawn(server);
        let poller = self.reloader.clone().spawn_poller(self.limits.file_poll);
        tokio::select! {
            ended = &mut server => {
                poller.abort();
                let error = match ended {
                    Ok(Ok(())) => io::Error::other("it stopped by itself"),
                    Ok(Err(error)) => error,
                    Err(panic) => io::Error::other(panic),
                };
                return Err(FrontError::Run(error));
            }
            () = self.shutdown.draining() => {}
        }
        poller.abort();
        let drain = &self.shutdown.drain;
        let finished = async {
            tokio::time::sleep(self.limits.drain_notice).await;
            drain.until_zero(Drain::in_flight).await;
        };
        let _ = tokio::time::timeout(self.limits.drain, finished).await;
        let report = DrainReport {
            cut_requests: drain.in_flight(),
        };
        drain.close();
        let _ = tokio::time::timeout(CLOSING_TIME, drain.until_zero(Drain::connections)).await;
        handle.stop(false).await;
        // Whatever it says now, it has stopped as it was told.
        let _ = server.await;
        Ok(report)
    }
}

/// Everything that a worker needs to serve one listener.
#[derive(Clone)]
struct Parts<C> {
    info: ListenerInfo,
    listener: Arc<Listener>,
    rules: GateRules,
    limits: FrontLimits,
    configure: C,
}

impl<C> Parts<C>
where
    C: Fn(&ListenerInfo, &mut web::ServiceConfig) + Clone + Send + 'static,
{
    fn listen(
        self,
        builder: ServerBuilder,
        socket: std::net::TcpListener,
    ) -> io::Result<ServerBuilder> {
        let name = self.info.name.to_string();
        if self.info.kind == ListenerKind::PlainLoopback {
            return builder.listen(name, socket, move || {
                let (listener, sweep) = (Arc::clone(&self.listener), Sweep::new(&self.limits));
                fn_service(move |tcp: TcpStream| {
                    let ready = Arc::clone(&listener).accept_plain(tcp, sweep.clone());
                    async move { ready.await.map(with_address).map_err(DispatchError::Io) }
                })
                .and_then(self.clone().http())
            });
        }
        builder.listen(name, socket, move || {
            let (listener, sweep) = (Arc::clone(&self.listener), Sweep::new(&self.limits));
            fn_service(move |tcp: TcpStream| {
                let ready = Arc::clone(&listener).accept_tls(tcp, sweep.clone());
                async move { ready.await.map(with_address).map_err(DispatchError::Io) }
            })
            .and_then(self.clone().http())
        })
    }

    /// HTTP/1 and the application over streams of one kind.
    fn http<S>(
        self,
    ) -> impl actix_service::ServiceFactory<
        (FrontStream<S>, Protocol, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    >
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Self {
            info,
            rules,
            limits,
            configure,
            ..
        } = self;
        let expecting = rules.clone();
        let application = App::new().configure(|config| configure(&info, config));
        let application = map_config(application.into_factory(), |()| AppConfig::default());
        HttpService::build()
            // Idle time, later headers and stalled writes are the watch's.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(limits.header)
            .client_disconnect_timeout(limits.linger)
            .expect(fn_service(move |request: Request| {
                let answer = refuse_unseen(&request, &expecting);
                async move { answer.map_or(Ok(request), Err) }
            }))
            .on_connect_ext(|stream: &FrontStream<S>, extensions| {
                let (info, watch) = (Arc::clone(&stream.info), stream.watch.clone());
                extensions.insert(Connection { info, watch });
            })
            .finish(GateFactory { application, rules })
    }
}

/// With `Expect: 100-continue` a body that is too large is refused before it is sent.
fn refuse_unseen(request: &Request, rules: &GateRules) -> Option<Response<BoxBody>> {
    let length = declared_length(&request.head().headers)?;
    if length <= rules.max_body_bytes as u64 {
        return None;
    }
    let mut response = Refusal::TooLarge.response((rules.render)(&Refusal::TooLarge));
    response
        .head_mut()
        .set_connection_type(actix_http::ConnectionType::Close);
    Some(response.into())
}

fn with_address<S>(stream: FrontStream<S>) -> (FrontStream<S>, Protocol, Option<SocketAddr>) {
    let source = stream.info.source;
    (stream, Protocol::Http1, source)
}

/// Checks a listener's settings and reads its TLS files.
fn check(
    settings: &ListenerSettings,
    session_cache: usize,
) -> Result<Option<TrustStore>, FrontError> {
    let fault = |problem| FrontError::Settings {
        listener: settings.name.clone(),
        problem,
    };
    if settings.kind == ListenerKind::PlainLoopback {
        if !settings.address.ip().is_loopback() {
            return Err(fault("plain HTTP is for loopback addresses only"));
        }
        if settings.tls.is_some() || !settings.trusted_proxies.is_empty() {
            return Err(fault("plain HTTP has neither certificates nor proxies"));
        }
        return Ok(None);
    }
    let mut files = settings
        .tls
        .clone()
        .ok_or_else(|| fault("TLS files are missing"))?;
    if settings.kind == ListenerKind::ServerTls {
        files.client_authorities = None;
        files.revocation_lists = Vec::new();
    } else if files.client_authorities.is_none() {
        return Err(fault("mutual TLS needs client authorities"));
    }
    TrustStore::load(files, session_cache)
        .map(Some)
        .map_err(|source| FrontError::Trust {
            listener: settings.name.clone(),
            source,
        })
}

fn bind_socket(
    settings: &ListenerSettings,
) -> Result<(std::net::TcpListener, SocketAddr), FrontError> {
    let bind = || -> io::Result<(std::net::TcpListener, SocketAddr)> {
        let socket = Socket::new(
            Domain::for_address(settings.address),
            Type::STREAM,
            Some(SocketProtocol::TCP),
        )?;
        // So that a restart need not wait for old connections to time out.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&settings.address.into())?;
        socket.listen(settings.backlog)?;
        let listener: std::net::TcpListener = socket.into();
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| FrontError::Bind {
        listener: settings.name.clone(),
        address: settings.address,
        source,
    })
}
