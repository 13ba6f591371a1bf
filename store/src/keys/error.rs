//! Why a day's key cannot be had, or a ring not be kept.

use std::path::PathBuf;

use chrono::NaiveDate;
use thiserror::Error;

use super::limits::RENEWAL_AHEAD_DAYS;
use crate::permissions::PermissionError;

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
    /// Another process is changing the ring.
    #[error("another process is changing the key ring at {path}: try again")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The file no longer holds the ring that this process loaded.
    #[error("the file at {path} is another ring than the one that was loaded from it")]
    Replaced {
        /// The path.
        path: PathBuf,
    },
    /// What was handed over renews nothing.
    #[error("what was handed over has no renewal that the key ring at {path} has not")]
    NothingNew {
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
