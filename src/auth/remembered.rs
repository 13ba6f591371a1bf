//! Right pairs, remembered for a short time, so that a busy structure does not pay a hash for every request.
//!
//! What is remembered of a pair is a MAC under a key that lives and dies with this process. An entry counts only for the very
//! version of the user's entry in the register that it was checked against.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use sistema_ts_store::register::{RegisteredUser, UserId};
use subtle::ConstantTimeEq as _;

/// A keyed hash of user id, password and pincode.
pub(super) type PairMac = [u8; 32];

struct Remembered {
    mac: PairMac,
    version: u64,
    until: Instant,
}

/// One pair a user at most, so there are never more entries than users.
pub(super) struct RememberedPairs {
    life: Duration,
    pairs: RwLock<HashMap<UserId, Remembered>>,
}

impl RememberedPairs {
    pub(super) fn new(life: Duration) -> Self {
        RememberedPairs {
            life,
            pairs: RwLock::default(),
        }
    }

    /// Whether this pair was found right for this version of the user, not too long ago.
    pub(super) fn knows(&self, user: &RegisteredUser, mac: &PairMac, now: Instant) -> bool {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        pairs.get(&user.id).is_some_and(|remembered| {
            bool::from(remembered.mac.ct_eq(mac))
                && remembered.version == user.version
                && now < remembered.until
        })
    }

    pub(super) fn remember(&self, user: &RegisteredUser, mac: PairMac, now: Instant) {
        if self.life.is_zero() {
            return;
        }
        let remembered = Remembered {
            mac,
            version: user.version,
            until: now + self.life,
        };
        self.pairs
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(user.id.clone(), remembered);
    }

    pub(super) fn forget(&self, user: &UserId) {
        self.pairs
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(user);
    }
}
