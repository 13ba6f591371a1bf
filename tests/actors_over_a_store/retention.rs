//! The rhythm of retention over a real store. Failure here means that a test outlives its fourteen days, or goes before them, although
//! the rhythm was kept; or that anything goes on the word of a clock alone.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use sistema_ts_actors::Retention;
use sistema_ts_actors::retention::{RetentionState, Tick};
use sistema_ts_model::{CUN_LIFE_MILLIS, Clock};
use sistema_ts_store::failing::{Fault, Operation};
use sistema_ts_store::trusted_time::TimeGuard;
use tokio::sync::oneshot;

use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The rhythm over a world's store. The interval is long: the only ticks are the first and those of a test.
async fn retention(world: &World) -> (Addr<Retention>, RetentionState) {
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let guard = TimeGuard::begin(Arc::clone(&world.store), clock).await;
    let guard = Arc::new(guard.unwrap());
    let interval = Duration::from_secs(3_600);
    let state = RetentionState::new(guard);
    let retention = Retention::begin(Arc::clone(&world.store), state.clone(), interval);
    tick(&retention).await;
    assert_eq!(state.overdue.reason(), None);
    (retention, state)
}

async fn tick(retention: &Addr<Retention>) {
    let (done, ended) = oneshot::channel();
    retention.try_send(Tick { done: Some(done) }).unwrap();
    ended.await.unwrap();
}

#[actix_rt::test]
async fn what_is_past_its_time_goes_with_the_next_tick_and_nothing_before() {
    let world = World::new();
    let (cun, inserted_at) = world.positive().await;
    let (retention, _) = retention(&world).await;

    let life = Duration::from_millis(CUN_LIFE_MILLIS.unsigned_abs());
    world.clock.pass(life - Duration::from_millis(1));
    tick(&retention).await;
    assert!(world.store.find_patient(cun).await.unwrap().is_some());

    world.clock.pass(Duration::from_millis(1));
    tick(&retention).await;
    assert!(world.store.find_test(cun).await.unwrap().is_none());
    // Gone, and not only refused: no clock brings it back.
    world.clock.set(inserted_at);
    assert!(world.store.find_test(cun).await.unwrap().is_none());
    assert!(world.store.find_patient(cun).await.unwrap().is_none());
}

#[actix_rt::test]
async fn a_clock_that_is_set_ahead_hides_and_destroys_nothing() {
    let world = World::new();
    let (cun, inserted_at) = world.positive().await;
    let (retention, state) = retention(&world).await;

    world
        .clock
        .set(inserted_at.plus_millis(400 * 24 * 60 * 60 * 1_000));
    for _ in 0..20 {
        world.clock.pass(Duration::from_secs(3_600));
        tick(&retention).await;
    }
    // Refused by the wall clock meanwhile, and told.
    assert!(world.store.find_test(cun).await.unwrap().is_none());
    assert!(state.time.state().is_behind());

    world
        .clock
        .set(inserted_at.plus_millis(20 * 60 * 60 * 1_000));
    tick(&retention).await;
    assert!(!state.time.state().is_behind());
    assert!(world.store.find_patient(cun).await.unwrap().is_some());
}

#[actix_rt::test]
async fn what_was_due_during_a_pause_goes_a_day_later_or_at_the_operators_word() {
    for by_word in [false, true] {
        let world = World::new();
        let (_, inserted_at) = world.positive().await;
        drop(retention(&world).await);

        // Off for six weeks.
        world
            .clock
            .set(inserted_at.plus_millis(3 * CUN_LIFE_MILLIS));
        let (retention, state) = retention(&world).await;
        for _ in 0..23 {
            world.clock.pass(DAY / 24);
            tick(&retention).await;
        }
        assert!(!world.has_no_patient_file());
        if by_word {
            state.time.confirm().await.unwrap();
        } else {
            world.clock.pass(DAY / 24);
        }
        tick(&retention).await;
        assert!(world.has_no_patient_file());
    }
}

#[actix_rt::test]
async fn what_could_not_be_erased_goes_with_a_later_tick_and_nothing_goes_while_the_time_cannot_be_noted()
 {
    for fails in [Operation::ExpireDue, Operation::NoteTime] {
        let mut world = World::new();
        let failing = world.fail_on_demand();
        let (cun, inserted_at) = world.positive().await;
        let (retention, state) = retention(&world).await;
        failing.always(fails, Fault::Unavailable);
        world
            .clock
            .pass(Duration::from_millis(CUN_LIFE_MILLIS.unsigned_abs()));
        let tried = failing.calls(fails);
        tick(&retention).await;
        assert!(failing.calls(fails) > tried, "{fails:?}");
        assert!(state.overdue.reason().is_some(), "{fails:?}");
        // It is there still: a clock that went back would show it.
        let over = world.clock.now();
        world.clock.set(inserted_at);
        assert!(world.store.find_patient(cun).await.unwrap().is_some());
        world.clock.set(over);
        // Files are rewritten all the same.
        assert!(failing.calls(Operation::RewriteErased) >= 2);

        failing.mend(fails);
        tick(&retention).await;
        assert_eq!(state.overdue.reason(), None, "{fails:?}");
        world.clock.set(inserted_at);
        assert!(world.store.find_test(cun).await.unwrap().is_none());
    }
}
