//! How far ahead keys are derived and renewed.

/// How far beyond its oldest day a ring derives keys. A date further ahead is a clock gone wrong.
pub(super) const FARTHEST_DAYS: u64 = 400;

/// A renewal begins so many days ahead at the earliest: until then every server that holds the ring has taken it up, and clocks may differ.
pub const RENEWAL_AHEAD_DAYS: u64 = 2;
