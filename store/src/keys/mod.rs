//! The day keys: a one-way ratchet of which only the oldest state still needed is kept (`docs/architecture.md`, "The day's keys").
//!
//! Every day of Rome has a key of its own, derived from that day's *state*; the next day's state is derived from it by HKDF and
//! cannot be undone. The *ring* is a small file outside the data folder that holds the state of the oldest day whose data still
//! live: all later days follow from it, no earlier one does. Dropping a day is replacing the file by one that begins a day later;
//! from then on nobody, with whatever copy of the data, can open what was sealed under the dropped day's key.
//!
//! A ring that somebody has copied would give all later days' keys, so fresh entropy is mixed in from time to time, from a coming day on: then
//! the ring has a second part that begins on that day, and no copy made before leads there. What destroys keys is the same horizon that all
//! other erasures go by ([`crate::trusted_time`]).
//!
//! A ring is made once, by [`KeyRing::create`], and never by itself: a store that finds none, or one that begins too late, says so.

mod clock;
mod day;
mod file;
mod renewal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use chrono::{Days, NaiveDate};
use sistema_ts_model::{CUN_LIFE_MILLIS, Timestamp};
use thiserror::Error;

use crate::permissions::PermissionError;

pub use clock::kernel_clock_is_synchronised;
pub use day::{CheckValue, DayKey, LookupTag, Mac, Purpose, SealedBytes, cut, same_mac};
use file::{RingParts, RingState};
pub use renewal::{RENEWAL_AHEAD_DAYS, Renewal};

use crate::trusted_time::Horizon;

/// How far beyond its oldest day a ring derives keys. A date further ahead is a clock gone wrong.
const FARTHEST_DAYS: u64 = 400;

/// Why a day's key cannot be had, or a ring not be kept.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no ring at the configured path. The store never makes one by itself.
    #[error(
        "there is no key ring at {path}. Put it back; only for a new installation make one with `sistema-ts keys create`, since a new ring opens \
         none of the data that are there"
    )]
    RingMissing {
        /// The configured path.
        path: PathBuf,
    },
    /// A ring is already there; replacing it would make all that was sealed unreadable.
    #[error("a key ring already exists at {path}")]
    RingExists {
        /// The path.
        path: PathBuf,
    },
    /// Others can read the ring's file, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// The file is not a ring, or damaged.
    #[error("the key ring at {path} is not valid: {what}")]
    RingInvalid {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// That day's key was destroyed, as it must be.
    #[error("the key of {day} no longer exists: the ring begins on {oldest}")]
    Destroyed {
        /// The day that was asked for.
        day: NaiveDate,
        /// The ring's oldest day.
        oldest: NaiveDate,
    },
    /// That day is so far ahead that a clock must be wrong.
    #[error("the key of {day} is too far ahead: the ring begins on {oldest}; is the clock right?")]
    TooFarAhead {
        /// The day that was asked for.
        day: NaiveDate,
        /// The ring's oldest day.
        oldest: NaiveDate,
    },
    /// A renewal must begin on a coming day, so that every holder of the ring has it by then.
    #[error("a renewal begins {RENEWAL_AHEAD_DAYS} days ahead at the earliest: {day} is too early")]
    RenewalTooEarly {
        /// The day that was asked for.
        day: NaiveDate,
    },
    /// One renewal is on its way, and another would be mixed into what nobody has used yet.
    #[error("the ring is renewed from {day} on already; renew it again after that day")]
    RenewalPending {
        /// The day on which it begins.
        day: NaiveDate,
    },
    /// The ring has as many parts as it can have.
    #[error("the ring was renewed or repaired too often: wait until its oldest keys are gone")]
    TooManyParts,
    /// The file no longer holds the ring that this process loaded.
    #[error("the file at {path} is another ring than the one that was loaded from it")]
    Replaced {
        /// The path.
        path: PathBuf,
    },
    /// The key of a day is not the one that the stored data were written with.
    #[error(
        "the key of {day} is not the one that this store's data were written with: put the ring of these data back"
    )]
    Differs {
        /// The day.
        day: NaiveDate,
    },
    /// Reading or writing the file failed.
    #[error("the key ring at {path} cannot be {action}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// `read`, `written` or `locked`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The cryptographic library refused, for example for want of entropy.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// The ring of day keys, loaded. Shared between threads; reading a day's key takes no lock once it was derived.
pub struct KeyRing {
    path: PathBuf,
    /// The parts as the file has them; locked while they are advanced or a further day is derived.
    parts: Mutex<RingParts>,
    days: ArcSwap<BTreeMap<NaiveDate, Arc<DayKey>>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    /// Makes a new ring that begins on `oldest`, usually today.
    ///
    /// # Errors
    ///
    /// [`KeyError::RingExists`] if there is a file at `path`: nothing is replaced.
    pub fn create(path: &Path, oldest: NaiveDate) -> Result<(), KeyError> {
        file::create(path, &RingParts::of(RingState::random(oldest)?))
    }

    /// Loads the ring.
    ///
    /// # Errors
    ///
    /// [`KeyError::RingMissing`] if there is none; it is never invented.
    pub fn load(path: &Path) -> Result<KeyRing, KeyError> {
        let parts = file::load(path)?;
        Ok(KeyRing {
            path: path.to_owned(),
            parts: Mutex::new(parts),
            days: ArcSwap::default(),
        })
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether this ring is at its path still: valid, the same, and not an older state of it.
    pub fn is_in_place(&self) -> bool {
        // Under the lock, so that this process is not replacing it right now.
        let parts = self.lock();
        let is_there = || {
            file::load(&self.path).is_ok_and(|found| {
                found.oldest() >= parts.oldest()
                    && renewal::is_same_ring(&parts, &found).unwrap_or(false)
            })
        };
        // A command overwrites the file that it has replaced, while this may be reading that one: a second look finds the new one.
        is_there() || is_there()
    }

    /// The oldest day whose key can still be derived.
    pub fn oldest(&self) -> NaiveDate {
        self.lock().oldest()
    }

    /// The key of a day.
    ///
    /// # Errors
    ///
    /// [`KeyError::Destroyed`] for a day before the ring's oldest, [`KeyError::TooFarAhead`] for one more than 400 days after it.
    pub fn day(&self, day: NaiveDate) -> Result<Arc<DayKey>, KeyError> {
        if let Some(key) = self.days.load().get(&day) {
            return Ok(key.clone());
        }
        let parts = self.lock();
        let oldest = parts.oldest();
        let Some(part) = parts.part_of(day) else {
            return Err(KeyError::Destroyed { day, oldest });
        };
        if day > oldest + Days::new(FARTHEST_DAYS) {
            return Err(KeyError::TooFarAhead { day, oldest });
        }
        let key = Arc::new(DayKey::derive(&part.advanced_to(day)?)?);
        let mut days = BTreeMap::clone(&self.days.load());
        days.insert(day, key.clone());
        self.days.store(Arc::new(days));
        drop(parts);
        Ok(key)
    }

    /// Takes up what a command has made of the file meanwhile, and drops the keys of all days from which no code lives by the horizon, in memory
    /// and on disk. Does nothing if they are gone already.
    ///
    /// # Errors
    ///
    /// [`KeyError::Replaced`] if the file holds another ring, the others if it cannot be read or written; then nothing is dropped.
    pub fn advance(&self, horizon: Horizon) -> Result<(), KeyError> {
        let oldest = oldest_live_day(horizon.time());
        let _lock = file::lock(&self.path)?;
        let mut parts = self.lock();
        let stored = file::load(&self.path)?;
        if !renewal::is_same_ring(&parts, &stored)? {
            return Err(KeyError::Replaced {
                path: self.path.clone(),
            });
        }
        let advanced = if oldest > stored.oldest() {
            let advanced = stored.advanced_to(oldest)?;
            file::replace(&self.path, &advanced)?;
            advanced
        } else {
            stored
        };
        let is_renewed = !advanced.renewals().eq(parts.renewals());
        let oldest = advanced.oldest();
        *parts = advanced;
        let mut live = BTreeMap::clone(&self.days.load());
        // A renewal may have changed the key of a coming day that somebody has asked for already.
        live.retain(|day, _| *day >= oldest && !is_renewed);
        self.days.store(Arc::new(live));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, RingParts> {
        // A panic while the lock was held leaves the old parts, which are valid: they are replaced in one assignment.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oldest day of Rome on which a code could have been issued that still lives at `now`.
pub fn oldest_live_day(now: Timestamp) -> NaiveDate {
    now.minus_millis(CUN_LIFE_MILLIS).rome_day()
}

#[cfg(test)]
mod tests;
