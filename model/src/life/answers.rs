//! What a transition answers: what it granted, or why not.
//!
//! None of these names a person or a code. Which text and which outcome code a caller sees is the services' matter;
//! several refusals here share one answer there ("non verificabile").

use thiserror::Error;

use super::ClaimId;
use crate::Timestamp;

/// A CUN whose life is over, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Over {
    /// Confirmed, or used up by an ASL's code.
    #[error("consumed")]
    Consumed,
    /// Cancelled by its submitter.
    #[error("cancelled")]
    Cancelled,
    /// Older than 14 × 24 hours.
    #[error("expired")]
    Expired,
}

/// Whether a transition did something, or found it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Done now.
    Done,
    /// Already done before: nothing changed, and the caller is told so with a warning.
    AlreadyDone,
}

/// A claim that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claimed {
    /// The claim's number, which settles it.
    pub id: ClaimId,
    /// No send to the backend begins at or after this moment. Never after the CUN's own end for a session's claim.
    pub deadline: Timestamp,
    /// Whether this session has delivered before, or may have: then the backend's 409 means that this same code was
    /// already authorised, and not that somebody else did it. Always false for an ASL's claim.
    pub delivered_before: bool,
}

/// Whether what came back from the backend was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settlement {
    /// The claim was still its own: written.
    Written,
    /// The claim was no longer its own: nothing written, and the post's own outcome is what its caller is told.
    Stale,
}

/// Why a CUN cannot be verified. The caller sees one uniform answer for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum VerificationRefusal {
    /// The test's result is negative.
    #[error("not a positive result")]
    NotPositive,
    /// Claimed: an unlock is under way.
    #[error("an unlock is under way")]
    UnlockUnderWay,
    /// Unlocked by another session, or by one that has lapsed.
    #[error("already unlocked")]
    AlreadyUnlocked,
    /// Its three deliveries are used up: a session could never deliver.
    #[error("no delivery left")]
    NoDeliveryLeft,
    /// Its life is over.
    #[error("{0}")]
    Over(Over),
}

/// Why a session cannot claim its CUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ClaimRefusal {
    /// Another operator's, or another caller's: to be answered as an unknown id is.
    #[error("another operator's session")]
    SessionNotYours,
    /// It has lapsed: the CUN must be verified again (if it was never delivered).
    #[error("session lapsed")]
    SessionLapsed,
    /// Its unlock was annulled: the CUN must be verified again.
    #[error("session annulled")]
    SessionAnnulled,
    /// A negative has no sessions; nothing but a mistake in the store leads here.
    #[error("not a positive result")]
    NotPositive,
    /// Claimed already, by this session or another: try again.
    #[error("an unlock is under way")]
    UnlockUnderWay,
    /// Another session has unlocked it, and only its annulment would free it.
    #[error("already unlocked by another session")]
    AlreadyUnlocked,
    /// Its three deliveries are used up.
    #[error("no delivery left")]
    NoDeliveryLeft,
    /// Its life is over.
    #[error("{0}")]
    Over(Over),
}

/// Why a person's CUN cannot be claimed for an ASL's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum PersonClaimRefusal {
    /// Of a negative no fiscal code is held, so that none leads here; nothing but a mistake in the store does.
    #[error("not a positive result")]
    NotPositive,
    /// Claimed already: try again.
    #[error("an unlock is under way")]
    UnlockUnderWay,
    /// Its life is over: nothing left to erase, so the post may go ahead without it.
    #[error("{0}")]
    Over(Over),
}

/// Why a confirmation (`C`) or an annulment (`A`) is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ConcludeRefusal {
    /// Never unlocked, or no longer, or being unlocked by others.
    #[error("not unlocked")]
    NotUnlocked,
    /// An unlock is under way: try again.
    #[error("an unlock is under way")]
    UnlockUnderWay,
    /// Another caller unlocked it.
    #[error("unlocked by another caller")]
    AnotherCaller,
    /// The given id is not that of the session that unlocked it. To an annulment the id of one that was annulled is none of these.
    #[error("not the session that unlocked it")]
    AnotherSession,
    /// The given id is that of another operator's living session.
    #[error("another operator's session")]
    SessionNotYours,
    /// Its life is over; a confirmation is never taken back.
    #[error("{0}")]
    Over(Over),
}

/// Why a cancellation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum CancelRefusal {
    /// Somebody else submitted it: to be answered as an unknown CUN is.
    #[error("submitted by another caller")]
    NotSubmitter,
    /// An unlock is under way: try again.
    #[error("an unlock is under way")]
    UnlockUnderWay,
    /// Its life is over.
    #[error("{0}")]
    Over(Over),
}
