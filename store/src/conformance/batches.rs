//! Tests that are recorded in one batch. Failure: one that is answered for another, one that fails because of its neighbour, or one code or key for two
//! tests of a batch.

use sistema_ts_model::Cun;

use super::receipts::{retry, with_receipt};
use super::world::{World, repeatable};
use crate::{Batch, NewTest, RecordOutcome};

pub async fn each_test_of_a_batch_is_recorded_by_itself(world: World) {
    let store = world.store();
    assert!(store.record_tests(Batch::new()).await.is_empty());
    let known = with_receipt(&world, 1, "KNOWN", "content").await;
    let (known_cun, known_at) = world.record(known.clone()).await;
    let alone = world.positive(2).await;
    let keyed = with_receipt(&world, 3, "NEW", "content").await;
    let tests: Batch<NewTest> = Batch::from_vec(vec![
        alone.clone(),
        retry(&world, &known).await,
        keyed.clone(),
        NewTest {
            reserved: alone.reserved,
            ..world.negative(4).await
        },
        retry(&world, &keyed).await,
        NewTest {
            repeatable: repeatable("KNOWN", "another content"),
            ..retry(&world, &known).await
        },
        world.negative(5).await,
    ]);
    let codes: Vec<Cun> = tests.iter().map(|test| test.reserved.cun).collect();
    let outcomes: Vec<RecordOutcome> = store
        .record_tests(tests)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    // Of two under one code at most one was recorded (two that meet may burn it), and of two under one key one; which of them, the store may choose.
    let recorded: Vec<Cun> = outcomes
        .iter()
        .zip(&codes)
        .filter_map(|(outcome, code)| match outcome {
            RecordOutcome::Recorded { cun, .. } => {
                assert_eq!(cun, code, "the answers are not in the order of the tests");
                Some(*cun)
            }
            _ => None,
        })
        .collect();
    let taken = |place: usize| outcomes[place] == RecordOutcome::CodeTaken;
    assert!(taken(0) || taken(3), "one code for two tests: {outcomes:?}");
    assert_eq!(
        outcomes[1],
        RecordOutcome::Replayed {
            cun: known_cun,
            inserted_at: known_at
        }
    );
    let (first, second) = match (&outcomes[2], &outcomes[4]) {
        (RecordOutcome::Recorded { cun, .. }, RecordOutcome::Replayed { cun: again, .. })
        | (RecordOutcome::Replayed { cun: again, .. }, RecordOutcome::Recorded { cun, .. }) => {
            (cun, again)
        }
        other => panic!("one key for two tests: {other:?}"),
    };
    assert_eq!(
        first, second,
        "a copy in the same batch is told another code"
    );
    assert_eq!(outcomes[5], RecordOutcome::RequestKeyReused);
    let under_one_code = usize::from(taken(0) != taken(3));
    assert_eq!(recorded.len(), 2 + under_one_code, "{outcomes:?}");
    let mut listed: Vec<Cun> = world.list_all().await.iter().map(|test| test.cun).collect();
    let mut answered = [&recorded[..], &[known_cun]].concat();
    listed.sort_unstable_by_key(|cun| cun.number());
    answered.sort_unstable_by_key(|cun| cun.number());
    assert_eq!(listed, answered, "listed is not what was answered");
}
