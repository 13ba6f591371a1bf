//! Shutting down without losing what was accepted.
//!
//! A stopped listener refuses TCP, and callers shall get 503: so a drain is a flag of ours. Requests accepted before
//! it are finished, every later one is answered 503 with `Retry-After` and `Connection: close`; when nothing is in
//! flight any more (or the time for it is over) connections end, and then the server stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};

/// How far the front is on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Requests are taken.
    Serving,
    /// Requests are answered 503; what was accepted is being finished.
    Draining,
    /// Connections end.
    Closing,
}

pub(super) type StageReceiver = watch::Receiver<Stage>;

/// Shared by all connections of the process.
#[derive(Debug)]
pub(super) struct Drain {
    draining: AtomicBool,
    in_flight: AtomicUsize,
    /// Of those in flight, the requests on connections without a certificate.
    strangers: AtomicUsize,
    connections: AtomicUsize,
    max_requests: usize,
    changed: Notify,
    stage: watch::Sender<Stage>,
}

/// Who sends a request, as far as its connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The holder of a certificate that the handshake verified.
    Known,
    /// Anybody, until a service has looked at the credentials. Strangers may use three quarters of the places. Otherwise a thousand of them,
    /// who send their bodies slowly, could keep out the callers that show a certificate.
    Stranger,
}

/// Why a request may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    Draining,
    Full,
}

impl Drain {
    pub(super) fn new(max_requests: usize) -> Arc<Self> {
        Arc::new(Self {
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            strangers: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            max_requests,
            changed: Notify::new(),
            stage: watch::Sender::new(Stage::Serving),
        })
    }

    /// Counts a request in. The count is raised *before* the flag is read, and the drain sets the flag before it reads
    /// the count: so either this request sees the flag, or the drain sees this request.
    pub(super) fn enter(&self, sender: Sender) -> Result<(), NotNow> {
        let before = self.in_flight.fetch_add(1, Ordering::SeqCst);
        let strangers_before = match sender {
            Sender::Known => 0,
            Sender::Stranger => self.strangers.fetch_add(1, Ordering::SeqCst),
        };
        let places_of_strangers = self.max_requests - self.max_requests / 4;
        let verdict = if self.draining.load(Ordering::SeqCst) {
            Err(NotNow::Draining)
        } else if before >= self.max_requests || strangers_before >= places_of_strangers {
            Err(NotNow::Full)
        } else {
            return Ok(());
        };
        self.leave(sender);
        verdict
    }

    /// Counts out a request that was counted in.
    pub(super) fn leave(&self, sender: Sender) {
        if sender == Sender::Stranger {
            self.strangers.fetch_sub(1, Ordering::SeqCst);
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.notify_if_draining();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(super) fn stage(&self) -> StageReceiver {
        self.stage.subscribe()
    }

    pub(super) fn close(&self) {
        self.stage.send_replace(Stage::Closing);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
        self.notify_if_draining();
    }

    fn notify_if_draining(&self) {
        if self.draining.load(Ordering::SeqCst) {
            self.changed.notify_waiters();
        }
    }

    /// Waits until `count` gives zero. Every change of a count notifies once a drain has begun.
    pub(super) async fn until_zero(&self, count: impl Fn(&Self) -> usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that no change between the two is missed.
            changed.as_mut().enable();
            if count(self) == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Starts the shutdown, from any thread, and tells how far it is.
#[derive(Clone, Debug)]
pub struct ShutdownHandle {
    pub(super) drain: Arc<Drain>,
}

impl ShutdownHandle {
    /// Begins the drain; a second call does nothing more.
    pub fn drain(&self) {
        self.drain.draining.store(true, Ordering::SeqCst);
        self.drain.stage.send_if_modified(|stage| {
            let begins = *stage == Stage::Serving;
            if begins {
                *stage = Stage::Draining;
            }
            begins
        });
        self.drain.changed.notify_waiters();
    }

    /// Whether a drain has begun: readiness says so, for a load balancer to see.
    pub fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    /// Requests in flight, for metrics.
    pub fn requests_in_flight(&self) -> usize {
        self.drain.in_flight()
    }

    /// Open connections, handshakes included, for metrics.
    pub fn connections(&self) -> usize {
        self.drain.connections()
    }

    /// Resolves when the drain begins.
    pub async fn draining(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self
            .drain
            .stage()
            .wait_for(|stage| *stage >= Stage::Draining)
            .await;
    }
}
