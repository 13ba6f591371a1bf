//! Races over codes that were issued: a hundred tasks at once, many rounds, exactly one winner. Failure: two winners or none, a loser that is told it won, a
//! winner whose effect is not there afterwards, or a state that fits no order of the calls.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use sistema_ts_model::{
    CUN_LIFE_MILLIS, CancelRefusal, ClaimRefusal, ConcludeRefusal, Cun, Effect, Over, PostOutcome,
    SessionId, Settlement,
};
use tokio::sync::Barrier;

use super::world::{World, cancellation, fiscal_code, repeatable};
use crate::{CancelOutcome, ClaimOutcome, ConcludeOutcome, PersonOutcome, SettleUnlock};

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

pub async fn one_of_a_hundred_claims_wins(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let cun = world.issued(round).await;
        let sessions = session_of_all(&world, cun).await;
        let said = at_once(&world, |world, task| {
            let session = sessions[task];
            async move { world.claim(session).await }
        })
        .await;
        let mut winners = Vec::new();
        for (task, outcome) in said.into_iter().enumerate() {
            match outcome {
                ClaimOutcome::Claimed { claimed, .. } => winners.push((task, claimed.id)),
                ClaimOutcome::Refused(ClaimRefusal::UnlockUnderWay) => {}
                other => panic!("a loser was told {other:?}"),
            }
        }
        let &[(winner, id)] = winners.as_slice() else {
            panic!("{} claims of one code were granted", winners.len())
        };
        let settlement = SettleUnlock {
            cun,
            claim: id,
            outcome: PostOutcome::Delivered,
        };
        assert_eq!(
            world.store().settle_unlock(settlement).await.unwrap(),
            Settlement::Written
        );
        let loser = sessions[(winner + 1) % TASKS];
        assert!(matches!(
            world.claim(loser).await,
            ClaimOutcome::Refused(ClaimRefusal::AlreadyUnlocked)
        ));
    }
}

pub async fn confirm_against_cancel(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let (cun, session) = world.unlocked(round).await;
        let said = at_once(&world, |world, task| async move {
            if task % 2 == 0 {
                Ok(world.confirm(cun, Some(session)).await)
            } else {
                Err(world.cancel(cancellation(cun, round)).await)
            }
        })
        .await;
        let confirmed = said
            .iter()
            .filter(|said| matches!(said, Ok(ConcludeOutcome::Done(Effect::Done))))
            .count();
        let cancelled = said
            .iter()
            .filter(|said| {
                matches!(
                    said,
                    Err(CancelOutcome::Done {
                        effect: Effect::Done,
                        ..
                    })
                )
            })
            .count();
        assert_eq!(
            confirmed + cancelled,
            1,
            "{confirmed} confirmations and {cancelled} cancellations of one code won"
        );
        for said in said {
            let fits = match said {
                Ok(ConcludeOutcome::Done(_)) => confirmed == 1,
                Ok(ConcludeOutcome::Refused(ConcludeRefusal::Over(Over::Cancelled))) => {
                    cancelled == 1
                }
                Err(CancelOutcome::Done { .. }) => cancelled == 1,
                Err(CancelOutcome::Refused(CancelRefusal::Over(Over::Consumed))) => confirmed == 1,
                _ => false,
            };
            assert!(fits, "this fits no order of the calls: {said:?}");
        }
        assert!(world.store().find_patient(cun).await.unwrap().is_none());
        let standing = world.list_all().await.iter().any(|test| test.cun == cun);
        assert_eq!(standing, confirmed == 1);
    }
}

pub async fn annul_against_confirm(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let (cun, session) = world.unlocked(round).await;
        let said = at_once(&world, |world, task| async move {
            if task % 2 == 0 {
                Ok(world.confirm(cun, Some(session)).await)
            } else {
                Err(world.annul(cun, Some(session)).await)
            }
        })
        .await;
        let confirmed = said
            .iter()
            .filter(|said| matches!(said, Ok(ConcludeOutcome::Done(Effect::Done))))
            .count();
        let annulled = said
            .iter()
            .filter(|said| matches!(said, Err(ConcludeOutcome::Done(Effect::Done))))
            .count();
        assert_eq!(
            confirmed + annulled,
            1,
            "{confirmed} confirmations and {annulled} annulments of one unlock won"
        );
        for said in said {
            let fits = match said {
                Ok(ConcludeOutcome::Done(_)) => confirmed == 1,
                Ok(ConcludeOutcome::Refused(ConcludeRefusal::NotUnlocked)) => annulled == 1,
                Err(ConcludeOutcome::Done(_)) => annulled == 1,
                Err(ConcludeOutcome::Refused(ConcludeRefusal::Over(Over::Consumed))) => {
                    confirmed == 1
                }
                _ => false,
            };
            assert!(fits, "this fits no order of the calls: {said:?}");
        }
        assert_eq!(
            world.store().find_patient(cun).await.unwrap().is_some(),
            annulled == 1
        );
        if annulled == 1 {
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
                Some(world.claim(session).await)
            }
        })
        .await;
        let mut granted = Vec::new();
        for outcome in said.into_iter().flatten() {
            match outcome {
                ClaimOutcome::Claimed { claimed, .. } => granted.push(claimed),
                ClaimOutcome::Refused(ClaimRefusal::UnlockUnderWay) => {
                    assert!(!granted.is_empty() || world.now() == end)
                }
                ClaimOutcome::Refused(
                    ClaimRefusal::Over(Over::Expired) | ClaimRefusal::SessionLapsed,
                )
                | ClaimOutcome::NoSuchSession => {}
                other => panic!("this fits no order of the calls: {other:?}"),
            }
        }
        assert!(
            granted.len() <= 1,
            "{} claims of one code were granted",
            granted.len()
        );
        if let Some(claimed) = granted.first() {
            assert!(
                claimed.deadline <= end,
                "a claim may post after its code's end"
            );
            let settlement = SettleUnlock {
                cun,
                claim: claimed.id,
                outcome: PostOutcome::Delivered,
            };
            assert_eq!(
                world.store().settle_unlock(settlement).await.unwrap(),
                Settlement::Stale,
                "settled after the end"
            );
        }
        assert!(world.store().find_patient(cun).await.unwrap().is_none());
        assert!(
            !matches!(world.claim(sessions[0]).await, ClaimOutcome::Claimed { .. }),
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
                return matches!(world.claim(session).await, ClaimOutcome::Claimed { .. })
                    .then_some(vec![first]);
            }
            let claim = world.new_claim();
            match world
                .store()
                .claim_person(fiscal_code(round), claim)
                .await
                .unwrap()
            {
                PersonOutcome::Claimed(person) => (!person.cuns.is_empty()).then_some(person.cuns),
                PersonOutcome::UnlockUnderWay => None,
            }
        })
        .await;
        let claimed: Vec<Cun> = said.into_iter().flatten().flatten().collect();
        let distinct: HashSet<Cun> = claimed.iter().copied().collect();
        assert_eq!(claimed.len(), distinct.len(), "one code was claimed twice");
        assert!(distinct.contains(&first), "nobody won");
        assert!(claimed.len() == 1 || distinct.contains(&second));
    }
}

pub async fn a_hundred_cancellations(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let cun = world.issued(round).await;
        let said = at_once(&world, |world, _| async move {
            world.cancel(cancellation(cun, round)).await
        })
        .await;
        let done = said
            .iter()
            .filter(|said| {
                matches!(
                    said,
                    CancelOutcome::Done {
                        effect: Effect::Done,
                        ..
                    }
                )
            })
            .count();
        let again = said
            .iter()
            .filter(|said| {
                matches!(
                    said,
                    CancelOutcome::Done {
                        effect: Effect::AlreadyDone,
                        ..
                    }
                )
            })
            .count();
        assert_eq!((done, again), (1, TASKS - 1));
        // With one receipt key, all are told the first one's transaction.
        let cun = world.issued(round).await;
        let key = format!("ROUND {round}");
        let said = at_once(&world, |world, _| {
            let mut cancel = cancellation(cun, round);
            cancel.repeatable = repeatable(&key, "content");
            async move { (cancel.transaction, world.cancel(cancel).await) }
        })
        .await;
        let first: Vec<_> = said
            .iter()
            .filter_map(|(transaction, outcome)| match outcome {
                CancelOutcome::Done {
                    effect: Effect::Done,
                    at,
                } => Some((*transaction, *at)),
                _ => None,
            })
            .collect();
        let &[(transaction, at)] = first.as_slice() else {
            panic!("{} cancellations of one code won", first.len())
        };
        let replayed = said
            .iter()
            .filter(|(_, outcome)| *outcome == CancelOutcome::Replayed { transaction, at })
            .count();
        assert_eq!(replayed, TASKS - 1);
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
            let settlement = SettleUnlock {
                cun,
                claim: claimed.id,
                outcome: PostOutcome::Delivered,
            };
            world.store().settle_unlock(settlement).await.unwrap()
        })
        .await;
        assert_eq!(
            said.iter()
                .filter(|said| **said == Settlement::Written)
                .count(),
            1,
            "a claim settles once"
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
}
