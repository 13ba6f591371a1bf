//! Codes. Failure: two tests with one code, a code that begins otherwise than asked for, a code given to two holders, or one issued
//! again within the 13 months in which it is known.

use std::collections::HashSet;
use std::sync::Arc;

use sistema_ts_model::{CUN_LIFE_MILLIS, FirstSymbol};

use super::contention::insist;
use super::world::{World, new_test};
use crate::{RecordOutcome, ReservedCun};

pub async fn reserved_codes_are_distinct_and_begin_as_asked(world: World) {
    let world = Arc::new(world);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..100 {
        let world = world.clone();
        tasks.spawn(async move {
            let first = FirstSymbol::from_index(task % 5).unwrap();
            let reserved = insist(|| world.store().reserve(first, 50)).await.answer;
            assert!(reserved.len() <= 50, "more codes than asked for");
            assert!(!reserved.is_empty(), "no code is free in an empty store");
            assert!(
                reserved
                    .iter()
                    .all(|reserved| reserved.cun.first_symbol() == first),
                "a code begins otherwise than asked for"
            );
            reserved
        });
    }
    let mut seen = HashSet::new();
    while let Some(reserved) = tasks.join_next().await {
        for reserved in reserved.unwrap() {
            assert!(
                seen.insert(reserved.cun),
                "one code was given to two holders"
            );
        }
    }
    assert!(
        world
            .store()
            .reserve(FirstSymbol::from_index(0).unwrap(), 0)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_code_is_issued_once(world: World) {
    let reserved = world.reserve().await;
    let first = new_test(
        reserved,
        1,
        sistema_ts_model::TestResult::Positive,
        world.now(),
    );
    world.record(first.clone()).await;
    for person in [1, 2] {
        let again = new_test(
            reserved,
            person,
            sistema_ts_model::TestResult::Negative,
            world.now(),
        );
        assert_eq!(
            world.store().record_test(again).await.unwrap(),
            RecordOutcome::CodeTaken
        );
    }
    let world = world.reopen().await;
    let again = new_test(
        reserved,
        3,
        sistema_ts_model::TestResult::Negative,
        world.now(),
    );
    assert_eq!(
        world.store().record_test(again).await.unwrap(),
        RecordOutcome::CodeTaken,
        "forgotten over a restart"
    );
    assert_eq!(world.list_all().await.len(), 1);
}

pub async fn a_code_stays_known_after_its_test_is_gone(world: World) {
    let reserved: Vec<ReservedCun> = world.reserve_many(3).await;
    for (person, &reserved) in (0..).zip(&reserved) {
        world
            .record(new_test(
                reserved,
                person,
                sistema_ts_model::TestResult::Positive,
                world.now(),
            ))
            .await;
    }
    world.clock.advance_millis(CUN_LIFE_MILLIS);
    while world.sweep(1000).await.more {}
    assert!(
        world
            .store()
            .find_test(reserved[0].cun)
            .await
            .unwrap()
            .is_none()
    );
    let taken = new_test(
        reserved[0],
        9,
        sistema_ts_model::TestResult::Positive,
        world.now(),
    );
    assert_eq!(
        world.store().record_test(taken).await.unwrap(),
        RecordOutcome::CodeTaken,
        "an expired code was issued again"
    );
    let world = world.reopen().await;
    let taken = new_test(
        reserved[1],
        9,
        sistema_ts_model::TestResult::Positive,
        world.now(),
    );
    assert_eq!(
        world.store().record_test(taken).await.unwrap(),
        RecordOutcome::CodeTaken,
        "an expired code was issued again after a restart"
    );
}
