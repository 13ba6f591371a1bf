//! What all connections of the stand-in share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sistema_ts_model::Clock;
use tokio::sync::watch;

use crate::authorisations::Authorisations;
use crate::behaviour::{Behaviour, Switches};
use crate::rules::{Answer, code_of};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) authorisations: Authorisations,
    pub(crate) switches: Switches,
    /// Whether it is down, for those who wait for it.
    pub(crate) down: watch::Sender<bool>,
    clock: Arc<dyn Clock>,
    /// One more each time that all open connections are reset.
    pub(crate) resets: watch::Sender<u64>,
    since_recycling: AtomicU64,
}

impl Shared {
    /// Of a stand-in that is well, and has authorised nothing.
    pub(crate) fn new(authorised_for: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            authorisations: Authorisations::new(authorised_for),
            switches: Switches::default(),
            down: watch::Sender::new(false),
            clock,
            resets: watch::Sender::new(0),
            since_recycling: AtomicU64::new(0),
        })
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.switches.set(behaviour);
        self.down.send_replace(behaviour.down);
    }

    pub(crate) fn reset_all(&self) {
        self.resets.send_modify(|resets| *resets += 1);
    }

    /// One request more: after the last of a worker's, its connections go.
    pub(crate) fn count_towards_recycling(&self) {
        let Some(after) = self.switches.get().recycle_after else {
            return;
        };
        if self.since_recycling.fetch_add(1, Ordering::Relaxed) + 1 >= after {
            self.since_recycling.store(0, Ordering::Relaxed);
            self.reset_all();
        }
    }

    /// From a code that came to what the backend would answer.
    pub(crate) fn answer(&self, content_type: Option<&str>, body: &[u8]) -> Answer {
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
