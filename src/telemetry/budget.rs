//! How many lines the log takes of what strangers can cause as fast as they like.
//!
//! Each kind of line has a budget of its own, so that a flood of one kind hides no line of another. Within a kind each source may have a share,
//! so that a flood from one place hides no other place. Memory is fixed. Nothing here is touched by a request that logs nothing.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seconds since some moment before the first line.
fn second() -> u64 {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    STARTED.elapsed().as_secs()
}

/// Lines in the current span of time: its number in the upper half, their count in the lower.
#[derive(Debug)]
struct Window(AtomicU64);

impl Window {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a line, if there are fewer than `most` in this span.
    fn take(&self, span: u64, most: u64) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
                let count = if packed >> 32 == span {
                    packed & 0xffff_ffff
                } else {
                    0
                };
                (count < most).then_some(span << 32 | (count + 1))
            });
        taken.is_ok()
    }
}

/// How many lines of one kind the log takes.
#[derive(Debug)]
pub struct LogBudget {
    kind: &'static str,
    all: Window,
    shares: [Window; LogBudget::SHARES],
    /// Lines left out since one was last written.
    left_out: AtomicU64,
}

impl LogBudget {
    /// Lines a second, of all sources together.
    pub const LINES: u64 = 10;
    /// Lines of one source in [`Self::SHARE_SECONDS`].
    pub const SHARE: u64 = 5;
    /// See [`Self::SHARE`].
    pub const SHARE_SECONDS: u64 = 10;
    /// Sources are told apart by a keyed hash; two that fall together share their share.
    const SHARES: usize = 256;

    /// An unused budget. The kind is its label in the metric `sistema_ts_log_lines_left_out_total`.
    #[must_use]
    pub const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            all: Window::new(),
            shares: [const { Window::new() }; Self::SHARES],
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether a line may be written now, and then how many of this kind were left out before it.
    pub fn take(&self) -> Option<u64> {
        self.decide(self.take_at(second()))
    }

    /// As [`Self::take`], for a line that one source or caller causes: none has more than its share.
    pub fn take_for(&self, source: &impl Hash) -> Option<u64> {
        static HASHES: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        self.decide(self.take_for_at(HASHES.hash_one(source), second()))
    }

    fn take_for_at(&self, hash: u64, second: u64) -> bool {
        // The remainder is below the number of shares.
        let share = &self.shares[(hash % Self::SHARES as u64) as usize];
        share.take(second / Self::SHARE_SECONDS, Self::SHARE) && self.take_at(second)
    }

    fn take_at(&self, second: u64) -> bool {
        self.all.take(second, Self::LINES)
    }

    fn decide(&self, taken: bool) -> Option<u64> {
        if taken {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        left_out(self.kind);
        None
    }
}

/// Counts a line that was left out for want of budget.
fn left_out(kind: &'static str) {
    metrics::counter!("sistema_ts_log_lines_left_out_total", "kind" => kind).increment(1);
}

/// What one line of the code may write, whoever causes it: the net under the budgets of kinds, for lines that have none.
#[derive(Debug)]
pub(super) struct SiteBudget {
    all: Window,
    left_out: AtomicU64,
}

impl SiteBudget {
    /// Lines a second: more than a kind's budget, so that a line which has one is never judged here.
    pub(super) const LINES: u64 = 20;

    pub(super) const fn new() -> Self {
        Self {
            all: Window::new(),
            left_out: AtomicU64::new(0),
        }
    }

    /// As [`LogBudget::take`].
    pub(super) fn take(&self) -> Option<u64> {
        if self.all.take(second(), Self::LINES) {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        left_out("other");
        None
    }
}

/// The network that an address belongs to, as far as budgets tell sources apart: an IPv4 address itself, an IPv6 address' /48, which is what one
/// subscriber is given.
#[must_use]
pub fn source_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that strangers fill the log, or hide with a flood what others do.
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn beyond_its_budget_a_second_leaves_lines_out_and_the_next_one_says_how_many() {
        let budget = LogBudget::new("test");
        for second in [1, 7] {
            let taken = (0..100).filter_map(|_| budget.decide(budget.take_at(second)));
            let told: Vec<u64> = taken.collect();
            assert_eq!(told.len() as u64, LogBudget::LINES);
            assert_eq!(told[0], second / 7 * 90);
        }
    }

    #[test]
    fn a_flood_from_one_source_leaves_room_for_another() {
        let budget = LogBudget::new("test");
        let lines = |source, second| {
            let taken = (0..1_000).filter(|_| budget.take_for_at(source, second));
            taken.count() as u64
        };
        assert_eq!(lines(3, 0), LogBudget::SHARE);
        assert_eq!(lines(3, 1), 0, "its share is for some seconds");
        assert_eq!(lines(4, 1), LogBudget::SHARE);
        assert_eq!(lines(3, LogBudget::SHARE_SECONDS), LogBudget::SHARE);
        let many: u64 = (10..200).map(|source| lines(source, 100)).sum();
        assert_eq!(
            many,
            LogBudget::LINES,
            "all together have the kind's budget"
        );
    }

    #[test]
    fn many_threads_at_once_get_no_line_more() {
        let budget = LogBudget::new("test");
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let lines = (0..10_000).filter(|_| budget.take_at(5)).count();
                    taken.fetch_add(lines as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(taken.into_inner(), LogBudget::LINES);
    }

    #[test]
    fn a_subscriber_is_one_source_whatever_address_of_its_network_it_uses() {
        let network = |text: &str| source_network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:ffff::9"));
        assert_ne!(network("2001:db8:1::"), network("2001:db8:2::"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
