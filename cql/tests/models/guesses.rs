//! Guesses about one code through one caller, on several servers. What is decided on counts that were read is the product's own.
//!
//! A guess is counted in the caller's partition and then in the code's, each time by one conditional write, which changes the partition's own count and
//! that of the operator's row. Its condition is the partition's turn and the row, both as they were read. What the code's partition refuses is taken off
//! the caller's again. Then the guess is looked at: one that fails has nothing more to write, one that succeeds is taken off both. A write without an
//! answer is sent once more; if the row has moved on from it then, what became of it is not known, and the guess is not looked at.
//!
//! A failure is a failure that was told and is not counted, more guesses looked at than a budget allows, or a guess that counts twice, or still after it
//! was told that it does not.

use crate::counting::{Of, Windows};
use crate::row::Row;
use crate::search::{Model, Property};

mod state;
mod tests;

use sistema_ts_store::{CodeTries, GuessBudgets};
use state::{
    CALLER, CODE, End, Goal, Kind, OPERATORS, PARTITIONS, Partition, REQUESTS, Request, Shared,
    State, Step, Told, View, Write,
};

/// What a conditional write asks of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// That its turn and the operator's row are those that were read.
    TurnAndRow,
    /// That its turn is.
    Turn,
    /// That the row is.
    Row,
}

/// What a request does about a conditional write without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settles {
    /// Sends the same write again.
    TheSameWrite,
    /// Reads again, and sends what it decides then, with a turn of its own.
    AnotherWrite,
    /// Goes on.
    NoMore,
}

#[derive(Clone, Debug)]
struct Guesses {
    condition: Condition,
    settles: Settles,
    /// Whether a guess is looked at only once its count was answered.
    waits: bool,
    /// Whether what was taken off is compared with the window that was raised.
    compares_windows: bool,
    /// Whether it is compared with how often the code was forgiven.
    compares_forgiven: bool,
    /// Whether what the code's partition refuses is taken off the caller's.
    takes_off_refused: bool,
    budgets: GuessBudgets,
    requests: [Kind; REQUESTS],
    /// Whether an hour may pass.
    passes_time: bool,
    /// How many conditional writes may lose their answers.
    losses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Reads(usize, View),
    /// A conditional write is carried out; whether its request hears of it.
    CarriedOut(usize, bool),
    GivesUpWaiting(usize),
    Settles(usize),
    TellsUnknown(usize),
    Fails(usize),
    Succeeds(usize),
    AnHourPasses,
}

/// How many turns a request may draw.
const TURNS: i64 = 5;

impl Guesses {
    fn operator(&self, request: usize) -> usize {
        match self.requests[request] {
            Kind::Guess(operator) => operator,
            Kind::Forgive | Kind::Absent => 0,
        }
    }

    /// Decides on what was read, and sends what comes of it.
    fn read(&self, state: &mut State, request: usize, goal: Goal, seen: &Partition) {
        let partition = match goal {
            Goal::Count(partition) | Goal::TakeOff(partition, _) => partition,
            Goal::Forgive => CODE,
        };
        let of = PARTITIONS[partition];
        let operator = self.operator(request);
        let seen = seen.seen(operator);
        let current = seen.as_of(of, state.now());
        let mut raised = None;
        let next = match goal {
            Goal::Count(_) => match current.count(of, self.budgets) {
                Ok(counting) => {
                    assert!(counting.row_left < of.row().budget(self.budgets));
                    raised = Some((counting.raised, counting.tries != CodeTries::None));
                    counting.next
                }
                Err(_) if partition == CODE && self.takes_off_refused => {
                    self.want(state, request, Goal::TakeOff(CALLER, End::Exhausted));
                    return;
                }
                Err(_) => {
                    state.requests[request].may_count = [false; 2];
                    self.tell(state, request, Told::Exhausted);
                    return;
                }
            },
            Goal::TakeOff(_, end) => {
                let mut raised = state.requests[request].raised[partition].unwrap();
                if !self.compares_windows {
                    raised.total = raised.total.map(|_| current.total.window_started);
                    raised.row = current.row.window_started;
                }
                if !self.compares_forgiven {
                    raised.after_forgiven = current.epoch();
                }
                match current.take_off(&raised) {
                    Some(next) => next,
                    None => {
                        self.is_taken_off(state, request, partition, end);
                        return;
                    }
                }
            }
            Goal::Forgive => match current.forgive() {
                Ok((forgiven, _)) => {
                    let mut next = current;
                    next.forgiven = forgiven;
                    next.total.failures = 0;
                    next.total.window_started = state.now();
                    next
                }
                Err(_) => {
                    self.tell(state, request, Told::NothingForgiven);
                    return;
                }
            },
        };
        let sender = &mut state.requests[request];
        if sender.drawn == TURNS {
            self.tell(state, request, Told::Unknown);
            return;
        }
        sender.drawn += 1;
        let turn = i64::try_from(request).unwrap() * TURNS + sender.drawn;
        let is_of_row = goal != Goal::Forgive;
        let write = Write {
            request,
            partition,
            seen_turn: seen.turn,
            seen_row: seen.row.filter(|_| is_of_row),
            shared: Shared::of(&next, turn),
            row: is_of_row.then(|| (operator, Some((next.row, next.epoch())))),
        };
        if raised.is_some() {
            sender.may_count[partition] = true;
        }
        self.send(state, request, goal, write, raised, false);
        if raised.is_some() && !self.waits {
            self.has_written(state, request, goal, raised);
        }
    }

    fn send(
        &self,
        state: &mut State,
        request: usize,
        goal: Goal,
        write: Write,
        raised: Option<(Windows, bool)>,
        is_unknown: bool,
    ) {
        state.under_way.push(write);
        state.requests[request].step = Step::Waits {
            goal,
            write,
            raised,
            is_unknown,
        };
    }

    fn want(&self, state: &mut State, request: usize, goal: Goal) {
        state.requests[request].step = Step::Reads(goal);
    }

    fn tell(&self, state: &mut State, request: usize, told: Told) {
        state.requests[request].step = Step::Told(told);
    }

    /// A write of a request has taken place, as far as it knows.
    fn has_written(
        &self,
        state: &mut State,
        request: usize,
        goal: Goal,
        raised: Option<(Windows, bool)>,
    ) {
        match goal {
            Goal::Count(partition) => {
                let sender = &mut state.requests[request];
                let (windows, may_succeed) = raised.unwrap();
                sender.raised[partition] = Some(windows);
                if partition == CALLER {
                    self.want(state, request, Goal::Count(CODE));
                } else {
                    sender.may_succeed = may_succeed;
                    sender.step = Step::Looks;
                }
            }
            Goal::TakeOff(partition, end) => self.is_taken_off(state, request, partition, end),
            Goal::Forgive => self.tell(state, request, Told::Forgiven),
        }
    }

    fn is_taken_off(&self, state: &mut State, request: usize, partition: usize, end: End) {
        state.requests[request].may_count[partition] = false;
        match end {
            End::Exhausted => self.tell(state, request, Told::Exhausted),
            End::Succeeded if partition == CALLER => {
                self.want(state, request, Goal::TakeOff(CODE, end));
            }
            End::Succeeded => self.tell(state, request, Told::Succeeded),
        }
    }

    fn carry_out(&self, state: &mut State, place: usize, is_heard: bool) {
        let write = state.under_way.remove(place);
        let partition = &mut state.partitions[write.partition];
        let now = partition.now().clone();
        let is_turn = write.seen_turn == now.shared.turn;
        let is_row = write.row.is_none_or(|(operator, _)| {
            now.rows[operator].map(|(counter, _)| counter) == write.seen_row
        });
        let applies = match self.condition {
            Condition::TurnAndRow => is_turn && is_row,
            Condition::Turn => is_turn,
            Condition::Row => is_row,
        };
        partition.carry_out(applies.then(|| now.after(&write)), is_heard);
        let Step::Waits {
            goal,
            write: own,
            raised,
            is_unknown,
        } = state.requests[write.request].step
        else {
            return;
        };
        if !is_heard || own != write {
            return;
        }
        if applies || now.shared.turn == write.shared.turn {
            self.has_written(state, write.request, goal, raised);
        } else if is_unknown {
            self.tell(state, write.request, Told::Unknown);
        } else {
            // It was sent once, and never takes place.
            if let Goal::Count(partition) = goal {
                state.requests[write.request].may_count[partition] = false;
            }
            self.want(state, write.request, goal);
        }
    }

    /// Goes on after a write without an answer.
    fn settle(&self, state: &mut State, request: usize) {
        let Step::Unanswered {
            goal,
            write,
            raised,
        } = state.requests[request].step
        else {
            return;
        };
        match self.settles {
            Settles::TheSameWrite => self.send(state, request, goal, write, raised, true),
            Settles::AnotherWrite => self.want(state, request, goal),
            Settles::NoMore => self.has_written(state, request, goal, raised),
        }
    }

    /// Goes through all counts: of which partition, the count, the guesses that it must have, and those that it may.
    fn all_counts(&self, state: &State, judge: impl Fn(Of, bool, u32, u32, u32) -> bool) -> bool {
        (0..2).all(|partition| {
            let of = PARTITIONS[partition];
            let now = state.partitions[partition].now();
            (0..OPERATORS).all(|operator| {
                let current = now.seen(operator).as_of(of, state.now());
                let requests = || state.requests.iter().enumerate();
                let is_its = |request: usize| self.requests[request] == Kind::Guess(operator);
                let is_guess = |request: usize| matches!(self.requests[request], Kind::Guess(_));
                // Looked at, without a success, and neither over with its window nor forgiven.
                let must = |sender: &Request, is_row: bool| {
                    let is_looked_at =
                        matches!(sender.step, Step::Looks | Step::Told(Told::Failed));
                    let Some(raised) = sender.raised[partition].filter(|_| is_looked_at) else {
                        return false;
                    };
                    let is_of_window = if is_row {
                        raised.row == current.row.window_started
                    } else {
                        raised.total == Some(current.total.window_started)
                    };
                    is_of_window && raised.after_forgiven == current.epoch()
                };
                let count = |wanted: &dyn Fn(usize, &Request) -> bool| {
                    let wanted = requests().filter(|(request, sender)| wanted(*request, sender));
                    u32::try_from(wanted.count()).unwrap()
                };
                let row = (
                    count(&|request, sender| is_its(request) && must(sender, true)),
                    count(&|request, sender| is_its(request) && sender.may_count[partition]),
                );
                let total = (
                    count(&|request, sender| is_guess(request) && must(sender, false)),
                    count(&|request, sender| is_guess(request) && sender.may_count[partition]),
                );
                judge(of, true, current.row.failures, row.0, row.1)
                    && judge(of, false, current.total.failures, total.0, total.1)
            })
        })
    }
}

impl Model for Guesses {
    type State = State;
    type Action = Action;

    fn start(&self) -> State {
        let request = |kind| Request {
            step: match kind {
                Kind::Guess(_) => Step::Reads(Goal::Count(CALLER)),
                Kind::Forgive => Step::Reads(Goal::Forgive),
                Kind::Absent => Step::Never,
            },
            raised: [None; 2],
            may_count: [false; 2],
            may_succeed: false,
            drawn: 0,
        };
        State {
            partitions: std::array::from_fn(|_| Row::new(Partition::default())),
            requests: self.requests.map(request),
            under_way: Vec::new(),
            is_late: false,
            losses: self.losses,
        }
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (request, sender) in state.requests.iter().enumerate() {
            match sender.step {
                Step::Reads(goal) => {
                    actions.push(Action::Reads(request, View::UpToDate));
                    let partition = match goal {
                        Goal::Count(partition) | Goal::TakeOff(partition, _) => partition,
                        Goal::Forgive => CODE,
                    };
                    if state.partitions[partition].may_be_behind() {
                        let behind = [View::Behind, View::RowsBehind, View::SharedBehind];
                        actions.extend(behind.map(|view| Action::Reads(request, view)));
                    }
                }
                Step::Waits { .. } if state.losses > 0 => {
                    actions.push(Action::GivesUpWaiting(request));
                }
                Step::Unanswered { .. } => {
                    actions.push(Action::Settles(request));
                    actions.push(Action::TellsUnknown(request));
                }
                Step::Looks => {
                    actions.push(Action::Fails(request));
                    actions.extend(sender.may_succeed.then_some(Action::Succeeds(request)));
                }
                Step::Never | Step::Waits { .. } | Step::Told(_) => {}
            }
        }
        for (place, write) in state.under_way.iter().enumerate() {
            // Whose sender has given up waiting is heard by nobody.
            let waits = &state.requests[write.request].step;
            let is_heard = matches!(waits, Step::Waits { write: own, .. } if own == write);
            actions.push(Action::CarriedOut(place, is_heard));
        }
        if self.passes_time && !state.is_late {
            actions.push(Action::AnHourPasses);
        }
    }

    fn after(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Reads(request, view) => {
                if let Step::Reads(goal) = before.requests[request].step {
                    let partition = match goal {
                        Goal::Count(partition) | Goal::TakeOff(partition, _) => partition,
                        Goal::Forgive => CODE,
                    };
                    let seen = state.shown(partition, view);
                    self.read(&mut state, request, goal, &seen);
                }
            }
            Action::CarriedOut(place, is_heard) => self.carry_out(&mut state, place, is_heard),
            Action::GivesUpWaiting(request) => {
                state.losses -= 1;
                if let Step::Waits {
                    goal,
                    write,
                    raised,
                    ..
                } = before.requests[request].step
                {
                    state.requests[request].step = Step::Unanswered {
                        goal,
                        write,
                        raised,
                    };
                }
            }
            Action::Settles(request) => self.settle(&mut state, request),
            Action::TellsUnknown(request) => self.tell(&mut state, request, Told::Unknown),
            Action::Fails(request) => self.tell(&mut state, request, Told::Failed),
            Action::Succeeds(request) => {
                self.want(&mut state, request, Goal::TakeOff(CALLER, End::Succeeded));
            }
            Action::AnHourPasses => state.is_late = true,
        }
        state.under_way.sort_by_key(|write| write.shared.turn);
        state
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let sometimes = |name, holds| Property::sometimes(name, holds);
        vec![
            Property::always(TOLD_IS_COUNTED, |model: &Self, state: &State| {
                model.all_counts(state, |_, _, count, must, _| count >= must)
            }),
            Property::always(WITHIN_BUDGET, |model, state| {
                model.all_counts(state, |of, is_row, _, must, _| {
                    let counted = if is_row { of.row() } else { of.total() };
                    must <= counted.budget(model.budgets)
                })
            }),
            Property::always(COUNTED_ONCE, |model, state| {
                model.all_counts(state, |_, _, count, _, may| count <= may)
            }),
            sometimes("a guess fails", |_, state| is_told(state, Told::Failed)),
            sometimes("a guess succeeds", |_, state| {
                is_told(state, Told::Succeeded)
            }),
            sometimes("a guess is not looked at", |model, state| {
                model.requests.contains(&Kind::Forgive) || is_told(state, Told::Exhausted)
            }),
            sometimes("failures are forgiven", |model, state| {
                !model.requests.contains(&Kind::Forgive) || is_told(state, Told::Forgiven)
            }),
            sometimes("a count is told as unknown", |model, state| {
                model.losses == 0 || is_told(state, Told::Unknown)
            }),
        ]
    }
}

fn is_told(state: &State, told: Told) -> bool {
    let mut requests = state.requests.iter();
    requests.any(|request| request.step == Step::Told(told))
}

const TOLD_IS_COUNTED: &str = "a guess that is looked at is counted, until it has succeeded";
const WITHIN_BUDGET: &str = "no more guesses are looked at than a budget allows";
const COUNTED_ONCE: &str = "a guess counts once, and not at all once it was told so";
