//! Races of submissions: a hundred tasks at once, many rounds. Failure: one receipt key or one code for two tests, a copy in flight that gets
//! another answer, or a test that was answered and is not found or not listed.

use std::collections::HashSet;
use std::sync::Arc;

use sistema_ts_model::TestResult;

use super::races::{ROUNDS, TASKS, at_once};
use super::world::{World, contact, fiscal_code, new_test, repeatable, with_swab};
use crate::{NewTest, RecordOutcome, ReservedCun};

pub async fn the_same_receipt_key_at_once(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let reserved = Arc::new(world.reserve_many(TASKS).await);
        let key = format!("ROUND {round}");
        let said = at_once(&world, |world, task| {
            let test = with_swab(
                NewTest {
                    repeatable: repeatable(&key, "content"),
                    ..new_test(reserved[task], round, TestResult::Positive, world.now())
                },
                |swab| swab.contact = Some(contact(round)),
            );
            async move { world.store().record_test(test).await.unwrap() }
        })
        .await;
        let recorded: Vec<_> = said
            .iter()
            .filter_map(|outcome| match outcome {
                RecordOutcome::Recorded { cun, inserted_at } => Some((*cun, *inserted_at)),
                _ => None,
            })
            .collect();
        let &[(cun, inserted_at)] = recorded.as_slice() else {
            panic!("{} tests under one receipt key", recorded.len())
        };
        let replayed = said
            .iter()
            .filter(|outcome| **outcome == RecordOutcome::Replayed { cun, inserted_at })
            .count();
        assert_eq!(replayed, TASKS - 1, "a copy in flight got another answer");
        assert_eq!(world.list_all().await.len(), round as usize + 1);
        for reserved in reserved.iter().filter(|reserved| reserved.cun != cun) {
            assert!(
                world
                    .store()
                    .find_test(reserved.cun)
                    .await
                    .unwrap()
                    .is_none()
            );
        }
    }
}

pub async fn one_receipt_key_with_a_hundred_contents(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let reserved: Arc<Vec<ReservedCun>> = Arc::new(world.reserve_many(TASKS).await);
        let key = format!("ROUND {round}");
        let said = at_once(&world, |world, task| {
            let test = NewTest {
                repeatable: repeatable(&key, &format!("content {task}")),
                ..new_test(reserved[task], round, TestResult::Negative, world.now())
            };
            async move { world.store().record_test(test).await.unwrap() }
        })
        .await;
        let recorded = said
            .iter()
            .filter(|outcome| matches!(outcome, RecordOutcome::Recorded { .. }))
            .count();
        let refused = said
            .iter()
            .filter(|outcome| **outcome == RecordOutcome::RequestKeyReused)
            .count();
        assert_eq!((recorded, refused), (1, TASKS - 1));
        assert_eq!(world.list_all().await.len(), round as usize + 1);
    }
}

pub async fn one_code_for_a_hundred_tests(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let reserved = world.reserve().await;
        let said = at_once(&world, |world, task| async move {
            let test = new_test(reserved, task as u32, TestResult::Positive, world.now());
            (task as u32, world.store().record_test(test).await.unwrap())
        })
        .await;
        let mut winner = None;
        for (person, outcome) in said {
            match outcome {
                RecordOutcome::Recorded { .. } => assert!(
                    winner.replace(person).is_none(),
                    "one code was issued twice"
                ),
                RecordOutcome::CodeTaken => {}
                other => panic!("a loser was told {other:?}"),
            }
        }
        let patient = world
            .store()
            .find_patient(reserved.cun)
            .await
            .unwrap()
            .expect("the winner's test is there");
        assert_eq!(
            patient.fiscal_code,
            fiscal_code(winner.expect("somebody wins")),
            "a loser's person stands under the winner's code"
        );
        assert_eq!(world.list_all().await.len(), round as usize + 1);
    }
}

pub async fn a_hundred_submissions_and_their_listing(world: World) {
    let world = Arc::new(world);
    let mut answered = HashSet::new();
    for _ in 0..ROUNDS {
        let reserved = Arc::new(world.reserve_many(TASKS).await);
        let said = at_once(&world, |world, task| {
            let test = new_test(
                reserved[task],
                task as u32,
                TestResult::Positive,
                world.now(),
            );
            async move {
                let (cun, inserted_at) = world.record(test).await;
                // Whoever was answered finds its test at once, whatever else is in flight.
                assert!(world.store().find_test(cun).await.unwrap().is_some());
                assert!(world.store().find_patient(cun).await.unwrap().is_some());
                (cun, inserted_at)
            }
        })
        .await;
        answered.extend(said);
        let listed: HashSet<_> = world
            .list_all()
            .await
            .into_iter()
            .map(|test| (test.cun, test.inserted_at))
            .collect();
        assert_eq!(listed, answered);
    }
}
