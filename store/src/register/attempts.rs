//! Failed attempts of one user: counted before the check, so that a hundred at once get no more tries than one after another.

use sistema_ts_model::Timestamp;

use super::UserId;

/// How many failures lock a user out, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutPolicy {
    /// Failures within one window that lock the user out; at least 1.
    pub threshold: u32,
    /// Length of the window, in milliseconds, from the first failure in it.
    pub window_millis: i64,
    /// Length of a lockout, in milliseconds.
    pub lockout_millis: i64,
}

/// The count of one user: failures, and attempts still being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptCounter {
    /// When the window began.
    pub window_started: Timestamp,
    /// Attempts in the window that failed or are still being checked.
    pub failures: u32,
    /// Set when `failures` reached the threshold: no attempt is checked before then.
    pub locked_until: Option<Timestamp>,
    /// Attempts refused unchecked since the lockout began. Every attempt changes a count, so that the write of a locked user's
    /// attempt costs what any other costs.
    pub refused: u32,
}

/// What became of an attempt that asked to be checked.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It may be checked. If it succeeds, the ticket takes it off the count again.
    Admitted {
        /// What [`Register::return_attempt`](super::Register::return_attempt) takes.
        ticket: AttemptTicket,
        /// Whether this attempt, unless it succeeds, has locked the user out.
        locks: bool,
    },
    /// The user is locked out: whatever was given, the answer is no.
    Locked,
}

/// Proof that an attempt was counted. It is no `Clone`, so one attempt is returned once at most.
#[derive(Debug, PartialEq, Eq)]
pub struct AttemptTicket {
    pub(crate) user: Option<UserId>,
    pub(crate) window_started: Timestamp,
}

impl AttemptCounter {
    /// The count of a user without failures, at the first attempt.
    fn fresh(now: Timestamp) -> Self {
        AttemptCounter {
            window_started: now,
            failures: 0,
            locked_until: None,
            refused: 0,
        }
    }

    /// Counts an attempt: the counter to store, and whether the attempt may be checked.
    #[must_use]
    pub fn raise(counter: Option<Self>, policy: LockoutPolicy, now: Timestamp) -> (Self, bool) {
        let mut counter = counter.unwrap_or(Self::fresh(now));
        match counter.locked_until {
            Some(until) if now < until => {
                counter.refused = counter.refused.saturating_add(1);
                return (counter, false);
            }
            Some(_) => counter = Self::fresh(now),
            // A clock that went back leaves a window in the future: it counts on, and ends as any other.
            None if now.millis() - counter.window_started.millis() >= policy.window_millis => {
                counter = Self::fresh(now)
            }
            None => {}
        }
        counter.failures = counter.failures.saturating_add(1);
        if counter.failures >= policy.threshold {
            counter.locked_until = Some(now.plus_millis(policy.lockout_millis));
        }
        (counter, true)
    }

    /// Takes an attempt of the window that began at `window_started` off the count; one of an older window is gone already.
    #[must_use]
    pub fn lower(mut self, window_started: Timestamp) -> Self {
        if self.window_started == window_started {
            self.failures = self.failures.saturating_sub(1);
            self.locked_until = None;
            self.refused = 0;
        }
        self
    }

    /// Whether no attempt would be checked at `now`.
    #[must_use]
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that guessing gets more tries than the policy allows, or that a user stays out longer.
    use super::*;

    const POLICY: LockoutPolicy = LockoutPolicy {
        threshold: 3,
        window_millis: 1_000,
        lockout_millis: 500,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis_clamped(1_700_000_000_000 + millis)
    }

    fn raise_all(times: &[i64]) -> (AttemptCounter, Vec<bool>) {
        let mut counter = None;
        let mut admitted = Vec::new();
        for millis in times {
            let (next, may) = AttemptCounter::raise(counter, POLICY, at(*millis));
            counter = Some(next);
            admitted.push(may);
        }
        (counter.expect("at least one attempt"), admitted)
    }

    #[test]
    fn exactly_the_threshold_is_checked_and_then_none_until_the_end_of_the_lockout() {
        let (counter, admitted) = raise_all(&[0, 1, 2, 3, 501, 502]);
        assert_eq!(admitted, [true, true, true, false, false, true]);
        assert_eq!((counter.failures, counter.refused), (1, 0));
    }

    #[test]
    fn a_window_that_ended_counts_no_more() {
        let (counter, admitted) = raise_all(&[0, 999, 1_000]);
        assert_eq!(admitted, [true, true, true]);
        assert_eq!(counter.failures, 1);
    }

    #[test]
    fn every_attempt_changes_the_stored_counter() {
        let mut counter = None;
        for _ in 0..10 {
            let (next, _) = AttemptCounter::raise(counter, POLICY, at(0));
            assert_ne!(counter, Some(next));
            counter = Some(next);
        }
    }

    #[test]
    fn a_success_takes_off_its_own_attempt_alone() {
        let (counter, _) = raise_all(&[0, 1]);
        assert_eq!(counter.lower(at(0)).failures, 1);
    }

    #[test]
    fn a_success_in_flight_ends_the_lockout_that_its_own_attempt_completed() {
        let (counter, _) = raise_all(&[0, 1, 2]);
        assert!(counter.is_locked(at(3)));
        let lowered = counter.lower(at(0));
        assert!(!lowered.is_locked(at(3)));
        let (again, admitted) = AttemptCounter::raise(Some(lowered), POLICY, at(3));
        assert!(admitted && again.is_locked(at(4)));
    }

    #[test]
    fn a_success_from_an_older_window_takes_nothing_off_the_new_one() {
        let (counter, _) = raise_all(&[0, 1_000]);
        assert_eq!(counter.lower(at(0)).failures, 1);
    }
}
