//! What is due next: the streams' times, and which step and caller it is.

use std::time::Duration;

use crate::callers::Callers;
use crate::callers::people::Numbers;
use crate::pacing::arrival::{Arrivals, Spacing};
use crate::scenario::{Load, Step, Stream};
use crate::steps::{Steps, Work};

/// A stream that is being driven.
#[derive(Debug)]
pub(super) struct Source {
    numbers: Numbers,
    /// Steps with the sums of their weights.
    mix: Vec<(Step, f64)>,
    /// Callers with the sums of their weights.
    callers: Vec<(u16, f64)>,
    pace: Pace,
    pub(super) requests_per_connection: Option<u32>,
}

#[derive(Debug)]
enum Pace {
    Open {
        arrivals: Arrivals,
        /// The next time, from the beginning.
        next: Option<Duration>,
    },
    Closed {
        until: Option<Duration>,
        /// Requests that may still leave.
        left: u64,
    },
}

/// A step that is due, with a request for it or without.
pub(super) struct Drawn {
    pub(super) step: Step,
    /// `None` if there was nothing to go on from.
    pub(super) work: Option<Work>,
}

impl Source {
    pub(super) fn new(stream: &Stream, number: usize, callers: &Callers, seed: u64) -> Self {
        let mut numbers = Numbers::new(seed ^ (number as u64 + 1).rotate_left(48));
        let pace = match &stream.load {
            Load::Open { stages, poisson } => {
                let spacing = if *poisson {
                    Spacing::Poisson(Numbers::new(numbers.next()))
                } else {
                    Spacing::Even
                };
                let mut arrivals = Arrivals::new(stages.clone(), spacing);
                let next = arrivals.next();
                Pace::Open { arrivals, next }
            }
            Load::Closed { limit, requests } => Pace::Closed {
                until: *limit,
                left: requests.unwrap_or(u64::MAX),
            },
        };
        Self {
            numbers,
            mix: sums(&stream.mix),
            callers: sums(&callers.groups[stream.group]),
            pace,
            requests_per_connection: stream.requests_per_connection,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.pace, Pace::Closed { .. })
    }

    /// When the next request of an open stream is due.
    pub(super) fn next(&self) -> Option<Duration> {
        match &self.pace {
            Pace::Open { next, .. } => *next,
            Pace::Closed { .. } => None,
        }
    }

    /// Takes the time of the next request, if that has come.
    pub(super) fn take_due(&mut self, elapsed: Duration) -> Option<Duration> {
        match &mut self.pace {
            Pace::Open { arrivals, next } => {
                let due = next.filter(|due| *due <= elapsed)?;
                *next = arrivals.next();
                Some(due)
            }
            Pace::Closed { .. } => None,
        }
    }

    /// Whether a closed stream may send another request.
    pub(super) fn may_send(&self, elapsed: Duration) -> bool {
        match self.pace {
            Pace::Open { .. } => false,
            Pace::Closed { until, left } => left > 0 && until.is_none_or(|until| elapsed < until),
        }
    }

    /// A closed stream has sent one.
    pub(super) fn has_sent(&mut self) {
        if let Pace::Closed { left, .. } = &mut self.pace {
            *left -= 1;
        }
    }

    /// Whether nothing more will be due.
    pub(super) fn is_over(&self, elapsed: Duration) -> bool {
        match &self.pace {
            Pace::Open { next, .. } => next.is_none(),
            Pace::Closed { .. } => !self.may_send(elapsed),
        }
    }

    /// Draws a step and a caller. If that caller has nothing to go on from, the others are asked in turn.
    pub(super) fn draw(&mut self, steps: &mut Steps) -> Drawn {
        let step = *draw(&self.mix, &mut self.numbers);
        let caller = *draw(&self.callers, &mut self.numbers);
        let mut work = steps.draft(step, caller);
        if work.is_none() {
            let others = self.callers.iter().filter(|(other, _)| *other != caller);
            work = others
                .into_iter()
                .find_map(|(other, _)| steps.draft(step, *other));
        }
        Drawn { step, work }
    }

    /// Draws a step for this caller, whose connection is free.
    pub(super) fn draw_for(&mut self, caller: u16, steps: &mut Steps) -> Drawn {
        let step = *draw(&self.mix, &mut self.numbers);
        Drawn {
            step,
            work: steps.draft(step, caller),
        }
    }
}

/// Weights as sums with those before them.
fn sums<T: Copy>(weights: &[(T, f64)]) -> Vec<(T, f64)> {
    let mut sum = 0.0;
    weights
        .iter()
        .map(|(value, weight)| {
            sum += weight;
            (*value, sum)
        })
        .collect()
}

/// One of them, by its weight; there is at least one, and their weights are more than 0.
fn draw<'s, T>(sums: &'s [(T, f64)], numbers: &mut Numbers) -> &'s T {
    let last = sums.len() - 1;
    let whole = sums[last].1;
    let point = (numbers.next() >> 11) as f64 / (1_u64 << 53) as f64 * whole;
    let place = sums.partition_point(|(_, sum)| *sum <= point);
    &sums[place.min(last)].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_follows_the_weights() {
        let weights = sums(&[('a', 1.0), ('b', 0.0), ('c', 3.0)]);
        let mut numbers = Numbers::new(5);
        let mut counts = [0_u32; 3];
        for _ in 0..40_000 {
            match draw(&weights, &mut numbers) {
                'a' => counts[0] += 1,
                'b' => counts[1] += 1,
                _ => counts[2] += 1,
            }
        }
        // The seed is fixed: a quarter and three quarters, within what 40,000 draws allow.
        assert!((9_700..10_300).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[1], 0);
    }
}
