//! Reading TLS files again while serving, and the signals that a process obeys.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::drain::ShutdownHandle;
use super::revocation::RevocationListStatus;
use super::server_certificates::ServerCertificateStatus;
use super::trust::TrustStore;
use super::trust_error::TrustError;

/// What is in force at a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTrust {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Why its files cannot be used as they are now, so that what was read before is in force.
    pub failure: Option<String>,
    /// The certificates that it shows.
    pub server_certificates: Vec<ServerCertificateStatus>,
    /// The revocation lists by which it judges.
    pub revocation_lists: Vec<RevocationListStatus>,
    /// Names of the authorities whose certificates no list can revoke: accepted ones, and those that chains have shown below them.
    pub authorities_without_list: Vec<String>,
}

/// Has the TLS files of all listeners read again.
#[derive(Clone, Default)]
pub struct Reloader {
    stores: Vec<(Arc<str>, Arc<TrustStore>)>,
}

impl Reloader {
    pub(super) fn add(&mut self, listener: Arc<str>, store: Arc<TrustStore>) {
        self.stores.push((listener, store));
    }

    /// Reads all files again. A listener whose files are not usable keeps its old state; why is logged and returned.
    /// Blocks for the reading of a few small files.
    pub fn reload(&self) -> Vec<(Arc<str>, TrustError)> {
        self.each(TrustStore::reload)
    }

    /// [`Self::reload`] of the listeners of which a file changed since it was last looked at.
    pub fn reload_if_touched(&self) -> Vec<(Arc<str>, TrustError)> {
        self.each(TrustStore::reload_if_touched)
    }

    /// What is in force at each listener now: for readiness and metrics.
    pub fn in_force(&self) -> Vec<ListenerTrust> {
        let trust = |(listener, store): &(Arc<str>, Arc<TrustStore>)| {
            let trust = store.current();
            ListenerTrust {
                listener: Arc::clone(listener),
                failure: store.failure(),
                server_certificates: trust.server_certificates.clone(),
                revocation_lists: trust.revocations.lists(),
                authorities_without_list: trust.revocations.authorities_without_list(),
            }
        };
        self.stores.iter().map(trust).collect()
    }

    /// Looks at the files every `period`, on a thread for blocking work; never if it is zero.
    pub(super) fn spawn_poller(self, period: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !period.is_zero() {
                tokio::time::sleep(period).await;
                let reloader = self.clone();
                // A panic in there is reported by the runtime; the next round tries again.
                let _ = tokio::task::spawn_blocking(move || reloader.reload_if_touched()).await;
            }
        })
    }

    fn each(
        &self,
        reload: impl Fn(&TrustStore) -> Result<bool, TrustError>,
    ) -> Vec<(Arc<str>, TrustError)> {
        let mut failed = Vec::new();
        for (listener, store) in &self.stores {
            let outcome = reload(store);
            let result = match outcome {
                Ok(true) => {
                    let generation = store.current().generation;
                    tracing::info!(listener = &**listener, generation, "TLS files reloaded");
                    "changed"
                }
                Ok(false) => "unchanged",
                Err(error) => {
                    tracing::error!(listener = &**listener, %error, "TLS files not usable: the old ones stay in force");
                    failed.push((Arc::clone(listener), error));
                    "failed"
                }
            };
            if result != "unchanged" {
                metrics::counter!("sistema_ts_front_tls_reloads_total", "result" => result)
                    .increment(1);
            }
        }
        failed
    }
}

/// Obeys the process's signals from now on: SIGTERM and SIGINT begin the drain, SIGHUP reads the TLS files again.
///
/// # Errors
/// When the system refuses a handler.
pub fn spawn_signal_handlers(shutdown: ShutdownHandle, reloader: Reloader) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = terminate.recv() => shutdown.drain(),
                Some(()) = interrupt.recv() => shutdown.drain(),
                Some(()) = hang_up.recv() => {
                    let reloader = reloader.clone();
                    let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
                }
                else => return,
            }
        }
    });
    Ok(())
}
