//! Times as they are kept: histograms of nanoseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told apart: five minutes, in nanoseconds.
const LONGEST: u64 = 300_000_000_000;

/// Times in nanoseconds, to three digits.
pub(crate) fn fine() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 3).expect("constant bounds that are in range")
}

/// Times in nanoseconds, to two digits: for what there is much of.
pub(crate) fn coarse() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 2).expect("constant bounds that are in range")
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Both clocks of requests.
#[derive(Debug)]
pub(crate) struct Times {
    /// From the intended time to the end of the answer.
    pub(crate) response: Histogram<u64>,
    /// From the sending.
    pub(crate) service: Histogram<u64>,
}
