//! Places for connections, and the pools that they belong to.

use std::collections::VecDeque;
use std::time::Instant;

use crate::ledger::RequestId;
use crate::steps::Work;
use crate::wire::connection::Connection;

/// A request whose time has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) work: Work,
    /// When it should leave.
    pub(super) intended: Instant,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) work: Work,
    pub(super) id: RequestId,
    pub(super) intended: Instant,
    pub(super) sent: Instant,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// There is none; another is begun not before this.
    Closed(Instant),
    /// It was begun then.
    Opening(Instant),
    /// Nothing is under way on it.
    Free,
    /// A request is.
    Busy,
}

/// One place for a connection.
pub(super) struct Slot {
    pub(super) pool: usize,
    pub(super) connection: Option<Connection>,
    pub(super) state: State,
    pub(super) under_way: Option<UnderWay>,
    /// Requests that this connection has answered.
    pub(super) served: u32,
    /// Whether the pool's queue of free ones has it.
    pub(super) queued: bool,
    /// Whether another connection takes its place once nothing is under way on this one.
    pub(super) retired: bool,
}

/// The connections of one caller for one stream.
pub(super) struct Pool {
    pub(super) caller: u16,
    /// Number of the stream; one beyond the last is that of read-backs.
    pub(super) stream: usize,
    /// Free ones, the longest free first: so all are used, and none is closed for being idle.
    pub(super) free: VecDeque<usize>,
    /// Requests that wait for one.
    pub(super) waiting: VecDeque<Due>,
}

impl Slot {
    pub(super) fn new(pool: usize, now: Instant) -> Self {
        Self {
            pool,
            connection: None,
            state: State::Closed(now),
            under_way: None,
            served: 0,
            queued: false,
            retired: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Free | State::Busy)
    }
}

/// How many connections of `whole` each gets, by its weight; at least one each.
pub(super) fn shares(weights: &[f64], whole: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let spare = whole.saturating_sub(weights.len());
    let mut shares: Vec<usize> = weights
        .iter()
        .map(|weight| 1 + (spare as f64 * weight / sum) as usize)
        .collect();
    // What rounding left over goes to the first ones.
    let given: usize = shares.iter().sum();
    let count = shares.len();
    for place in 0..whole.saturating_sub(given) {
        shares[place % count] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out_by_weight_and_everyone_has_one() {
        assert_eq!(shares(&[1.0, 1.0], 8), [4, 4]);
        assert_eq!(shares(&[98.0, 1.0, 1.0], 103), [99, 2, 2]);
        assert_eq!(shares(&[5.0, 1.0, 1.0], 2), [1, 1, 1]);
        assert_eq!(shares(&[1.0, 1.0, 1.0], 8).iter().sum::<usize>(), 8);
    }
}
