//! Who has failed so often that others come first: a bucket of tokens for each user at a source, and for each network of a source.
//!
//! An attempt takes a token before its check and gives it back if the check does not fail, so that many attempts at once get no more tokens than
//! as many one after another. An attempt that a full waiting room turns away gives back the user's token alone. Nobody is refused for an empty
//! bucket: such an attempt waits behind those of sources that do not fail. The buckets lie in memory, and a restart fills them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::source::{Network, Source};

/// Buckets that are told apart. A bucket that is full again is no bucket: so many exist only while so many fail.
const MAXIMUM_BUCKETS: usize = 65_536;

/// Between two looks for buckets that are full again.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// A wider network may fail more often: each level up so many times as often.
const WIDER: f64 = 2.0;

/// How often one may fail before others come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRate {
    /// Failures at once; at least 1.
    pub burst: u32,
    /// Failures a minute in the long run; at least 1.
    pub per_minute: u32,
}

/// How failures slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowingSettings {
    /// Of one user at one source. Beyond it, failures of that user do not count against the source, where others are who do not fail.
    pub user: FailureRate,
    /// Of one source: an IPv4 address or an IPv6 network of 64 bits; an IPv4 network of 24 bits and an IPv6 network of 56 may fail twice as often,
    /// an IPv6 network of 48 bits four times.
    pub source: FailureRate,
}

/// What has a bucket. A user's name is that which was typed, registered or not, as a hash under a key of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(u64, Network),
    Source(Network),
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
    burst: f64,
    per_second: f64,
}

impl Bucket {
    fn full(rate: FailureRate, times: f64, now: Instant) -> Self {
        let burst = f64::from(rate.burst) * times;
        Bucket {
            tokens: burst,
            at: now,
            burst,
            per_second: f64::from(rate.per_minute) * times / 60.0,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        self.at = self.at.max(now);
    }
}

/// The tokens that an attempt has taken.
#[derive(Debug)]
pub(super) struct Charge {
    taken: [Option<Holder>; Source::LEVELS + 1],
    /// The attempt waits behind those that are not slowed.
    pub(super) slowed: bool,
}

struct State {
    buckets: HashMap<Holder, Bucket>,
    swept: Option<Instant>,
}

/// The failures of all, as far as they still count.
pub(super) struct Slowing {
    settings: SlowingSettings,
    names: RandomState,
    state: Mutex<State>,
}

impl Slowing {
    pub(super) fn new(settings: SlowingSettings) -> Self {
        Slowing {
            settings,
            names: RandomState::new(),
            state: Mutex::new(State {
                buckets: HashMap::new(),
                swept: None,
            }),
        }
    }

    /// The name of whoever signs in, as it was typed, in few bytes.
    pub(super) fn name(&self, typed: &str) -> u64 {
        self.names.hash_one(typed)
    }

    /// Takes the tokens of one attempt, as far as there are any. The source's only where the user's was there.
    pub(super) fn take(&self, name: u64, source: &Source, now: Instant) -> Charge {
        let mut charge = Charge {
            taken: [None; Source::LEVELS + 1],
            slowed: false,
        };
        let mut state = self.state();
        let user = Holder::User(name, source.narrowest());
        if !state.take(user, self.settings.user, 1.0, now) {
            charge.slowed = true;
            return charge;
        }
        charge.taken[0] = Some(user);
        let mut times = 1.0;
        // The narrowest first; an IPv4 address is the same network on two levels, which have one bucket.
        let mut last = None;
        for (place, network) in source.networks().into_iter().rev().enumerate() {
            if last == Some(network) {
                continue;
            }
            last = Some(network);
            let holder = Holder::Source(network);
            // What a network fails beyond its own measure does not count against the wider ones, where others are.
            if !state.take(holder, self.settings.source, times, now) {
                charge.slowed = true;
                break;
            }
            charge.taken[place + 1] = Some(holder);
            times *= WIDER;
        }
        charge
    }

    /// Gives the tokens back: the attempt did not fail.
    pub(super) fn give_back(&self, charge: &Charge) {
        self.return_tokens(charge.taken.iter().flatten());
    }

    /// Gives the user's token back, and not the source's: the attempt was turned away from a waiting room that is full. Where each of many
    /// sources has one waiting, nothing else tells those who fill the room again and again from those who come to it once. One that was
    /// slowed gets back all: a network that is spent already must not fill the memory with buckets of the addresses in it.
    pub(super) fn turned_away(&self, charge: &Charge) {
        let given_back = if charge.slowed { charge.taken.len() } else { 1 };
        self.return_tokens(charge.taken.iter().take(given_back).flatten());
    }

    fn return_tokens<'a>(&self, holders: impl Iterator<Item = &'a Holder>) {
        let mut state = self.state();
        for holder in holders {
            if let Some(bucket) = state.buckets.get_mut(holder) {
                bucket.tokens = (bucket.tokens + 1.0).min(bucket.burst);
            }
        }
    }

    /// Nothing under the lock panics.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, holder: Holder, rate: FailureRate, times: f64, now: Instant) -> bool {
        if self.buckets.len() >= MAXIMUM_BUCKETS && !self.buckets.contains_key(&holder) {
            self.sweep(now);
            if self.buckets.len() >= MAXIMUM_BUCKETS {
                // More fail at once than can be told apart: whoever is new now waits behind those who are not.
                return false;
            }
        }
        let bucket = self
            .buckets
            .entry(holder)
            .or_insert_with(|| Bucket::full(rate, times, now));
        bucket.fill(now);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Forgets the buckets that are full again. Not more often than once in a while, since all are looked at.
    fn sweep(&mut self, now: Instant) {
        let is_due = |swept| now.saturating_duration_since(swept) >= SWEEP_PAUSE;
        if !self.swept.is_none_or(is_due) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| {
            bucket.fill(now);
            bucket.tokens < bucket.burst
        });
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that somebody fails as often as he likes without being slowed, that one's failures slow another, or that memory grows
    //! without end.
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SETTINGS: SlowingSettings = SlowingSettings {
        user: FailureRate {
            burst: 3,
            per_minute: 6,
        },
        source: FailureRate {
            burst: 10,
            per_minute: 10,
        },
    };

    fn source(address: &str) -> Source {
        Source::of(Some(address.parse().unwrap()))
    }

    /// How many of so many failures of one user are not slowed.
    fn unslowed(slowing: &Slowing, user: &str, from: &str, times: u32, now: Instant) -> usize {
        let take = |_: &u32| !slowing.take(slowing.name(user), &source(from), now).slowed;
        (0..times).filter(take).count()
    }

    #[test]
    fn a_user_at_a_source_has_a_burst_and_then_the_steady_rate() {
        let (slowing, start) = (Slowing::new(SETTINGS), Instant::now());
        let after = |seconds| {
            let now = start + Duration::from_secs(seconds);
            unslowed(&slowing, "mario", "192.0.2.1", 5, now)
        };
        assert_eq!([after(0), after(9), after(10), after(20)], [3, 0, 1, 1]);
        assert_eq!(after(3_600), 3);
    }

    #[test]
    fn failures_of_one_user_slow_neither_others_at_the_source_nor_the_user_elsewhere() {
        let (slowing, now) = (Slowing::new(SETTINGS), Instant::now());
        assert_eq!(unslowed(&slowing, "nobody", "192.0.2.1", 500, now), 3);
        assert_eq!(unslowed(&slowing, "mario", "192.0.2.1", 3, now), 3);
        assert_eq!(unslowed(&slowing, "nobody", "192.0.2.2", 3, now), 3);
    }

    #[test]
    fn many_users_of_one_source_are_slowed_together_and_other_sources_are_not() {
        let (slowing, now) = (Slowing::new(SETTINGS), Instant::now());
        let fails = |count: u32, from: &str| -> usize {
            (0..count)
                .map(|user| unslowed(&slowing, &user.to_string(), from, 1, now))
                .sum()
        };
        assert_eq!(fails(100, "192.0.2.1"), 10);
        assert_eq!(fails(100, "::ffff:192.0.2.1"), 0);
        assert_eq!(fails(10, "192.0.2.2"), 10);
        // The network of 24 bits has had its two times; another has not.
        assert_eq!(fails(10, "192.0.2.3"), 0);
        assert_eq!(fails(10, "192.0.3.1"), 10);
    }

    #[test]
    fn who_is_turned_away_again_and_again_is_slowed_as_a_source_and_not_as_a_user() {
        let (slowing, now) = (Slowing::new(SETTINGS), Instant::now());
        let knock = |from: &str| {
            let charge = slowing.take(slowing.name("mario"), &source(from), now);
            slowing.turned_away(&charge);
            charge.slowed
        };
        let slowed: Vec<bool> = (0..12).map(|_| knock("192.0.2.1")).collect();
        assert_eq!(slowed.iter().position(|slowed| *slowed), Some(10));
        // The user's own tokens are all there where the source is not spent.
        assert!((0..5).all(|_| !knock("192.0.3.1")));
        assert_eq!(unslowed(&slowing, "mario", "192.0.3.1", 5, now), 3);
    }

    #[test]
    fn networks_of_an_ipv6_customer_are_slowed_together_however_many_addresses_they_have() {
        let (slowing, now) = (Slowing::new(SETTINGS), Instant::now());
        let fails = |network: &str, count: u32| -> usize {
            (0..count)
                .map(|host| {
                    let from = format!("2001:db8:{network}{:02x}::1", host % 256);
                    unslowed(&slowing, &format!("user {host}"), &from, 1, now)
                })
                .sum()
        };
        // 256 networks of 64 bits within one of 56: twice a source's burst.
        assert_eq!(fails("0:1", 256), 20);
        assert_eq!(fails("0:2", 256), 20);
        // The network of 48 bits has had its four times.
        assert_eq!(fails("0:3", 256), 0);
        assert_eq!(fails("1:1", 256), 20);
    }

    #[test]
    fn what_does_not_fail_costs_nothing_and_never_fills_above_the_burst() {
        let (slowing, now) = (Slowing::new(SETTINGS), Instant::now());
        for _ in 0..100 {
            let charge = slowing.take(slowing.name("mario"), &source("192.0.2.1"), now);
            assert!(!charge.slowed);
            slowing.give_back(&charge);
            slowing.give_back(&charge);
        }
        assert_eq!(unslowed(&slowing, "mario", "192.0.2.1", 10, now), 3);
    }

    #[test]
    fn a_network_that_is_spent_fills_no_memory_however_many_of_its_addresses_knock() {
        let (slowing, start) = (Slowing::new(SETTINGS), Instant::now());
        let knock = |number: usize, now: Instant| {
            let from = format!("2001:db8:1:{number:x}::1");
            let charge = slowing.take(slowing.name(&number.to_string()), &source(&from), now);
            slowing.turned_away(&charge);
        };
        (0..MAXIMUM_BUCKETS / 2).for_each(|number| knock(number, start));
        // Before a token comes again.
        let later = start + Duration::from_secs(2);
        assert_eq!(unslowed(&slowing, "mario", "192.0.2.1", 1, later), 1);
        assert!(slowing.state().buckets.len() < 1_000);
    }

    #[test]
    fn memory_is_bounded_and_what_is_full_again_makes_room() {
        let (slowing, start) = (Slowing::new(SETTINGS), Instant::now());
        for index in 0..MAXIMUM_BUCKETS as u32 {
            let from = Source::of(Some(std::net::IpAddr::from(index.to_be_bytes())));
            slowing.take(slowing.name("nobody"), &from, start);
        }
        assert_eq!(slowing.state().buckets.len(), MAXIMUM_BUCKETS);
        assert_eq!(unslowed(&slowing, "mario", "2001:db8::1", 1, start), 0);
        let later = start + Duration::from_secs(3_600);
        assert_eq!(unslowed(&slowing, "mario", "2001:db8::1", 1, later), 1);
        assert!(slowing.state().buckets.len() < 10);
    }
}
