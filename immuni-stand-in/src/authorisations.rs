//! Codes and until when they are authorised, and what was counted.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use sistema_ts_model::Timestamp;

/// How long the backend authorises a code.
pub const AUTHORISED_FOR: Duration = Duration::from_secs(150);

/// What was seen since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that got as far as HTTP.
    pub connections: u64,
    /// Requests that reached `POST /v1/otp`, whatever came of them.
    pub requests: u64,
    /// Codes authorised: 204, or stored although the answer was lost or was an error.
    pub stored: u64,
    /// Codes that were authorised already: 409, likewise.
    pub conflicts: u64,
    /// Requests refused with 400.
    pub refused: u64,
    /// How often each code was authorised, by the hexadecimal SHA-256 of its ten symbols.
    pub stored_by_code: HashMap<String, u64>,
    /// How often each code came in a request that is as the schema says, and got as far as being looked up.
    pub posts_by_code: HashMap<String, u64>,
}

/// The memory of the stand-in.
#[derive(Debug)]
pub struct Authorisations {
    lasts_millis: i64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// In milliseconds of the clock.
    until: HashMap<String, i64>,
    counts: Counts,
}

impl Authorisations {
    /// An empty one, in which an authorisation lasts so long.
    #[must_use]
    pub fn new(lasts: Duration) -> Self {
        Self {
            lasts_millis: i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX),
            inner: Mutex::default(),
        }
    }

    /// Authorises a code; `false` if it is authorised already, and then nothing changes.
    pub fn authorise(&self, otp: &str, now: Timestamp) -> bool {
        let name = name_of(otp);
        let now = now.millis();
        let mut inner = self.lock();
        *inner.counts.posts_by_code.entry(name.clone()).or_default() += 1;
        // So that a long run of load keeps no more than it needs.
        if inner.until.len() >= 65_536 {
            inner.until.retain(|_, until| *until > now);
        }
        if inner.until.get(&name).is_some_and(|until| *until > now) {
            inner.counts.conflicts += 1;
            return false;
        }
        let until = now.saturating_add(self.lasts_millis);
        inner.until.insert(name.clone(), until);
        inner.counts.stored += 1;
        *inner.counts.stored_by_code.entry(name).or_default() += 1;
        true
    }

    /// What was seen.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// How often this code was authorised.
    #[must_use]
    pub fn stored(&self, otp: &str) -> u64 {
        let inner = self.lock();
        let stored = inner.counts.stored_by_code.get(&name_of(otp));
        stored.copied().unwrap_or(0)
    }

    /// How often this code came in a request that was as it should be.
    #[must_use]
    pub fn posts(&self, otp: &str) -> u64 {
        let inner = self.lock();
        let posts = inner.counts.posts_by_code.get(&name_of(otp));
        posts.copied().unwrap_or(0)
    }

    pub(crate) fn count_connection(&self) {
        self.lock().counts.connections += 1;
    }

    pub(crate) fn count_request(&self) {
        self.lock().counts.requests += 1;
    }

    pub(crate) fn count_refusal(&self) {
        self.lock().counts.refused += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing under the lock panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(otp: &str) -> String {
    let mut name = String::with_capacity(64);
    for byte in digest(&SHA256, otp.as_bytes()).as_ref() {
        // Writing to a String does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
