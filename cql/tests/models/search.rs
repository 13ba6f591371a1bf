//! The search: every state that a model can reach, breadth first, so that the first counterexample is a shortest one.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::rc::Rc;

/// What is searched: states, what may happen in each, and what must be true of them.
pub trait Model: Sized {
    /// All that matters of a moment. Two that are equal are one.
    type State: Clone + Debug + Eq + Hash;
    /// Something that may happen.
    type Action: Copy + Debug + PartialEq;

    /// The state in which everything begins.
    fn start(&self) -> Self::State;

    /// Adds what may happen in a state.
    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>);

    /// What an action that may happen makes of a state.
    fn after(&self, state: &Self::State, action: Self::Action) -> Self::State;

    /// What must be true.
    fn properties(&self) -> Vec<Property<Self>>;
}

/// Something that must be true of a model's states.
pub struct Property<M: Model> {
    name: &'static str,
    wanted: Wanted,
    holds: fn(&M, &M::State) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    InEveryState,
    InSomeState,
}

impl<M: Model> Property<M> {
    /// True of every state.
    pub fn always(name: &'static str, holds: fn(&M, &M::State) -> bool) -> Self {
        let wanted = Wanted::InEveryState;
        Self {
            name,
            wanted,
            holds,
        }
    }

    /// True of some state, so that the search is seen to have come that far.
    pub fn sometimes(name: &'static str, holds: fn(&M, &M::State) -> bool) -> Self {
        let wanted = Wanted::InSomeState;
        Self {
            name,
            wanted,
            holds,
        }
    }
}

/// The way to a state: each action, and the state after it.
pub type Way<M> = Vec<(<M as Model>::Action, <M as Model>::State)>;

/// A state that was reached: from which, by its place, and how.
struct Reached<M: Model> {
    state: Rc<M::State>,
    from: Option<(usize, M::Action)>,
}

struct Search<'a, M: Model> {
    model: &'a M,
    known: HashSet<Rc<M::State>>,
    reached: Vec<Reached<M>>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M) -> Self {
        let mut search = Self {
            model,
            known: HashSet::new(),
            reached: Vec::new(),
        };
        search.reach(model.start(), None);
        search
    }

    fn reach(&mut self, state: M::State, from: Option<(usize, M::Action)>) {
        let state = Rc::new(state);
        if self.known.insert(Rc::clone(&state)) {
            self.reached.push(Reached { state, from });
        }
    }

    /// Visits the states in the order of their distance from the start, until there are none or `visit` answers that it has seen enough.
    /// Answers the place of the last state visited.
    fn run(&mut self, mut visit: impl FnMut(&M::State) -> bool) -> usize {
        let mut actions = Vec::new();
        let mut place = 0;
        loop {
            let state = Rc::clone(&self.reached[place].state);
            if visit(&state) {
                return place;
            }
            self.model.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let after = self.model.after(&state, action);
                self.reach(after, Some((place, action)));
            }
            if place + 1 == self.reached.len() {
                return place;
            }
            place += 1;
        }
    }

    fn way_to(&self, mut place: usize) -> Way<M> {
        let mut way = Vec::new();
        while let Some((from, action)) = self.reached[place].from {
            way.push((action, (*self.reached[place].state).clone()));
            place = from;
        }
        way.reverse();
        way
    }
}

fn print<M: Model>(way: &Way<M>) {
    for (action, _) in way {
        println!("  {action:?}");
    }
}

/// Searches all states: what must always be true is, and what must be true sometimes is seen. Prints how many states there are.
pub fn holds<M: Model>(model: &M) {
    let properties = model.properties();
    let mut unseen: Vec<_> = properties
        .iter()
        .filter(|property| property.wanted == Wanted::InSomeState)
        .collect();
    let mut broken = None;
    let mut search = Search::new(model);
    let last = search.run(|state| {
        unseen.retain(|property| !(property.holds)(model, state));
        broken = properties.iter().find(|property| {
            property.wanted == Wanted::InEveryState && !(property.holds)(model, state)
        });
        broken.is_some()
    });
    let states = search.reached.len();
    if let Some(property) = broken {
        print::<M>(&search.way_to(last));
        panic!("\"{}\" fails; {states} states were reached", property.name);
    }
    let unseen: Vec<_> = unseen.iter().map(|property| property.name).collect();
    assert!(unseen.is_empty(), "never: {unseen:?}; {states} states");
    println!("{}: {states} states", std::any::type_name::<M>());
}

/// Searches until this property fails, as it must, and answers a shortest way there.
pub fn fails<M: Model>(model: &M, name: &str) -> Way<M> {
    let mut properties = model.properties().into_iter();
    let property = properties.find(|property| property.name == name);
    let property = property.expect("a property of the model");
    let mut has_failed = false;
    let mut search = Search::new(model);
    let last = search.run(|state| {
        has_failed = !(property.holds)(model, state);
        has_failed
    });
    let states = search.reached.len();
    assert!(
        has_failed,
        "\"{name}\" holds in all {states} states, with a guard switched off"
    );
    let way = search.way_to(last);
    println!("\"{name}\" fails after {states} states:");
    print::<M>(&way);
    way
}
