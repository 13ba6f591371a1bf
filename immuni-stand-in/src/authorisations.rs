//! Codes and until when they are authorised, and what was counted.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How long the backend authorises a code.
pub const AUTHORISED_FOR: Duration = Duration::from_secs(150);

/// What was seen since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
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
}

/// The memory of the stand-in.
#[derive(Debug)]
pub struct Authorisations {
    lasts: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    until: HashMap<String, Instant>,
    counts: Counts,
}

impl Authorisations {
    /// An empty one, in which an authorisation lasts so long.
    #[must_use]
    pub fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            inner: Mutex::default(),
        }
    }

    /// Authorises a code; `false` if it is authorised already, and then nothing changes.
    pub fn authorise(&self, otp: &str) -> bool {
        let name = name_of(otp);
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.until.get(&name).is_some_and(|until| *until > now) {
            inner.counts.conflicts += 1;
            return false;
        }
        inner.until.insert(name.clone(), now + self.lasts);
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
