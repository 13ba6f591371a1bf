//! What ends a CUN besides a confirmation: its submitter's cancellation (§2.4.2) and an ASL's code for the person
//! (§5.1). Expiry is a matter of reading the row: see [`Life::as_of`] and [`Life::catch_up`].

use super::{
    CancelRefusal, Claim, Claimed, Effect, Erasure, Holder, Life, Moment, NewClaim, Origin, Over,
    PersonClaimRefusal, Phase, Step,
};
use crate::{Caller, TestResult};

impl Life {
    /// Cancels the test, for the caller that submitted it, while it is issued or unlocked, positive or negative.
    ///
    /// Code and fiscal code are the store's to check. Repeated: already done.
    pub fn cancel(
        &self,
        origin: &Origin,
        caller: &Caller,
        moment: Moment,
    ) -> Step<Result<Effect, CancelRefusal>> {
        let (mut life, erase) = self.as_of(origin, moment);
        if *caller != origin.submitter {
            return self.step_to(life, erase, Err(CancelRefusal::NotSubmitter));
        }
        let answer = match &life.phase {
            Phase::Issued | Phase::Unlocked(_) => {
                life.close(Phase::Cancelled);
                return self.step_to(life, Erasure::Everything, Ok(Effect::Done));
            }
            Phase::Cancelled => Ok(Effect::AlreadyDone),
            Phase::Unlocking(_) => Err(CancelRefusal::UnlockUnderWay),
            Phase::Consumed { .. } => Err(CancelRefusal::Over(Over::Consumed)),
            Phase::Expired => Err(CancelRefusal::Over(Over::Expired)),
        };
        self.step_to(life, erase, answer)
    }

    /// Claims one of a person's CUNs for an ASL's code, before that is posted to the backend.
    ///
    /// Deliveries are not counted here: the code is the person's, not this CUN's, and a delivery ends it.
    /// [`Life::settle`] takes what came back.
    pub fn claim_for_person(
        &self,
        origin: &Origin,
        claim: NewClaim,
        moment: Moment,
    ) -> Step<Result<Claimed, PersonClaimRefusal>> {
        let (mut life, erase) = self.as_of(origin, moment);
        if origin.result != TestResult::Positive {
            return self.step_to(life, erase, Err(PersonClaimRefusal::NotPositive));
        }
        let before = match &life.phase {
            Phase::Issued => Ok(None),
            Phase::Unlocked(unlock) => Ok(Some(*unlock)),
            Phase::Unlocking(_) => Err(PersonClaimRefusal::UnlockUnderWay),
            Phase::Consumed { .. } => Err(PersonClaimRefusal::Over(Over::Consumed)),
            Phase::Cancelled => Err(PersonClaimRefusal::Over(Over::Cancelled)),
            Phase::Expired => Err(PersonClaimRefusal::Over(Over::Expired)),
        };
        match before {
            Err(refusal) => self.step_to(life, erase, Err(refusal)),
            Ok(before) => {
                let NewClaim { id, deadline } = claim;
                life.phase = Phase::Unlocking(Claim {
                    id,
                    deadline,
                    holder: Holder::Person { before },
                });
                self.step_to(
                    life,
                    erase,
                    Ok(Claimed {
                        id,
                        deadline,
                        delivered_before: false,
                    }),
                )
            }
        }
    }
}
