//! The stand-in as a whole: how it is started, what its connections share, and its port, which is closed while it is down.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sistema_ts_model::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::authorisations::{AUTHORISED_FOR, Authorisations};
use crate::behaviour::Behaviour;
use crate::connection::connection;
use crate::control::serve_control;
use crate::shared::Shared;

/// Between two tries to listen again.
const REBIND_PAUSE: Duration = Duration::from_millis(10);

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
        let shared = Shared::new(settings.authorised_for, settings.clock);
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

    /// How many connections are open on this side.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        // Each waits to be reset for as long as it lasts, and nobody else does.
        self.shared.resets.receiver_count()
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
                    // Nobody tells when a port is free: it is tried again until it is, or the stand-in ends.
                    tokio::time::sleep(REBIND_PAUSE).await;
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
