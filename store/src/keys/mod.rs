//! The day keys: a one-way ratchet of which only the oldest state still needed is kept (`docs/architecture.md`, "The day's keys").
//!
//! Every day of Rome has a key of its own, derived from that day's *state*; the next day's state is derived from it by HKDF and
//! cannot be undone. The *ring* is a small file outside the data folder that holds the state of the oldest day whose data still
//! live: all later days follow from it, no earlier one does. Dropping a day is replacing the file by one that begins a day later;
//! from then on nobody, with whatever copy of the data, can open what was sealed under the dropped day's key.
//!
//! A ring is made once, by [`KeyRing::create`], and never by itself: a store that finds none, or one that begins too late, says so.

mod clock;
mod day;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use chrono::{Days, NaiveDate};
use sistema_ts_model::{CUN_LIFE_MILLIS, Timestamp};
use thiserror::Error;

pub use clock::kernel_clock_is_synchronised;
pub use day::{CheckValue, DayKey, LookupTag, Mac, SealedBytes};
pub(crate) use day::{Purpose, cut, same_mac};
use file::RingState;

/// How far beyond its oldest day a ring derives keys. A date further ahead is a clock gone wrong.
const FARTHEST_DAYS: u64 = 400;

/// Why a day's key cannot be had, or a ring not be kept.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no ring at the configured path. The store never makes one by itself.
    #[error(
        "there is no key ring at {path}: for a new installation make one with `sistema-ts keys create`"
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
    /// More than one day would be destroyed at once, without permission.
    #[error(
        "{days} days' keys would be destroyed at once: synchronise the clock, or give your word for it"
    )]
    TooManyDays {
        /// How many.
        days: i64,
    },
    /// The key of a day is not the one that the stored data were written with.
    #[error(
        "the key of {day} is not the one that this store's data were written with: wrong ring?"
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
        /// `read` or `written`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The cryptographic library refused, for example for want of entropy.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// How many days' keys may be destroyed in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestroyPermission {
    /// One, as every day. A clock that jumped must not destroy live keys.
    OneDay,
    /// Any number: the kernel says that the clock is synchronised, or the operator gives his word.
    AnyNumber,
}

/// The ring of day keys, loaded. Shared between threads; reading a day's key takes no lock once it was derived.
pub struct KeyRing {
    path: PathBuf,
    /// The state as the file has it; locked while it is advanced or a further day is derived.
    state: Mutex<RingState>,
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
        file::create(path, &RingState::random(oldest)?)
    }

    /// Loads the ring.
    ///
    /// # Errors
    ///
    /// [`KeyError::RingMissing`] if there is none; it is never invented.
    pub fn load(path: &Path) -> Result<KeyRing, KeyError> {
        let state = file::load(path)?;
        Ok(KeyRing {
            path: path.to_owned(),
            state: Mutex::new(state),
            days: ArcSwap::default(),
        })
    }

    /// The oldest day whose key can still be derived.
    pub fn oldest(&self) -> NaiveDate {
        self.lock().day
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
        let state = self.lock();
        if day < state.day {
            return Err(KeyError::Destroyed {
                day,
                oldest: state.day,
            });
        }
        if day > state.day + Days::new(FARTHEST_DAYS) {
            return Err(KeyError::TooFarAhead {
                day,
                oldest: state.day,
            });
        }
        let key = Arc::new(DayKey::derive(&state.advanced_to(day)?)?);
        let mut days = BTreeMap::clone(&self.days.load());
        days.insert(day, key.clone());
        self.days.store(Arc::new(days));
        drop(state);
        Ok(key)
    }

    /// Drops the keys of all days before `oldest`, in memory and on disk. Does nothing if they are gone already.
    ///
    /// # Errors
    ///
    /// [`KeyError::TooManyDays`] if more than one day would go without permission; then nothing is dropped.
    pub fn advance(
        &self,
        oldest: NaiveDate,
        permission: DestroyPermission,
    ) -> Result<(), KeyError> {
        let mut state = self.lock();
        let days = (oldest - state.day).num_days();
        if days <= 0 {
            return Ok(());
        }
        if days > 1 && permission == DestroyPermission::OneDay {
            return Err(KeyError::TooManyDays { days });
        }
        if oldest > state.day + Days::new(FARTHEST_DAYS) {
            return Err(KeyError::TooFarAhead {
                day: oldest,
                oldest: state.day,
            });
        }
        let advanced = state.advanced_to(oldest)?;
        file::replace(&self.path, &advanced)?;
        *state = advanced;
        let mut live = BTreeMap::clone(&self.days.load());
        live.retain(|day, _| *day >= oldest);
        self.days.store(Arc::new(live));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, RingState> {
        // A panic while the lock was held leaves the old state, which is valid: it is replaced in one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oldest day of Rome on which a code could have been issued that still lives at `now`.
pub fn oldest_live_day(now: Timestamp) -> NaiveDate {
    now.minus_millis(CUN_LIFE_MILLIS).rome_day()
}

#[cfg(test)]
mod tests;
