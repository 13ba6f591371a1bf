//! Cancelling (§2.4.2). Failure: personal data that a reading path still finds after the answer, a cancellation by the wrong caller or
//! with the wrong person, or one in a state that forbids it.

use sistema_ts_model::{
    CUN_LIFE_MILLIS, Caller, CancelRefusal, Effect, Over, StructureReference, TestResult,
    VerificationRefusal,
};

use super::world::{World, cancellation, never_issued, structure_id};
use crate::{CancelOutcome, CancelTest, ClaimOutcome, OpenOutcome};

pub async fn a_cancelled_test_is_erased(world: World) {
    let cun = world.issued(1).await;
    let session = world.session(cun).await;
    let negative = world.negative(2).await;
    let (negative, _) = world.record(negative).await;
    for (cun, person) in [(cun, 1), (negative, 2)] {
        assert!(matches!(
            world.cancel(cancellation(cun, person)).await,
            CancelOutcome::Done {
                effect: Effect::Done,
                ..
            }
        ));
        assert!(world.store().find_patient(cun).await.unwrap().is_none());
    }
    assert!(
        world.store().find_session(session).await.unwrap().is_none(),
        "a session outlived its cancelled code"
    );
    assert!(
        world.list_all().await.is_empty(),
        "a cancelled test is listed"
    );
    let refused = world
        .verify(cun, sistema_ts_model::SessionId::random())
        .await;
    assert!(
        matches!(
            refused,
            OpenOutcome::Refused(VerificationRefusal::Over(Over::Cancelled))
        ),
        "{refused:?}"
    );
    let claimed = world
        .store()
        .claim_person(super::world::fiscal_code(1), world.new_claim())
        .await
        .unwrap();
    assert!(
        matches!(claimed, crate::PersonOutcome::Claimed(person) if person.cuns.is_empty()),
        "a cancelled person is found"
    );
    // An unlocked one can be cancelled as well.
    let (unlocked, _) = world.unlocked(3).await;
    assert!(matches!(
        world.cancel(cancellation(unlocked, 3)).await,
        CancelOutcome::Done {
            effect: Effect::Done,
            ..
        }
    ));
    let world = world.reopen().await;
    for cun in [cun, negative, unlocked] {
        assert!(
            world.store().find_patient(cun).await.unwrap().is_none(),
            "erased data came back"
        );
    }
    assert!(world.list_all().await.is_empty());
}

pub async fn who_may_cancel(world: World) {
    for result in [TestResult::Positive, TestResult::Negative] {
        let mut test = world.positive(1).await;
        test.swab.result = result;
        let (cun, _) = world.record(test).await;
        let another_caller = CancelTest {
            caller: Caller::Structure(structure_id(1)),
            ..cancellation(cun, 1)
        };
        let another_structure = CancelTest {
            structure: StructureReference::Identifier(structure_id(2)),
            ..cancellation(cun, 1)
        };
        let another_person = cancellation(cun, 2);
        let another_code = cancellation(never_issued(), 1);
        for wrong in [
            another_caller,
            another_structure,
            another_person,
            another_code,
        ] {
            assert_eq!(world.cancel(wrong).await, CancelOutcome::NoSuchTest);
        }
        assert_eq!(world.list_all().await.len(), 1);
        assert!(matches!(
            world.cancel(cancellation(cun, 1)).await,
            CancelOutcome::Done {
                effect: Effect::Done,
                ..
            }
        ));
    }
}

pub async fn what_cannot_be_cancelled(world: World) {
    let cun = world.issued(1).await;
    let session = world.session(cun).await;
    assert!(matches!(
        world.claim(session).await,
        ClaimOutcome::Claimed { .. }
    ));
    assert_eq!(
        world.cancel(cancellation(cun, 1)).await,
        CancelOutcome::Refused(CancelRefusal::UnlockUnderWay)
    );
    assert!(world.store().find_patient(cun).await.unwrap().is_some());

    let (cun, session) = world.unlocked(2).await;
    world.confirm(cun, Some(session)).await;
    let consumed = world.cancel(cancellation(cun, 2)).await;
    assert_eq!(
        consumed,
        CancelOutcome::Refused(CancelRefusal::Over(Over::Consumed))
    );

    let cun = world.issued(3).await;
    world.clock.advance_millis(CUN_LIFE_MILLIS);
    let expired = world.cancel(cancellation(cun, 3)).await;
    let refused = matches!(
        expired,
        CancelOutcome::Refused(CancelRefusal::Over(Over::Expired)) | CancelOutcome::NoSuchTest
    );
    assert!(refused, "{expired:?}");
}

pub async fn a_repetition_is_done_already(world: World) {
    let cun = world.issued(1).await;
    assert!(matches!(
        world.cancel(cancellation(cun, 1)).await,
        CancelOutcome::Done {
            effect: Effect::Done,
            ..
        }
    ));
    world.clock.advance_millis(1);
    assert!(matches!(
        world.cancel(cancellation(cun, 1)).await,
        CancelOutcome::Done {
            effect: Effect::AlreadyDone,
            ..
        }
    ));
    let foreign = CancelTest {
        caller: Caller::Structure(structure_id(1)),
        ..cancellation(cun, 1)
    };
    assert_eq!(world.cancel(foreign).await, CancelOutcome::NoSuchTest);
}
