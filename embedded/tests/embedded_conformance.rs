//! The embedded store keeps what every store must. What counts as failure is said at the head of each module of the suite.

mod support;

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use sistema_ts_model::ManualClock;
use sistema_ts_store::conformance::{Ability, StoreFactory, run_in_one_place};
use sistema_ts_store::failing::FailingStore;
use sistema_ts_store::{AccessArchive, Store};
use tokio::sync::Mutex;

use support::place::Place;

sistema_ts_store::conformance_suite!(Place::new());

/// One place of all checks. Its engine takes one process and opens once; two servers are two ways to it.
struct OnePlace {
    place: Arc<Place>,
    number: u32,
    engine: Mutex<Weak<dyn Store>>,
}

#[async_trait]
impl StoreFactory for OnePlace {
    fn lacks(&self) -> &[Ability] {
        &[Ability::EmptyPlace]
    }

    fn number(&self) -> u32 {
        self.number
    }

    async fn open(&self, clock: ManualClock) -> Arc<dyn Store> {
        let mut engine = self.engine.lock().await;
        let opened = match engine.upgrade() {
            Some(opened) => opened,
            None => StoreFactory::open(&*self.place, clock).await,
        };
        *engine = Arc::downgrade(&opened);
        Arc::new(FailingStore::over(opened))
    }

    fn archive(&self) -> Box<dyn AccessArchive> {
        self.place.archive()
    }

    async fn close(&self, store: Arc<dyn Store>) {
        self.place.close(store).await;
    }
}

/// No check needs an empty store, or knows which of two servers it asks.
#[test]
fn every_check_holds_in_one_place_that_all_share_in_any_order_over_two_servers() {
    let place = Arc::new(Place::new());
    run_in_one_place(|number| OnePlace {
        place: Arc::clone(&place),
        number,
        engine: Mutex::new(Weak::<FailingStore>::new()),
    });
}
