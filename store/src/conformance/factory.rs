//! What a store's tests give to the suite: how it is opened, and what it cannot show.

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_model::{Clock, Timestamp};

use crate::{AccessArchive, Store};

/// What a check may need of a store, and not every store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Two servers have it open at once.
    SecondServer,
    /// Each of the two goes by the clock that it was opened with.
    OwnClocks,
    /// Insertion times ascend over all servers and over restarts, wherever the clocks go: more than [`Store`] promises.
    OneOrder,
    /// A listing is fixed with its mark, and nothing that is answered afterwards is in it: more than [`Store`] promises.
    FixedListing,
    /// A sweep counts what it erased; a store whose data end by themselves does not.
    SweepCount,
    /// Nobody has recorded anything in the place before.
    EmptyPlace,
}

/// Opens the store under test.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// Whether there is a place at all. Without one nothing is checked, and the factory has said why.
    fn has_place(&self) -> bool {
        true
    }

    /// What the store, or the place, has not.
    fn lacks(&self) -> &[Ability] {
        &[]
    }

    /// Which of the checks that share the place this is, from 0: a later one is later by the clock, too.
    fn number(&self) -> u32 {
        0
    }

    /// By how much the clocks of two servers may differ, in milliseconds, ≥ 0.
    fn clock_error_millis(&self) -> i64 {
        0
    }

    /// Opens the place over whatever was left there, as one more server does; `clock` is what it takes its time from.
    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store>;

    /// The archive of the store's access records, as another process opens it, beside an open store or without one.
    fn archive(&self) -> Box<dyn AccessArchive>;

    /// Ends one server. No other handle to it is left.
    async fn close(&self, store: Arc<dyn Store>);
}

/// When a check begins in a place of its own: 10 March 2026, 09:30 in Rome, summer time eighteen days away.
pub fn start() -> Timestamp {
    Timestamp::from_millis(1_773_131_400_000).expect("within the century")
}
