//! How fast refusals go out.
//!
//! A client that repeats at once on 503 (many do, whatever `Retry-After` says) costs nearly as much to refuse as to
//! serve: at ten times the load the server would spend itself on refusals. So they are spread: up to a set rate a
//! refusal leaves at once, beyond it each waits for its turn, at most [`LONGEST_WAIT`]. Since a connection has one
//! request at a time, the waiting ones are bounded by the connections, and the clients' own loop slows down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for a refusal's turn.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Shorter waits are none: a timer is not finer.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Gives each refusal its turn; one for the process.
#[derive(Debug)]
pub(super) struct RefusalPacer {
    started: Instant,
    /// Nanoseconds between two turns.
    interval: u64,
    /// The next turn, in nanoseconds since `started`.
    next: AtomicU64,
}

impl RefusalPacer {
    /// A pacer for so many refusals a second (0 counts as 1).
    pub(super) fn new(per_second: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.max(1));
        Self {
            started: Instant::now(),
            interval,
            next: AtomicU64::new(0),
        }
    }

    /// How long the next refusal is to wait; zero when the rate allows it now.
    pub(super) fn wait(&self) -> Duration {
        self.wait_at(nanoseconds(self.started.elapsed()))
    }

    fn wait_at(&self, now: u64) -> Duration {
        let turn = |next: u64| next.clamp(now, now + nanoseconds(LONGEST_WAIT));
        let taken = self
            .next
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |next| {
                Some(turn(next) + self.interval)
            });
        // The closure never declines, so both arms hold the value before.
        let (Ok(next) | Err(next)) = taken;
        let wait = Duration::from_nanos(turn(next) - now);
        if wait < SHORTEST_WAIT {
            Duration::ZERO
        } else {
            wait
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    //! Failure here means: a lone refusal waits, a flood is not slowed, or one waits for ever.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn below_the_rate_of_refusals_nobody_waits() {
        let pacer = RefusalPacer::new(100);
        for turn in 0..1_000_u64 {
            assert_eq!(pacer.wait_at(turn * 10_000_000), Duration::ZERO);
        }
    }

    #[test]
    fn a_flood_leaves_at_the_rate_and_a_calm_forgets_it() {
        let pacer = RefusalPacer::new(1_000);
        let waits: Vec<_> = (0..500).map(|_| pacer.wait_at(0)).collect();
        assert_eq!(waits[0], Duration::ZERO);
        assert_eq!(waits[499], Duration::from_millis(499));
        assert_eq!(pacer.wait_at(10_000_000_000), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn turns_are_apart_by_the_interval_up_to_the_longest_wait(
            per_second in 1_u32..20_000,
            gaps in proptest::collection::vec(0_u64..5_000_000, 1..200),
        ) {
            let pacer = RefusalPacer::new(per_second);
            let mut now = 0;
            let mut last_turn = None;
            for gap in gaps {
                now += gap;
                let wait = pacer.wait_at(now);
                prop_assert!(wait <= LONGEST_WAIT);
                let turn = now + nanoseconds(wait);
                if let Some(last) = last_turn
                    && wait < LONGEST_WAIT
                {
                    // A wait below a timer's grain counts as none.
                    prop_assert!(turn + nanoseconds(SHORTEST_WAIT) >= last + pacer.interval);
                }
                last_turn = Some(turn);
            }
        }
    }
}
