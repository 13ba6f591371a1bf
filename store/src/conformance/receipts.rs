//! Receipts (`docs/client.md`, "The key of a request"): the same caller's same key with the same content gets the first answer again. Failure: a retry that makes a
//! second test, a first answer that reads otherwise the second time, other content that passes or changes anything, a code told after
//! its person's data are erased, or a key bound by a refusal.

use std::sync::Arc;

use sistema_ts_model::{CUN_LIFE_MILLIS, Caller, Effect, StructureReference, TransactionId};

use super::world::{
    World, cancellation, contact, fiscal_code, never_issued, repeatable, structure_id, with_swab,
};
use crate::failing::{FailingStore, Fault, Operation};
use crate::{CancelOutcome, ConcludeOutcome, NewTest, RecordOutcome, Store as _};

/// The same message under another reserved code, as a retry arrives.
pub(super) async fn retry(world: &World, first: &NewTest) -> NewTest {
    NewTest {
        reserved: world.reserve().await,
        ..first.clone()
    }
}

pub(super) async fn with_receipt(world: &World, person: u32, key: &str, content: &str) -> NewTest {
    with_swab(
        NewTest {
            repeatable: repeatable(key, content),
            ..world.positive(person).await
        },
        |swab| swab.contact = Some(contact(person)),
    )
}

pub async fn a_retry_gets_the_first_answer(world: World) {
    for negative in [false, true] {
        let mut test = with_receipt(&world, 1, if negative { "N" } else { "P" }, "content").await;
        if negative {
            test.swab.result = sistema_ts_model::TestResult::Negative;
        }
        let (cun, inserted_at) = world.record(test.clone()).await;
        world.clock.advance_millis(12_345);
        for _ in 0..3 {
            let outcome = world
                .store()
                .record_test(retry(&world, &test).await)
                .await
                .unwrap();
            assert_eq!(outcome, RecordOutcome::Replayed { cun, inserted_at });
        }
        // The very same message too, with its own code.
        assert_eq!(
            world.store().record_test(test).await.unwrap(),
            RecordOutcome::Replayed { cun, inserted_at }
        );
    }
    assert_eq!(
        world.list_all().await.len(),
        2,
        "a retry made a second test"
    );
}

/// A batch is as if each of its tests had come alone, at once with the others.
pub async fn other_content_is_refused_and_changes_nothing(world: World) {
    let test = with_receipt(&world, 1, "KEY", "content").await;
    let (cun, inserted_at) = world.record(test.clone()).await;
    for content in ["", "contents", "Content", "content\0"] {
        let other = NewTest {
            repeatable: repeatable("KEY", content),
            ..retry(&world, &test).await
        };
        let code = other.reserved.cun;
        assert_eq!(
            world.store().record_test(other).await.unwrap(),
            RecordOutcome::RequestKeyReused
        );
        assert!(
            world.store().find_test(code).await.unwrap().is_none(),
            "a refused message left a test"
        );
    }
    assert_eq!(world.list_all().await.len(), 1);
    assert_eq!(
        world.store().record_test(test).await.unwrap(),
        RecordOutcome::Replayed { cun, inserted_at }
    );
}

pub async fn another_person_or_contact_is_other_content(world: World) {
    for result in [
        sistema_ts_model::TestResult::Positive,
        sistema_ts_model::TestResult::Negative,
    ] {
        let key = format!("KEY {result}");
        let test = with_swab(with_receipt(&world, 1, &key, "content").await, |swab| {
            swab.result = result
        });
        let (cun, inserted_at) = world.record(test.clone()).await;
        let another_person = with_swab(retry(&world, &test).await, |swab| {
            swab.fiscal_code = fiscal_code(2)
        });
        assert_eq!(
            world.store().record_test(another_person).await.unwrap(),
            RecordOutcome::RequestKeyReused
        );
        for contact in [None, Some(contact(2))] {
            let another_contact =
                with_swab(retry(&world, &test).await, |swab| swab.contact = contact);
            assert_eq!(
                world.store().record_test(another_contact).await.unwrap(),
                RecordOutcome::RequestKeyReused
            );
        }
        assert_eq!(
            world
                .store()
                .record_test(retry(&world, &test).await)
                .await
                .unwrap(),
            RecordOutcome::Replayed { cun, inserted_at }
        );
    }
    let without = with_swab(with_receipt(&world, 3, "BARE", "content").await, |swab| {
        swab.contact = None
    });
    world.record(without.clone()).await;
    let with = with_swab(retry(&world, &without).await, |swab| {
        swab.contact = Some(contact(3))
    });
    assert_eq!(
        world.store().record_test(with).await.unwrap(),
        RecordOutcome::RequestKeyReused
    );
}

pub async fn a_key_belongs_to_caller_and_service(world: World) {
    let test = with_receipt(&world, 1, "KEY", "content").await;
    let (first, _) = world.record(test.clone()).await;
    let mut codes = vec![first];
    for caller in [
        Caller::Structure(structure_id(1)),
        Caller::Structure(structure_id(2)),
        Caller::Structure(structure_id(3)),
    ] {
        let (cun, _) = world
            .record(NewTest {
                caller,
                ..retry(&world, &test).await
            })
            .await;
        assert!(!codes.contains(&cun));
        codes.push(cun);
    }
    let (other_key, _) = world
        .record(NewTest {
            repeatable: repeatable("KEY2", "content"),
            ..retry(&world, &test).await
        })
        .await;
    assert!(!codes.contains(&other_key));
    // The same key of the same caller for a cancellation is another one.
    let mut cancel = cancellation(first, 1);
    cancel.repeatable = repeatable("KEY", "cancel");
    assert!(matches!(
        world.cancel(cancel).await,
        CancelOutcome::Done {
            effect: Effect::Done,
            ..
        }
    ));
}

pub async fn a_retry_after_a_restart_gets_the_first_answer(world: World) {
    let mut world = world;
    let mut tests = Vec::new();
    for person in 0..50 {
        let test = with_receipt(&world, person, &format!("KEY {person}"), "content").await;
        tests.push((test.clone(), world.record(test).await));
    }
    for round in 0..2 {
        world = world.reopen().await;
        for (test, (cun, inserted_at)) in &tests {
            let outcome = world
                .store()
                .record_test(retry(&world, test).await)
                .await
                .unwrap();
            assert_eq!(
                outcome,
                RecordOutcome::Replayed {
                    cun: *cun,
                    inserted_at: *inserted_at
                },
                "after restart {round}"
            );
            let other = with_swab(retry(&world, test).await, |swab| {
                swab.fiscal_code = fiscal_code(900)
            });
            assert_eq!(
                world.store().record_test(other).await.unwrap(),
                RecordOutcome::RequestKeyReused
            );
        }
    }
    assert_eq!(world.list_all().await.len(), tests.len());
}

pub async fn a_retry_after_erasure_is_told_no_code(world: World) {
    let cancelled = with_receipt(&world, 1, "CANCELLED", "content").await;
    let (cun, _) = world.record(cancelled.clone()).await;
    assert!(matches!(
        world.cancel(cancellation(cun, 1)).await,
        CancelOutcome::Done { .. }
    ));
    let negative = with_swab(
        with_receipt(&world, 2, "NEGATIVE", "content").await,
        |swab| swab.result = sistema_ts_model::TestResult::Negative,
    );
    let (cun, _) = world.record(negative.clone()).await;
    assert!(matches!(
        world.cancel(cancellation(cun, 2)).await,
        CancelOutcome::Done { .. }
    ));
    let confirmed = with_receipt(&world, 3, "CONFIRMED", "content").await;
    let (cun, _) = world.record(confirmed.clone()).await;
    let session = world.session(cun).await;
    world.unlock(session).await;
    assert_eq!(
        world.confirm(cun, Some(session)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
    let world = {
        let expected = [(&cancelled, true), (&negative, true), (&confirmed, false)];
        check_erased(&world, &expected).await;
        let world = world.reopen().await;
        check_erased(&world, &expected).await;
        world
    };
    assert_eq!(
        world.list_all().await.len(),
        1,
        "a retry after an erasure made a test"
    );
}

async fn check_erased(world: &World, expected: &[(&NewTest, bool)]) {
    for &(test, cancelled) in expected {
        assert_eq!(
            world
                .store()
                .record_test(retry(world, test).await)
                .await
                .unwrap(),
            RecordOutcome::ReplayedErased { cancelled }
        );
        // Whose test it was can no longer be compared: the code stays untold all the same.
        let another_person = with_swab(retry(world, test).await, |swab| {
            swab.fiscal_code = fiscal_code(77);
            swab.contact = None;
        });
        assert_eq!(
            world.store().record_test(another_person).await.unwrap(),
            RecordOutcome::ReplayedErased { cancelled }
        );
        let key = test.repeatable.as_ref().unwrap().key;
        let other = NewTest {
            repeatable: repeatable(key.as_str(), "other content"),
            ..retry(world, test).await
        };
        assert_eq!(
            world.store().record_test(other).await.unwrap(),
            RecordOutcome::RequestKeyReused
        );
    }
}

pub async fn a_receipt_lives_as_long_as_its_test(world: World) {
    world.stand_still();
    let test = with_receipt(&world, 1, "KEY", "content").await;
    let (cun, inserted_at) = world.record(test.clone()).await;
    world
        .clock
        .set(inserted_at.plus_millis(CUN_LIFE_MILLIS - 1));
    assert_eq!(
        world
            .store()
            .record_test(retry(&world, &test).await)
            .await
            .unwrap(),
        RecordOutcome::Replayed { cun, inserted_at }
    );
    world.clock.advance_millis(1);
    let again = retry(&world, &test).await;
    let (second, second_at) = world.record(again.clone()).await;
    assert_ne!(second, cun);
    assert_eq!(
        world
            .store()
            .record_test(retry(&world, &test).await)
            .await
            .unwrap(),
        RecordOutcome::Replayed {
            cun: second,
            inserted_at: second_at
        }
    );
    while world.sweep(1000).await.more {}
    let outcome = world
        .store()
        .record_test(retry(&world, &test).await)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        RecordOutcome::Replayed {
            cun: second,
            inserted_at: second_at
        },
        "the sweep took a living receipt"
    );
    let world = world.reopen().await;
    let outcome = world
        .store()
        .record_test(retry(&world, &test).await)
        .await
        .unwrap();
    assert_eq!(
        outcome,
        RecordOutcome::Replayed {
            cun: second,
            inserted_at: second_at
        },
        "a restart brought an old receipt back"
    );
}

pub async fn refusals_bind_no_key(world: World) {
    let taken = world.positive(1).await;
    world.record(taken.clone()).await;
    let refused = with_swab(
        NewTest {
            repeatable: repeatable("KEY", "content"),
            ..taken
        },
        |swab| swab.fiscal_code = fiscal_code(2),
    );
    assert_eq!(
        world.store().record_test(refused.clone()).await.unwrap(),
        RecordOutcome::CodeTaken
    );
    let (cun, _) = world.record(retry(&world, &refused).await).await;
    assert_eq!(
        world
            .store()
            .find_patient(cun)
            .await
            .unwrap()
            .unwrap()
            .fiscal_code,
        fiscal_code(2)
    );
    // Neither does a cancellation that was refused.
    let mut wrong = cancellation(never_issued(), 2);
    wrong.repeatable = repeatable("CANCEL", "wrong");
    assert_eq!(world.cancel(wrong).await, CancelOutcome::NoSuchTest);
    let mut right = cancellation(cun, 2);
    right.repeatable = repeatable("CANCEL", "right");
    assert!(matches!(
        world.cancel(right).await,
        CancelOutcome::Done {
            effect: Effect::Done,
            ..
        }
    ));
}

pub async fn a_replay_issues_nothing_under_its_reserved_code(world: World) {
    let test = with_receipt(&world, 1, "KEY", "content").await;
    world.record(test.clone()).await;
    let replay = retry(&world, &test).await;
    let reserved = replay.reserved;
    assert!(matches!(
        world.store().record_test(replay).await.unwrap(),
        RecordOutcome::Replayed { .. }
    ));
    let other = NewTest {
        repeatable: repeatable("KEY", "other"),
        ..test.clone()
    };
    assert_eq!(
        world
            .store()
            .record_test(NewTest { reserved, ..other })
            .await
            .unwrap(),
        RecordOutcome::RequestKeyReused
    );
    // The code is free still, or used up: it leads to nobody's test.
    let found = world.store().find_test(reserved.cun).await.unwrap();
    assert!(found.is_none(), "a replay has issued its reserved code");
    let once_more = NewTest {
        repeatable: None,
        reserved,
        ..test
    };
    let outcome = world.store().record_test(once_more).await.unwrap();
    let is_right = match outcome {
        RecordOutcome::Recorded { cun, .. } => cun == reserved.cun,
        other => other == RecordOutcome::CodeTaken,
    };
    assert!(is_right, "a code after a replay");
}

pub async fn without_a_key_two_messages_are_two_tests(world: World) {
    let first = world.positive(1).await;
    let second = retry(&world, &first).await;
    assert_ne!(world.record(first).await.0, world.record(second).await.0);
    assert_eq!(world.list_all().await.len(), 2);
}

pub async fn a_cancellation_has_its_receipt(world: World) {
    let (first, second) = (world.issued(1).await, world.issued(2).await);
    let mut cancel = cancellation(first, 1);
    cancel.repeatable = repeatable("KEY", "content");
    let transaction = cancel.transaction;
    let CancelOutcome::Done {
        effect: Effect::Done,
        at,
    } = world.cancel(cancel.clone()).await
    else {
        panic!("not cancelled")
    };
    world.clock.advance_millis(777);
    let replay = crate::CancelTest {
        transaction: TransactionId::random(),
        ..cancel.clone()
    };
    assert_eq!(
        world.cancel(replay.clone()).await,
        CancelOutcome::Replayed { transaction, at }
    );
    let other = crate::CancelTest {
        // Of no such test either: that the key was used for something else comes first.
        structure: StructureReference::Identifier(structure_id(2)),
        repeatable: repeatable("KEY", "other"),
        ..cancellation(second, 2)
    };
    assert_eq!(
        world.cancel(other.clone()).await,
        CancelOutcome::RequestKeyReused
    );
    assert!(
        world.store().find_patient(second).await.unwrap().is_some(),
        "a refused cancellation erased"
    );
    let world = world.reopen().await;
    assert_eq!(
        world.cancel(replay.clone()).await,
        CancelOutcome::Replayed { transaction, at },
        "forgotten over a restart"
    );
    assert_eq!(world.cancel(other).await, CancelOutcome::RequestKeyReused);
    // Another caller's key of the same name is another key.
    let foreign = crate::CancelTest {
        caller: Caller::Structure(structure_id(1)),
        ..replay
    };
    assert_eq!(world.cancel(foreign).await, CancelOutcome::NoSuchTest);
}

pub async fn an_unknown_outcome_is_settled_by_the_same_key_or_the_same_code(world: World) {
    for (number, fault) in [Fault::LostRequest, Fault::LostAnswer, Fault::Overloaded]
        .into_iter()
        .enumerate()
    {
        let failing = FailingStore::over(Arc::clone(world.store()));
        let key = format!("KEY {number}");
        let test = with_receipt(&world, 1, &key, "content").await;
        failing.next(Operation::RecordTest, fault);
        let first = failing.record_test(test.clone()).await;
        assert_eq!(first.unwrap_err().label(), fault.error().label());
        let (cun, _) = world.record(test).await;
        let test = world.positive(2).await;
        failing.next(Operation::RecordTest, fault);
        assert!(failing.record_test(test.clone()).await.is_err());
        let bare = match world.store().find_test(test.reserved.cun).await.unwrap() {
            Some(found) => found.cun,
            None => world.record(test).await.0,
        };
        assert_ne!(bare, cun);
        assert_eq!(world.list_all().await.len(), 2 * (number + 1));
    }
}
