//! An ASL's code for a person (§5.1). Failure: a live positive of that person is missed, another person's is touched, a code is consumed
//! although nothing was delivered, or data outlive a delivery.

use sistema_ts_model::{Effect, PostOutcome, SessionId};

use super::world::{World, cancellation, fiscal_code};
use crate::{ClaimOutcome, ConcludeOutcome, OpenOutcome, PersonClaim, PersonOutcome};

async fn claim(world: &World, person: u32) -> (PersonClaim, sistema_ts_model::ClaimId) {
    let claim = world.new_claim();
    match world
        .store()
        .claim_person(fiscal_code(person), claim)
        .await
        .unwrap()
    {
        PersonOutcome::Claimed(person) => (person, claim.id),
        other => panic!("a free person was not claimed: {other:?}"),
    }
}

pub async fn every_live_positive_of_a_person_is_claimed(world: World) {
    let mut mine = vec![world.issued(1).await];
    world.issued(2).await;
    // Days later, under other day keys, and once unlocked.
    for _ in 0..4 {
        world.clock.advance_millis(3 * 24 * 3_600_000);
        mine.push(world.issued(1).await);
        let negative = world.negative(1).await;
        world.record(negative).await;
    }
    mine.push(world.unlocked(1).await.0);
    let cancelled = world.issued(1).await;
    world.cancel(cancellation(cancelled, 1)).await;
    let world = world.reopen().await;
    let (person, id) = claim(&world, 1).await;
    let mut claimed = person.cuns.clone();
    claimed.sort_unstable();
    mine.sort_unstable();
    assert_eq!(claimed, mine);
    for &cun in &mine {
        assert!(
            matches!(
                world.verify(cun, SessionId::random()).await,
                OpenOutcome::Refused(_)
            ),
            "a claimed code can be verified"
        );
    }
    assert_eq!(
        world
            .store()
            .settle_person(person, id, PostOutcome::Delivered)
            .await
            .unwrap(),
        mine.len()
    );
    for cun in mine {
        assert!(
            world.store().find_patient(cun).await.unwrap().is_none(),
            "the fiscal code outlives an ASL's code"
        );
    }
    let (person, _) = claim(&world, 1).await;
    assert!(person.cuns.is_empty());
    let (other, _) = claim(&world, 2).await;
    assert_eq!(other.cuns.len(), 1, "another person was touched");
}

pub async fn a_person_without_tests_writes_nothing(world: World) {
    let negative = world.negative(1).await;
    world.record(negative).await;
    let (person, id) = claim(&world, 1).await;
    assert!(person.cuns.is_empty());
    assert_eq!(
        world
            .store()
            .settle_person(person, id, PostOutcome::Delivered)
            .await
            .unwrap(),
        0
    );
    assert_eq!(world.list_all().await.len(), 1);
}

pub async fn an_unlock_under_way_claims_nothing(world: World) {
    let (first, second) = (world.issued(1).await, world.issued(1).await);
    let session = world.session(second).await;
    let free = world.session(first).await;
    assert!(matches!(
        world.claim(session).await,
        ClaimOutcome::Claimed { .. }
    ));
    let outcome = world
        .store()
        .claim_person(fiscal_code(1), world.new_claim())
        .await
        .unwrap();
    assert!(matches!(outcome, PersonOutcome::UnlockUnderWay));
    assert!(
        matches!(world.claim(free).await, ClaimOutcome::Claimed { .. }),
        "something was claimed all the same"
    );
}

pub async fn a_delivered_code_consumes_and_a_refused_one_restores(world: World) {
    let issued = world.issued(1).await;
    let (unlocked, session) = world.unlocked(1).await;
    let (person, id) = claim(&world, 1).await;
    assert_eq!(
        world
            .store()
            .settle_person(person, id, PostOutcome::NotDelivered)
            .await
            .unwrap(),
        0
    );
    assert!(
        matches!(
            world.verify(issued, SessionId::random()).await,
            OpenOutcome::Opened(_)
        ),
        "a refused post did not restore the issued code"
    );
    assert!(
        world
            .store()
            .find_patient(unlocked)
            .await
            .unwrap()
            .is_some()
    );
    let (person, id) = claim(&world, 1).await;
    // A settlement under another number is not its own.
    let foreign = sistema_ts_model::ClaimId(id.0 ^ 1);
    assert_eq!(
        world
            .store()
            .settle_person(person.clone(), foreign, PostOutcome::Delivered)
            .await
            .unwrap(),
        0
    );
    assert!(world.store().find_patient(issued).await.unwrap().is_some());
    assert_eq!(
        world
            .store()
            .settle_person(person, id, PostOutcome::Unknown)
            .await
            .unwrap(),
        2,
        "an unknown outcome counts as delivered"
    );
    for cun in [issued, unlocked] {
        assert!(world.store().find_patient(cun).await.unwrap().is_none());
    }
    // The caller that had unlocked it may still confirm.
    assert_eq!(
        world.confirm(unlocked, Some(session)).await,
        ConcludeOutcome::Done(Effect::AlreadyDone)
    );
}
