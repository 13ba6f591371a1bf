//! Guesses under way: counted in memory until it is known what becomes of them.
//!
//! A guess counts from its beginning, so that a hundred at once get no more tries than one after another. Until something is told of it, it
//! need not outlive the process: the failure of one is written before it is answered, and a success leaves nothing behind.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sistema_ts_model::Timestamp;
use sistema_ts_store::{Counted, GUESS_WINDOW_MILLIS, GuessTicket};

/// One of the counts that a guess is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CountOfGuess {
    /// What is counted.
    pub(super) counted: Counted,
    /// The key of the count's row: a keyed hash, which names neither operator nor code.
    pub(super) key: [u8; 16],
    /// The beginning of the window in which the guess was counted.
    pub(super) window_started: Timestamp,
    /// Whether the guess raises it. That of a code without tries stays as it is, and is written all the same when the guess fails: the work
    /// tells nothing.
    pub(super) is_raised: bool,
}

/// Guesses under way: how many there are by the key of each count, and those that are left to their tickets.
#[derive(Default)]
struct All {
    newest: u64,
    /// By the number of its ticket, when each began and what it is counted under; the numbers ascend with time.
    left_to_tickets: BTreeMap<u64, (Timestamp, [CountOfGuess; 4])>,
    counts: HashMap<[u8; 16], u32>,
}

/// How many guesses are under way.
#[derive(Clone, Default)]
pub(super) struct GuessesUnderWay(Arc<Mutex<All>>);

/// A guess that is counted as long as this lives, unless it is left to its ticket.
pub(super) struct GuessUnderWay {
    all: GuessesUnderWay,
    began: Timestamp,
    counts: [CountOfGuess; 4],
    is_left_to_ticket: bool,
}

impl GuessesUnderWay {
    /// How many there are under this key. A guess that began a window ago and has not ended has lost its ticket, and is forgotten.
    pub(super) fn count(&self, key: &[u8; 16], now: Timestamp) -> u32 {
        let mut all = self.lock();
        while let Some(oldest) = all.left_to_tickets.first_entry()
            && now.millis_since(oldest.get().0) >= GUESS_WINDOW_MILLIS
        {
            let (_, counts) = oldest.remove();
            all.take_off(&counts);
        }
        all.counts.get(key).copied().unwrap_or(0)
    }

    /// Counts one that begins now.
    pub(super) fn begin(&self, counts: [CountOfGuess; 4], now: Timestamp) -> GuessUnderWay {
        let mut all = self.lock();
        for count in counts.iter().filter(|count| count.is_raised) {
            *all.counts.entry(count.key).or_default() += 1;
        }
        drop(all);
        GuessUnderWay {
            all: self.clone(),
            began: now,
            counts,
            is_left_to_ticket: false,
        }
    }

    /// The guess of a ticket, which is at its end; none if it has ended, or was forgotten.
    pub(super) fn end(&self, ticket: &GuessTicket) -> Option<GuessUnderWay> {
        let (began, counts) = self.lock().left_to_tickets.remove(&ticket.number())?;
        Some(GuessUnderWay {
            all: self.clone(),
            began,
            counts,
            is_left_to_ticket: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Nothing that can panic runs under the lock but the allocator.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Takes a guess off its counts.
    fn take_off(&mut self, counts: &[CountOfGuess; 4]) {
        for count in counts.iter().filter(|count| count.is_raised) {
            let Entry::Occupied(mut entry) = self.counts.entry(count.key) else {
                continue;
            };
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl GuessUnderWay {
    /// The counts, in the order of [`Counted::OF_A_GUESS`](sistema_ts_store::Counted::OF_A_GUESS).
    pub(super) fn counts(&self) -> &[CountOfGuess; 4] {
        &self.counts
    }

    /// Leaves it counted, until its ticket comes back.
    pub(super) fn into_ticket(mut self) -> GuessTicket {
        self.is_left_to_ticket = true;
        let mut all = self.all.lock();
        all.newest += 1;
        let number = all.newest;
        all.left_to_tickets
            .insert(number, (self.began, self.counts));
        drop(all);
        GuessTicket::of_number(number)
    }
}

impl Drop for GuessUnderWay {
    fn drop(&mut self) {
        if !self.is_left_to_ticket {
            self.all.lock().take_off(&self.counts);
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a guess stays counted after its end, or is not counted while it is under way.

    use sistema_ts_store::Counted;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis_clamped(millis)
    }

    fn counts(window: i64, code_is_raised: bool) -> [CountOfGuess; 4] {
        Counted::OF_A_GUESS.map(|counted| CountOfGuess {
            counted,
            key: [counted as u8; 16],
            window_started: at(window),
            is_raised: counted != Counted::Code || code_is_raised,
        })
    }

    impl GuessesUnderWay {
        fn is_empty(&self) -> bool {
            let all = self.lock();
            all.left_to_tickets.is_empty() && all.counts.is_empty()
        }
    }

    fn failures(all: &GuessesUnderWay, counted: Counted) -> u32 {
        all.count(&[counted as u8; 16], at(0))
    }

    #[test]
    fn a_guess_counts_until_it_is_dropped_or_its_ticket_has_come_back() {
        let all = GuessesUnderWay::default();
        let (first, second) = (
            all.begin(counts(7, true), at(7)),
            all.begin(counts(7, false), at(7)),
        );
        assert_eq!(failures(&all, Counted::Operator), 2);
        assert_eq!(failures(&all, Counted::Code), 1);
        let ticket = first.into_ticket();
        drop(second);
        assert_eq!(failures(&all, Counted::Operator), 1);
        let third = all.begin(counts(7, true), at(7));
        // Once, however often it comes back.
        for is_first in [true, false, false] {
            let ended = all.end(&ticket);
            assert_eq!(ended.is_some(), is_first);
            assert_eq!(failures(&all, Counted::Operator), 1 + u32::from(is_first));
            drop(ended);
            assert_eq!(failures(&all, Counted::Operator), 1);
        }
        drop(third);
        assert!(all.is_empty());
    }

    #[test]
    fn guesses_of_two_windows_are_all_under_way() {
        let all = GuessesUnderWay::default();
        let (old, new) = (
            all.begin(counts(7, true), at(7)),
            all.begin(counts(8, true), at(8)),
        );
        assert_eq!(failures(&all, Counted::Caller), 2);
        drop(old);
        assert_eq!(failures(&all, Counted::Caller), 1);
        drop(new);
        assert!(all.is_empty());
    }

    #[test]
    fn a_guess_whose_ticket_was_lost_is_forgotten_a_window_later() {
        let all = GuessesUnderWay::default();
        let _lost = all.begin(counts(0, true), at(0)).into_ticket();
        let late = GUESS_WINDOW_MILLIS - 1;
        let key = [Counted::Operator as u8; 16];
        assert_eq!(all.count(&key, at(late)), 1);
        assert_eq!(all.count(&key, at(late + 1)), 0);
        assert!(all.is_empty());
    }
}
