//! Claiming and settling the codes of a person, each in a time that does not tell what was found.
//!
//! Who sends a code for a person must not learn whether the person is positive. A person without a positive test is looked for and nothing is
//! written; of one with tests each is written and, in the end, erased, which takes longer. So each of the two steps ends at a whole multiple of a
//! fixed time after its beginning: a store that does its work within that time, as it does unless it is overloaded, takes the same for everybody.

use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_model::{CodiceFiscale, NewClaim};
use sistema_ts_store::{PersonClaim, PersonOutcome, Store, StoreError};
use tokio::time::{Instant, sleep, sleep_until};

use crate::services::under_way::{Turn, UnderWay};

/// Tries to claim the codes of a person of whom one is being unlocked at this moment. All of them fit into one step.
const CLAIM_TRIES: u32 = 4;

/// What of a store is needed here.
#[async_trait]
pub(super) trait People: Send + Sync {
    async fn claim(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError>;
}

#[async_trait]
impl People for dyn Store {
    async fn claim(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError> {
        self.claim_person(fiscal_code, claim).await
    }
}

/// What was claimed for a post.
pub(super) struct Claimed {
    pub(super) person: PersonClaim,
    pub(super) claim: NewClaim,
    /// A moment before the claim's deadline was set, so that a monotonic end counted from it is no later.
    pub(super) began: Instant,
    /// Held until the last step has ended.
    pub(super) turn: Turn,
}

/// Does a step, and ends it at a whole multiple of `step` after its beginning, whatever comes of it.
pub(super) async fn in_steps<T>(step: Duration, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    sleep_until(began + step * whole_steps(began.elapsed(), step)).await;
    done
}

/// How many steps it is to the next end of one: at least one.
fn whole_steps(elapsed: Duration, step: Duration) -> u32 {
    let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    (millis(elapsed) / millis(step).max(1)).saturating_add(1)
}

/// Where people are looked for.
pub(super) struct Looked<'a, P: ?Sized> {
    pub(super) store: &'a P,
    pub(super) under_way: &'a UnderWay,
}

impl<P: People + ?Sized> Looked<'_, P> {
    /// Claims every live positive of the person; `None` if one of them is being unlocked all the while, or if another code of the ASL is under way
    /// for the person, who need have no positive for that.
    pub(super) async fn claim(
        &self,
        step: Duration,
        fiscal_code: &CodiceFiscale,
        mut new_claim: impl FnMut() -> NewClaim,
    ) -> Result<Option<Claimed>, StoreError> {
        for tried in 1..=CLAIM_TRIES {
            if let Some(turn) = self.under_way.take(fiscal_code) {
                let began = Instant::now();
                let claim = new_claim();
                match self.store.claim(fiscal_code.clone(), claim).await? {
                    PersonOutcome::Claimed(person) => {
                        return Ok(Some(Claimed {
                            person,
                            claim,
                            began,
                            turn,
                        }));
                    }
                    PersonOutcome::UnlockUnderWay => {}
                }
            }
            if tried < CLAIM_TRIES {
                sleep(step / (CLAIM_TRIES + 1)).await;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
