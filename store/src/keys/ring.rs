//! The ring of day keys in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{Days, NaiveDate};
use sistema_ts_model::{CUN_LIFE_MILLIS, Timestamp};

use super::day::DayKey;
use super::error::KeyError;
use super::file::{self, RingParts, RingState};
use super::limits::FARTHEST_DAYS;
use crate::trusted_time::Horizon;

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
                found.oldest() >= parts.oldest() && is_same_ring(&parts, &found).unwrap_or(false)
            })
        };
        // A command overwrites the file that it has replaced, while this may be reading that one: a second look finds the new one.
        is_there() || is_there()
    }

    /// What is told of a ring that is not in its place.
    #[must_use]
    pub fn out_of_place(&self) -> String {
        format!(
            "the key ring's file {} is missing, damaged, an older one or another ring: put it back",
            self.path.display()
        )
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
        // The next sweep tries again.
        let _lock = file::lock(&self.path, Duration::ZERO)?;
        let mut parts = self.lock();
        let stored = file::load(&self.path)?;
        if !is_same_ring(&parts, &stored)? {
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

    pub(super) fn lock(&self) -> MutexGuard<'_, RingParts> {
        // A panic while the lock was held leaves the old parts, which are valid: they are replaced in one assignment.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oldest day of Rome on which a code could have been issued that still lives at `now`.
pub fn oldest_live_day(now: Timestamp) -> NaiveDate {
    now.minus_millis(CUN_LIFE_MILLIS).rome_day()
}

/// Whether two readings of one file are of the same ring: they give the same key for the later of their oldest days. Of rings whose oldest days are
/// farther apart than any ring derives keys this is not found out: they are not the same.
pub(super) fn is_same_ring(one: &RingParts, other: &RingParts) -> Result<bool, KeyError> {
    let day = one.oldest().max(other.oldest());
    let apart = day.signed_duration_since(one.oldest().min(other.oldest()));
    if apart.num_days().unsigned_abs() > FARTHEST_DAYS {
        return Ok(false);
    }
    is_same_on(one, other, day)
}

/// Whether two rings have the same key of a day.
pub(super) fn is_same_on(
    one: &RingParts,
    other: &RingParts,
    day: NaiveDate,
) -> Result<bool, KeyError> {
    let key_of = |parts: &RingParts| match parts.part_of(day) {
        Some(part) => DayKey::derive(&part.advanced_to(day)?).map(Some),
        None => Ok(None),
    };
    let (one, other) = (key_of(one)?, key_of(other)?);
    Ok(one
        .zip(other)
        .is_some_and(|(one, other)| one.check_value() == other.check_value()))
}
