//! A failure means that a clock that was stepped ahead frees a code while its one-time code is still on the way, or that a code whose holder
//! died stays held for longer than the deadline and the permitted error, or that one damaged row keeps others from being released or erased.
#![allow(clippy::unwrap_used)]

use rusqlite::Connection;
use sistema_ts_model::{
    CUN_LIFE_MILLIS, CallCenterCode, Caller, ClaimId, ClaimRefusal, Clock as _, Cun, NewClaim,
    SessionId,
};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::fiscal_code;
use sistema_ts_store::{ClaimOutcome, ClaimUnlock, OpenOutcome, OpenSession, StoreError};

use super::Fixture;

fn caller() -> Caller {
    Caller::CallCenter(CallCenterCode::parse("cc1").unwrap())
}

async fn session(fixture: &Fixture, cun: Cun) -> SessionId {
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

async fn claim(fixture: &Fixture, session: SessionId) -> ClaimOutcome {
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

#[tokio::test]
async fn a_damaged_row_is_told_and_keeps_no_sweep_from_the_others() {
    let mut fixture = Fixture::new();
    let mut codes = Vec::new();
    for number in 1..=2 {
        let cun = fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(number))
            .await;
        let opened = session(&fixture, cun).await;
        let claimed = claim(&fixture, opened).await;
        assert!(matches!(claimed, ClaimOutcome::Claimed { .. }));
        codes.push(cun);
    }
    fixture.close();
    Connection::open(fixture.options.folder.join("tests.db"))
        .unwrap()
        .execute_batch("UPDATE tests SET life = x'ff' WHERE row = 1")
        .unwrap();
    fixture.accept();
    fixture.reopen();

    fixture.clock.advance_millis(60_000);
    for _ in 0..2 {
        let swept = fixture.try_sweep(100).await;
        assert!(
            matches!(swept, Err(StoreError::Corrupt { .. })),
            "{swept:?}"
        );
    }
    // The holder of the other one is known to be dead.
    let copy = fixture.killed();
    let left: Vec<i64> = Connection::open(copy.path().join("data/tests.db"))
        .unwrap()
        .prepare("SELECT row FROM claims")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(left, [1]);
    // All goes in its time, with the days' keys, the damaged row included.
    let kept = fixture.clock.now().rome_day();
    fixture.clock.advance_millis(2 * CUN_LIFE_MILLIS);
    // The claim is passed over once more in the call that removes its test.
    for _ in 0..2 {
        let _ = fixture.try_sweep(100).await;
    }
    fixture.sweep(100).await;
    assert!(fixture.store().find_test(codes[0]).await.unwrap().is_none());
    let ring = KeyRing::load(&fixture.folder.path().join("ring")).unwrap();
    assert!(ring.oldest() > kept);
}
