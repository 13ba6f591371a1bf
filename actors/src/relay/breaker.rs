//! The breaker: after too many failed tries in a row nothing is let through for a while; then one post may try, and its outcome decides.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The state of the way to the backend.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    threshold: u32,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything passes; so many tries in a row have failed.
    Closed { failures: u32 },
    /// Nothing passes before this moment.
    Open { until: Instant },
    /// One post is trying.
    Probing,
}

/// Leave to post. If it goes unused, the next one may try.
#[derive(Debug)]
pub(super) struct Passage {
    breaker: Arc<Breaker>,
    /// This post is the one that tries for all.
    is_probe: bool,
    has_reported: bool,
}

impl Breaker {
    pub(super) fn new(threshold: u32, pause: Duration) -> Self {
        let breaker = Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            threshold: threshold.max(1),
            pause,
        };
        metrics::gauge!("sistema_ts_relay_breaker_open").set(0.0);
        breaker
    }

    /// Leave to post, unless the breaker is open.
    pub(super) fn pass(breaker: &Arc<Self>) -> Option<Passage> {
        let mut state = breaker.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if Instant::now() >= until => true,
            State::Open { .. } | State::Probing => return None,
        };
        if is_probe {
            *state = State::Probing;
        }
        drop(state);
        Some(Passage {
            breaker: Arc::clone(breaker),
            is_probe,
            has_reported: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage {
    /// Whether a post that has not begun may begin: the breaker may have opened since it was given leave.
    pub(super) fn is_still_given(&self) -> bool {
        self.is_probe || matches!(*self.breaker.lock(), State::Closed { .. })
    }

    /// A try was answered: the backend lives.
    pub(super) fn succeeded(&mut self) {
        self.has_reported = true;
        let mut state = self.breaker.lock();
        // Only the probe closes an open breaker: other posts are from before it opened.
        if self.is_probe || matches!(*state, State::Closed { .. }) {
            *state = State::Closed { failures: 0 };
            metrics::gauge!("sistema_ts_relay_breaker_open").set(0.0);
        }
    }

    /// A try failed. Answers whether the post may try again.
    pub(super) fn failed(&mut self) -> bool {
        self.has_reported = true;
        let pause = self.breaker.pause;
        let mut state = self.breaker.lock();
        let opens = match *state {
            State::Closed { failures } if failures + 1 < self.breaker.threshold => {
                *state = State::Closed {
                    failures: failures + 1,
                };
                false
            }
            State::Closed { .. } => true,
            State::Probing => self.is_probe,
            State::Open { .. } => return false,
        };
        if opens {
            *state = State::Open {
                until: Instant::now() + pause,
            };
            metrics::gauge!("sistema_ts_relay_breaker_open").set(1.0);
            metrics::counter!("sistema_ts_relay_breaker_openings_total").increment(1);
            tracing::warn!("the Immuni backend does not answer: the relay pauses");
            return false;
        }
        matches!(*state, State::Closed { .. })
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if self.is_probe && !self.has_reported {
            *self.breaker.lock() = State::Open {
                until: Instant::now(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a dead backend is asked by everybody, or that one which lives again is asked by nobody.
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    fn open(threshold: u32) -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::new(threshold, PAUSE));
        let mut passage = Breaker::pass(&breaker).unwrap();
        for failure in 1..=threshold {
            assert_eq!(passage.failed(), failure < threshold);
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_the_threshold_and_lets_one_try_after_the_pause() {
        let breaker = open(3);
        assert!(Breaker::pass(&breaker).is_none());
        tokio::time::advance(PAUSE - Duration::from_millis(1)).await;
        assert!(Breaker::pass(&breaker).is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
        let mut probe = Breaker::pass(&breaker).unwrap();
        assert!(Breaker::pass(&breaker).is_none(), "one at a time");
        assert!(!probe.failed(), "a probe tries once");
        assert!(Breaker::pass(&breaker).is_none());
        tokio::time::advance(PAUSE).await;
        Breaker::pass(&breaker).unwrap().succeeded();
        assert!(Breaker::pass(&breaker).is_some());
        assert!(Breaker::pass(&breaker).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_was_never_sent_leaves_the_next_one_to_try() {
        let breaker = open(1);
        tokio::time::advance(PAUSE).await;
        drop(Breaker::pass(&breaker).unwrap());
        assert!(Breaker::pass(&breaker).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_begins_the_count_anew_and_a_latecomer_closes_nothing() {
        let breaker = Arc::new(Breaker::new(2, PAUSE));
        let mut early = Breaker::pass(&breaker).unwrap();
        let mut passage = Breaker::pass(&breaker).unwrap();
        assert!(passage.failed());
        passage.succeeded();
        assert!(passage.failed(), "one failure of two");
        assert!(!passage.failed());
        early.succeeded();
        assert!(Breaker::pass(&breaker).is_none());
    }
}
