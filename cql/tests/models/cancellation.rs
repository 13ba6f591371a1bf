//! A cancellation with a key, on three servers: two copies of one message, a third message with other content under the same key, and an unlock
//! that is under way meanwhile. The transitions of the codes' lives are the product's own.
//!
//! A request reads the receipt, and the life of its code. What the life refuses is told. Else it binds the key to its content by a conditional write,
//! changes the life by another, erases, and brings its answer into the receipt by a third. The turn of the write that cancels follows from the key, so
//! that copies send one and the same. What is refused only then, because the life has changed meanwhile, leaves the key bound to its content: copies of
//! it may be under way, of which nobody knows.
//!
//! A conditional write may be carried out at any time after it was sent, or never. A server that dies is a request that does nothing more.
//!
//! A failure is a key under which two contents are done, two answers to one message, a refusal that takes place all the same, an answer before the
//! person is erased, or a copy that is told that somebody else has cancelled the code.

use crate::life::setting::{Setting, at};
use crate::row::Row;
use crate::search::{Model, Property};

mod state;
mod steps;
mod tests;

use sistema_ts_model::{ClaimId, CunState, Effect, Life, Moment, NewClaim, PostOutcome};
use state::{CODES, Goal, Kind, LifeRow, REQUESTS, Receipt, State, Step, Told, What, Write};
use steps::claim_of;

/// What a refusal leaves of a key that is bound to its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    KeepsTheKey,
    FreesTheKey,
    /// Frees it if it was this request that has bound it.
    FreesItsBinding,
}

/// When a request binds the key, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    /// Before it changes the life, if nothing is bound.
    First,
    /// The same, whatever is bound.
    FirstAndPlainly,
    /// With its answer.
    WithTheAnswer,
}

#[derive(Clone, Debug)]
struct Cancellations {
    refusal: Refusal,
    binding: Binding,
    /// Whether the turn of the write that cancels follows from the key, instead of being drawn.
    turn_follows: bool,
    /// Whether a request whose binding was not answered looks what is bound.
    looks_at_unanswered: bool,
    /// Whether an answer is brought into the receipt on the condition that there is none.
    answers_once: bool,
    /// Whether a request that finds the code cancelled erases before it answers.
    erases_again: bool,
    /// Whether the erasure comes before the answer in the receipt.
    erases_first: bool,
    requests: [Kind; REQUESTS],
    /// How many conditional writes may lose their answers.
    losses: u8,
    setting: Setting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Reads its first row from a quorum; whether the quorum is behind.
    Begins(usize, bool),
    LooksAtLife(usize, bool),
    LooksAgain(usize),
    /// A conditional write is carried out; whether its request hears of it.
    CarriedOut(usize, bool),
    GivesUpWaiting(usize),
    /// Goes on after a conditional write without an answer: sends it again, or looks.
    Settles(usize),
    TellsUnknown(usize),
    Erased(usize),
    /// The backend refuses.
    IsRefusedByBackend(usize),
}

/// The turn that follows from the key.
const TURN_OF_KEY: u8 = 100;
/// So many turns a request may draw.
const TURNS: u8 = 10;

impl Model for Cancellations {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let life = || {
            Row::new(LifeRow {
                turn: 0,
                life: Life::new(),
            })
        };
        State {
            receipt: Row::new(None),
            lives: [life(), life()],
            is_erased: [false; CODES],
            requests: [const { Step::Idle }; REQUESTS],
            under_way: Vec::new(),
            contents: 0,
            took_place: 0,
            losses: self.losses,
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (request, step) in state.requests.iter().enumerate() {
            let life = &state.lives[self.code_of(request)];
            match step {
                Step::Idle => match self.requests[request] {
                    Kind::Absent => {}
                    Kind::Unlock => {
                        actions.push(Action::Begins(request, false));
                        actions.extend(
                            life.may_be_behind()
                                .then_some(Action::Begins(request, true)),
                        );
                    }
                    Kind::Cancel { .. } => {
                        actions.push(Action::Begins(request, false));
                        let behind = state.receipt.may_be_behind();
                        actions.extend(behind.then_some(Action::Begins(request, true)));
                    }
                },
                Step::LooksAtLife(_) => {
                    actions.push(Action::LooksAtLife(request, false));
                    let behind = life.may_be_behind();
                    actions.extend(behind.then_some(Action::LooksAtLife(request, true)));
                }
                Step::Waits { .. } if state.losses > 0 && self.cancels(request).is_some() => {
                    actions.push(Action::GivesUpWaiting(request));
                }
                Step::Unanswered { .. } => {
                    actions.push(Action::Settles(request));
                    actions.push(Action::TellsUnknown(request));
                }
                Step::LooksAgain(_) => actions.push(Action::LooksAgain(request)),
                Step::Erases { .. } => actions.push(Action::Erased(request)),
                Step::Posts => actions.push(Action::IsRefusedByBackend(request)),
                Step::Waits { .. } | Step::Told(_) => {}
            }
        }
        for (place, write) in state.under_way.iter().enumerate() {
            actions.push(Action::CarriedOut(place, false));
            let waits = &state.requests[write.request];
            if matches!(waits, Step::Waits { write: own, .. } if own == write) {
                actions.push(Action::CarriedOut(place, true));
            }
        }
    }

    fn after(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Begins(request, is_behind) if self.requests[request] == Kind::Unlock => {
                let row = state.lives[0].shown(is_behind);
                self.look_at_life(&mut state, request, None, row);
            }
            Action::Begins(request, is_behind) => {
                let stored = state.receipt.shown(is_behind);
                state.requests[request] = match self.told_by(stored, request) {
                    Some(told) => Step::Told(told),
                    None => Step::LooksAtLife(stored),
                };
            }
            Action::LooksAtLife(request, is_behind) => {
                if let Step::LooksAtLife(stored) = before.requests[request] {
                    let row = state.lives[self.code_of(request)].shown(is_behind);
                    self.look_at_life(&mut state, request, stored, row);
                }
            }
            Action::LooksAgain(request) => {
                if let Step::LooksAgain(goal) = before.requests[request].clone() {
                    self.look_again(&mut state, request, goal);
                }
            }
            Action::CarriedOut(place, is_heard) => self.carry_out(&mut state, place, is_heard),
            Action::GivesUpWaiting(request) => {
                state.losses -= 1;
                if let Step::Waits { goal, write, .. } = before.requests[request].clone() {
                    state.requests[request] = Step::Unanswered { goal, write };
                }
            }
            Action::Settles(request) => {
                if let Step::Unanswered { goal, write } = before.requests[request].clone() {
                    match goal {
                        Goal::Bind(_) | Goal::BindToAnswer { .. } if self.looks_at_unanswered => {
                            state.requests[request] = Step::LooksAgain(goal);
                        }
                        Goal::Bind(_) | Goal::BindToAnswer { .. } => {
                            self.is_bound(&mut state, request, goal);
                        }
                        goal => self.send(&mut state, request, goal, write.what, true),
                    }
                }
            }
            Action::TellsUnknown(request) => self.tell(&mut state, request, Told::Unknown),
            Action::Erased(request) => {
                state.is_erased[self.code_of(request)] = true;
                if let Step::Erases { by_this_key } = before.requests[request] {
                    self.answer(&mut state, request, by_this_key);
                }
            }
            Action::IsRefusedByBackend(request) => {
                let row = state.lives[0].now().clone();
                let (origin, id) = (&self.setting.origin, claim_of(request));
                let outcome = PostOutcome::NotDelivered;
                let step = row.life.settle(origin, id, outcome, self.moment());
                match step.write {
                    Some(next) => self.change(&mut state, request, &row, next),
                    None => self.tell(&mut state, request, Told::Refused),
                }
            }
        }
        state.under_way.sort_by_key(Write::order);
        state
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let sometimes = |name, holds| Property::sometimes(name, holds);
        vec![
            Property::always(ONE_CONTENT, |_, state: &State| {
                state.contents.count_ones() <= 1
            }),
            Property::always(ONE_ANSWER, |_, state: &State| {
                let is_of = |told| match told {
                    Told::Done { transaction, .. } => {
                        let receipt = state.receipt.now();
                        receipt.and_then(|receipt| receipt.transaction) == Some(transaction)
                    }
                    Told::Refused | Told::Reused | Told::Unknown => true,
                };
                told(state).all(|(_, told)| is_of(told))
            }),
            Property::always(REFUSED_IS_NOTHING, |model, state: &State| {
                told(state).all(|(request, told)| match told {
                    Told::Refused => state.took_place & (1 << request) == 0,
                    Told::Reused => state.contents & (1 << model.content_of(request)) == 0,
                    Told::Done { .. } | Told::Unknown => true,
                })
            }),
            Property::always(DONE_IS_ERASED, |model, state: &State| {
                told(state).all(|(request, told)| {
                    let code = model.code_of(request);
                    let life = &state.lives[code].now().life;
                    let is_done = matches!(told, Told::Done { .. });
                    !is_done || (state.is_erased[code] && life.state() == CunState::Cancelled)
                })
            }),
            Property::always(BY_THIS_KEY, |_, state: &State| {
                let by_another = |told| {
                    matches!(
                        told,
                        Told::Done {
                            by_this_key: false,
                            ..
                        }
                    )
                };
                !told(state).any(|(_, told)| by_another(told))
            }),
            sometimes("a copy is told the answer of the other", |_, state| {
                told(state).any(|(request, told)| {
                    matches!(told, Told::Done { transaction, .. } if transaction != request)
                })
            }),
            sometimes("one copy is refused, and the other done", |model, state| {
                let unlocks = model.requests.contains(&Kind::Unlock);
                let is_copy = |request| model.cancels(request).is_some();
                let is_refused = |(request, told)| is_copy(request) && told == Told::Refused;
                let is_done = |(_, told)| matches!(told, Told::Done { .. });
                !unlocks || (told(state).any(is_refused) && told(state).any(is_done))
            }),
            sometimes("the key is used for other content", |_, state| {
                told(state).any(|(_, told)| told == Told::Reused)
            }),
            sometimes("what became of it is told as unknown", |model, state| {
                model.losses == 0 || told(state).any(|(_, told)| told == Told::Unknown)
            }),
        ]
    }
}

/// What the requests were told that were.
fn told(state: &State) -> impl Iterator<Item = (usize, Told)> + '_ {
    let requests = state.requests.iter().enumerate();
    requests.filter_map(|(request, step)| match step {
        Step::Told(told) => Some((request, *told)),
        _ => None,
    })
}

const ONE_CONTENT: &str = "under one key one content at most is done";
const ONE_ANSWER: &str = "what is answered stands in the receipt, and stays";
const REFUSED_IS_NOTHING: &str = "what was refused has not taken place, and never will";
const DONE_IS_ERASED: &str = "a cancellation that was answered has erased the person";
const BY_THIS_KEY: &str = "no copy is told that the code was cancelled by another";
