//! Fresh entropy for the ring: renewals from a coming day on, and the repair of a ring that begins in the future.

use std::path::Path;

use chrono::{Days, NaiveDate};

use super::file::{self, RingParts, RingState};
use super::{FARTHEST_DAYS, KeyError, KeyRing};

/// A renewal begins so many days ahead at the earliest: until then every server that holds the ring has taken it up, and clocks may differ.
pub const RENEWAL_AHEAD_DAYS: u64 = 2;

/// What a command did to the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// From this day on its keys follow from fresh entropy, too.
    From(NaiveDate),
    /// There was nothing to do.
    NotNeeded,
}

impl KeyRing {
    /// Mixes fresh entropy in, from `from` on: a copy of the ring made before leads to no key of that day or a later one. The running server
    /// takes it up by itself. After a crash there is the old ring or the new one.
    ///
    /// # Errors
    ///
    /// [`KeyError::RenewalTooEarly`] if `from` is not [`RENEWAL_AHEAD_DAYS`] after `today`, [`KeyError::RenewalPending`] if one begins after
    /// `today` already, and what reading and writing the file can fail with; then nothing has changed.
    pub fn renew(path: &Path, today: NaiveDate, from: NaiveDate) -> Result<Renewal, KeyError> {
        if from < today + Days::new(RENEWAL_AHEAD_DAYS) {
            return Err(KeyError::RenewalTooEarly { day: from });
        }
        let _lock = file::lock(path)?;
        let parts = file::load(path)?;
        if let Some(day) = parts.renewals().find(|day| *day > today) {
            return Err(KeyError::RenewalPending { day });
        }
        let before = parts.part_of(from).ok_or_else(|| KeyError::Destroyed {
            day: from,
            oldest: parts.oldest(),
        })?;
        let renewed = parts.with(before.renewed_on(from)?)?;
        file::replace(path, &renewed)?;
        Ok(Renewal::From(from))
    }

    /// Gives a ring that begins after `today` a part of fresh entropy from `today` on: it was made, or its old keys were destroyed, while a clock
    /// was ahead. The keys that it has stay, for what was written with them. Of any other ring nothing is changed.
    ///
    /// # Errors
    ///
    /// What reading and writing the file can fail with; then nothing has changed.
    pub fn repair(path: &Path, today: NaiveDate) -> Result<Renewal, KeyError> {
        let _lock = file::lock(path)?;
        let parts = file::load(path)?;
        if parts.oldest() <= today {
            return Ok(Renewal::NotNeeded);
        }
        file::replace(path, &parts.with(RingState::random(today)?)?)?;
        Ok(Renewal::From(today))
    }

    /// The days on which fresh entropy comes in, as the loaded ring knows them.
    pub fn renewals(&self) -> Vec<NaiveDate> {
        self.lock().renewals().collect()
    }
}

/// Whether two readings of one file are of the same ring: they give the same key for the later of their oldest days. Of rings whose oldest days are
/// farther apart than any ring derives keys this is not found out: they are not the same.
pub(super) fn is_same_ring(one: &RingParts, other: &RingParts) -> Result<bool, KeyError> {
    let day = one.oldest().max(other.oldest());
    let apart = day.signed_duration_since(one.oldest().min(other.oldest()));
    if apart.num_days().unsigned_abs() > FARTHEST_DAYS {
        return Ok(false);
    }
    let key_of = |parts: &RingParts| match parts.part_of(day) {
        Some(part) => super::DayKey::derive(&part.advanced_to(day)?).map(Some),
        None => Ok(None),
    };
    let (one, other) = (key_of(one)?, key_of(other)?);
    Ok(one
        .zip(other)
        .is_some_and(|(one, other)| one.check_value() == other.check_value()))
}
