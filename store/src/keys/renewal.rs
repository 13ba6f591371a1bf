//! Fresh entropy for the ring: renewals from a coming day on, and the repair of a ring that begins in the future.

use std::path::Path;

use chrono::{Days, NaiveDate};

use super::error::KeyError;
use super::file::{self, RingState};
use super::limits::RENEWAL_AHEAD_DAYS;
use super::ring::KeyRing;

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
        let _lock = file::lock(path, file::PATIENCE_OF_COMMANDS)?;
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
        let _lock = file::lock(path, file::PATIENCE_OF_COMMANDS)?;
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
