//! Right pairs, remembered in memory, so that a busy structure does not pay a hash for every request, and strangers' attempts cost it nothing.
//!
//! What is remembered of a pair is a MAC under a key that lives and dies with this process. An entry lets in for the very version of the user's
//! entry in the register that it was checked against. After that, and until another pair of the user was right, it still tells that
//! this very pair was right before: then it is checked before those of which nothing is known. Only a right pair ever makes an entry, so that no
//! stranger fills the table.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use sistema_ts_store::register::{RegisteredUser, UserId};
use subtle::ConstantTimeEq as _;

/// A keyed hash of user id, password and pincode.
pub(super) type PairMac = [u8; 32];

/// However busy a pair is, after so long it is checked anew.
pub(super) const LONGEST_REMEMBERED: Duration = Duration::from_secs(12 * 3_600);

/// By so much a last use may be later than it is noted.
const USE_NOTED_EVERY: Duration = Duration::from_secs(1);

struct Remembered {
    mac: PairMac,
    version: u64,
    checked: Instant,
    /// The last use, in milliseconds after the check.
    used: AtomicU64,
}

impl Remembered {
    fn is(&self, mac: &PairMac) -> bool {
        bool::from(self.mac.ct_eq(mac))
    }

    /// Whether it still lets in, and if so, notes its use.
    fn use_at(&self, now: Instant, idle: Duration) -> bool {
        let age = now.saturating_duration_since(self.checked);
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        if age >= LONGEST_REMEMBERED || age >= used.saturating_add(idle) {
            return false;
        }
        // Not at each request of a busy structure: the threads would take the entry from one another.
        if age >= used + USE_NOTED_EVERY {
            // Less than twelve hours: it fits.
            self.used
                .fetch_max(age.as_millis() as u64, Ordering::Relaxed);
        }
        true
    }
}

/// One pair a user at most, so there are never more entries than users.
pub(super) struct RememberedPairs {
    /// How long after its last use.
    idle: Duration,
    pairs: RwLock<HashMap<UserId, Remembered>>,
}

impl RememberedPairs {
    pub(super) fn new(idle: Duration) -> Self {
        RememberedPairs {
            idle,
            pairs: RwLock::default(),
        }
    }

    /// Whether this pair was found right for this version of the user, and was used not too long ago. That is a use, too.
    pub(super) fn lets_in(&self, user: &RegisteredUser, mac: &PairMac, now: Instant) -> bool {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        pairs.get(&user.id).is_some_and(|remembered| {
            remembered.is(mac)
                && remembered.version == user.version
                && remembered.use_at(now, self.idle)
        })
    }

    /// Whether the pair of this user that was right last is this one, however long ago.
    pub(super) fn was_right(&self, user: &UserId, mac: &PairMac) -> bool {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        pairs.get(user).is_some_and(|remembered| remembered.is(mac))
    }

    pub(super) fn remember(&self, user: &RegisteredUser, mac: PairMac, now: Instant) {
        let remembered = Remembered {
            mac,
            version: user.version,
            checked: now,
            used: AtomicU64::new(0),
        };
        self.pairs
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(user.id.clone(), remembered);
    }

    /// Forgets this pair: it is not right any more.
    pub(super) fn forget(&self, user: &UserId, mac: &PairMac) {
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        if pairs.get(user).is_some_and(|remembered| remembered.is(mac)) {
            pairs.remove(user);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pairs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}
