//! A failure means that a clock that was stepped ahead frees a code while its one-time code is still on the way, or that a code whose holder
//! died stays held for longer than the deadline and the permitted error.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::{
    CallCenterCode, Caller, ClaimId, ClaimRefusal, Clock as _, Cun, NewClaim, SessionId,
};
use sistema_ts_store::samples::fiscal_code;
use sistema_ts_store::{ClaimOutcome, ClaimUnlock, OpenOutcome, OpenSession};

use super::Fixture;

fn caller() -> Caller {
    Caller::CallCenter(CallCenterCode::parse("cc1").unwrap())
}

pub(super) async fn session(fixture: &Fixture, cun: Cun) -> SessionId {
    let session = SessionId::random();
    let opened = OpenSession {
        cun,
        session,
        operator: fiscal_code(9),
        caller: caller(),
        lifetime_millis: 1_800_000,
    };
    let outcome = fixture.store().open_session(opened).await.unwrap();
    assert!(matches!(outcome, OpenOutcome::Opened(_)));
    session
}

pub(super) async fn claim(fixture: &Fixture, session: SessionId) -> ClaimOutcome {
    let claim = ClaimUnlock {
        session,
        operator: fiscal_code(9),
        caller: caller(),
        claim: NewClaim {
            id: ClaimId::random(&mut rand::rng()),
            deadline: fixture.clock.now().plus_millis(10_000),
        },
    };
    fixture.store().claim_unlock(claim).await.unwrap()
}

#[tokio::test]
async fn a_holder_is_dead_once_deadline_and_permitted_error_have_passed() {
    let fixture = Fixture::with(|options| options.clock_error_millis = 1_500);
    let cun = fixture.record(|_| {}).await;
    let (first, second) = (session(&fixture, cun).await, session(&fixture, cun).await);
    assert!(matches!(
        claim(&fixture, first).await,
        ClaimOutcome::Claimed { .. }
    ));
    fixture.clock.advance_millis(11_499);
    fixture.sweep(100).await;
    let refused = |outcome| match outcome {
        ClaimOutcome::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    };
    assert_eq!(
        refused(claim(&fixture, second).await),
        ClaimRefusal::UnlockUnderWay
    );
    fixture.clock.advance_millis(1);
    assert_eq!(
        refused(claim(&fixture, second).await),
        ClaimRefusal::AlreadyUnlocked
    );
}
