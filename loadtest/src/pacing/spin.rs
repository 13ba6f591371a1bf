//! Whether the driving thread may wait for a request's time awake.
//!
//! A thread that sleeps is woken some tens of microseconds late, and on a virtual machine later still. So the last stretch before a
//! request is due is waited for awake, as long as the machine has a core to spare: the load is not to take from the server what the
//! harness burns for its own accuracy.

use std::time::{Duration, Instant};

use crate::measure::process::machine_idle;

/// So long before a request is due the thread is awake, if it may.
pub(crate) const AHEAD: Duration = Duration::from_micros(150);
/// How often it is looked whether a core is idle.
const LOOK: Duration = Duration::from_secs(1);
/// Idle time of all cores together in a second, without what is waited awake, from which on a core is to spare.
const SPARE: f64 = 1.0;

/// Waiting awake, and what it has cost.
#[derive(Debug)]
pub(crate) struct Spin {
    is_allowed: bool,
    spent: Duration,
    /// When it was looked, how much idle time there had been, and how much had been spent.
    last: (Instant, Option<Duration>, Duration),
}

impl Spin {
    /// Allowed for the first second where there is more than one core.
    pub(crate) fn new(now: Instant) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            is_allowed: cores > 1,
            spent: Duration::ZERO,
            last: (now, machine_idle(), Duration::ZERO),
        }
    }

    /// Processor time that was waited awake.
    pub(crate) fn spent(&self) -> Duration {
        self.spent
    }

    /// When a thread must wake that has something to do at `due`.
    pub(crate) fn wake_at(&self, due: Instant) -> Instant {
        if self.is_allowed {
            due.checked_sub(AHEAD).unwrap_or(due)
        } else {
            due
        }
    }

    /// Whether what is due then is waited for awake.
    pub(crate) fn is_awake_for(&self, due: Instant, now: Instant) -> bool {
        self.is_allowed && due.saturating_duration_since(now) <= AHEAD
    }

    /// So much was waited awake, and nothing came of it.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    /// Once a second: whether a core is to spare.
    pub(crate) fn look(&mut self, now: Instant) {
        let (at, idle_then, spent_then) = self.last;
        let passed = now.saturating_duration_since(at);
        if passed < LOOK {
            return;
        }
        let idle = machine_idle();
        self.last = (now, idle, self.spent);
        let (Some(then), Some(idle)) = (idle_then, idle) else {
            self.is_allowed = false;
            return;
        };
        let spare = idle.saturating_sub(then) + (self.spent - spent_then);
        self.is_allowed = spare.as_secs_f64() >= SPARE * passed.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a thread that stays awake on a machine without a core to spare, or wakes too late.

    use super::*;

    #[test]
    fn a_machine_that_does_not_tell_its_idle_time_is_not_waited_on_awake() {
        let start = Instant::now();
        let mut spin = Spin {
            is_allowed: true,
            spent: Duration::ZERO,
            last: (start, None, Duration::ZERO),
        };
        let due = start + Duration::from_secs(1);
        assert_eq!(spin.wake_at(due), due - AHEAD);
        assert!(spin.is_awake_for(due, due - AHEAD));
        assert!(!spin.is_awake_for(due, due - 2 * AHEAD));
        spin.look(start + LOOK / 2);
        assert!(spin.is_allowed);
        spin.look(start + LOOK);
        assert_eq!(
            (spin.wake_at(due), spin.is_awake_for(due, due)),
            (due, false)
        );
    }

    #[test]
    fn what_is_waited_awake_counts_as_idle() {
        let start = Instant::now();
        let mut spin = Spin {
            is_allowed: false,
            spent: Duration::ZERO,
            // No time of any machine lies before that.
            last: (start, Some(machine_idle().unwrap()), Duration::ZERO),
        };
        spin.spend(Duration::from_secs(5));
        spin.look(start + LOOK);
        assert!(spin.is_allowed);
        // In a long time a machine's cores have not been idle for as long as one core's all of it.
        spin.look(start + Duration::from_secs(1_000_000));
        assert!(!spin.is_allowed);
    }
}
