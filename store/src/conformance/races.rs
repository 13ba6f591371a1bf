//! Races over codes that were issued: a hundred tasks at once, many rounds, exactly one winner. Failure: two winners or none, a loser that is told it won, a
//! winner whose effect is not there afterwards, or a state that fits no order of the calls. Where a store does not know what became of a call,
//! [`super::contention`] says what its caller does.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use sistema_ts_model::{
    CUN_LIFE_MILLIS, CancelRefusal, ClaimId, ClaimRefusal, ConcludeRefusal, Cun, Effect, Over,
    PostOutcome, SessionId, Settlement,
};
use tokio::sync::Barrier;

use super::contention::{Told, ask_once, insist, one_winner};
use super::world::{World, cancellation, confirmation, fiscal_code, repeatable};
use crate::{
    CancelOutcome, CancelTest, ClaimOutcome, ConcludeOutcome, PersonOutcome, SettleUnlock,
};

pub(super) const TASKS: usize = 100;
pub(super) const ROUNDS: u32 = 20;

/// Runs `task` a hundred times at once, all released together, and gathers what they say, by task.
pub(super) async fn at_once<T, F, R>(world: &Arc<World>, task: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(Arc<World>, usize) -> R,
    R: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(TASKS));
    let handles: Vec<_> = (0..TASKS)
        .map(|number| {
            let (barrier, task) = (barrier.clone(), task(world.clone(), number));
            tokio::spawn(async move {
                barrier.wait().await;
                task.await
            })
        })
        .collect();
    let mut said = Vec::new();
    for handle in handles {
        said.push(handle.await.expect("a task of the race failed"));
    }
    said
}

/// A session for each task, opened all at once.
async fn session_of_all(world: &Arc<World>, cun: Cun) -> Arc<Vec<SessionId>> {
    let opened = at_once(world, |world, _| async move { world.session(cun).await });
    Arc::new(opened.await)
}

async fn claim(world: &World, session: SessionId) -> Option<ClaimOutcome> {
    ask_once(|| world.store().claim_unlock(world.claim_of(session))).await
}

async fn settle(world: &World, cun: Cun, claim: ClaimId) -> Told<Settlement> {
    let settlement = SettleUnlock {
        cun,
        claim,
        outcome: PostOutcome::Delivered,
    };
    insist(|| world.store().settle_unlock(settlement)).await
}

async fn confirm(world: &World, cun: Cun, session: SessionId) -> Told<ConcludeOutcome> {
    insist(|| world.store().confirm(confirmation(cun, Some(session)))).await
}

async fn cancel(world: &World, cancellation: CancelTest) -> Told<CancelOutcome> {
    insist(|| world.store().cancel(cancellation.clone())).await
}

/// What one of two kinds of askers was told.
fn either<T, Other>(told: Told<T>, kind: impl Fn(T) -> Other) -> Told<Other> {
    Told {
        answer: kind(told.answer),
        may_be_its_own: told.may_be_its_own,
    }
}

async fn has_patient(world: &World, cun: Cun) -> bool {
    let found = insist(|| world.store().find_patient(cun)).await;
    found.answer.is_some()
}

pub async fn one_of_a_hundred_claims_wins(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let cun = world.issued(round).await;
        let sessions = session_of_all(&world, cun).await;
        let said = at_once(&world, |world, task| {
            let session = sessions[task];
            async move { claim(&world, session).await }
        })
        .await;
        let unknown = said.iter().filter(|said| said.is_none()).count();
        let mut winners = Vec::new();
        for (task, outcome) in said.into_iter().enumerate() {
            match outcome {
                Some(ClaimOutcome::Claimed { claimed, .. }) => winners.push((task, claimed.id)),
                Some(ClaimOutcome::Refused(ClaimRefusal::UnlockUnderWay)) | None => {}
                Some(other) => panic!("a loser was told {other:?}"),
            }
        }
        let after = match winners.as_slice() {
            &[(winner, id)] => {
                let told = settle(&world, cun, id).await;
                let is_written = told.answer == Settlement::Written || told.may_be_its_own;
                assert!(is_written, "a claim's own settlement was not written");
                (winner + 1) % TASKS
            }
            [] => {
                assert!(unknown > 0, "no claim was granted");
                // Nothing is posted for it: it ends as that of a holder who has died.
                let deadline = world.new_claim().deadline;
                world
                    .clock
                    .set(deadline.plus_millis(2 * world.clock_error()));
                0
            }
            _ => panic!("{} claims of one code were granted", winners.len()),
        };
        let afterwards = claim(&world, sessions[after]).await;
        let is_unlocked = matches!(
            afterwards,
            Some(ClaimOutcome::Refused(ClaimRefusal::AlreadyUnlocked))
        );
        assert!(is_unlocked || unknown > 0, "{afterwards:?}");
    }
}

pub async fn confirm_against_cancel(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let (cun, session) = world.unlocked(round).await;
        let said = at_once(&world, |world, task| async move {
            if task % 2 == 0 {
                either(confirm(&world, cun, session).await, Ok)
            } else {
                either(cancel(&world, cancellation(cun, round)).await, Err)
            }
        })
        .await;
        one_winner("confirmations and cancellations", &said, |said| {
            matches!(
                said,
                Ok(ConcludeOutcome::Done(Effect::Done))
                    | Err(CancelOutcome::Done {
                        effect: Effect::Done,
                        ..
                    })
            )
        });
        let confirmed = world.list_all().await.iter().any(|test| test.cun == cun);
        for told in said {
            let fits = match told.answer {
                Ok(ConcludeOutcome::Done(_)) => confirmed,
                Ok(ConcludeOutcome::Refused(ConcludeRefusal::Over(Over::Cancelled))) => !confirmed,
                Err(CancelOutcome::Done { .. }) => !confirmed,
                Err(CancelOutcome::Refused(CancelRefusal::Over(Over::Consumed))) => confirmed,
                _ => false,
            };
            assert!(fits, "this fits no order of the calls: {told:?}");
        }
        assert!(!has_patient(&world, cun).await);
    }
}

pub async fn annul_against_confirm(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let (cun, session) = world.unlocked(round).await;
        let said = at_once(&world, |world, task| async move {
            if task % 2 == 0 {
                return either(confirm(&world, cun, session).await, Ok);
            }
            let annulled = insist(|| world.store().annul(confirmation(cun, Some(session))));
            either(annulled.await, Err)
        })
        .await;
        one_winner("confirmations and annulments", &said, |said| {
            matches!(
                said,
                Ok(ConcludeOutcome::Done(Effect::Done)) | Err(ConcludeOutcome::Done(Effect::Done))
            )
        });
        let annulled = has_patient(&world, cun).await;
        for told in said {
            let fits = match told.answer {
                Ok(ConcludeOutcome::Done(_)) => !annulled,
                Ok(ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)) => annulled,
                Err(ConcludeOutcome::Done(_)) => annulled,
                Err(ConcludeOutcome::Refused(ConcludeRefusal::Over(Over::Consumed))) => !annulled,
                _ => false,
            };
            assert!(fits, "this fits no order of the calls: {told:?}");
        }
        if annulled {
            world.session(cun).await;
        }
    }
}

pub async fn expiry_against_claim(world: World) {
    world.stand_still();
    let world = Arc::new(world);
    let mut ends = Vec::new();
    for round in 0..ROUNDS {
        let test = world.positive(round).await;
        let (cun, inserted_at) = world.record(test).await;
        ends.push((cun, inserted_at.plus_millis(CUN_LIFE_MILLIS)));
        world.clock.advance_millis(60_000);
    }
    for (cun, end) in ends {
        world.clock.set(end.minus_millis(1));
        let sessions = session_of_all(&world, cun).await;
        let said = at_once(&world, |world, task| {
            let session = sessions[task];
            async move {
                if task == TASKS / 2 {
                    world.clock.set(end);
                    while world.sweep(10).await.more {}
                    return None;
                }
                Some(claim(&world, session).await)
            }
        })
        .await;
        let (mut granted, mut unknown, mut under_way) = (Vec::new(), 0, 0);
        for outcome in said.into_iter().flatten() {
            match outcome {
                None => unknown += 1,
                Some(ClaimOutcome::Claimed { claimed, .. }) => granted.push(claimed),
                Some(ClaimOutcome::Refused(ClaimRefusal::UnlockUnderWay)) => under_way += 1,
                Some(
                    ClaimOutcome::Refused(
                        ClaimRefusal::Over(Over::Expired) | ClaimRefusal::SessionLapsed,
                    )
                    | ClaimOutcome::NoSuchSession,
                ) => {}
                Some(other) => panic!("this fits no order of the calls: {other:?}"),
            }
        }
        assert!(
            granted.len() <= 1,
            "{} claims of one code were granted",
            granted.len()
        );
        assert!(
            under_way == 0 || !granted.is_empty() || unknown > 0,
            "{under_way} were told of a claim that nobody has"
        );
        if let Some(claimed) = granted.first() {
            assert!(
                claimed.deadline <= end,
                "a claim may post after its code's end"
            );
            let told = settle(&world, cun, claimed.id).await;
            assert_eq!(told.answer, Settlement::Stale, "settled after the end");
        }
        assert!(!has_patient(&world, cun).await);
        let late = claim(&world, sessions[0]).await;
        assert!(
            !matches!(late, Some(ClaimOutcome::Claimed { .. })),
            "claimed after the end"
        );
    }
}

pub async fn claim_against_person(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let (first, second) = (world.issued(round).await, world.issued(round).await);
        let session = world.session(first).await;
        let said = at_once(&world, |world, task| async move {
            if task % 2 == 0 {
                return Some(match claim(&world, session).await? {
                    ClaimOutcome::Claimed { cun, .. } => vec![cun],
                    _ => Vec::new(),
                });
            }
            let person = || {
                let claim = world.new_claim();
                world.store().claim_person(fiscal_code(round), claim)
            };
            Some(match ask_once(person).await? {
                PersonOutcome::Claimed(person) => person.cuns,
                PersonOutcome::UnlockUnderWay => Vec::new(),
            })
        })
        .await;
        let some_are_unknown = said.iter().any(Option::is_none);
        let claimed: Vec<Cun> = said.into_iter().flatten().flatten().collect();
        let distinct: HashSet<Cun> = claimed.iter().copied().collect();
        assert_eq!(claimed.len(), distinct.len(), "one code was claimed twice");
        assert!(distinct.contains(&first) || some_are_unknown, "nobody won");
        assert!(claimed.len() <= 1 || distinct.contains(&second));
    }
}

pub async fn a_hundred_cancellations(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let cun = world.issued(round).await;
        let said = at_once(&world, |world, _| async move {
            cancel(&world, cancellation(cun, round)).await
        })
        .await;
        let is_done = |with: Effect| move |said: &CancelOutcome| matches!(said, CancelOutcome::Done { effect, .. } if *effect == with);
        let winner = one_winner("cancellations of one code", &said, is_done(Effect::Done));
        let again = said
            .iter()
            .filter(|told| is_done(Effect::AlreadyDone)(&told.answer));
        assert_eq!(again.count() + usize::from(winner.is_some()), TASKS);
        // With one receipt key, all are told the first one's transaction.
        let cun = world.issued(round).await;
        let key = format!("ROUND {round}");
        let said = at_once(&world, |world, _| {
            let mut asked = cancellation(cun, round);
            asked.repeatable = repeatable(&key, "content");
            async move {
                let transaction = asked.transaction;
                let told = cancel(&world, asked).await;
                either(told, |answer| (transaction, answer))
            }
        })
        .await;
        one_winner("cancellations under one key", &said, |(_, said)| {
            is_done(Effect::Done)(said)
        });
        let answers: HashSet<_> = said
            .iter()
            .map(|told| match &told.answer {
                (own, CancelOutcome::Done { at, .. }) => (own.to_string(), *at),
                (_, CancelOutcome::Replayed { transaction, at }) => (transaction.to_string(), *at),
                (_, other) => panic!("a copy in flight was told {other:?}"),
            })
            .collect();
        assert_eq!(answers.len(), 1, "copies in flight got different answers");
    }
}

pub async fn a_hundred_settlements(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let cun = world.issued(round).await;
        let session = world.session(cun).await;
        let ClaimOutcome::Claimed { claimed, .. } = world.claim(session).await else {
            panic!("not claimed")
        };
        let said = at_once(&world, |world, _| async move {
            settle(&world, cun, claimed.id).await
        })
        .await;
        one_winner("settlements of one claim", &said, |said| {
            *said == Settlement::Written
        });
        let test = insist(|| world.store().find_test(cun)).await.answer;
        assert_eq!(test.unwrap().life.deliveries(), 1);
    }
}
