//! Confirmation and annulment of an unlock (§3.3.3). Failure: data that outlive a confirmation, one by another caller, session or operator
//! than the unlocking one, or an annulment that undoes a confirmation or a colleague's newer unlock.

use sistema_ts_model::{ConcludeRefusal, Effect, Over, SessionId};

use super::world::{World, call_center, confirmation, never_issued, operator};
use crate::{ClaimOutcome, ConcludeOutcome, Confirmation};

pub async fn a_confirmation_consumes_and_erases(world: World) {
    let (cun, session) = world.unlocked(1).await;
    assert_eq!(
        world.confirm(cun, Some(session)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
    assert!(
        world.store().find_patient(cun).await.unwrap().is_none(),
        "the fiscal code outlives the confirmation"
    );
    assert!(
        world.store().find_session(session).await.unwrap().is_none(),
        "a session outlives the confirmation"
    );
    assert_eq!(world.list_all().await.len(), 1, "a consumed test stands");
    for session in [Some(session), None] {
        assert_eq!(
            world.confirm(cun, session).await,
            ConcludeOutcome::Done(Effect::AlreadyDone)
        );
        let annulled = world.annul(cun, session).await;
        assert_eq!(
            annulled,
            ConcludeOutcome::Refused(ConcludeRefusal::Over(Over::Consumed))
        );
    }
    // Without the session's id the code alone decides.
    let (cun, _) = world.unlocked(2).await;
    assert_eq!(
        world.confirm(cun, None).await,
        ConcludeOutcome::Done(Effect::Done)
    );
    assert_eq!(
        world.confirm(never_issued(), None).await,
        ConcludeOutcome::Unknown
    );
}

pub async fn a_confirmation_is_for_the_unlocking_caller_and_session(world: World) {
    let cun = world.issued(1).await;
    let (session, other) = (world.session(cun).await, world.session(cun).await);
    assert_eq!(
        world.confirm(cun, Some(session)).await,
        ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)
    );
    assert_eq!(
        world.annul(cun, None).await,
        ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)
    );
    world.unlock(session).await;
    let another_caller = |session| Confirmation {
        caller: call_center("CC2"),
        ..confirmation(cun, session)
    };
    let another_operator = Confirmation {
        operator: operator(2),
        ..confirmation(cun, Some(session))
    };
    for (wrong, refusal) in [
        (another_caller(None), ConcludeRefusal::AnotherCaller),
        (
            another_caller(Some(session)),
            ConcludeRefusal::AnotherCaller,
        ),
        (
            confirmation(cun, Some(other)),
            ConcludeRefusal::AnotherSession,
        ),
        (
            confirmation(cun, Some(SessionId::random())),
            ConcludeRefusal::AnotherSession,
        ),
        (another_operator, ConcludeRefusal::SessionNotYours),
    ] {
        assert_eq!(
            world.store().confirm(wrong.clone()).await.unwrap(),
            ConcludeOutcome::Refused(refusal)
        );
        assert_eq!(
            world.store().annul(wrong).await.unwrap(),
            ConcludeOutcome::Refused(refusal)
        );
    }
    assert!(
        world.store().find_patient(cun).await.unwrap().is_some(),
        "a refused confirmation erased"
    );
}

pub async fn an_annulment_frees_the_code(world: World) {
    let (cun, session) = world.unlocked(1).await;
    assert_eq!(
        world.annul(cun, Some(session)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
    assert!(
        world.store().find_patient(cun).await.unwrap().is_some(),
        "an annulment erased the person"
    );
    assert!(
        world.store().find_session(session).await.unwrap().is_none(),
        "an annulled session is still open"
    );
    assert!(
        !matches!(world.claim(session).await, ClaimOutcome::Claimed { .. }),
        "an annulled session claims"
    );
    assert_eq!(
        world.confirm(cun, Some(session)).await,
        ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)
    );
    let newer = world.session(cun).await;
    world.unlock(newer).await;
    // Repeating the old annulment does not annul a colleague's newer unlock.
    assert_eq!(
        world.annul(cun, Some(session)).await,
        ConcludeOutcome::Done(Effect::AlreadyDone)
    );
    assert_eq!(
        world.confirm(cun, Some(newer)).await,
        ConcludeOutcome::Done(Effect::Done)
    );
}
