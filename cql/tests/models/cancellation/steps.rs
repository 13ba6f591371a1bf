//! What each request does, step by step, and what becomes of a write that it has sent.

use super::*;

impl Cancellations {
    pub(super) fn cancels(&self, request: usize) -> Option<(u8, usize)> {
        match self.requests[request] {
            Kind::Cancel { content, code } => Some((content, code)),
            Kind::Unlock | Kind::Absent => None,
        }
    }

    pub(super) fn code_of(&self, request: usize) -> usize {
        self.cancels(request).map_or(0, |(_, code)| code)
    }

    pub(super) fn content_of(&self, request: usize) -> u8 {
        self.cancels(request).map_or(0, |(content, _)| content)
    }

    pub(super) fn tell(&self, state: &mut State, request: usize, told: Told) {
        state.requests[request] = Step::Told(told);
    }

    pub(super) fn send(
        &self,
        state: &mut State,
        request: usize,
        goal: Goal,
        what: What,
        is_unknown: bool,
    ) {
        let write = Write { request, what };
        state.under_way.push(write.clone());
        state.requests[request] = Step::Waits {
            goal,
            write,
            is_unknown,
        };
    }

    /// What a receipt means to a request; none if nothing stands against it, bound or not.
    pub(super) fn told_by(&self, receipt: Option<Receipt>, request: usize) -> Option<Told> {
        let receipt = receipt?;
        if receipt.content != self.content_of(request) {
            return Some(Told::Reused);
        }
        receipt.transaction.map(|transaction| Told::Done {
            transaction,
            by_this_key: true,
        })
    }

    /// Decides on a life that was looked at for the first time.
    pub(super) fn look_at_life(
        &self,
        state: &mut State,
        request: usize,
        stored: Option<Receipt>,
        row: LifeRow,
    ) {
        if self.requests[request] == Kind::Unlock {
            let step = self.claim(&row.life, request);
            match step {
                Some(next) => self.change(state, request, &row, next),
                None => self.tell(state, request, Told::Refused),
            }
            return;
        }
        let moment = self.moment();
        let origin = &self.setting.origin;
        if row
            .life
            .cancel(origin, &origin.submitter, moment)
            .answer
            .is_err()
        {
            // What is refused binds no key.
            self.tell(state, request, Told::Refused);
        } else if stored.is_some() || self.binding == Binding::WithTheAnswer {
            self.end_life(state, request, row);
        } else {
            self.bind(state, request, Goal::Bind(row));
        }
    }

    pub(super) fn bind(&self, state: &mut State, request: usize, goal: Goal) {
        let content = self.content_of(request);
        self.send(state, request, goal, What::Begin { content }, false);
    }

    /// The key is bound to this content.
    pub(super) fn is_bound(&self, state: &mut State, request: usize, goal: Goal) {
        match goal {
            Goal::Bind(row) => self.end_life(state, request, row),
            Goal::BindToAnswer { by_this_key } => self.answer(state, request, by_this_key),
            Goal::Change | Goal::Answer { .. } | Goal::Forget => unreachable!("no binding"),
        }
    }

    pub(super) fn end_life(&self, state: &mut State, request: usize, row: LifeRow) {
        let origin = &self.setting.origin;
        let step = row.life.cancel(origin, &origin.submitter, self.moment());
        match (step.answer, step.write) {
            (Ok(_), Some(next)) => self.change(state, request, &row, next),
            (Ok(effect), None) => {
                let is_own = self.turn_follows && row.turn == TURN_OF_KEY;
                let by_this_key = is_own || effect == Effect::Done;
                if self.erases_again && self.erases_first {
                    state.requests[request] = Step::Erases { by_this_key };
                } else {
                    self.answer(state, request, by_this_key);
                }
            }
            (Err(_), _) if self.refusal != Refusal::KeepsTheKey => {
                let content = self.content_of(request);
                let what = What::Forget { content };
                self.send(state, request, Goal::Forget, what, false);
            }
            (Err(_), _) => self.tell(state, request, Told::Refused),
        }
    }

    pub(super) fn change(&self, state: &mut State, request: usize, row: &LifeRow, life: Life) {
        let follows = self.turn_follows && self.cancels(request).is_some();
        let turn = if follows {
            TURN_OF_KEY
        } else {
            // One that no other request draws, and this one for no other row.
            u8::try_from(request + 1).unwrap() * TURNS + row.turn % TURNS + 1
        };
        let next = LifeRow { turn, life };
        let what = What::Change {
            code: self.code_of(request),
            seen: row.turn,
            next,
        };
        self.send(state, request, Goal::Change, what, false);
    }

    pub(super) fn answer(&self, state: &mut State, request: usize, by_this_key: bool) {
        let content = self.content_of(request);
        let goal = Goal::Answer { by_this_key };
        self.send(state, request, goal, What::End { content }, false);
    }

    /// Its answer is in the receipt, or cannot be.
    pub(super) fn is_answered(&self, state: &mut State, request: usize, by_this_key: bool) {
        self.tell(
            state,
            request,
            Told::Done {
                transaction: request,
                by_this_key,
            },
        );
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            now: at(1),
            clock_error_millis: 500,
        }
    }

    pub(super) fn claim(&self, life: &Life, request: usize) -> Option<Life> {
        let moment = self.moment();
        let claim = NewClaim {
            id: claim_of(request),
            deadline: moment.now.plus_millis(10_000),
        };
        let session = &self.setting.sessions[0];
        let presenter = self.setting.presenter();
        let step = life.claim(&self.setting.origin, session, presenter, claim, moment);
        step.write.filter(|_| step.answer.is_ok())
    }

    /// Carries out a write, whose request may hear of it.
    pub(super) fn carry_out(&self, state: &mut State, place: usize, is_heard: bool) {
        let write = state.under_way.remove(place);
        let receipt = *state.receipt.now();
        let is_pending = |content: u8| {
            receipt.is_some_and(|it| it.content == content && it.transaction.is_none())
        };
        // Whether it was carried out, or else whether the row shows that it was before.
        let (applies, is_own) = match &write.what {
            What::Begin { content } => {
                let applies = receipt.is_none() || self.binding == Binding::FirstAndPlainly;
                let is_noted = self.refusal == Refusal::FreesItsBinding;
                let bound = Receipt {
                    content: *content,
                    by: is_noted.then_some(write.request),
                    transaction: None,
                };
                state
                    .receipt
                    .carry_out(applies.then_some(Some(bound)), is_heard);
                (applies, false)
            }
            What::End { content } => {
                let is_same = receipt.is_some_and(|it| it.content == *content);
                let binds = receipt.is_none() && self.binding == Binding::WithTheAnswer;
                let applies = binds || is_pending(*content) || (is_same && !self.answers_once);
                let answered = Receipt {
                    content: *content,
                    by: None,
                    transaction: Some(write.request),
                };
                state
                    .receipt
                    .carry_out(applies.then_some(Some(answered)), is_heard);
                let is_own = receipt.is_some_and(|it| it.transaction == Some(write.request));
                (applies, is_own)
            }
            What::Forget { content } => {
                let is_its = self.refusal == Refusal::FreesTheKey
                    || receipt.is_some_and(|it| it.by == Some(write.request));
                let applies = is_pending(*content) && is_its;
                state.receipt.carry_out(applies.then_some(None), is_heard);
                // Whatever it has found, nothing more is done.
                (applies, true)
            }
            What::Change { code, seen, next } => {
                let row = state.lives[*code].now().clone();
                let applies = row.turn == *seen;
                state.lives[*code].carry_out(applies.then(|| next.clone()), is_heard);
                if applies && next.life.state() == CunState::Cancelled {
                    state.contents |= 1 << self.content_of(write.request);
                    state.took_place |= 1 << write.request;
                }
                (applies, row.turn == next.turn)
            }
        };
        if is_heard {
            self.hear(state, write.request, applies || is_own);
        }
    }

    /// A request hears whether its write has taken place.
    pub(super) fn hear(&self, state: &mut State, request: usize, has_taken_place: bool) {
        let Step::Waits {
            goal,
            write,
            is_unknown,
        } = state.requests[request].clone()
        else {
            return;
        };
        match (goal, has_taken_place) {
            (goal @ (Goal::Bind(_) | Goal::BindToAnswer { .. }), true) => {
                self.is_bound(state, request, goal);
            }
            (Goal::Change, true) => self.has_changed(state, request, &write.what),
            (Goal::Answer { by_this_key }, true) => {
                self.is_answered(state, request, by_this_key);
            }
            (Goal::Forget, _) => self.tell(state, request, Told::Refused),
            // The row has moved on from what the copy before was to change: what became of that is not known.
            (Goal::Change, false) if is_unknown => self.tell(state, request, Told::Unknown),
            (goal, false) => state.requests[request] = Step::LooksAgain(goal),
        }
    }

    pub(super) fn has_changed(&self, state: &mut State, request: usize, what: &What) {
        let What::Change { next, .. } = what else {
            unreachable!("a change of a life");
        };
        state.requests[request] = match (self.requests[request], next.life.state()) {
            (Kind::Unlock, CunState::Unlocking) => Step::Posts,
            (Kind::Unlock, _) => Step::Told(Told::Refused),
            _ if self.erases_first => Step::Erases { by_this_key: true },
            _ => {
                self.answer(state, request, true);
                return;
            }
        };
    }

    /// Reads the row serially that a write has found other than was read.
    pub(super) fn look_again(&self, state: &mut State, request: usize, goal: Goal) {
        match goal {
            Goal::Bind(_) | Goal::BindToAnswer { .. } => {
                let receipt = state.receipt.shown_serially();
                match (self.told_by(receipt, request), &goal) {
                    // The code is cancelled: that stays so, whatever the key is bound to.
                    (Some(Told::Reused), Goal::BindToAnswer { by_this_key }) => {
                        self.is_answered(state, request, *by_this_key);
                    }
                    (Some(told), _) => self.tell(state, request, told),
                    (None, _) if receipt.is_some() => self.is_bound(state, request, goal),
                    (None, _) => self.bind(state, request, goal),
                }
            }
            Goal::Change => {
                let row = state.lives[self.code_of(request)].shown_serially();
                match self.requests[request] {
                    Kind::Unlock => self.tell(state, request, Told::Unknown),
                    _ => self.end_life(state, request, row),
                }
            }
            Goal::Answer { by_this_key } => {
                let receipt = state.receipt.shown_serially();
                match self.told_by(receipt, request) {
                    Some(Told::Reused) => self.is_answered(state, request, by_this_key),
                    Some(told) => self.tell(state, request, told),
                    None if receipt.is_some() => self.answer(state, request, by_this_key),
                    None => self.bind(state, request, Goal::BindToAnswer { by_this_key }),
                }
            }
            Goal::Forget => self.tell(state, request, Told::Refused),
        }
    }
}

/// The number of a request's claim.
pub(super) fn claim_of(request: usize) -> ClaimId {
    ClaimId(u64::try_from(request).unwrap())
}
