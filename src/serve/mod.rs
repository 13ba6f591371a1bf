//! `sistema-ts serve`: the server from its start to its end.
//!
//! Everything is opened before anything listens, so that a server that cannot serve says why and ends; what is printed on standard output when
//! it is ready are the addresses that it really has.

mod announce;
mod cards;
mod open_files;
mod orders;
mod register;
mod relay;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use sistema_ts_actors::relay::OtpSender;
use sistema_ts_actors::retention::RetentionState;
use sistema_ts_actors::{
    AllocatorSettings, Allocators, CunSource, Retention, SessionRegistrySettings, Sessions,
    WorkerCunPool,
};
use sistema_ts_model::{Clock, SystemClock};
use sistema_ts_store::cards::CardError;
use sistema_ts_store::keys::{KeyError, KeyRing};
use sistema_ts_store::permissions::{PermissionError, check_data_folder};
use sistema_ts_store::register::{
    NoJournal, Register, RegisterError, RegisterKey, RegisterKeyError,
};
use sistema_ts_store::trusted_time::TimeGuard;
use sistema_ts_store::{Store, StoreError};

use crate::auth::{Authenticator, AuthenticatorError};
use crate::config::Configuration;
use crate::control::{ControlError, ControlSocket};
use crate::front::{
    DrainReport, Front, FrontError, ListenerInfo, ListenerKind, ShutdownHandle,
    spawn_signal_handlers,
};
use crate::immuni::BackendTls;
use crate::services;
use crate::services::admission::Admission;
use crate::services::bookmark::BookmarkKey;
use crate::services::detached::DetachedWork;
use crate::services::metrics::Metrics;
use crate::services::security_log::CodeReferences;
use crate::services::state::{ServerState, WorkerState};
use crate::services::under_way::UnderWay;
use crate::soap::render_refusal;
use crate::status::{self, AllowedHosts, Certificates, StatusState};
use crate::telemetry::{self, TelemetryError};

use self::orders::Orders;

pub use cards::tell_of_cards;
pub use register::refresh_at_hang_up;
pub use relay::RelayStartError;
use relay::StartedRelay;

/// Time between two looks at what must be erased.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);

/// Time between two looks whether the store has failed for good.
const STORE_LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Why the server did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Logs or metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The data folder lies open to other users of the machine.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// The register's key.
    #[error(transparent)]
    RegisterKey(#[from] RegisterKeyError),
    /// The register.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The register of health cards.
    #[error(transparent)]
    Cards(#[from] CardError),
    /// The ring of day keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The check of credentials.
    #[error(transparent)]
    Authenticator(#[from] AuthenticatorError),
    /// The relay to the Immuni backend.
    #[error(transparent)]
    Relay(#[from] RelayStartError),
    /// The socket of the commands.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The listeners.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// The process itself: signals, standard output, core dumps.
    #[error("{what}: {source}")]
    Process {
        /// What could not be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The store failed while the server ran; a start completes what it left half done.
    #[error("the store has failed, start the server again: {0}")]
    StoreFailed(String),
    /// The store could not be ended in order. What was answered is on disk all the same; a start reads it from the logs.
    #[error("the store was not closed in order: {0}")]
    NotClosed(StoreError),
    /// Requests had to be cut because they did not end in time.
    #[error("{0} requests did not end in time and were cut")]
    Cut(usize),
}

impl ServeError {
    /// The exit status, by which whoever started the server decides whether to start it again.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            ServeError::Telemetry(_)
            | ServeError::RegisterKey(_)
            | ServeError::Register(_)
            | ServeError::Cards(_)
            | ServeError::Keys(_)
            | ServeError::Store(_)
            | ServeError::Authenticator(_)
            | ServeError::Relay(_)
            | ServeError::Control(_)
            | ServeError::Permissions(_)
            | ServeError::Front(_)
            | ServeError::Process { .. } => EXIT_REFUSED,
            ServeError::StoreFailed(_) | ServeError::NotClosed(_) => EXIT_STORE_FAILED,
            ServeError::Cut(_) => EXIT_CUT,
        }
    }
}

/// The exit status of a start that was refused: a mistake in the configuration, a file that is missing or not what it should be. Starting again
/// changes nothing.
pub const EXIT_REFUSED: u8 = 2;
/// The exit status after the store failed, or could not be closed in order. A start completes what was interrupted.
pub const EXIT_STORE_FAILED: u8 = 3;
/// The exit status of a stop that cut requests because they did not end in time.
pub const EXIT_CUT: u8 = 4;

/// Serves until the process is asked to stop (SIGTERM, SIGINT) and has finished what it accepted.
///
/// # Errors
/// [`ServeError`]; nothing listens any more then.
pub fn serve(configuration: &Configuration) -> Result<(), ServeError> {
    serve_on(configuration, |configuration, keys, clock| {
        configuration.archives().store(keys, clock)
    })
}

/// As [`serve`], on the store that `open` gives.
///
/// # Errors
/// [`ServeError`].
pub fn serve_on<O>(configuration: &Configuration, open: O) -> Result<(), ServeError>
where
    O: FnOnce(&Configuration, Arc<KeyRing>, Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError>,
{
    telemetry::install_log(&configuration.logging)?;
    telemetry::install_panic_hook();
    forbid_core_dumps()?;
    check_data_folder(&configuration.store.data_folder)?;
    // An error means that one is installed already; there is one in this program.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = actix_rt::System::new().block_on(run(configuration, open));
    telemetry::flush_log();
    outcome
}

async fn run<O>(configuration: &Configuration, open: O) -> Result<(), ServeError>
where
    O: FnOnce(&Configuration, Arc<KeyRing>, Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError>,
{
    let metrics = telemetry::install_metrics()?;
    telemetry::spawn_upkeep(metrics.clone()).map_err(|source| ServeError::Process {
        what: "thread of the metrics",
        source,
    })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let register_key = Arc::new(RegisterKey::load(&configuration.register.key_file)?);
    let archives = configuration.archives();
    // The server itself changes nothing in the register.
    let register = archives.register(
        Arc::clone(&register_key),
        Arc::new(NoJournal),
        Some(configuration.register_poll_interval()),
    )?;
    let keys = archives.key_ring()?;
    let store = open(configuration, keys, Arc::clone(&clock))?;
    let house = House {
        metrics,
        clock,
        register_key,
        register,
        store: Arc::clone(&store),
    };
    let outcome = run_on(configuration, house).await;
    if let Some(reason) = store.failure() {
        return Err(ServeError::StoreFailed(reason));
    }
    // A start that is refused leaves the store as it found it, too.
    let closed = store.close().await;
    outcome?;
    closed.map_err(ServeError::NotClosed)?;
    tracing::info!("stopped; everything accepted was finished");
    Ok(())
}

/// What is open before anything else begins.
struct House {
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    clock: Arc<dyn Clock>,
    register_key: Arc<RegisterKey>,
    register: Arc<dyn Register>,
    store: Arc<dyn Store>,
}

/// Serves on an open store, and leaves it open.
async fn run_on(configuration: &Configuration, house: House) -> Result<(), ServeError> {
    let House {
        metrics,
        clock,
        register_key,
        register,
        store,
    } = house;
    let control = ControlSocket::bind(&configuration.control_socket())?;
    let time = Arc::new(TimeGuard::begin(Arc::clone(&store), Arc::clone(&clock)).await?);
    let orders = Orders {
        store: Arc::clone(&store),
        register: Arc::clone(&register),
        references: CodeReferences::derived_from(&register_key)?,
        time: Arc::clone(&time),
    };
    let (relay, immuni) = match relay::start(configuration, Arc::clone(&clock))? {
        Some(StartedRelay { handle, tls }) => (Some(handle), tls),
        None => (None, None),
    };
    let sessions = Sessions::start(
        Arc::clone(&store),
        Arc::clone(&clock),
        SessionRegistrySettings::default(),
    );
    let detached = DetachedWork::on_this_runtime();
    let server = Arc::new(ServerState {
        authenticator: Arc::new(Authenticator::new(
            Arc::clone(&register),
            &register_key,
            Arc::clone(&clock),
            configuration.authenticator_settings(),
        )?),
        cards: configuration.archives().cards(&register_key)?,
        admission: Admission::new(configuration.lane_capacities()),
        maximum_body_bytes: configuration.limits.maximum_body_bytes,
        register,
        relay: relay.map(|relay| {
            let relay: Arc<dyn OtpSender> = Arc::new(relay);
            relay
        }),
        sessions: Arc::new(sessions),
        settings: configuration.service_settings(),
        detached: detached.clone(),
        asl_under_way: UnderWay::new().map_err(|_| RegisterKeyError::Crypto)?,
        bookmarks: BookmarkKey::derived_from(&register_key)?,
        clock,
        store: Arc::clone(&store),
    });
    let allocators = Allocators::start(Arc::new(Arc::clone(&store)), AllocatorSettings::default());
    let retention_state = RetentionState::new(time);
    let retention = Retention::begin(
        Arc::clone(&store),
        retention_state.clone(),
        RETENTION_INTERVAL,
    );
    allocators.until_ready().await;

    refresh_at_hang_up(Arc::clone(&server.register)).map_err(|source| ServeError::Process {
        what: "signal handlers",
        source,
    })?;
    tell_of_cards(server.cards.as_ref()).await;
    let (front, status) = bind(
        configuration,
        server,
        allocators,
        retention_state,
        metrics,
        immuni,
    )?;
    let control = control.serve(Arc::new(orders));
    announce::announce(front.listeners()).await;
    let end_with_store =
        actix_rt::spawn(end_with_store(Arc::clone(&store), front.shutdown_handle()));
    let watch = actix_rt::spawn(status::watch_conditions(
        Arc::downgrade(&status),
        status::CONDITION_LOOK_INTERVAL,
    ));
    drop(status);
    let DrainReport { cut_requests } = front.run().await?;
    watch.abort();
    control.end().await;
    finish(&detached, configuration).await;
    drop(retention);
    end_with_store.abort();
    if cut_requests > 0 {
        return Err(ServeError::Cut(cut_requests));
    }
    Ok(())
}

/// Waits for work whose client has gone: no longer than a post to the backend can take, or than stopping may.
async fn finish(detached: &DetachedWork, configuration: &Configuration) {
    // The ASL's code has a step of the store before its post and one after it.
    let post = configuration.relay_deadline() + 2 * configuration.service_settings().asl_otp.step;
    let longest = post.min(Duration::from_secs(
        configuration.limits.drain_timeout_seconds,
    ));
    if tokio::time::timeout(longest, detached.ended())
        .await
        .is_err()
    {
        tracing::warn!(
            "work whose clients had gone did not end in time; claims end at their deadlines"
        );
    }
}

/// Stops the server once its store serves no more: what a start puts right is not put right by waiting.
async fn end_with_store(store: Arc<dyn Store>, shutdown: ShutdownHandle) {
    loop {
        actix_rt::time::sleep(STORE_LOOK_INTERVAL).await;
        if store.failure().is_some() {
            shutdown.drain();
            return;
        }
    }
}

/// Binds the listeners and gives each the routes that it has; what health and metrics are told from, too.
fn bind(
    configuration: &Configuration,
    server: Arc<ServerState>,
    allocators: Allocators,
    retention: RetentionState,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    immuni: Option<Arc<BackendTls>>,
) -> Result<(Front, Arc<StatusState>), ServeError> {
    let urls = PublicUrls {
        mutual_tls: configuration.mutual_tls.public_url.clone(),
        basic: configuration.basic.public_url.clone(),
    };
    let status: Arc<std::sync::OnceLock<Arc<StatusState>>> = Arc::default();
    let routes = {
        let (server, allocators, status) =
            (Arc::clone(&server), allocators.clone(), Arc::clone(&status));
        move |listener: &ListenerInfo, config: &mut web::ServiceConfig| match listener.kind {
            ListenerKind::MutualTls | ListenerKind::ServerTls => {
                let codes: Box<dyn CunSource> = Box::new(WorkerCunPool::new(allocators.clone()));
                let worker = WorkerState {
                    server: Arc::clone(&server),
                    codes,
                    metrics: Metrics::new(),
                };
                let url = urls.of(listener.kind);
                services::routes::configure(config, worker, listener.kind, url);
            }
            ListenerKind::PlainLoopback => {
                if let Some(state) = status.get() {
                    status::configure(config, Arc::clone(state));
                }
            }
        }
    };
    let mut front_settings = configuration.front_settings();
    open_files::make_room(&mut front_settings.listeners);
    let front = Front::bind(front_settings, render_refusal, routes)?;
    let state = Arc::new(StatusState::new(
        server,
        allocators,
        retention,
        metrics,
        front.shutdown_handle(),
        AllowedHosts::new(&configuration.status.allowed_hosts),
        Certificates {
            listeners: front.reloader(),
            immuni,
        },
    ));
    // Set once, and before `Front::run` starts the workers that read it.
    let _ = status.set(Arc::clone(&state));
    spawn_signal_handlers(front.shutdown_handle(), front.reloader()).map_err(|source| {
        ServeError::Process {
            what: "signal handlers",
            source,
        }
    })?;
    Ok((front, state))
}

/// Base of every `soap:address`, for each listener.
#[derive(Clone)]
struct PublicUrls {
    mutual_tls: String,
    basic: String,
}

impl PublicUrls {
    fn of(&self, kind: ListenerKind) -> &str {
        match kind {
            ListenerKind::MutualTls => &self.mutual_tls,
            ListenerKind::ServerTls | ListenerKind::PlainLoopback => &self.basic,
        }
    }
}

/// Keeps secrets in memory out of core dumps and away from debuggers of other users.
fn forbid_core_dumps() -> Result<(), ServeError> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: prctl with PR_SET_DUMPABLE takes integers only and touches no memory of this process.
        let outcome = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
        if outcome != 0 {
            return Err(ServeError::Process {
                what: "forbidding core dumps",
                source: io::Error::last_os_error(),
            });
        }
    }
    Ok(())
}
