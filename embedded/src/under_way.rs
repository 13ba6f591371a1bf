//! Guesses under way: counted in memory until it is known what becomes of them.
//!
//! A guess counts from its beginning, so that a hundred at once get no more tries than one after another. Until something is told of it, it
//! need not outlive the process: the failure of one is written before it is answered, and a success leaves nothing behind.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sistema_ts_model::Timestamp;
use sistema_ts_store::{CountOfGuess, GuessCounter, GuessTicket};

/// Guesses under way, by the number of each and by the key of each count.
#[derive(Default)]
struct All {
    newest: u64,
    guesses: HashMap<u64, [CountOfGuess; 4]>,
    counters: HashMap<[u8; 16], GuessCounter>,
}

/// How many guesses are under way.
#[derive(Clone, Default)]
pub(super) struct GuessesUnderWay(Arc<Mutex<All>>);

/// A guess that is counted as long as this lives, unless it is left to its ticket.
pub(super) struct GuessUnderWay {
    all: GuessesUnderWay,
    number: u64,
    counts: [CountOfGuess; 4],
    is_left_to_ticket: bool,
}

impl GuessesUnderWay {
    /// Those under this key.
    pub(super) fn count(&self, key: &[u8; 16]) -> Option<GuessCounter> {
        self.lock().counters.get(key).copied()
    }

    /// Counts one.
    pub(super) fn begin(&self, counts: [CountOfGuess; 4]) -> GuessUnderWay {
        let mut all = self.lock();
        all.newest += 1;
        let number = all.newest;
        all.guesses.insert(number, counts);
        for count in counts.iter().filter(|count| count.is_raised) {
            let none = GuessCounter {
                window_started: count.window_started,
                failures: 0,
            };
            let counter = all.counters.entry(count.key).or_insert(none);
            if counter.window_started != count.window_started {
                *counter = none;
            }
            *counter = counter.raised();
        }
        drop(all);
        GuessUnderWay {
            all: self.clone(),
            number,
            counts,
            is_left_to_ticket: false,
        }
    }

    /// The guess of a ticket, which is at its end.
    pub(super) fn end(&self, ticket: &GuessTicket) -> GuessUnderWay {
        GuessUnderWay {
            all: self.clone(),
            number: ticket.number(),
            counts: *ticket.counts(),
            is_left_to_ticket: false,
        }
    }

    /// Forgets those whose tickets were lost and whose windows have all ended.
    pub(super) fn forget(&self, now: Timestamp) {
        let is_over = |count: &CountOfGuess| {
            let window = count.counted.window_millis();
            count.window_started.plus_millis(window) <= now
        };
        let mut all = self.lock();
        let over: Vec<u64> = all
            .guesses
            .iter()
            .filter(|(_, counts)| counts.iter().all(is_over))
            .map(|(number, _)| *number)
            .collect();
        over.into_iter().for_each(|number| all.end(number));
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Nothing that can panic runs under the lock but the allocator.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Takes a guess off its counts, once.
    fn end(&mut self, number: u64) {
        let Some(counts) = self.guesses.remove(&number) else {
            return;
        };
        for count in counts.iter().filter(|count| count.is_raised) {
            let Entry::Occupied(mut entry) = self.counters.entry(count.key) else {
                continue;
            };
            let counter = entry.get_mut();
            // Another window has nothing of this guess in it.
            if counter.window_started == count.window_started {
                *counter = counter.lowered();
                if counter.failures == 0 {
                    entry.remove();
                }
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
        GuessTicket::new(self.number, self.counts)
    }
}

impl Drop for GuessUnderWay {
    fn drop(&mut self) {
        if !self.is_left_to_ticket {
            self.all.lock().end(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a guess stays counted after its end, or is not counted while it is under way.

    use sistema_ts_store::Counted;

    use super::*;

    fn counts(window: i64, code_is_raised: bool) -> [CountOfGuess; 4] {
        Counted::OF_A_GUESS.map(|counted| CountOfGuess {
            counted,
            key: [counted as u8; 16],
            window_started: Timestamp::from_millis_clamped(window),
            is_raised: counted != Counted::Code || code_is_raised,
        })
    }

    impl GuessesUnderWay {
        fn is_empty(&self) -> bool {
            let all = self.lock();
            all.guesses.is_empty() && all.counters.is_empty()
        }
    }

    fn failures(all: &GuessesUnderWay, counted: Counted) -> u32 {
        let count = all.count(&[counted as u8; 16]);
        count.map_or(0, |counter| counter.failures)
    }

    #[test]
    fn a_guess_counts_until_it_is_dropped_or_its_ticket_has_come_back() {
        let all = GuessesUnderWay::default();
        let (first, second) = (all.begin(counts(7, true)), all.begin(counts(7, false)));
        assert_eq!(failures(&all, Counted::Operator), 2);
        assert_eq!(failures(&all, Counted::Code), 1);
        let ticket = first.into_ticket();
        drop(second);
        assert_eq!(failures(&all, Counted::Operator), 1);
        let third = all.begin(counts(7, true));
        // Once, however often it comes back.
        for _ in 0..3 {
            drop(all.end(&ticket));
            assert_eq!(failures(&all, Counted::Operator), 1);
        }
        drop(third);
        assert!(all.is_empty());
    }

    #[test]
    fn a_guess_of_a_window_that_has_ended_takes_nothing_off_the_next() {
        let all = GuessesUnderWay::default();
        let (old, new) = (all.begin(counts(7, true)), all.begin(counts(8, true)));
        drop(old);
        assert_eq!(failures(&all, Counted::Caller), 1);
        drop(new);
        assert!(all.is_empty());
    }

    #[test]
    fn guesses_without_a_ticket_are_forgotten_when_their_windows_have_ended() {
        let all = GuessesUnderWay::default();
        let _lost = all.begin(counts(0, true)).into_ticket();
        let at = Timestamp::from_millis_clamped;
        all.forget(at(Counted::Code.window_millis() - 1));
        assert_eq!(failures(&all, Counted::Code), 1);
        all.forget(at(Counted::Code.window_millis()));
        assert!(all.is_empty());
    }
}
