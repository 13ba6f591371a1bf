//! When the mirror gives an answer: at once, or at a time that is known beforehand, so that a client's figures can be held against it.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// Answers of which [`Delays`] states the times.
const TURN: usize = 1_000;
/// An answer's place among those of its turn is this many after that of the one before: long ones do not follow one another. It has no
/// divisor with [`TURN`], so that a turn has every place once.
const STRIDE: usize = 389;

/// When answers are given.
#[derive(Debug)]
pub(crate) enum Pace {
    /// As soon as it can.
    AtOnce,
    /// One after another, each after so long: a server with one place, that is never idle while a request waits.
    InTurn {
        service: Duration,
        /// When the answer before was or will be given.
        last: Option<Instant>,
    },
    /// Each so long after its own request, whatever else is under way: no request waits for another.
    Apart {
        /// A turn of answers.
        delays: Delays,
        /// The next one's number in its turn.
        next: usize,
    },
}

impl Pace {
    /// One after another, each after so long.
    pub(crate) fn in_turn(service: Duration) -> Self {
        Self::InTurn {
            service,
            last: None,
        }
    }

    /// Each so long after its own request.
    pub(crate) fn apart(delays: Delays) -> Self {
        Self::Apart { delays, next: 0 }
    }

    /// When the answer to a request is due that was whole at `now`; `None` if at once.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Self::AtOnce => None,
            Self::InTurn { service, last } => {
                let begins = last.map_or(now, |last| last.max(now));
                *last = Some(begins + *service);
                *last
            }
            Self::Apart { delays, next } => {
                let delay = delays.at(*next);
                *next = (*next + STRIDE) % TURN;
                Some(now + delay)
            }
        }
    }
}

/// How long the answers of a turn of a thousand take: some of each kind, in an order of no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delays(Vec<(usize, Duration)>);

impl Delays {
    fn at(&self, place: usize) -> Duration {
        let mut before = 0;
        let kind = self.0.iter().find(|(count, _)| {
            before += count;
            place < before
        });
        kind.map_or(Duration::ZERO, |(_, delay)| *delay)
    }
}

impl FromStr for Delays {
    type Err = String;

    /// From `COUNTxMICROSECONDS,…`, whose counts are a thousand together.
    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = text.split(',').map(|kind| {
            let (count, delay) = kind.split_once('x')?;
            let delay = Duration::from_micros(delay.parse::<u32>().ok()?.into());
            Some((count.parse().ok()?, delay))
        });
        let kinds: Vec<(usize, Duration)> = kinds
            .collect::<Option<_>>()
            .ok_or("COUNTxMICROSECONDS is wanted, for example 990x2000,10x20000")?;
        let whole = kinds
            .iter()
            .try_fold(0, |sum: usize, (count, _)| sum.checked_add(*count));
        if whole == Some(TURN) {
            Ok(Self(kinds))
        } else {
            Err(format!("the counts must be {TURN} together"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: an answer at another time than was stated, so that a client is held against what is not so.

    use std::collections::BTreeMap;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn one_after_another_each_waits_for_those_before_it_and_nothing_is_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::in_turn(10 * MILLISECOND);
        let mut due = |at: u32| pace.due(start + at * MILLISECOND).unwrap() - start;
        assert_eq!(due(0), 10 * MILLISECOND);
        assert_eq!(due(1), 20 * MILLISECOND);
        assert_eq!(due(19), 30 * MILLISECOND);
        assert_eq!(due(100), 110 * MILLISECOND);
    }

    #[test]
    fn every_thousand_answers_have_the_stated_delays_and_none_waits_for_another() {
        let start = Instant::now();
        let mut pace = Pace::apart("900x2000,90x3000,9x20000,1x50000".parse().unwrap());
        for turn in 0..3 {
            let mut counts: BTreeMap<u128, usize> = BTreeMap::new();
            let mut longest_in_a_row = 0;
            let mut in_a_row = 0;
            for _ in 0..TURN {
                let delay = (pace.due(start).unwrap() - start).as_micros();
                *counts.entry(delay).or_default() += 1;
                in_a_row = if delay > 3_000 { in_a_row + 1 } else { 0 };
                longest_in_a_row = longest_in_a_row.max(in_a_row);
            }
            let wanted = [(2_000, 900), (3_000, 90), (20_000, 9), (50_000, 1)];
            assert_eq!(counts, BTreeMap::from(wanted), "turn {turn}");
            assert_eq!(longest_in_a_row, 1, "turn {turn}");
        }
    }

    #[test]
    fn counts_that_are_no_thousand_and_texts_that_are_no_delays_are_refused() {
        for text in [
            "",
            "1000",
            "x2000",
            "999x2000",
            "1000x2000,1x3000",
            "1000x-1",
            "1000x4294967296",
            "18446744073709551615x1,1001x1",
        ] {
            assert!(text.parse::<Delays>().is_err(), "{text}");
        }
    }
}
