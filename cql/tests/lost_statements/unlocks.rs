//! Sessions, unlocks, confirmations and annulments.

use futures_util::FutureExt as _;
use sistema_ts_model::{
    ClaimRefusal, Cun, CunState, Effect, PostOutcome, SessionId, Settlement, TestResult,
};
use sistema_ts_store::samples::{cancellation, confirmation};
use sistema_ts_store::{
    CancelOutcome, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, OpenOutcome,
    OpenSession, SessionView, SettleUnlock, Store, StoreError,
};

use super::losing::{Case, each_statement};
use super::world::World;

/// A positive with two sessions: that of the operation, and another.
#[derive(Clone)]
struct Sessions {
    cun: Cun,
    own: SessionId,
    other: SessionId,
}

impl Sessions {
    async fn new(world: &World) -> Self {
        let cun = world
            .recorded(world.next_number(), TestResult::Positive)
            .await;
        Self {
            cun,
            own: world.session(cun).await,
            other: world.session(cun).await,
        }
    }
}

async fn confirms(world: &World, cun: Cun, session: SessionId) -> ConcludeOutcome {
    let confirmation = confirmation(cun, Some(session));
    world.second().confirm(confirmation).await.unwrap()
}

/// An unlock belongs to one session: that one confirms it, and all that is kept goes.
async fn assert_belongs_to<T>(
    world: &World,
    case: &Case<T, StoreError>,
    cun: Cun,
    session: SessionId,
) {
    assert_eq!(
        world.state(cun).await,
        CunState::Unlocked,
        "{}",
        case.told("not unlocked")
    );
    let confirmed = confirms(world, cun, session).await;
    let done = ConcludeOutcome::Done(Effect::Done);
    assert_eq!(confirmed, done, "{}", case.told("an unlock is another's"));
    assert_erased(world, case, cun).await;
}

/// Nothing is kept of the person of a code, nor a way to its sessions.
pub async fn assert_erased<T>(world: &World, case: &Case<T, StoreError>, cun: Cun) {
    let kept = world.kept_of_person(cun).await;
    assert!(kept.is_empty(), "{}", case.told(&format!("kept: {kept:?}")));
    assert_eq!(
        world.sessions_of(cun).await,
        0,
        "{}",
        case.told("a session is kept")
    );
}

async fn opened(world: &World) {
    let prepare = async || {
        let person = world.next_number();
        let cun = world.recorded(person, TestResult::Positive).await;
        (person, World::opening(cun))
    };
    let judge = async |(person, opening): &(u32, OpenSession), case: &Case<OpenOutcome, _>| {
        let (cun, own) = (opening.cun, opening.session);
        if let Some(answer) = case.answer() {
            assert!(matches!(answer, OpenOutcome::Opened(_)), "{answer:?}");
            // Whichever server the next request comes to.
            let found = world.second().find_session(own).await.unwrap();
            assert_eq!(
                found.map(|found| found.cun),
                Some(cun),
                "{}",
                case.told("it is lost")
            );
        }
        let again = world.session(cun).await;
        if case.is_even {
            case.late_arrives().await;
        }
        if case.answer().is_some() {
            let claimed = world.claimed(own).await;
            assert_eq!(world.settle(claimed).await, Settlement::Written);
            assert_belongs_to(world, case, cun, own).await;
            case.late_arrives().await;
            assert_erased(world, case, cun).await;
            let found = world.second().find_session(own).await.unwrap();
            assert!(found.is_none(), "{}", case.told("it outlives its code"));
        } else {
            let cancelled = world.second().cancel(cancellation(cun, *person)).await;
            assert!(
                matches!(cancelled, Ok(CancelOutcome::Done { .. })),
                "{cancelled:?}"
            );
            case.late_arrives().await;
            let kept = world.kept_of_person(cun).await;
            assert!(kept.is_empty(), "{}", case.told(&format!("kept: {kept:?}")));
        }
        for session in [own, again] {
            let claim = world.claim(session).await;
            let opens = matches!(claim, ClaimOutcome::Claimed { .. });
            assert!(!opens, "{}", case.told("a session outlives its code"));
        }
    };
    each_statement(
        &world.first,
        "a session, opened",
        prepare,
        |store, (_, opening)| async move { store.open_session(opening).await }.boxed(),
        judge,
    )
    .await;
}

async fn found(world: &World) {
    let judge = async |sessions: &Sessions, case: &Case<Option<SessionView>, _>| {
        if let Some(found) = case.answer() {
            let found = found.as_ref().map(|found| found.cun);
            assert_eq!(found, Some(sessions.cun), "{}", case.told("it is denied"));
        }
        assert!(
            !case.may_be_done() || case.answer().is_some(),
            "{}",
            case.told("unknown")
        );
    };
    each_statement(
        &world.first,
        "a session, looked up",
        async || Sessions::new(world).await,
        |store, sessions: Sessions| async move { store.find_session(sessions.own).await }.boxed(),
        judge,
    )
    .await;
}

async fn claimed(world: &World) {
    let prepare = async || {
        let sessions = Sessions::new(world).await;
        let claim = world.claim_of(sessions.own);
        (sessions, claim)
    };
    let judge = async |(sessions, claim): &(Sessions, ClaimUnlock),
                       case: &Case<ClaimOutcome, _>| {
        let own = SettleUnlock {
            cun: sessions.cun,
            claim: claim.claim.id,
            outcome: PostOutcome::Delivered,
        };
        let other = world.claim(sessions.other).await;
        if case.is_even {
            case.late_arrives().await;
        }
        let winner = match other {
            ClaimOutcome::Claimed { claimed, .. } => {
                let is_free = case.answer().is_none();
                assert!(is_free, "{}", case.told("an unlock is claimed twice"));
                let other = SettleUnlock {
                    claim: claimed.id,
                    ..own
                };
                assert_eq!(
                    world.settle(own).await,
                    Settlement::Stale,
                    "{}",
                    case.told("both")
                );
                assert_eq!(
                    world.settle(other).await,
                    Settlement::Written,
                    "{}",
                    case.told("none")
                );
                case.late_arrives().await;
                assert_eq!(
                    world.settle(own).await,
                    Settlement::Stale,
                    "{}",
                    case.told("both")
                );
                sessions.other
            }
            ClaimOutcome::Refused(ClaimRefusal::UnlockUnderWay) => {
                let is_its = case.may_be_done();
                assert!(is_its, "{}", case.told("claimed, and told that it is not"));
                assert_eq!(
                    world.settle(own).await,
                    Settlement::Written,
                    "{}",
                    case.told("none")
                );
                case.late_arrives().await;
                let other = world.claim(sessions.other).await;
                let is_others = matches!(other, ClaimOutcome::Claimed { .. });
                assert!(!is_others, "{}", case.told("an unlock belongs to two"));
                sessions.own
            }
            other => panic!("{}", case.told(&format!("{other:?}"))),
        };
        assert_belongs_to(world, case, sessions.cun, winner).await;
    };
    each_statement(
        &world.first,
        "an unlock, claimed",
        prepare,
        |store, (_, claim)| async move { store.claim_unlock(claim).await }.boxed(),
        judge,
    )
    .await;
}

async fn settled(world: &World) {
    for outcome in [PostOutcome::Delivered, PostOutcome::NotDelivered] {
        let prepare = async || {
            let sessions = Sessions::new(world).await;
            let claimed = world.claimed(sessions.own).await;
            (sessions, SettleUnlock { outcome, ..claimed })
        };
        let judge = async |(sessions, wish): &(Sessions, SettleUnlock),
                           case: &Case<Settlement, _>| {
            if case.is_even {
                case.late_arrives().await;
            }
            let again = world.settle(*wish).await;
            let is_right = match again {
                Settlement::Written => case.may_be_undone(),
                Settlement::Stale => case.may_be_done(),
            };
            assert!(is_right, "{}", case.told(&format!("again: {again:?}")));
            let winner = match outcome {
                PostOutcome::NotDelivered => {
                    let other = world.claimed(sessions.other).await;
                    case.late_arrives().await;
                    let settled = world.settle(other).await;
                    assert_eq!(
                        settled,
                        Settlement::Written,
                        "{}",
                        case.told("its claim is lost")
                    );
                    sessions.other
                }
                _ => {
                    case.late_arrives().await;
                    sessions.own
                }
            };
            assert_belongs_to(world, case, sessions.cun, winner).await;
        };
        each_statement(
            &world.first,
            &format!("an unlock, settled as {outcome:?}"),
            prepare,
            |store, (_, wish)| async move { store.settle_unlock(wish).await }.boxed(),
            judge,
        )
        .await;
    }
}

async fn confirmed(world: &World) {
    let prepare = async || {
        let (cun, session) = world.unlocked(world.next_number()).await;
        confirmation(cun, Some(session))
    };
    let judge = async |wish: &Confirmation, case: &Case<ConcludeOutcome, _>| {
        let cun = wish.cun;
        match case.answer() {
            Some(answer) => {
                assert_eq!(
                    *answer,
                    ConcludeOutcome::Done(Effect::Done),
                    "{}",
                    case.told("refused")
                );
                assert_erased(world, case, cun).await;
            }
            None if !case.may_be_done() => {
                assert_eq!(
                    world.state(cun).await,
                    CunState::Unlocked,
                    "{}",
                    case.told("done")
                );
            }
            None => {}
        }
        assert_swept_or_kept(world, case, cun).await;
        case.late_arrives().await;
        assert_swept_or_kept(world, case, cun).await;
        let again = world.second().confirm(wish.clone()).await.unwrap();
        let is_right = match again {
            ConcludeOutcome::Done(Effect::Done) => case.may_be_undone(),
            ConcludeOutcome::Done(Effect::AlreadyDone) => true,
            _ => false,
        };
        assert!(is_right, "{}", case.told(&format!("again: {again:?}")));
        assert_erased(world, case, cun).await;
    };
    each_statement(
        &world.first,
        "a confirmation",
        prepare,
        |store, wish| async move { store.confirm(wish).await }.boxed(),
        judge,
    )
    .await;
    let again = async |wish: &Confirmation, case: &Case<ConcludeOutcome, _>| {
        let again = world.second().confirm(wish.clone()).await.unwrap();
        let is_right = match again {
            ConcludeOutcome::Done(Effect::Done) => case.may_be_undone(),
            ConcludeOutcome::Done(Effect::AlreadyDone) => case.may_be_done(),
            _ => false,
        };
        assert!(is_right, "{}", case.told(&format!("again: {again:?}")));
        assert_erased(world, case, wish.cun).await;
        case.late_arrives().await;
        assert_erased(world, case, wish.cun).await;
    };
    each_statement(
        &world.first,
        "a confirmation, and its repetition",
        prepare,
        |store, wish| async move { store.confirm(wish).await }.boxed(),
        again,
    )
    .await;
}

/// After a sweep a person is gone whose code's life is over, and none other's.
pub async fn assert_swept_or_kept<T>(world: &World, case: &Case<T, StoreError>, cun: Cun) {
    world.sweep().await;
    if world.state(cun).await.is_over() {
        assert_erased(world, case, cun).await;
    } else {
        let kept = world.kept_of_person(cun).await;
        assert!(
            !kept.is_empty(),
            "{}",
            case.told("erased, and its code lives")
        );
    }
}

async fn annulled(world: &World) {
    let prepare = async || {
        let (cun, session) = world.unlocked(world.next_number()).await;
        confirmation(cun, Some(session))
    };
    let judge = async |wish: &Confirmation, case: &Case<ConcludeOutcome, _>| {
        let (cun, own) = (wish.cun, wish.session.unwrap());
        if !case.may_be_done() {
            assert_eq!(
                world.state(cun).await,
                CunState::Unlocked,
                "{}",
                case.told("done")
            );
        }
        let again = world.second().annul(wish.clone()).await.unwrap();
        let is_right = match again {
            ConcludeOutcome::Done(Effect::Done) => case.may_be_undone(),
            ConcludeOutcome::Done(Effect::AlreadyDone) => case.may_be_done(),
            _ => false,
        };
        assert!(is_right, "{}", case.told(&format!("again: {again:?}")));
        let claim = world.claim(own).await;
        let opens = matches!(claim, ClaimOutcome::Claimed { .. });
        assert!(!opens, "{}", case.told("a session outlives its annulment"));
        let other = world.session(cun).await;
        let claimed = world.claimed(other).await;
        if case.is_even {
            case.late_arrives().await;
        }
        assert_eq!(
            world.settle(claimed).await,
            Settlement::Written,
            "{}",
            case.told("its claim")
        );
        case.late_arrives().await;
        assert_belongs_to(world, case, cun, other).await;
    };
    each_statement(
        &world.first,
        "an annulment",
        prepare,
        |store, wish| async move { store.annul(wish).await }.boxed(),
        judge,
    )
    .await;
}

pub async fn all(world: &World) {
    opened(world).await;
    found(world).await;
    claimed(world).await;
    settled(world).await;
    confirmed(world).await;
    annulled(world).await;
}
