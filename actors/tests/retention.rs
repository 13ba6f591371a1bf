//! The rhythm of retention over a real embedded store. Failure here means that a test outlives its fourteen days, or goes before them, although
//! the rhythm was kept.
#![allow(clippy::unwrap_used)]

mod store_support;

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_actors::Retention;
use sistema_ts_actors::retention::Tick;
use sistema_ts_model::CUN_LIFE_MILLIS;
use store_support::World;
use tokio::sync::oneshot;

#[actix_rt::test]
async fn what_is_past_its_time_goes_with_the_next_tick_and_nothing_before() {
    let world = World::new();
    let (clock, store) = (&world.clock, &world.store);
    let (cun, inserted_at) = world.positive().await;

    // The interval is long: the only ticks are the first and those of this test.
    let retention = Retention::begin(Arc::clone(store), Duration::from_secs(3_600));
    let tick = || async {
        let (done, ended) = oneshot::channel();
        retention.try_send(Tick { done: Some(done) }).unwrap();
        ended.await.unwrap();
    };

    clock.set(inserted_at.plus_millis(CUN_LIFE_MILLIS - 1));
    tick().await;
    assert!(store.find_patient(cun).await.unwrap().is_some());

    clock.set(inserted_at.plus_millis(CUN_LIFE_MILLIS));
    tick().await;
    assert!(store.find_test(cun).await.unwrap().is_none());
    assert!(store.find_patient(cun).await.unwrap().is_none());
}
