//! Sweeps as a server makes them.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use sistema_ts_model::Clock as _;
use sistema_ts_store::trusted_time::{Reading, TrustedTime};

use super::Fixture;

/// A server's sweeps over a fixture's store, by the guarded time.
pub(super) struct Sweeps(pub(super) TrustedTime);

impl Sweeps {
    pub(super) async fn begin(fixture: &Fixture) -> Sweeps {
        let noted = fixture.store().noted_time().await.unwrap();
        let mut sweeps = Sweeps(TrustedTime::begin(noted, reading(fixture)));
        sweeps.sweep(fixture).await;
        sweeps
    }

    pub(super) async fn sweep(&mut self, fixture: &Fixture) {
        self.0.observe(reading(fixture));
        let store = fixture.store();
        store.note_time(self.0.noted()).await.unwrap();
        let horizon = self.0.horizon();
        while store.expire_due(100, horizon).await.unwrap().more {}
        store.rewrite_erased().await.unwrap();
    }

    /// Lets time pass, with three sweeps a day.
    pub(super) async fn run(&mut self, fixture: &Fixture, hours: u64) {
        let mut left = hours;
        while left > 0 {
            let step = left.min(8);
            fixture.clock.pass(Duration::from_secs(step * 3_600));
            self.sweep(fixture).await;
            left -= step;
        }
    }
}

fn reading(fixture: &Fixture) -> Reading {
    Reading {
        wall: fixture.clock.now(),
        monotonic: fixture.clock.monotonic(),
    }
}
