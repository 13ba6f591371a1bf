//! Races of submissions: a hundred tasks at once, many rounds. Failure: one receipt key or one code for two tests, a copy in flight that gets
//! another answer, or a test that was answered and is not found or not listed.

use std::collections::HashSet;
use std::sync::Arc;

use sistema_ts_model::{Cun, TestResult};

use super::contention::{Told, insist, one_winner};
use super::races::{ROUNDS, TASKS, at_once};
use super::world::{World, contact, fiscal_code, new_test, repeatable, with_swab};
use crate::{NewTest, RecordOutcome, ReservedCun};

/// Submits a test with a key; under another code, if its own was taken by a try of which nothing else is known.
async fn submit(world: &World, mut test: NewTest) -> Told<RecordOutcome> {
    let mut may_be_its_own = false;
    loop {
        let mut told = insist(|| world.store().record_test(test.clone())).await;
        may_be_its_own |= told.may_be_its_own;
        told.may_be_its_own = may_be_its_own;
        if told.answer != RecordOutcome::CodeTaken || !may_be_its_own {
            return told;
        }
        test.reserved = world.reserve().await;
    }
}

/// Judges what the copies of one request were told: one was recorded, and all have its answer. Answers its code.
pub(super) fn one_answer(said: &[Told<RecordOutcome>]) -> Cun {
    one_winner("tests under one receipt key", said, |said| {
        matches!(said, RecordOutcome::Recorded { .. })
    });
    let answers: HashSet<_> = said
        .iter()
        .map(|told| match told.answer {
            RecordOutcome::Recorded { cun, inserted_at }
            | RecordOutcome::Replayed { cun, inserted_at } => (cun, inserted_at),
            ref other => panic!("a copy in flight was told {other:?}"),
        })
        .collect();
    assert_eq!(answers.len(), 1, "a copy in flight got another answer");
    answers.into_iter().next().unwrap().0
}

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
            async move { submit(&world, test).await }
        })
        .await;
        let cun = one_answer(&said);
        assert_eq!(world.list_all().await.len(), round as usize + 1);
        for reserved in reserved.iter().filter(|reserved| reserved.cun != cun) {
            let found = insist(|| world.store().find_test(reserved.cun)).await;
            assert!(found.answer.is_none());
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
            async move { submit(&world, test).await }
        })
        .await;
        // Told, or told again after an unknown outcome.
        let recorded = said.iter().filter(|told| match told.answer {
            RecordOutcome::Recorded { .. } => true,
            RecordOutcome::Replayed { .. } => told.may_be_its_own,
            _ => false,
        });
        let refused = said
            .iter()
            .filter(|told| told.answer == RecordOutcome::RequestKeyReused);
        assert_eq!((recorded.count(), refused.count()), (1, TASKS - 1));
        assert_eq!(world.list_all().await.len(), round as usize + 1);
    }
}

pub async fn one_code_for_a_hundred_tests(world: World) {
    let world = Arc::new(world);
    let mut recorded = 0;
    for _ in 0..ROUNDS {
        let reserved = world.reserve().await;
        let said = at_once(&world, |world, task| async move {
            let test = new_test(reserved, task as u32, TestResult::Positive, world.now());
            insist(|| world.store().record_test(test.clone())).await
        })
        .await;
        // Those who meet may all be told that the code is taken: it is burned then, and nobody's.
        let won = said.iter().filter(|told| match told.answer {
            RecordOutcome::Recorded { .. } => true,
            RecordOutcome::CodeTaken => false,
            ref other => panic!("a loser was told {other:?}"),
        });
        assert!(won.count() <= 1, "one code for several tests");
        let patient = insist(|| world.store().find_patient(reserved.cun)).await;
        if let Some(patient) = &patient.answer {
            recorded += 1;
            let has_won = |person: u32| {
                let told = &said[person as usize];
                let is_told = matches!(told.answer, RecordOutcome::Recorded { .. });
                (is_told || told.may_be_its_own) && patient.fiscal_code == fiscal_code(person)
            };
            assert!(
                (0..TASKS as u32).any(has_won),
                "a loser's person stands under the winner's code"
            );
        } else {
            // Taken by one of whom nothing else is known.
            let is_told = |told: &Told<_>| matches!(told.answer, RecordOutcome::Recorded { .. });
            assert!(!said.iter().any(is_told), "the winner's test is not there");
        }
        assert_eq!(world.list_all().await.len(), recorded);
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
                let test = insist(|| world.store().find_test(cun)).await;
                assert!(test.answer.is_some());
                let patient = insist(|| world.store().find_patient(cun)).await;
                assert!(patient.answer.is_some());
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
