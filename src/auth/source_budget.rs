//! How many failed checks one source address may cause: a bucket of tokens for each, filled at a steady rate.
//!
//! A check takes a token before it hashes and gives it back if it succeeds, so that many at once get no more than one after
//! another. The source is the peer of the connection, or what a listed proxy says of it by the PROXY protocol; no header of a
//! request plays a part.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Sources that are told apart; beyond, new ones share one bucket.
const MAXIMUM_SOURCES: usize = 16_384;

/// What a source may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Failures at once; at least 1.
    pub burst: u32,
    /// Failures a minute in the long run; at least 1.
    pub per_minute: u32,
}

/// What counts as one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// An IPv4 address, or an IPv6 network of 64 bits, within which a host takes addresses as it likes.
    Known(IpAddr),
    /// A proxy did not say, or there are too many sources to tell apart.
    Unknown,
}

impl Source {
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Source::Unknown,
            Some(IpAddr::V4(address)) => Source::Known(IpAddr::V4(address)),
            Some(IpAddr::V6(address)) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Source::Known(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Known(address) => address.fmt(formatter),
            Source::Unknown => formatter.write_str("unknown"),
        }
    }
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

pub(super) struct SourceBudget {
    settings: BudgetSettings,
    buckets: Mutex<HashMap<Source, Bucket>>,
}

impl SourceBudget {
    pub(super) fn new(settings: BudgetSettings) -> Self {
        SourceBudget {
            settings,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token; the source it was taken from, or `None` if there is none left.
    pub(super) fn take(&self, source: Source, now: Instant) -> Option<Source> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = source;
        if !buckets.contains_key(&source) && buckets.len() >= MAXIMUM_SOURCES {
            buckets.retain(|_, bucket| {
                self.filled(*bucket, now).tokens < f64::from(self.settings.burst)
            });
            if buckets.len() >= MAXIMUM_SOURCES {
                source = Source::Unknown;
            }
        }
        let full = Bucket {
            tokens: f64::from(self.settings.burst),
            at: now,
        };
        let bucket = buckets.entry(source).or_insert(full);
        *bucket = self.filled(*bucket, now);
        if bucket.tokens < 1.0 {
            return None;
        }
        bucket.tokens -= 1.0;
        Some(source)
    }

    /// Gives a token back.
    pub(super) fn give_back(&self, source: Source) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&source) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.settings.burst));
        }
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        let gained = passed * f64::from(self.settings.per_minute) / 60.0;
        Bucket {
            tokens: (bucket.tokens + gained).min(f64::from(self.settings.burst)),
            at: now.max(bucket.at),
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that one source can make the server hash without end, or that one source spends another's budget.
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    const SETTINGS: BudgetSettings = BudgetSettings {
        burst: 3,
        per_minute: 6,
    };

    fn source(address: &str) -> Source {
        Source::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_burst_and_then_the_steady_rate() {
        let (budget, start) = (SourceBudget::new(SETTINGS), Instant::now());
        let take = |seconds| {
            budget
                .take(source("192.0.2.1"), start + Duration::from_secs(seconds))
                .is_some()
        };
        assert_eq!(
            [take(0), take(0), take(0), take(0), take(9)],
            [true, true, true, false, false]
        );
        assert_eq!([take(10), take(10), take(20)], [true, false, true]);
        assert_eq!(
            [take(3_600), take(3_600), take(3_600), take(3_600)],
            [true, true, true, false]
        );
    }

    #[test]
    fn a_success_costs_nothing_and_never_fills_above_the_burst() {
        let (budget, now) = (SourceBudget::new(SETTINGS), Instant::now());
        for _ in 0..100 {
            let taken = budget.take(source("192.0.2.1"), now).unwrap();
            budget.give_back(taken);
        }
        budget.give_back(source("192.0.2.1"));
        let left = (0..10)
            .filter(|_| budget.take(source("192.0.2.1"), now).is_some())
            .count();
        assert_eq!(left, 3);
    }

    #[test]
    fn sources_do_not_spend_each_others_budget() {
        let (budget, now) = (SourceBudget::new(SETTINGS), Instant::now());
        for _ in 0..10 {
            budget.take(source("192.0.2.1"), now);
        }
        assert!(budget.take(source("192.0.2.2"), now).is_some());
        assert!(budget.take(Source::of(None), now).is_some());
    }

    #[test]
    fn an_address_is_one_source_however_it_is_written_and_an_ipv6_network_is_one() {
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::9"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
    }

    #[test]
    fn memory_is_bounded_and_idle_sources_make_room() {
        let (budget, start) = (SourceBudget::new(SETTINGS), Instant::now());
        let address = |index: u32| Source::Known(IpAddr::from(index.to_be_bytes()));
        for index in 0..MAXIMUM_SOURCES as u32 {
            assert_eq!(budget.take(address(index), start), Some(address(index)));
        }
        let beyond = MAXIMUM_SOURCES as u32;
        assert_eq!(budget.take(address(beyond), start), Some(Source::Unknown));
        assert_eq!(budget.buckets.lock().unwrap().len(), MAXIMUM_SOURCES + 1);
        let later = start + Duration::from_secs(60);
        assert_eq!(budget.take(address(beyond), later), Some(address(beyond)));
        assert_eq!(budget.buckets.lock().unwrap().len(), 1);
    }
}
