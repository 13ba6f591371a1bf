//! What a row means at a given moment, before anybody acts on it: a holder that died, a life that ran out.

use super::{
    Claim, CunState, Effect, Erasure, Holder, Life, Moment, Origin, Phase, PostOutcome, Settlement,
    Step,
};
use crate::Timestamp;

impl Claim {
    /// From when on its holder counts as dead: its deadline and the permitted clock error have passed.
    fn dead_from(&self, clock_error_millis: i64) -> Timestamp {
        self.deadline.plus_millis(clock_error_millis)
    }
}

impl Life {
    /// What this row means at `moment`, and what must be erased if it is written so.
    ///
    /// A claim whose holder counts as dead reads as delivered, since nobody can say that it was not: unlocked, or for
    /// an ASL's code consumed. A life of 14 × 24 hours reads as expired, whatever it was doing.
    pub fn as_of(&self, origin: &Origin, moment: Moment) -> (Life, Erasure) {
        let mut life = self.clone();
        if let Phase::Unlocking(claim) = &self.phase {
            let dead_from = claim.dead_from(moment.clock_error_millis);
            // A holder that died only after the CUN's end changes nothing about that end.
            if moment.now >= dead_from && dead_from < origin.expires_at() {
                life.conclude(*claim, PostOutcome::Unknown);
            }
        }
        if !life.state().is_over() && moment.now >= origin.expires_at() {
            life.close(Phase::Expired);
        }
        let erase = self.erasure_on_way_to(&life);
        (life, erase)
    }

    /// Where the CUN stands at `moment`.
    pub fn state_at(&self, origin: &Origin, moment: Moment) -> CunState {
        self.as_of(origin, moment).0.state()
    }

    /// The next moment at which the row reads otherwise although nobody touches it, if there is one: by then, at the
    /// latest, [`Life::catch_up`] is due.
    pub fn due_at(&self, origin: &Origin, clock_error_millis: i64) -> Option<Timestamp> {
        match &self.phase {
            Phase::Issued | Phase::Unlocked(_) => Some(origin.expires_at()),
            Phase::Unlocking(claim) => {
                Some(claim.dead_from(clock_error_millis).min(origin.expires_at()))
            }
            Phase::Consumed { .. } | Phase::Cancelled | Phase::Expired => None,
        }
    }

    /// Writes down what the row means at `moment`: for the sweep that expires CUNs, and for claims whose server died.
    pub fn catch_up(&self, origin: &Origin, moment: Moment) -> Step<Effect> {
        let (life, erase) = self.as_of(origin, moment);
        let answer = if life == *self {
            Effect::AlreadyDone
        } else {
            Effect::Done
        };
        self.step_to(life, erase, answer)
    }

    /// Writes what came back from the backend, if the row still carries the claim `id`, whoever its holder is.
    ///
    /// The number alone decides: a holder that was late, but whose row nobody has moved since, still knows better than
    /// the assumption that it died. Expiry comes before it.
    pub fn settle(
        &self,
        origin: &Origin,
        id: super::ClaimId,
        outcome: PostOutcome,
        moment: Moment,
    ) -> Step<Settlement> {
        match &self.phase {
            Phase::Unlocking(claim) if claim.id == id && moment.now < origin.expires_at() => {
                let mut life = self.clone();
                life.conclude(*claim, outcome);
                let erase = self.erasure_on_way_to(&life);
                self.step_to(life, erase, Settlement::Written)
            }
            _ => {
                let (life, erase) = self.as_of(origin, moment);
                self.step_to(life, erase, Settlement::Stale)
            }
        }
    }

    /// Ends a claim as `outcome` says.
    fn conclude(&mut self, claim: Claim, outcome: PostOutcome) {
        let delivered = match outcome {
            PostOutcome::Delivered | PostOutcome::Unknown => true,
            PostOutcome::NotDelivered => false,
        };
        match (claim.holder, delivered) {
            (Holder::Session { unlock, .. }, true) => {
                // A session claims only while deliveries are left.
                self.deliveries += 1;
                self.phase = Phase::Unlocked(unlock);
            }
            (
                Holder::Session {
                    unlock,
                    again: true,
                },
                false,
            ) => self.phase = Phase::Unlocked(unlock),
            (Holder::Session { again: false, .. }, false) => self.phase = Phase::Issued,
            (Holder::Person { before }, true) => {
                self.close(Phase::Consumed {
                    unlocker: before.map(|unlock| unlock.caller),
                });
            }
            (
                Holder::Person {
                    before: Some(unlock),
                },
                false,
            ) => self.phase = Phase::Unlocked(unlock),
            (Holder::Person { before: None }, false) => self.phase = Phase::Issued,
        }
    }

    /// Everything goes on the way into a final state, and only there.
    fn erasure_on_way_to(&self, next: &Life) -> Erasure {
        if next.state().is_over() && !self.state().is_over() {
            Erasure::Everything
        } else {
            Erasure::Nothing
        }
    }
}
