//! Expiry: a code lives 14 × 24 hours from its communication, to the millisecond. Failure: it is used after that, or refused before;
//! data of the person outlive the sweep; the sweep takes what is not due.

use sistema_ts_model::{
    CUN_LIFE_MILLIS, ClaimRefusal, ConcludeRefusal, Over, PostOutcome, SessionId, Settlement,
    VerificationRefusal,
};

use super::world::{World, fiscal_code, settle};
use crate::{ClaimOutcome, ConcludeOutcome, OpenOutcome, PersonOutcome};

pub async fn a_life_ends_to_the_millisecond(world: World) {
    world.stand_still();
    let test = world.positive(1).await;
    let (cun, inserted_at) = world.record(test).await;
    world
        .clock
        .set(inserted_at.plus_millis(CUN_LIFE_MILLIS - 1));
    assert!(world.store().find_test(cun).await.unwrap().is_some());
    assert!(
        world
            .store()
            .find_by_digest(cun.digest())
            .await
            .unwrap()
            .is_some()
    );
    assert!(world.store().find_patient(cun).await.unwrap().is_some());
    let session = world.session(cun).await;
    world.unlock(session).await;
    assert_eq!(world.list_all().await.len(), 1);
    world.clock.advance_millis(1);
    assert!(world.store().find_test(cun).await.unwrap().is_none());
    assert!(
        world
            .store()
            .find_by_digest(cun.digest())
            .await
            .unwrap()
            .is_none()
    );
    assert!(world.store().find_patient(cun).await.unwrap().is_none());
    assert!(world.list_all().await.is_empty());
    assert_expired(&world, cun, session).await;
    let person = world
        .store()
        .claim_person(fiscal_code(1), world.new_claim())
        .await
        .unwrap();
    assert!(matches!(person, PersonOutcome::Claimed(person) if person.cuns.is_empty()));
    let world = world.reopen().await;
    assert_expired(&world, cun, session).await;
}

async fn assert_expired(world: &World, cun: sistema_ts_model::Cun, session: SessionId) {
    let opened = world.verify(cun, SessionId::random()).await;
    assert!(
        matches!(
            opened,
            OpenOutcome::Unknown | OpenOutcome::Refused(VerificationRefusal::Over(Over::Expired))
        ),
        "{opened:?}"
    );
    let claimed = world.claim(session).await;
    let refused = matches!(
        claimed,
        ClaimOutcome::NoSuchSession
            | ClaimOutcome::Refused(
                ClaimRefusal::Over(Over::Expired) | ClaimRefusal::SessionLapsed
            )
    );
    assert!(refused, "{claimed:?}");
    let confirmed = world.confirm(cun, None).await;
    assert!(
        matches!(
            confirmed,
            ConcludeOutcome::Unknown
                | ConcludeOutcome::Refused(ConcludeRefusal::Over(Over::Expired))
        ),
        "{confirmed:?}"
    );
}

pub async fn a_sweep_erases_what_is_due_and_no_more(world: World) {
    world.stand_still();
    let mut early = Vec::new();
    for person in 0..25 {
        early.push(world.issued(person).await);
        let negative = world.negative(person).await;
        early.push(world.record(negative).await.0);
    }
    world.clock.advance_millis(1);
    let late = world.issued(100).await;
    assert_eq!(world.sweep(1000).await.tests, 0, "nothing is due yet");
    world.clock.advance_millis(CUN_LIFE_MILLIS - 1);
    let mut erased = 0;
    for _ in 0..1000 {
        let expired = world.sweep(10).await;
        erased += expired.tests;
        if !expired.more {
            break;
        }
    }
    assert_eq!(erased, early.len());
    assert_eq!(world.sweep(1000).await.tests, 0, "a test expires once");
    assert!(
        world.store().find_patient(late).await.unwrap().is_some(),
        "the sweep took what was not due"
    );
    world.clock.advance_millis(1);
    assert_eq!(world.sweep(1000).await.tests, 1);
    let world = world.reopen().await;
    assert!(world.list_all().await.is_empty());
    assert_eq!(world.sweep(1000).await.tests, 0);
}

pub async fn expiry_comes_before_everything(world: World) {
    world.stand_still();
    let cun = world.issued(1).await;
    world.clock.advance_millis(CUN_LIFE_MILLIS - 5);
    let session = world.session(cun).await;
    let ClaimOutcome::Claimed { claimed, .. } = world.claim(session).await else {
        panic!("not claimed")
    };
    assert_eq!(
        claimed.deadline,
        world.now().plus_millis(5),
        "no post begins after the code's end"
    );
    world.clock.advance_millis(5);
    let settled = settle(&**world.store(), cun, claimed.id, PostOutcome::Delivered).await;
    assert_eq!(settled, Settlement::Stale);
    assert_expired(&world, cun, session).await;
}
