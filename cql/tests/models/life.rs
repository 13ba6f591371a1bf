//! The life of one code on two servers: two sessions that unlock it, and a confirmation that is sent twice. The transitions are the product's own.
//!
//! Each transition reads the row, decides, and writes the next life on the condition that the row's *turn* is still the one that was read. The turn is
//! a random number that every write draws anew. A conditional write may be carried out at any time after it was sent, also when its client has long
//! given up, since a node that was frozen takes it up when it wakes. So an outcome that is unknown is settled by the same write, sent once more: of the
//! two one at most takes place. If the row shows the write's own turn, it has taken place; if it shows neither that nor the turn that was read, what
//! became of the write is not known, and is told as that. That a turn is *not* seen settles nothing.
//!
//! A failure is a code that two sessions deliver for, a refusal whose write takes place all the same, an answered request whose write takes place
//! later, or a confirmation that is answered before the person is erased.

use crate::search::{Model, Property};

use setting::{Setting, at};
pub mod setting;
mod tests;

use sistema_ts_model::{ClaimId, CunState, Life, Moment, NewClaim, PostOutcome};

const REQUESTS: usize = 4;

/// What a conditional write asks of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// That its turn is the one that was read.
    TheTurn,
    /// That its bytes are the ones that were read.
    TheBytes,
    /// Nothing.
    Nothing,
}

/// What a request does about a conditional write without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settles {
    /// Sends the same write again.
    TheSameWrite,
    /// Leaves it to its driver, which sends the same write again and says nothing of it.
    ItsDriver,
    /// Reads the row serially, and takes its absence there for the end of it.
    SerialRead,
    /// Reads the row from a quorum, and takes its absence there for the end of it.
    PlainRead,
}

#[derive(Clone, Debug)]
struct Lives {
    condition: Condition,
    settles: Settles,
    /// Whether a request knows its own turn in the row that a refused write gives back.
    knows_its_turn: bool,
    /// Whether a confirmation that was done before erases before it answers.
    erases_again: bool,
    /// What the requests are.
    requests: [Kind; REQUESTS],
    /// How many conditional writes may lose their answers.
    losses: u8,
    setting: Setting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Unlocks for the session: claims, posts, settles.
    Unlock(usize),
    Confirm,
    /// Never begins.
    Absent,
}

/// The row as every conditional write sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    turn: u8,
    life: Life,
}

/// A conditional write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Write {
    request: usize,
    turn: u8,
    read: Row,
    next: Life,
}

/// What a request was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Done,
    /// Refused, or nothing was done.
    Refused,
    Unknown,
}

/// What a request wants of the row now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Goal {
    Claim,
    Settle(Delivery),
    Confirm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Delivery {
    Delivered,
    NotDelivered,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Idle,
    /// Has sent a conditional write; `is_unknown`: once already, and was not answered.
    Waits {
        goal: Goal,
        write: Write,
        is_unknown: bool,
    },
    /// Was not answered.
    Settles {
        goal: Goal,
        write: Write,
    },
    /// Its claim is durable.
    Posts,
    /// Its confirmation is durable.
    Erases,
    Told(Told),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    row: Row,
    /// The row before, which a quorum may still show; none if the last write has been answered.
    before: Option<Row>,
    requests: [Step; REQUESTS],
    /// Conditional writes that were sent and not yet carried out.
    under_way: Vec<Write>,
    /// Turns that have taken place, a bit each.
    took_place: u64,
    /// Whether one of them did although its request had been told what became of it.
    is_too_late: bool,
    /// Turns that each request has drawn.
    drawn: [u8; REQUESTS],
    /// Sessions that have delivered, a bit each.
    delivered: u8,
    /// Whether the claims' deadline and the permitted clock error have passed.
    is_late: bool,
    is_erased: bool,
    /// How many more conditional writes may lose their answers.
    losses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// Reads the row from a quorum, and decides; whether the quorum is behind.
    Begins(usize, bool),
    /// A conditional write is carried out; whether its request hears of it.
    CarriedOut(usize, bool),
    GivesUpWaiting(usize),
    /// Whether a read, where it is a plain one, is of a quorum that is behind.
    Settles(usize, bool),
    TellsUnknown(usize),
    Posts(usize, Delivery),
    DeadlinePasses,
    Erased(usize),
}

/// How many turns a request may draw.
const TURNS: u8 = 3;
/// How long a claim may hold the code, and by how much clocks may differ, in milliseconds.
const RELAY: i64 = 10_000;
const CLOCK_ERROR: i64 = 500;

/// The number of a request's claim.
fn claim_of(request: usize) -> ClaimId {
    ClaimId(u64::try_from(request).unwrap())
}

impl Lives {
    /// What the product decides on this row: the life to write, and whether the request is granted.
    fn decide(&self, request: usize, goal: Goal, row: &Row, is_late: bool) -> (Option<Life>, bool) {
        let setting = &self.setting;
        let moment = Moment {
            now: at(if is_late { RELAY + CLOCK_ERROR + 2 } else { 1 }),
            clock_error_millis: CLOCK_ERROR,
        };
        let (origin, presenter) = (&setting.origin, setting.presenter());
        match (goal, self.requests[request]) {
            (Goal::Claim, Kind::Unlock(session)) => {
                let claim = NewClaim {
                    id: claim_of(request),
                    deadline: moment.now.plus_millis(RELAY),
                };
                let session = &setting.sessions[session];
                let step = row.life.claim(origin, session, presenter, claim, moment);
                (step.write, step.answer.is_ok())
            }
            (Goal::Settle(delivery), _) => {
                let outcome = match delivery {
                    Delivery::Delivered => PostOutcome::Delivered,
                    Delivery::NotDelivered => PostOutcome::NotDelivered,
                };
                let id = claim_of(request);
                let step = row.life.settle(origin, id, outcome, moment);
                (step.write, true)
            }
            _ => {
                let step = row.life.confirm(origin, None, presenter, moment);
                (step.write, step.answer.is_ok())
            }
        }
    }

    /// Decides on a row, and sends what comes of it.
    fn go_on(&self, state: &mut State, request: usize, goal: Goal, row: Row, is_unknown: bool) {
        let (write, is_granted) = self.decide(request, goal, &row, state.is_late);
        match write {
            Some(next) if state.drawn[request] < TURNS => {
                state.drawn[request] += 1;
                let turn = u8::try_from(request).unwrap() * TURNS + state.drawn[request];
                let write = Write {
                    request,
                    turn,
                    read: row,
                    next,
                };
                state.under_way.push(write.clone());
                state.requests[request] = Step::Waits {
                    goal,
                    write,
                    is_unknown,
                };
            }
            Some(_) => self.tell(state, request, Told::Unknown),
            None if is_granted => self.is_done(state, request, goal, false),
            None if is_unknown => self.tell(state, request, Told::Unknown),
            None => self.tell(state, request, Told::Refused),
        }
    }

    /// What was asked stands in the row, by this request's write or by one before it.
    fn is_done(&self, state: &mut State, request: usize, goal: Goal, by_this: bool) {
        match goal {
            Goal::Claim => state.requests[request] = Step::Posts,
            Goal::Settle(_) => self.tell(state, request, Told::Done),
            Goal::Confirm if by_this || self.erases_again => {
                state.requests[request] = Step::Erases;
            }
            Goal::Confirm => self.tell(state, request, Told::Done),
        }
    }

    fn tell(&self, state: &mut State, request: usize, told: Told) {
        state.requests[request] = Step::Told(told);
    }

    fn carry_out(&self, state: &mut State, place: usize, is_heard: bool) {
        let write = state.under_way.remove(place);
        let applies = match self.condition {
            Condition::TheTurn => write.read.turn == state.row.turn,
            Condition::TheBytes => write.read.life == state.row.life,
            Condition::Nothing => true,
        };
        // Paxos completes the write before, on a quorum, before it begins the next.
        state.before = None;
        let row = state.row.clone();
        if applies {
            let told = &state.requests[write.request];
            state.is_too_late |= matches!(told, Step::Told(Told::Done | Told::Refused));
            state.took_place |= 1 << write.turn;
            state.row = Row {
                turn: write.turn,
                life: write.next.clone(),
            };
            state.before = (!is_heard).then_some(row.clone());
        }
        if !is_heard {
            return;
        }
        let Step::Waits {
            goal, is_unknown, ..
        } = state.requests[write.request].clone()
        else {
            return;
        };
        let is_own = self.knows_its_turn && row.turn == write.turn;
        if applies || is_own {
            self.is_done(state, write.request, goal, true);
        } else {
            self.go_on(state, write.request, goal, row, is_unknown);
        }
    }

    /// After a write without an answer.
    fn settle(&self, state: &mut State, request: usize, goal: Goal, write: Write, is_behind: bool) {
        if matches!(self.settles, Settles::TheSameWrite | Settles::ItsDriver) {
            state.under_way.push(write.clone());
            state.requests[request] = Step::Waits {
                goal,
                write,
                is_unknown: self.settles == Settles::TheSameWrite,
            };
            return;
        }
        let row = if is_behind {
            state.before.clone().unwrap()
        } else {
            state.row.clone()
        };
        if row.turn == write.turn {
            self.is_done(state, request, goal, true);
        } else {
            self.tell(state, request, Told::Refused);
        }
    }
}

/// Which of a request's own writes have taken place, a bit each.
fn own_turns(state: &State, request: usize) -> u8 {
    let first = u8::try_from(request).unwrap() * TURNS + 1;
    let mask = (1 << TURNS) - 1;
    u8::try_from(state.took_place >> first & mask).unwrap()
}

impl Model for Lives {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        State {
            row: Row {
                turn: 0,
                life: Life::new(),
            },
            before: None,
            requests: [const { Step::Idle }; REQUESTS],
            under_way: Vec::new(),
            took_place: 0,
            is_too_late: false,
            drawn: [0; REQUESTS],
            delivered: 0,
            is_late: false,
            is_erased: false,
            losses: self.losses,
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let mut behind = vec![false];
        if state.before.is_some() {
            behind.push(true);
        }
        for (request, step) in state.requests.iter().enumerate() {
            match step {
                Step::Idle if self.requests[request] != Kind::Absent => {
                    let begins = behind.iter().map(|behind| Action::Begins(request, *behind));
                    actions.extend(begins);
                }
                Step::Waits { .. } if state.losses > 0 => {
                    actions.push(Action::GivesUpWaiting(request));
                }
                Step::Settles { .. } => {
                    actions.push(Action::Settles(request, false));
                    if self.settles == Settles::PlainRead && state.before.is_some() {
                        actions.push(Action::Settles(request, true));
                    }
                    actions.push(Action::TellsUnknown(request));
                }
                Step::Posts => {
                    actions.push(Action::Posts(request, Delivery::NotDelivered));
                    if !state.is_late {
                        actions.push(Action::Posts(request, Delivery::Delivered));
                    }
                }
                Step::Erases => actions.push(Action::Erased(request)),
                Step::Idle | Step::Waits { .. } | Step::Told(_) => {}
            }
        }
        for (place, write) in state.under_way.iter().enumerate() {
            actions.push(Action::CarriedOut(place, false));
            let waits = &state.requests[write.request];
            if matches!(waits, Step::Waits { write: own, .. } if own.turn == write.turn) {
                actions.push(Action::CarriedOut(place, true));
            }
        }
        if !state.is_late {
            actions.push(Action::DeadlinePasses);
        }
    }

    fn after(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Begins(request, is_behind) => {
                let goal = match self.requests[request] {
                    Kind::Unlock(_) => Goal::Claim,
                    Kind::Confirm | Kind::Absent => Goal::Confirm,
                };
                let row = if is_behind {
                    state.before.clone().unwrap()
                } else {
                    state.row.clone()
                };
                self.go_on(&mut state, request, goal, row, false);
            }
            Action::CarriedOut(place, is_heard) => self.carry_out(&mut state, place, is_heard),
            Action::GivesUpWaiting(request) => {
                state.losses -= 1;
                if let Step::Waits { goal, write, .. } = &before.requests[request] {
                    state.requests[request] = Step::Settles {
                        goal: *goal,
                        write: write.clone(),
                    };
                }
            }
            Action::Settles(request, is_behind) => {
                if let Step::Settles { goal, write } = &before.requests[request] {
                    self.settle(&mut state, request, *goal, write.clone(), is_behind);
                }
            }
            Action::TellsUnknown(request) => self.tell(&mut state, request, Told::Unknown),
            Action::Posts(request, delivery) => {
                if let (Delivery::Delivered, Kind::Unlock(session)) =
                    (delivery, self.requests[request])
                {
                    state.delivered |= 1 << session;
                }
                let row = state.row.clone();
                self.go_on(&mut state, request, Goal::Settle(delivery), row, false);
            }
            Action::DeadlinePasses => state.is_late = true,
            Action::Erased(request) => {
                state.is_erased = true;
                self.tell(&mut state, request, Told::Done);
            }
        }
        state.under_way.sort_by_key(|write| write.turn);
        state
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_DELIVERS, |_, state: &State| {
                state.delivered.count_ones() <= 1
            }),
            Property::always(REFUSED_IS_NOTHING, |_, state: &State| {
                let refused = |step: &Step| matches!(step, Step::Told(Told::Refused));
                (0..REQUESTS).all(|request| {
                    !refused(&state.requests[request]) || own_turns(state, request) == 0
                })
            }),
            Property::always(NOTHING_LATER, |_, state: &State| !state.is_too_late),
            Property::always(CONFIRMED_IS_ERASED, |model, state: &State| {
                let confirmed = |(kind, step): (&Kind, &Step)| {
                    *kind == Kind::Confirm && matches!(step, Step::Told(Told::Done))
                };
                !model.requests.iter().zip(&state.requests).any(confirmed)
                    || (state.is_erased && state.row.life.state() == CunState::Consumed)
            }),
            Property::sometimes("a code is unlocked and confirmed", |_, state: &State| {
                state.is_erased && state.delivered != 0
            }),
            Property::sometimes(
                "what became of a write is told as unknown",
                |_, state: &State| {
                    let unknown = |step: &Step| matches!(step, Step::Told(Told::Unknown));
                    state.requests.iter().any(unknown)
                },
            ),
        ]
    }
}

const ONE_DELIVERS: &str = "one session at most delivers";
const REFUSED_IS_NOTHING: &str = "what was refused has not taken place, and never will";
const NOTHING_LATER: &str = "nothing takes place after an answer that is no \"unknown\"";
const CONFIRMED_IS_ERASED: &str = "a confirmation that was answered has erased the person";
