//! Guesses of this server's that have not ended: what each has raised, by the number of its ticket.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sistema_ts_store::{GUESS_WINDOW_MILLIS, GuessTicket, Pseudonym};

use crate::counting::Windows;

/// A ticket that has not come back after so long is lost. Its guess stays counted.
const LOST_AFTER: Duration = Duration::from_millis(GUESS_WINDOW_MILLIS as u64);

/// What a guess has raised of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    /// The partition, and the operator's row in it.
    pub(crate) key: Pseudonym,
    pub(crate) operator: Pseudonym,
    pub(crate) windows: Windows,
}

/// When each began, by the monotonic clock, and what it has raised: of its caller and of its code.
type Held = BTreeMap<u64, (Duration, [Raised; 2])>;

/// The guesses that have not ended.
#[derive(Default)]
pub(crate) struct Tickets {
    held: Mutex<(u64, Held)>,
}

impl Tickets {
    /// Keeps what a guess has raised that begins now, by the monotonic clock.
    pub(crate) fn issue(&self, raised: [Raised; 2], now: Duration) -> GuessTicket {
        let mut locked = self.lock();
        let (newest, held) = &mut *locked;
        // Numbers ascend with time.
        while let Some(oldest) = held.first_entry()
            && now.saturating_sub(oldest.get().0) >= LOST_AFTER
        {
            oldest.remove();
        }
        *newest += 1;
        held.insert(*newest, (now, raised));
        GuessTicket::of_number(*newest)
    }

    /// What the guess of a ticket has raised; none if it has ended or is lost.
    pub(crate) fn end(&self, ticket: &GuessTicket) -> Option<[Raised; 2]> {
        let (_, raised) = self.lock().1.remove(&ticket.number())?;
        Some(raised)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Held)> {
        // Nothing that can panic runs under the lock but the allocator.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a guess is taken off twice, or that lost tickets fill the memory.

    use super::*;
    use sistema_ts_model::Timestamp;

    const RAISED: [Raised; 2] = [Raised {
        key: [1; 16],
        operator: [2; 16],
        windows: Windows {
            total: None,
            row: Timestamp::MIN,
            after_forgiven: 0,
        },
    }; 2];

    #[test]
    fn a_ticket_ends_once() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(RAISED, Duration::ZERO);
        assert_eq!(tickets.end(&ticket), Some(RAISED));
        assert_eq!(tickets.end(&ticket), None);
    }

    #[test]
    fn a_lost_ticket_is_forgotten_a_window_later() {
        let tickets = Tickets::default();
        let lost = tickets.issue(RAISED, Duration::ZERO);
        let kept = tickets.issue(RAISED, Duration::from_millis(1));
        tickets.issue(RAISED, LOST_AFTER);
        assert_eq!(tickets.end(&lost), None);
        assert_eq!(tickets.end(&kept), Some(RAISED));
    }
}
