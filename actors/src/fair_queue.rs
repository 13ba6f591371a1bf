//! A queue that is fair among nested groups: groups take turns, and within a group its own groups do; in the innermost, who came first.

use std::collections::VecDeque;

/// Items that wait, each on a path of one or more groups, all paths of the same length. Whoever joins waits for at most one turn of each group that is there
/// beside its own, on each level.
#[derive(Debug)]
pub struct FairQueue<K, T>(Group<K, T>);

#[derive(Debug)]
struct Group<K, T> {
    /// Items in it, those of its own groups included.
    waiting: usize,
    /// Its own groups, none of them empty, in the order of their turns.
    groups: VecDeque<(K, Group<K, T>)>,
    /// Of an innermost group, the first comer first.
    items: VecDeque<(u64, T)>,
}

impl<K: Eq, T> FairQueue<K, T> {
    /// One in which nobody waits.
    #[must_use]
    pub fn new() -> Self {
        FairQueue(Group::new())
    }

    /// Items that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.waiting
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.waiting == 0
    }

    /// Puts an item, under a number by which it can be taken out again, last in the innermost group of `path`.
    pub fn push(&mut self, path: impl IntoIterator<Item = K>, number: u64, item: T) {
        self.0.push(path.into_iter(), number, item);
    }

    /// Takes the item whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        self.pop_of(|_| true)
    }

    /// The same among the outermost groups that may have a turn; the others keep theirs.
    pub fn pop_of(&mut self, may: impl Fn(&K) -> bool) -> Option<T> {
        let place = self.0.groups.iter().position(|(key, _)| may(key))?;
        self.0.pop_at(place)
    }

    /// Takes out the item that was put under `number` on this path, if it still waits.
    pub fn remove(&mut self, path: impl IntoIterator<Item = K>, number: u64) -> Option<T> {
        self.0.remove(path.into_iter(), number)
    }

    /// Takes the item that came last in the longest group, on each level. Of equally long groups it is the one whose turn comes last.
    pub fn pop_longest(&mut self) -> Option<T> {
        self.0.pop_longest()
    }
}

impl<K: Eq, T> Default for FairQueue<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq, T> Group<K, T> {
    fn new() -> Self {
        Group {
            waiting: 0,
            groups: VecDeque::new(),
            items: VecDeque::new(),
        }
    }

    fn push(&mut self, path: impl Iterator<Item = K>, number: u64, item: T) {
        self.waiting += 1;
        let mut group = self;
        for key in path {
            let place = match group.groups.iter().position(|(held, _)| *held == key) {
                Some(place) => place,
                None => {
                    group.groups.push_back((key, Group::new()));
                    group.groups.len() - 1
                }
            };
            group = &mut group.groups[place].1;
            group.waiting += 1;
        }
        group.items.push_back((number, item));
    }

    fn pop(&mut self) -> Option<T> {
        if !self.groups.is_empty() {
            return self.pop_at(0);
        }
        let (_, item) = self.items.pop_front()?;
        self.waiting -= 1;
        Some(item)
    }

    /// Takes from the group at `place`, whose next turn is then the last.
    fn pop_at(&mut self, place: usize) -> Option<T> {
        let (key, mut group) = self.groups.remove(place)?;
        let item = group.pop();
        if group.waiting > 0 {
            self.groups.push_back((key, group));
        }
        self.waiting -= usize::from(item.is_some());
        item
    }

    fn remove<P: Iterator<Item = K>>(&mut self, mut path: P, number: u64) -> Option<T> {
        let item = match path.next() {
            Some(key) => {
                let place = self.groups.iter().position(|(held, _)| *held == key)?;
                let item = self.groups[place].1.remove(path, number);
                if self.groups[place].1.waiting == 0 {
                    self.groups.remove(place);
                }
                item
            }
            None => {
                let place = self.items.iter().position(|(held, _)| *held == number)?;
                self.items.remove(place).map(|(_, item)| item)
            }
        };
        self.waiting -= usize::from(item.is_some());
        item
    }

    fn pop_longest(&mut self) -> Option<T> {
        let longest = (0..self.groups.len()).max_by_key(|place| self.groups[*place].1.waiting);
        let item = match longest {
            Some(place) => {
                let item = self.groups[place].1.pop_longest();
                if self.groups[place].1.waiting == 0 {
                    self.groups.remove(place);
                }
                item
            }
            None => self.items.pop_back().map(|(_, item)| item),
        };
        self.waiting -= usize::from(item.is_some());
        item
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that one group waits for another's backlog, or that an item is lost or comes twice.
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn drained(queue: &mut FairQueue<u8, u64>) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn groups_take_turns_on_every_level_and_within_a_group_the_first_comes_first() {
        let mut queue = FairQueue::new();
        for (number, path) in [[1, 1], [1, 1], [1, 1], [1, 2], [2, 1], [2, 1]]
            .into_iter()
            .enumerate()
        {
            queue.push(path, number as u64, number as u64);
        }
        assert_eq!(drained(&mut queue), [0, 4, 3, 5, 1, 2]);
    }

    #[test]
    fn a_newcomer_waits_one_turn_of_each_other_group_whatever_their_backlog() {
        let mut queue = FairQueue::new();
        for number in 0..1_000 {
            queue.push([(number % 7) as u8, 0], number, number);
        }
        queue.push([100, 0], 1_000, 1_000);
        let place = drained(&mut queue).iter().position(|item| *item == 1_000);
        assert_eq!(place, Some(7));
    }

    #[test]
    fn a_group_that_may_not_have_a_turn_keeps_its_place() {
        let mut queue = FairQueue::new();
        for (number, group) in [1, 2, 1, 3].into_iter().enumerate() {
            queue.push([group, 0], number as u64, number as u64);
        }
        assert_eq!(queue.pop_of(|group| *group != 1), Some(1));
        assert_eq!(queue.pop_of(|group| *group == 4), None);
        assert_eq!(drained(&mut queue), [0, 3, 2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_longest_group_loses_its_last_and_of_equals_the_newcomer() {
        let mut queue = FairQueue::new();
        for (number, path) in [[1, 1], [1, 2], [1, 2], [2, 1], [2, 2]]
            .into_iter()
            .enumerate()
        {
            queue.push(path, number as u64, number as u64);
        }
        assert_eq!(queue.pop_longest(), Some(2));
        assert_eq!(queue.pop_longest(), Some(4));
        assert_eq!(queue.len(), 3);
    }

    proptest! {
        /// Against a plain list: whatever is put, taken and taken out, each item comes exactly once, and of one innermost group in order.
        #[test]
        fn whatever_is_put_in_comes_out_once(steps in prop::collection::vec((0_u8..5, 0_u8..4, 0_u8..4, any::<prop::sample::Index>()), 1..200)) {
            let mut queue = FairQueue::new();
            let mut waiting: Vec<([u8; 2], u64)> = Vec::new();
            for (number, (what, outer, inner, which)) in steps.into_iter().enumerate() {
                let number = number as u64;
                let path = [outer, inner];
                let came = match what {
                    0 => queue.pop().map(|item| (item, true)),
                    1 => queue.pop_longest().map(|item| (item, false)),
                    2 if !waiting.is_empty() => {
                        let (path, wanted) = waiting[which.index(waiting.len())];
                        let removed = queue.remove(path, wanted);
                        prop_assert_eq!(removed, Some(wanted));
                        prop_assert_eq!(queue.remove(path, wanted), None);
                        removed.map(|item| (item, false))
                    }
                    _ => {
                        queue.push(path, number, number);
                        waiting.push((path, number));
                        None
                    }
                };
                if let Some((item, in_order)) = came {
                    let place = waiting.iter().position(|(_, held)| *held == item).unwrap();
                    let (path, _) = waiting.remove(place);
                    if in_order {
                        prop_assert!(waiting[..place].iter().all(|(held, _)| *held != path));
                    }
                }
                prop_assert_eq!(queue.len(), waiting.len());
            }
            let mut rest = drained(&mut queue);
            rest.sort_unstable();
            prop_assert_eq!(rest, waiting.iter().map(|(_, held)| *held).collect::<Vec<_>>());
        }
    }
}
