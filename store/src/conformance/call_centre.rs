//! Verification and unlock (§3.3), and what of both and of their ends outlives a restart. Failure: two sessions that both may post, a session
//! used by another operator or caller, a state that a refused post changed, or a transition lost over a restart.

use sistema_ts_model::{
    ClaimId, ClaimRefusal, ConcludeRefusal, Effect, Over, PostOutcome, SessionId, Settlement,
    VerificationRefusal,
};

use super::world::{
    SESSION_MILLIS, World, call_center, cancellation, confirmation, never_issued, operator, region,
    settle,
};
use crate::{ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, OpenOutcome};

async fn claimed(world: &World, session: SessionId) -> ClaimId {
    match world.claim(session).await {
        ClaimOutcome::Claimed { claimed, .. } => claimed.id,
        other => panic!("a living session could not claim: {other:?}"),
    }
}

async fn refusal(world: &World, session: SessionId) -> ClaimRefusal {
    match world.claim(session).await {
        ClaimOutcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub async fn a_verification_opens_a_session(world: World) {
    world.stand_still();
    let test = world.positive(1).await;
    let swab_date = test.swab.swab_date;
    let (cun, _) = world.record(test).await;
    world.clock.advance_millis(5);
    let session = SessionId::random();
    let OpenOutcome::Opened(view) = world.verify(cun, session).await else {
        panic!("a free positive was not verified")
    };
    for view in [
        view,
        world
            .store()
            .find_session(session)
            .await
            .unwrap()
            .expect("an open session is not found"),
    ] {
        assert_eq!(
            (view.session, view.cun, view.caller),
            (session, cun, call_center("CC1"))
        );
        assert_eq!(
            (view.operator, view.region, view.swab_date),
            (operator(1), region(), swab_date)
        );
        assert_eq!(
            (view.opened_at, view.lapses_at),
            (world.now(), world.now().plus_millis(SESSION_MILLIS))
        );
    }
    assert!(
        world
            .store()
            .find_session(SessionId::random())
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn what_cannot_be_verified(world: World) {
    let negative = world.negative(1).await;
    let (negative, _) = world.record(negative).await;
    let (unlocked, _) = world.unlocked(2).await;
    let claimed_code = world.issued(3).await;
    let session = world.session(claimed_code).await;
    claimed(&world, session).await;
    let consumed = world.unlocked(4).await.0;
    world.confirm(consumed, None).await;
    let cancelled = world.issued(5).await;
    world.cancel(cancellation(cancelled, 5)).await;
    for (cun, expected) in [
        (negative, VerificationRefusal::NotPositive),
        (unlocked, VerificationRefusal::AlreadyUnlocked),
        (claimed_code, VerificationRefusal::UnlockUnderWay),
        (consumed, VerificationRefusal::Over(Over::Consumed)),
        (cancelled, VerificationRefusal::Over(Over::Cancelled)),
    ] {
        let session = SessionId::random();
        match world.verify(cun, session).await {
            OpenOutcome::Refused(refusal) => assert_eq!(refusal, expected),
            other => panic!("{expected:?} expected, not {other:?}"),
        }
        assert!(
            world.store().find_session(session).await.unwrap().is_none(),
            "a refused verification left a session"
        );
    }
    assert!(matches!(
        world.verify(never_issued(), SessionId::random()).await,
        OpenOutcome::Unknown
    ));
}

pub async fn only_its_operator_and_caller_use_a_session(world: World) {
    let cun = world.issued(1).await;
    let session = world.session(cun).await;
    let another_operator = ClaimUnlock {
        operator: operator(2),
        ..world.claim_of(session)
    };
    let another_caller = ClaimUnlock {
        caller: call_center("CC2"),
        ..world.claim_of(session)
    };
    let no_session = world.claim_of(SessionId::random());
    for claim in [another_operator, another_caller, no_session] {
        assert!(matches!(
            world.store().claim_unlock(claim).await.unwrap(),
            ClaimOutcome::NoSuchSession
        ));
    }
    claimed(&world, session).await;
}

pub async fn a_session_lapses_to_the_millisecond(world: World) {
    world.stand_still();
    let cun = world.issued(1).await;
    let (first, second) = (world.session(cun).await, world.session(cun).await);
    world.clock.advance_millis(SESSION_MILLIS - 1);
    let claim = claimed(&world, first).await;
    assert_eq!(
        settle(&**world.store(), cun, claim, PostOutcome::NotDelivered).await,
        Settlement::Written
    );
    world.clock.advance_millis(1);
    for session in [first, second] {
        let outcome = world.claim(session).await;
        let lapsed = matches!(
            outcome,
            ClaimOutcome::Refused(ClaimRefusal::SessionLapsed) | ClaimOutcome::NoSuchSession
        );
        assert!(lapsed, "a lapsed session claims: {outcome:?}");
    }
    // An unlocked code stays unlocked when its session lapses; the code alone decides then.
    let (cun, session) = world.unlocked(2).await;
    world.clock.advance_millis(SESSION_MILLIS);
    assert!(matches!(
        world.verify(cun, SessionId::random()).await,
        OpenOutcome::Refused(VerificationRefusal::AlreadyUnlocked)
    ));
    let colleague = Confirmation {
        operator: operator(2),
        ..confirmation(cun, Some(session))
    };
    assert_eq!(
        world.store().confirm(colleague).await.unwrap(),
        ConcludeOutcome::Done(Effect::Done)
    );
}

pub async fn one_claim_at_a_time(world: World) {
    let cun = world.issued(1).await;
    let (first, second) = (world.session(cun).await, world.session(cun).await);
    let claim = claimed(&world, first).await;
    assert_eq!(refusal(&world, first).await, ClaimRefusal::UnlockUnderWay);
    assert_eq!(refusal(&world, second).await, ClaimRefusal::UnlockUnderWay);
    let confirmed = world.confirm(cun, Some(first)).await;
    assert_eq!(
        confirmed,
        ConcludeOutcome::Refused(ConcludeRefusal::UnlockUnderWay)
    );
    let annulled = world.annul(cun, Some(first)).await;
    assert_eq!(
        annulled,
        ConcludeOutcome::Refused(ConcludeRefusal::UnlockUnderWay)
    );
    // Another call center does not learn that there is such a code, and what is done with it.
    for session in [None, Some(first)] {
        let stranger = Confirmation {
            caller: call_center("CC2"),
            ..confirmation(cun, session)
        };
        assert_eq!(
            world.store().confirm(stranger.clone()).await.unwrap(),
            ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)
        );
        assert_eq!(
            world.store().annul(stranger).await.unwrap(),
            ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)
        );
    }
    assert_eq!(
        settle(&**world.store(), cun, claim, PostOutcome::Unknown).await,
        Settlement::Written
    );
    assert_eq!(
        refusal(&world, second).await,
        ClaimRefusal::AlreadyUnlocked,
        "an unknown outcome counts as delivered"
    );
}

pub async fn a_refused_post_leaves_no_trace(world: World) {
    let cun = world.issued(1).await;
    let (first, second) = (world.session(cun).await, world.session(cun).await);
    for _ in 0..5 {
        let claim = claimed(&world, first).await;
        assert_eq!(
            settle(&**world.store(), cun, claim, PostOutcome::NotDelivered).await,
            Settlement::Written
        );
    }
    world.unlock(second).await;
    let claim = claimed(&world, second).await;
    assert_eq!(
        settle(&**world.store(), cun, claim, PostOutcome::NotDelivered).await,
        Settlement::Written
    );
    assert_eq!(
        refusal(&world, first).await,
        ClaimRefusal::AlreadyUnlocked,
        "a refused repetition locked the code again"
    );
    assert_eq!(
        world
            .store()
            .find_test(cun)
            .await
            .unwrap()
            .unwrap()
            .life
            .deliveries(),
        1
    );
}

pub async fn a_session_delivers_three_times(world: World) {
    let (cun, session) = world.unlocked(1).await;
    for before in [true, true] {
        let ClaimOutcome::Claimed { claimed, .. } = world.claim(session).await else {
            panic!("a delivery is left")
        };
        assert_eq!(claimed.delivered_before, before);
        assert_eq!(
            settle(&**world.store(), cun, claimed.id, PostOutcome::Delivered).await,
            Settlement::Written
        );
    }
    assert_eq!(refusal(&world, session).await, ClaimRefusal::NoDeliveryLeft);
    assert_eq!(
        world.annul(cun, Some(session)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
    let refused = world.verify(cun, SessionId::random()).await;
    assert!(
        matches!(
            refused,
            OpenOutcome::Refused(VerificationRefusal::NoDeliveryLeft)
        ),
        "the count ended with the annulment: {refused:?}"
    );
}

pub async fn a_late_or_foreign_settlement_changes_nothing(world: World) {
    let cun = world.issued(1).await;
    let session = world.session(cun).await;
    let claim = claimed(&world, session).await;
    assert_eq!(
        settle(
            &**world.store(),
            cun,
            ClaimId(claim.0 ^ 1),
            PostOutcome::NotDelivered
        )
        .await,
        Settlement::Stale
    );
    assert_eq!(
        settle(
            &**world.store(),
            never_issued(),
            claim,
            PostOutcome::NotDelivered
        )
        .await,
        Settlement::Stale
    );
    assert_eq!(
        settle(&**world.store(), cun, claim, PostOutcome::Delivered).await,
        Settlement::Written
    );
    assert_eq!(
        settle(&**world.store(), cun, claim, PostOutcome::NotDelivered).await,
        Settlement::Stale,
        "a claim settles once"
    );
    assert_eq!(
        world.confirm(cun, Some(session)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
}

pub async fn a_dead_holder_counts_as_delivered(world: World) {
    world.stand_still();
    let cun = world.issued(1).await;
    let (first, second) = (world.session(cun).await, world.session(cun).await);
    claimed(&world, first).await;
    let world = world.reopen().await;
    world.clock.advance_millis(9_999 + world.clock_error());
    assert_eq!(
        refusal(&world, second).await,
        ClaimRefusal::UnlockUnderWay,
        "a claim ended before its deadline"
    );
    world.clock.advance_millis(1);
    assert_eq!(refusal(&world, second).await, ClaimRefusal::AlreadyUnlocked);
    assert_eq!(
        world.annul(cun, Some(first)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
    claimed(&world, second).await;
}

pub async fn transitions_outlive_a_restart(world: World) {
    let (unlocked, session) = world.unlocked(1).await;
    let (confirmed, _) = world.unlocked(2).await;
    world.confirm(confirmed, None).await;
    let (annulled, old) = world.unlocked(3).await;
    world.annul(annulled, Some(old)).await;
    let opened = world.issued(4).await;
    let open = world.session(opened).await;
    let world = world.reopen().await;
    assert!(
        world
            .store()
            .find_patient(confirmed)
            .await
            .unwrap()
            .is_none(),
        "erased data came back"
    );
    assert_eq!(
        world.confirm(confirmed, None).await,
        ConcludeOutcome::Done(Effect::AlreadyDone)
    );
    assert_eq!(
        world.annul(annulled, Some(old)).await,
        ConcludeOutcome::Done(Effect::AlreadyDone)
    );
    world.session(annulled).await;
    assert!(world.store().find_session(open).await.unwrap().is_some());
    claimed(&world, open).await;
    assert_eq!(
        world.confirm(unlocked, Some(session)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
}
