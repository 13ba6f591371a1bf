//! A life in one column: compact, versioned, one form only, so that a store can guard its write with "the column is
//! still these bytes".
//!
//! ```text
//! 1 byte    version, 1
//! 1 byte    phase and holder: see `tag`
//! 1 byte    deliveries (low four bits), annulled sessions (high four bits)
//! per annulled session: unlock
//! phase:    claim: number (8), deadline (8, ms since the epoch); then the unlock that it concerns, if any
//!           unlocked: unlock · consumed: the unlocking caller, if any · otherwise nothing
//! unlock:   session digest (16), caller
//! caller:   length (1), key
//! ```
//!
//! Numbers are big-endian. An untouched life has no bytes at all. The longest, with three sessions remembered, takes
//! 19 + 3 × (17 + the caller's key) bytes: 121.

use thiserror::Error;

use super::{Claim, ClaimId, Holder, Life, Phase, SessionDigest, Unlock};
use crate::{Caller, MAX_DELIVERIES, Timestamp};

const VERSION: u8 = 1;

mod tag {
    pub const ISSUED: u8 = 0;
    pub const CLAIMED_FIRST: u8 = 1;
    pub const CLAIMED_AGAIN: u8 = 2;
    pub const CLAIMED_FOR_PERSON: u8 = 3;
    pub const CLAIMED_FOR_PERSON_AFTER_UNLOCK: u8 = 4;
    pub const UNLOCKED: u8 = 5;
    pub const CONSUMED: u8 = 6;
    pub const CONSUMED_AFTER_UNLOCK: u8 = 7;
    pub const CANCELLED: u8 = 8;
    pub const EXPIRED: u8 = 9;
}

/// A stored life that cannot be read. None of these names what was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LifeDecodeError {
    /// Written by a newer version of this program.
    #[error("the stored life of a CUN has version {0}, unknown here")]
    Version(u8),
    /// Cut short, too long, or with an unknown state.
    #[error("the stored life of a CUN is malformed")]
    Malformed,
    /// A caller's key that names nobody.
    #[error("the stored life of a CUN names an impossible caller")]
    Caller,
    /// Well formed, and yet no sequence of transitions leads here.
    #[error("the stored life of a CUN contradicts itself")]
    Contradiction,
}

impl Life {
    /// The bytes to store; `None`, for the store's NULL, while nothing has touched this CUN.
    pub fn encode(&self) -> Option<Vec<u8>> {
        if self.is_untouched() {
            return None;
        }
        let mut out = Vec::with_capacity(128);
        // At most three annulled sessions: both counts fit four bits.
        out.extend_from_slice(&[
            VERSION,
            self.tag(),
            self.deliveries | (self.annulled.len() as u8) << 4,
        ]);
        for unlock in &self.annulled {
            put_unlock(&mut out, unlock);
        }
        match &self.phase {
            Phase::Unlocking(claim) => {
                out.extend_from_slice(&claim.id.0.to_be_bytes());
                out.extend_from_slice(&claim.deadline.millis().to_be_bytes());
                match &claim.holder {
                    Holder::Session { unlock, .. }
                    | Holder::Person {
                        before: Some(unlock),
                    } => {
                        put_unlock(&mut out, unlock);
                    }
                    Holder::Person { before: None } => {}
                }
            }
            Phase::Unlocked(unlock) => put_unlock(&mut out, unlock),
            Phase::Consumed {
                unlocker: Some(caller),
            } => put_caller(&mut out, caller),
            Phase::Issued
            | Phase::Consumed { unlocker: None }
            | Phase::Cancelled
            | Phase::Expired => {}
        }
        Some(out)
    }

    /// Reads what [`Life::encode`] wrote.
    pub fn decode(stored: Option<&[u8]>) -> Result<Life, LifeDecodeError> {
        let Some(stored) = stored else {
            return Ok(Life::new());
        };
        let mut bytes = Bytes(stored);
        let [version] = bytes.take()?;
        if version != VERSION {
            return Err(LifeDecodeError::Version(version));
        }
        let [tag, counts] = bytes.take()?;
        let (deliveries, annulled_count) = (counts & 0x0f, counts >> 4);
        if deliveries > MAX_DELIVERIES || annulled_count > deliveries {
            return Err(LifeDecodeError::Contradiction);
        }
        let annulled = (0..annulled_count)
            .map(|_| bytes.unlock())
            .collect::<Result<Vec<_>, _>>()?;
        let phase = bytes.phase(tag)?;
        if !bytes.0.is_empty() {
            return Err(LifeDecodeError::Malformed);
        }
        let life = Life {
            phase,
            deliveries,
            annulled,
        };
        if life.is_possible() {
            Ok(life)
        } else {
            Err(LifeDecodeError::Contradiction)
        }
    }

    fn tag(&self) -> u8 {
        match &self.phase {
            Phase::Issued => tag::ISSUED,
            Phase::Unlocking(Claim {
                holder: Holder::Session { again: false, .. },
                ..
            }) => tag::CLAIMED_FIRST,
            Phase::Unlocking(Claim {
                holder: Holder::Session { again: true, .. },
                ..
            }) => tag::CLAIMED_AGAIN,
            Phase::Unlocking(Claim {
                holder: Holder::Person { before: None },
                ..
            }) => tag::CLAIMED_FOR_PERSON,
            Phase::Unlocking(Claim {
                holder: Holder::Person { before: Some(_) },
                ..
            }) => tag::CLAIMED_FOR_PERSON_AFTER_UNLOCK,
            Phase::Unlocked(_) => tag::UNLOCKED,
            Phase::Consumed { unlocker: None } => tag::CONSUMED,
            Phase::Consumed { unlocker: Some(_) } => tag::CONSUMED_AFTER_UNLOCK,
            Phase::Cancelled => tag::CANCELLED,
            Phase::Expired => tag::EXPIRED,
        }
    }

    /// Whether deliveries and remembered sessions fit the phase.
    fn is_possible(&self) -> bool {
        let annulled = self.annulled.len() as u8;
        // Each annulment took a delivery or more; whatever is unlocked now took one more.
        let unlocked = self.deliveries > annulled;
        let free = annulled >= 1 || self.deliveries == 0;
        match &self.phase {
            Phase::Issued => annulled >= 1,
            Phase::Unlocked(_) => unlocked,
            Phase::Unlocking(Claim {
                holder: Holder::Session { again, .. },
                ..
            }) => self.deliveries < MAX_DELIVERIES && if *again { unlocked } else { free },
            Phase::Unlocking(Claim {
                holder: Holder::Person { before: Some(_) },
                ..
            }) => unlocked,
            Phase::Unlocking(Claim {
                holder: Holder::Person { before: None },
                ..
            }) => free,
            Phase::Consumed { unlocker } => {
                annulled == 0 && (unlocker.is_none() || self.deliveries >= 1)
            }
            Phase::Cancelled | Phase::Expired => annulled == 0,
        }
    }
}

fn put_unlock(out: &mut Vec<u8>, unlock: &Unlock) {
    out.extend_from_slice(unlock.session.as_bytes());
    put_caller(out, &unlock.caller);
}

fn put_caller(out: &mut Vec<u8>, caller: &Caller) {
    let key = caller.to_key();
    // A caller's key is a letter and a code of bounded length, far below 256.
    out.push(key.len() as u8);
    out.extend_from_slice(key.as_bytes());
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], LifeDecodeError> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(LifeDecodeError::Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    fn phase(&mut self, tag: u8) -> Result<Phase, LifeDecodeError> {
        Ok(match tag {
            tag::ISSUED => Phase::Issued,
            tag::CLAIMED_FIRST | tag::CLAIMED_AGAIN => {
                let (id, deadline) = self.claim()?;
                let holder = Holder::Session {
                    unlock: self.unlock()?,
                    again: tag == tag::CLAIMED_AGAIN,
                };
                Phase::Unlocking(Claim {
                    id,
                    deadline,
                    holder,
                })
            }
            tag::CLAIMED_FOR_PERSON => {
                let (id, deadline) = self.claim()?;
                Phase::Unlocking(Claim {
                    id,
                    deadline,
                    holder: Holder::Person { before: None },
                })
            }
            tag::CLAIMED_FOR_PERSON_AFTER_UNLOCK => {
                let (id, deadline) = self.claim()?;
                let holder = Holder::Person {
                    before: Some(self.unlock()?),
                };
                Phase::Unlocking(Claim {
                    id,
                    deadline,
                    holder,
                })
            }
            tag::UNLOCKED => Phase::Unlocked(self.unlock()?),
            tag::CONSUMED => Phase::Consumed { unlocker: None },
            tag::CONSUMED_AFTER_UNLOCK => Phase::Consumed {
                unlocker: Some(self.caller()?),
            },
            tag::CANCELLED => Phase::Cancelled,
            tag::EXPIRED => Phase::Expired,
            _ => return Err(LifeDecodeError::Malformed),
        })
    }

    fn claim(&mut self) -> Result<(ClaimId, Timestamp), LifeDecodeError> {
        let id = ClaimId(u64::from_be_bytes(self.take()?));
        let deadline = Timestamp::from_millis(i64::from_be_bytes(self.take()?));
        Ok((id, deadline.ok_or(LifeDecodeError::Malformed)?))
    }

    fn unlock(&mut self) -> Result<Unlock, LifeDecodeError> {
        Ok(Unlock {
            session: SessionDigest::from_bytes(self.take()?),
            caller: self.caller()?,
        })
    }

    fn caller(&mut self) -> Result<Caller, LifeDecodeError> {
        let [length] = self.take()?;
        let (key, rest) = self
            .0
            .split_at_checked(usize::from(length))
            .ok_or(LifeDecodeError::Malformed)?;
        self.0 = rest;
        let key = std::str::from_utf8(key).map_err(|_| LifeDecodeError::Caller)?;
        Caller::from_key(key).map_err(|_| LifeDecodeError::Caller)
    }
}
