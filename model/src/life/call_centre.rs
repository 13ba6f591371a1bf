//! What the call centre does to a CUN: verify (§3.3.1), unlock (§3.3.2), confirm and annul (§3.3.3).

use super::{
    Claim, ClaimRefusal, Claimed, ConcludeRefusal, Effect, Erasure, GivenSession, Holder, Life,
    Moment, NewClaim, Origin, Over, Phase, Presenter, Session, SessionDigest, Step, Unlock,
    VerificationRefusal,
};
use crate::{Caller, TestResult};

impl Life {
    /// Whether a verification may open a session now. Person, code and card are the store's to check.
    ///
    /// The row does not change: any number of sessions may be open on an issued CUN, and the first that claims it wins.
    pub fn open_session(
        &self,
        origin: &Origin,
        moment: Moment,
    ) -> Step<Result<(), VerificationRefusal>> {
        let (life, erase) = self.as_of(origin, moment);
        let answer = match &life.phase {
            _ if origin.result != TestResult::Positive => Err(VerificationRefusal::NotPositive),
            Phase::Issued if life.deliveries_left() => Ok(()),
            Phase::Issued => Err(VerificationRefusal::NoDeliveryLeft),
            Phase::Unlocking(_) => Err(VerificationRefusal::UnlockUnderWay),
            Phase::Unlocked(_) => Err(VerificationRefusal::AlreadyUnlocked),
            Phase::Consumed { .. } => Err(VerificationRefusal::Over(Over::Consumed)),
            Phase::Cancelled => Err(VerificationRefusal::Over(Over::Cancelled)),
            Phase::Expired => Err(VerificationRefusal::Over(Over::Expired)),
        };
        self.step_to(life, erase, answer)
    }

    /// Claims the CUN for `session`, before anything is posted to the backend.
    ///
    /// The granted deadline is the one asked for, or the CUN's own end if that is sooner.
    pub fn claim(
        &self,
        origin: &Origin,
        session: &Session,
        presenter: Presenter<'_>,
        claim: NewClaim,
        moment: Moment,
    ) -> Step<Result<Claimed, ClaimRefusal>> {
        let (mut life, erase) = self.as_of(origin, moment);
        let again = match life.admits_claim(origin, session, presenter, moment) {
            Ok(again) => again,
            Err(refusal) => return self.step_to(life, erase, Err(refusal)),
        };
        let deadline = claim.deadline.min(origin.expires_at());
        let unlock = Unlock {
            session: session.digest,
            caller: session.caller,
        };
        life.phase = Phase::Unlocking(Claim {
            id: claim.id,
            deadline,
            holder: Holder::Session { unlock, again },
        });
        self.step_to(
            life,
            erase,
            Ok(Claimed {
                id: claim.id,
                deadline,
                delivered_before: again,
            }),
        )
    }

    /// Whether `session` may claim; if so, whether it had unlocked this CUN before.
    fn admits_claim(
        &self,
        origin: &Origin,
        session: &Session,
        presenter: Presenter<'_>,
        moment: Moment,
    ) -> Result<bool, ClaimRefusal> {
        if !session.belongs_to(presenter) {
            return Err(ClaimRefusal::SessionNotYours);
        }
        if origin.result != TestResult::Positive {
            return Err(ClaimRefusal::NotPositive);
        }
        // A life that is over, or an unlock under way, says more than a session that is closed as well.
        let again = match &self.phase {
            Phase::Issued => false,
            Phase::Unlocked(unlock) => unlock.session == session.digest,
            Phase::Unlocking(_) => return Err(ClaimRefusal::UnlockUnderWay),
            Phase::Consumed { .. } => return Err(ClaimRefusal::Over(Over::Consumed)),
            Phase::Cancelled => return Err(ClaimRefusal::Over(Over::Cancelled)),
            Phase::Expired => return Err(ClaimRefusal::Over(Over::Expired)),
        };
        if self.has_annulled(&session.digest) {
            return Err(ClaimRefusal::SessionAnnulled);
        }
        if session.has_lapsed(moment.now) {
            return Err(ClaimRefusal::SessionLapsed);
        }
        if !again && matches!(self.phase, Phase::Unlocked(_)) {
            return Err(ClaimRefusal::AlreadyUnlocked);
        }
        if !self.deliveries_left() {
            return Err(ClaimRefusal::NoDeliveryLeft);
        }
        Ok(again)
    }

    /// `C`: the keys were uploaded. Consumes the CUN and erases.
    ///
    /// With no id, or with one whose session has lapsed, the CUN alone decides, for any operator of the caller that
    /// unlocked it; but a given id must always be that of the unlocking session. Repeated by that caller: already done.
    /// That an unlock is under way is told to the caller whose it is alone: to others the code is one that was never unlocked.
    pub fn confirm(
        &self,
        origin: &Origin,
        given: Option<GivenSession<'_>>,
        presenter: Presenter<'_>,
        moment: Moment,
    ) -> Step<Result<Effect, ConcludeRefusal>> {
        let (mut life, erase) = self.as_of(origin, moment);
        let refusal = match &life.phase {
            Phase::Unlocked(unlock) => match unlock.answers_to(given, presenter, moment) {
                Ok(()) => {
                    let unlocker = Some(unlock.caller);
                    life.close(Phase::Consumed { unlocker });
                    return self.step_to(life, Erasure::Everything, Ok(Effect::Done));
                }
                Err(refusal) => refusal,
            },
            Phase::Consumed { unlocker } if unlocker.as_ref() == Some(presenter.caller) => {
                return self.step_to(life, erase, Ok(Effect::AlreadyDone));
            }
            phase => phase.refuses_conclusion(presenter.caller),
        };
        self.step_to(life, erase, Err(refusal))
    }

    /// `A`: the keys were not uploaded. Closes the unlocking session and makes the CUN verifiable again.
    ///
    /// Who may: as for [`Life::confirm`]. An id whose unlock was annulled before answers as done and changes nothing,
    /// since it must not annul a colleague's newer unlock; so does a repetition without an id while nobody has claimed
    /// the CUN since.
    pub fn annul(
        &self,
        origin: &Origin,
        given: Option<GivenSession<'_>>,
        presenter: Presenter<'_>,
        moment: Moment,
    ) -> Step<Result<Effect, ConcludeRefusal>> {
        let (mut life, erase) = self.as_of(origin, moment);
        if life.was_annulled_by(given, presenter) {
            return self.step_to(life, erase, Ok(Effect::AlreadyDone));
        }
        let refusal = match &life.phase {
            Phase::Unlocked(unlock) => match unlock.answers_to(given, presenter, moment) {
                Ok(()) => {
                    let unlock = *unlock;
                    let closed = unlock.session;
                    life.annulled.push(unlock);
                    life.phase = Phase::Issued;
                    return self.step_to(life, Erasure::Session(closed), Ok(Effect::Done));
                }
                Err(refusal) => refusal,
            },
            phase => phase.refuses_conclusion(presenter.caller),
        };
        self.step_to(life, erase, Err(refusal))
    }

    fn has_annulled(&self, session: &SessionDigest) -> bool {
        self.annulled
            .iter()
            .any(|unlock| unlock.session == *session)
    }

    /// Whether an annulment asked for by `presenter` was done before.
    fn was_annulled_by(&self, given: Option<GivenSession<'_>>, presenter: Presenter<'_>) -> bool {
        match given {
            Some(given) => self
                .annulled
                .iter()
                .any(|unlock| unlock.session == given.digest && unlock.caller == *presenter.caller),
            None => {
                matches!(self.phase, Phase::Issued)
                    && self
                        .annulled
                        .last()
                        .is_some_and(|unlock| unlock.caller == *presenter.caller)
            }
        }
    }
}

impl Claim {
    /// Whether it is a claim of a session of this caller, or over an unlock of this caller.
    fn concerns(&self, caller: &Caller) -> bool {
        match &self.holder {
            Holder::Session { unlock, .. }
            | Holder::Person {
                before: Some(unlock),
            } => unlock.caller == *caller,
            Holder::Person { before: None } => false,
        }
    }
}

impl Phase {
    /// Why an unlock cannot be confirmed or annulled of a CUN in this phase, which is none of an unlock that this caller may conclude.
    fn refuses_conclusion(&self, caller: &Caller) -> ConcludeRefusal {
        match self {
            Self::Unlocking(claim) if claim.concerns(caller) => ConcludeRefusal::UnlockUnderWay,
            Self::Issued | Self::Unlocking(_) | Self::Unlocked(_) => ConcludeRefusal::NotUnlocked,
            Self::Consumed { .. } => ConcludeRefusal::Over(Over::Consumed),
            Self::Cancelled => ConcludeRefusal::Over(Over::Cancelled),
            Self::Expired => ConcludeRefusal::Over(Over::Expired),
        }
    }
}

impl Unlock {
    /// Whether this unlock is the presenter's to confirm or annul.
    fn answers_to(
        &self,
        given: Option<GivenSession<'_>>,
        presenter: Presenter<'_>,
        moment: Moment,
    ) -> Result<(), ConcludeRefusal> {
        if self.caller != *presenter.caller {
            return Err(ConcludeRefusal::AnotherCaller);
        }
        let Some(given) = given else { return Ok(()) };
        if given.digest != self.session {
            return Err(ConcludeRefusal::AnotherSession);
        }
        match given.entry {
            Some(session) if !session.has_lapsed(moment.now) && !session.belongs_to(presenter) => {
                Err(ConcludeRefusal::SessionNotYours)
            }
            _ => Ok(()),
        }
    }
}
