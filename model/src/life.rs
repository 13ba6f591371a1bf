//! The life of a CUN, from its issue to its end: a pure state machine that every store applies inside one guarded
//! write on the CUN's row.
//!
//! Nothing here reads a clock, a disk or a random source: the moment and the claim's number are arguments. A store
//! reads the row, calls one transition, and obeys the [`Step`] that comes back: it writes [`Step::write`] under the
//! guard that the row is still the one it read, erases what [`Step::erase`] names, and hands on [`Step::answer`].
//! A refusal may carry a write too: the row of an expired CUN is closed by whoever touches it first.
//!
//! `docs/life-of-a-cun.md` draws the states and says why they are as they are; its table is checked against this code.
//!
//! Three facts of a row never change and are not part of a [`Life`]: its [`Origin`]. A life that nothing has touched
//! encodes to nothing ([`Life::encode`]), so that a submission stores no life at all.

mod answers;
mod call_centre;
mod closing;
mod encoding;
mod origin;
mod reading;
mod session;

pub use answers::{
    CancelRefusal, ClaimRefusal, Claimed, ConcludeRefusal, Effect, Over, PersonClaimRefusal,
    Settlement, VerificationRefusal,
};
pub use encoding::LifeDecodeError;
pub use origin::Origin;
pub use session::{GivenSession, Presenter, Session, SessionDigest};

use rand::CryptoRng;

use crate::{Caller, MAX_DELIVERIES, Timestamp};

/// When a transition is applied, and how far another node's clock may be from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now, by the clock of whoever applies the transition.
    pub now: Timestamp,
    /// How far this clock may be ahead of the one that set a deadline, in milliseconds, ≥ 0: another node's, or the
    /// same one before a step. A holder counts as dead only when its deadline has passed by this much. With 0, a wall
    /// clock that jumps ahead while a post is under way would free the CUN under it.
    pub clock_error_millis: i64,
}

/// Where a CUN stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CunState {
    /// Live and free: can be verified (if positive), unlocked, cancelled.
    Issued,
    /// Claimed: a post to the Immuni backend may be under way.
    Unlocking,
    /// Delivered to the backend, or possibly so: waits for its confirmation or annulment.
    Unlocked,
    /// Confirmed, or used up by an ASL's code; personal data erased. Final.
    Consumed,
    /// Cancelled by its submitter; personal data erased. Final.
    Cancelled,
    /// 14 × 24 hours old; personal data erased. Final.
    Expired,
}

impl CunState {
    /// All states, in the order of the documentation.
    pub const ALL: [CunState; 6] = [
        CunState::Issued,
        CunState::Unlocking,
        CunState::Unlocked,
        CunState::Consumed,
        CunState::Cancelled,
        CunState::Expired,
    ];

    /// Lower-case English name, for documentation and metrics.
    pub fn name(self) -> &'static str {
        match self {
            CunState::Issued => "issued",
            CunState::Unlocking => "unlocking",
            CunState::Unlocked => "unlocked",
            CunState::Consumed => "consumed",
            CunState::Cancelled => "cancelled",
            CunState::Expired => "expired",
        }
    }

    /// Whether this state is final: consumed, cancelled or expired.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            CunState::Consumed | CunState::Cancelled | CunState::Expired
        )
    }
}

/// A claim's own number. Drawn at random for each claim: what comes back from the backend is written only if the row
/// still carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId(pub u64);

impl ClaimId {
    /// Draws a number that no other claim has, for all practical purposes.
    pub fn random(rng: &mut impl CryptoRng) -> ClaimId {
        ClaimId(rng.next_u64())
    }
}

/// What a caller brings to claim a CUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewClaim {
    /// The claim's own number.
    pub id: ClaimId,
    /// No send to the backend begins at or after this moment (the relay's deadline over all tries).
    pub deadline: Timestamp,
}

/// How a post to the Immuni backend ended, as far as a CUN's life is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostOutcome {
    /// The backend authorised the code.
    Delivered,
    /// Sent, and no answer that settles it: counts as delivered.
    Unknown,
    /// Refused, or surely never sent, or the backend says that this same code was authorised before in this session:
    /// the claim leaves no trace.
    NotDelivered,
}

/// What the store must erase together with a transition, before its answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Erasure {
    /// Nothing.
    Nothing,
    /// The entry of this one session: it was annulled.
    Session(SessionDigest),
    /// The fiscal code (of a negative: the MAC that stands for it), the contact, and all sessions of this CUN.
    /// Demanded exactly once, on the way into a final state.
    Everything,
}

/// What a transition asks of the store, and what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step<Answer> {
    /// The life to write, under the guard that the row's is still the one that was read; `None` if it stays.
    pub write: Option<Life>,
    /// What to erase, once the write has been done.
    pub erase: Erasure,
    /// What to tell the caller, once both have been done.
    pub answer: Answer,
}

/// A session that has unlocked a CUN, or is about to, and the caller through which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Unlock {
    session: SessionDigest,
    caller: Caller,
}

/// Who holds a claim, and with that what the row returns to if nothing was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// A session; `again` when it had unlocked this CUN before.
    Session { unlock: Unlock, again: bool },
    /// An ASL's code for the person (§5.1), over an issued CUN or one that `before` had unlocked.
    Person { before: Option<Unlock> },
}

/// The right to post to the backend, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Claim {
    id: ClaimId,
    deadline: Timestamp,
    holder: Holder,
}

/// A state with what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
enum Phase {
    #[default]
    Issued,
    Unlocking(Claim),
    Unlocked(Unlock),
    /// `unlocker`: the caller whose session had unlocked it, which may repeat its confirmation.
    Consumed {
        unlocker: Option<Caller>,
    },
    Cancelled,
    Expired,
}

/// All that a CUN's transitions read and write besides its [`Origin`].
///
/// Bounded: at most [`MAX_DELIVERIES`] sessions are ever remembered, since each annulment takes a delivery of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Life {
    phase: Phase,
    /// Deliveries by sessions, certain or possible, across annulments: 0 to [`MAX_DELIVERIES`].
    deliveries: u8,
    /// Sessions whose unlock was annulled, oldest first; empty in a final state.
    annulled: Vec<Unlock>,
}

impl Life {
    /// A CUN just issued.
    pub fn new() -> Life {
        Life::default()
    }

    /// Where the row stands as written. What it means at a given moment (a dead holder, expiry): [`Life::state_at`].
    pub fn state(&self) -> CunState {
        match self.phase {
            Phase::Issued => CunState::Issued,
            Phase::Unlocking(_) => CunState::Unlocking,
            Phase::Unlocked(_) => CunState::Unlocked,
            Phase::Consumed { .. } => CunState::Consumed,
            Phase::Cancelled => CunState::Cancelled,
            Phase::Expired => CunState::Expired,
        }
    }

    /// Deliveries to the backend by sessions, certain or possible, in this CUN's life: 0 to [`MAX_DELIVERIES`].
    pub fn deliveries(&self) -> u8 {
        self.deliveries
    }

    /// Whether nothing has ever happened to this CUN since its issue.
    pub fn is_untouched(&self) -> bool {
        *self == Life::default()
    }

    /// Ends this life: no session is remembered any longer.
    fn close(&mut self, phase: Phase) {
        self.phase = phase;
        self.annulled = Vec::new();
    }

    /// The step from `self`, as it was read, to `next`.
    fn step_to<Answer>(&self, next: Life, erase: Erasure, answer: Answer) -> Step<Answer> {
        Step {
            write: (next != *self).then_some(next),
            erase,
            answer,
        }
    }

    fn deliveries_left(&self) -> bool {
        self.deliveries < MAX_DELIVERIES
    }
}
