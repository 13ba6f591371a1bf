//! Whose code is posted next: callers take turns, and no caller has all of them.
//!
//! A region and its structures are one group, a call centre is one. Groups take turns, and within a region its structures do; of one caller
//! whoever came first. A group may hold as many turns as are still free, by the rule of the server's admission: one that sends without
//! end reaches half of them, two reach a third each, and a caller who sends little finds one free, however slow the backend is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sistema_ts_model::Caller;
use tokio::sync::oneshot;

use crate::fair_queue::FairQueue;

/// The group that a caller's turns are counted in.
fn group_of(caller: &Caller) -> Caller {
    match caller {
        Caller::Structure(structure) => Caller::Region(structure.region),
        Caller::Asl(asl) => Caller::Region(asl.region),
        Caller::Region(_) | Caller::CallCenter(_) | Caller::Immuni => *caller,
    }
}

/// Who holds turns and who waits: a pure structure.
#[derive(Debug)]
struct Table<T> {
    turns: usize,
    taken: usize,
    held: HashMap<Caller, usize>,
    waiting: FairQueue<Caller, (Caller, T)>,
    came: u64,
}

impl<T> Table<T> {
    /// A table of so many turns, at least 1.
    fn new(turns: usize) -> Self {
        Table {
            turns: turns.max(1),
            taken: 0,
            held: HashMap::new(),
            waiting: FairQueue::new(),
            came: 0,
        }
    }

    /// Puts somebody last in the line of its caller; the number is for [`Table::leave`].
    fn wait(&mut self, caller: Caller, who: T) -> u64 {
        let number = self.came;
        self.came += 1;
        self.waiting
            .push([group_of(&caller), caller], number, (caller, who));
        number
    }

    /// Takes somebody out of the line; `None` if the turn has come already.
    fn leave(&mut self, caller: Caller, number: u64) -> Option<T> {
        let left = self.waiting.remove([group_of(&caller), caller], number);
        left.map(|(_, who)| who)
    }

    /// Gives the next turn, if one is free and somebody may have it.
    fn grant(&mut self) -> Option<(Caller, T)> {
        let (held, free) = (&self.held, self.turns.saturating_sub(self.taken));
        let may = |group: &Caller| held.get(group).copied().unwrap_or(0) < free;
        let (caller, who) = self.waiting.pop_of(may)?;
        self.taken += 1;
        *self.held.entry(group_of(&caller)).or_default() += 1;
        Some((caller, who))
    }

    /// Takes a turn of this caller back.
    fn give_back(&mut self, caller: &Caller) {
        self.taken = self.taken.saturating_sub(1);
        let group = group_of(caller);
        if let Some(count) = self.held.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&group);
            }
        }
    }
}

type Waiting = Table<oneshot::Sender<Turn>>;

/// The turns of the relay.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Mutex<Waiting>>);

/// A turn; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    caller: Caller,
}

/// A place in the line; left when it is dropped.
struct Place {
    turns: Turns,
    caller: Caller,
    number: u64,
}

impl Turns {
    /// So many turns, at least 1.
    pub(super) fn new(turns: usize) -> Self {
        Self(Arc::new(Mutex::new(Table::new(turns))))
    }

    /// Waits for a turn. Whoever stops waiting leaves the line.
    pub(super) async fn take(&self, caller: Caller) -> Turn {
        loop {
            let (grant, granted) = oneshot::channel();
            let number = self.table().wait(caller, grant);
            let _place = Place {
                turns: self.clone(),
                caller,
                number,
            };
            self.grant_all();
            // The table holds the other end until the turn comes, so that there is always a turn.
            if let Ok(turn) = granted.await {
                return turn;
            }
        }
    }

    /// Hands out what is free. Nobody is told while the table is locked: a turn that nobody takes any more comes back at once.
    fn grant_all(&self) {
        loop {
            let granted = self.table().grant();
            let Some((caller, who)) = granted else {
                return;
            };
            let turn = Turn {
                turns: self.clone(),
                caller,
            };
            // Dropped, and so given back, if whoever waited has just gone.
            drop(who.send(turn));
        }
    }

    fn table(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.table().give_back(&self.caller);
        self.turns.grant_all();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.turns.table().leave(self.caller, self.number);
        // Outside of the lock.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a caller waits for another's backlog, that a turn is lost, or that more are posted at once than there are connections.
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use sistema_ts_model::{CallCenterCode, RegionCode, StructureId};

    use super::*;

    fn centre(number: usize) -> Caller {
        Caller::CallCenter(CallCenterCode::parse(&format!("CC{number}")).unwrap())
    }

    fn structure(region: &str, number: usize) -> Caller {
        Caller::Structure(StructureId::parse(&format!("{region}-101-{number:06}")).unwrap())
    }

    fn region(code: &str) -> Caller {
        Caller::Region(RegionCode::parse(code).unwrap())
    }

    /// All that can be granted now.
    fn granted(table: &mut Table<usize>) -> Vec<usize> {
        std::iter::from_fn(|| table.grant().map(|(_, who)| who)).collect()
    }

    #[test]
    fn one_caller_alone_has_half_and_another_has_a_turn_at_once() {
        let mut table = Table::new(32);
        for who in 0..150 {
            table.wait(centre(1), who);
        }
        assert_eq!(granted(&mut table).len(), 16);
        table.wait(centre(2), 1_000);
        assert_eq!(granted(&mut table), [1_000]);
    }

    #[test]
    fn however_many_send_without_end_the_next_has_a_turn_at_once() {
        for greedy in 1..30 {
            let mut table = Table::new(32);
            for who in 0..greedy * 40 {
                table.wait(centre(who % greedy), who);
            }
            let given = granted(&mut table).len();
            assert!(
                given >= 32 * greedy / (greedy + 1) - greedy,
                "{greedy}: {given}"
            );
            table.wait(centre(greedy), usize::MAX);
            assert_eq!(granted(&mut table), [usize::MAX], "{greedy}");
        }
    }

    #[test]
    fn a_region_is_one_group_however_many_structures_it_has() {
        let mut table = Table::new(32);
        for who in 0..500 {
            table.wait(structure("010", who), who);
        }
        table.wait(region("010"), 600);
        assert_eq!(granted(&mut table).len(), 16);
        table.wait(centre(1), 1_000);
        table.wait(structure("020", 1), 1_001);
        assert_eq!(granted(&mut table), [1_000, 1_001]);
    }

    #[test]
    fn within_a_region_its_structures_take_turns() {
        let mut table = Table::new(1);
        for who in 0..150 {
            table.wait(structure("010", 1), who);
        }
        table.wait(structure("010", 2), 1_000);
        let mut order = Vec::new();
        for _ in 0..3 {
            order.extend(granted(&mut table));
            table.give_back(&region("010"));
        }
        assert_eq!(order, [0, 1_000, 1]);
    }

    #[test]
    fn a_single_turn_is_shared_too() {
        let mut table = Table::new(1);
        table.wait(centre(1), 1);
        table.wait(centre(1), 2);
        table.wait(centre(2), 3);
        assert_eq!(granted(&mut table), [1]);
        table.give_back(&centre(1));
        assert_eq!(granted(&mut table), [3]);
    }

    proptest! {
        /// Whatever comes, goes and gives up: no more turns are out than there are, none is kept back that somebody may have, a caller who may
        /// have one gets it after at most one of each other, and everybody who stays is served in the end.
        #[test]
        fn no_turn_is_lost_and_nobody_starves(
            turns in 1_usize..9,
            steps in prop::collection::vec((0_u8..4, 0_usize..5, any::<prop::sample::Index>()), 1..300),
        ) {
            let mut table = Table::new(turns);
            let mut waiting: Vec<(Caller, u64, usize)> = Vec::new();
            let mut holding: Vec<Caller> = Vec::new();
            // Turns given to others while somebody of this caller waits and might have had them.
            let mut passed_over: HashMap<Caller, usize> = HashMap::new();
            for (who, (what, caller, which)) in steps.into_iter().enumerate() {
                let caller = centre(caller);
                match what {
                    0 if !holding.is_empty() => {
                        let gone = holding.swap_remove(which.index(holding.len()));
                        table.give_back(&gone);
                    }
                    1 if !waiting.is_empty() => {
                        let (caller, number, who) = waiting.remove(which.index(waiting.len()));
                        prop_assert_eq!(table.leave(caller, number), Some(who));
                        prop_assert_eq!(table.leave(caller, number), None);
                        // Whoever of this caller comes next is the last in line again.
                        passed_over.retain(|other, _| waiting.iter().any(|(held, ..)| held == other));
                    }
                    _ => {
                        let number = table.wait(caller, who);
                        waiting.push((caller, number, who));
                    }
                }
                while let Some((caller, who)) = table.grant() {
                    let free = turns - holding.len();
                    let place = waiting.iter().position(|(_, _, held)| *held == who).unwrap();
                    prop_assert!(waiting[..place].iter().all(|(held, ..)| *held != caller));
                    waiting.remove(place);
                    holding.push(caller);
                    passed_over.remove(&caller);
                    for other in waiting.iter().map(|(held, ..)| *held).collect::<std::collections::HashSet<_>>() {
                        let held = holding.iter().filter(|held| **held == other).count();
                        if other != caller && held < free {
                            *passed_over.entry(other).or_default() += 1;
                            prop_assert!(passed_over[&other] <= 4, "{:?}", other);
                        }
                    }
                    passed_over.retain(|other, _| waiting.iter().any(|(held, ..)| held == other));
                }
                prop_assert!(holding.len() <= turns);
                for (caller, ..) in &waiting {
                    let held = holding.iter().filter(|held| *held == caller).count();
                    prop_assert!(held >= turns - holding.len(), "a turn is kept back");
                }
            }
            while let Some(gone) = holding.pop() {
                table.give_back(&gone);
                while let Some((caller, who)) = table.grant() {
                    waiting.retain(|(_, _, held)| *held != who);
                    holding.push(caller);
                }
            }
            prop_assert!(waiting.is_empty(), "{:?}", waiting);
            prop_assert_eq!(table.taken, 0);
            prop_assert!(table.held.is_empty());
        }
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_and_a_turn_that_came_too_late_goes_to_the_next() {
        let turns = Turns::new(1);
        let held = turns.take(centre(1)).await;
        let mut waiting: Vec<_> = (0..4)
            .map(|number| Box::pin(turns.take(centre(number))))
            .collect();
        for take in &mut waiting {
            assert!(asked_once(take).is_none());
        }
        assert_eq!(turns.table().waiting.len(), 4);
        drop(waiting.remove(1));
        assert_eq!(turns.table().waiting.len(), 3);
        // Granted to the first, who goes before taking it.
        drop(held);
        drop(waiting.remove(0));
        let next = waiting.remove(0).await;
        drop(waiting);
        drop(next);
        assert_eq!(turns.table().taken, 0);
        assert!(turns.table().waiting.is_empty());
    }

    /// Asks once.
    fn asked_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
