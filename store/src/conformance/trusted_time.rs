//! What is destroyed goes by the horizon that the store is given, never by its own clock. Failure: anything that is gone, when the clock is right
//! again, although no horizon allowed it; a time that was noted and is not found.

use sistema_ts_model::CUN_LIFE_MILLIS;

use super::world::{World, cancellation, fiscal_code, horizon_at};
use crate::PersonOutcome;
use crate::trusted_time::NotedTime;

const MONTHS_MILLIS: i64 = 300 * 24 * 60 * 60 * 1_000;

pub async fn the_clock_alone_destroys_nothing(world: World) {
    let horizon = horizon_at(&world.clock);
    let (touched, person) = (world.issued(1).await, world.issued(2).await);
    let negative = world.negative(3).await;
    let (negative, _) = world.record(negative).await;
    let session = world.session(touched).await;
    let right = world.now();
    for ahead in [CUN_LIFE_MILLIS, MONTHS_MILLIS] {
        world.clock.set(right.plus_millis(ahead));
        // Everybody asks, and is refused.
        assert!(world.store().find_test(touched).await.unwrap().is_none());
        assert!(world.store().find_patient(touched).await.unwrap().is_none());
        let _ = world.claim(session).await;
        let _ = world.confirm(touched, Some(session)).await;
        let _ = world.confirm(touched, None).await;
        let _ = world.cancel(cancellation(negative, 3)).await;
        assert!(world.list_all().await.is_empty());
        while world.store().expire_due(100, horizon).await.unwrap().more {}
        world.store().rewrite_erased().await.unwrap();
    }
    world.clock.set(right);
    let world = world.reopen().await;
    assert_eq!(world.list_all().await.len(), 3);
    for cun in [touched, person] {
        assert!(world.store().find_patient(cun).await.unwrap().is_some());
    }
    let claimed = world
        .store()
        .claim_person(fiscal_code(2), world.new_claim())
        .await
        .unwrap();
    assert!(matches!(claimed, PersonOutcome::Claimed(claimed) if claimed.cuns == [person]));
}

pub async fn the_noted_time_outlives_a_restart(world: World) {
    let mut world = world;
    let of_new = world.store().noted_time().await.unwrap();
    assert!(of_new.is_none_or(|noted| noted.trusted <= world.now()));
    let mut noted = NotedTime {
        trusted: world.now(),
        wall: world.now().plus_millis(90_000_000),
        waiting_millis: 5,
        pace_millis: 70_000,
        made_up_millis: 9,
    };
    for back_millis in [0, 1_000] {
        noted.trusted = noted.trusted.minus_millis(back_millis);
        for server in world.servers() {
            server.note_time(noted).await.unwrap();
        }
        world = world.reopen().await;
        for server in world.servers() {
            assert_eq!(server.noted_time().await.unwrap(), Some(noted));
        }
    }
}

pub async fn a_store_that_has_noted_none_answers_with_its_newest_test(world: World) {
    world.stand_still();
    let test = world.positive(1).await;
    let (_, inserted_at) = world.record(test).await;
    let noted = world.store().noted_time().await.unwrap().unwrap();
    assert_eq!((noted.trusted, noted.wall), (inserted_at, inserted_at));
}
