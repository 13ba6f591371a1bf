//! A failure here means that an attempt escapes its count, that a lockout ends by a restart, or that counting makes snapshots.

use std::sync::Arc;

use super::{FISCAL_CODE, Place, new_user, now, user_id, with_structure};
use crate::register::{Attempt, CredentialHash, LockoutPolicy, Register};

const POLICY: LockoutPolicy = LockoutPolicy {
    threshold: 5,
    window_millis: 3_600_000,
    lockout_millis: 900_000,
};

#[tokio::test]
async fn counting_attempts_makes_no_new_snapshot() {
    let place = Place::new();
    let register = place.open();
    let before = register.snapshot();
    register.begin_attempt(None, POLICY, now()).await.unwrap();
    register.refresh().await.unwrap();
    let after = register.snapshot();
    // `refresh` itself is a change of nothing.
    assert_eq!(before.generation(), after.generation());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_attempts_at_once_get_exactly_the_threshold() {
    let place = Place::new();
    // Two processes, as it were: each has a connection of its own to the same file.
    let registers = [Arc::new(place.open()), Arc::new(place.open())];
    let user = user_id("mario");
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let (register, user) = (Arc::clone(&registers[index % 2]), user.clone());
            tokio::spawn(async move {
                register
                    .begin_attempt(Some(&user), POLICY, now())
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut tickets = Vec::new();
    let mut locking = 0;
    for task in tasks {
        if let Attempt::Admitted { ticket, locks } = task.await.unwrap() {
            tickets.push(ticket);
            locking += usize::from(locks);
        }
    }
    assert_eq!((tickets.len(), locking), (POLICY.threshold as usize, 1));
    let counter = registers[0].attempts(&user).await.unwrap().unwrap();
    assert_eq!((counter.failures, counter.refused), (5, 95));
    assert!(counter.is_locked(now()));
    // One of them was right after all.
    registers[1]
        .return_attempt(tickets.pop().unwrap())
        .await
        .unwrap();
    let counter = registers[0].attempts(&user).await.unwrap().unwrap();
    assert_eq!((counter.failures, counter.is_locked(now())), (4, false));
}

#[tokio::test]
async fn a_lockout_survives_a_restart_and_ends_by_clearing_or_by_new_credentials() {
    let place = Place::new();
    let user = user_id("mario");
    {
        let register = place.open();
        with_structure(&register).await;
        register
            .add_user(new_user("mario", FISCAL_CODE), now())
            .await
            .unwrap();
        for _ in 0..5 {
            register
                .begin_attempt(Some(&user), POLICY, now())
                .await
                .unwrap();
        }
    }
    let register = place.open();
    let locked = || async {
        register
            .begin_attempt(Some(&user), POLICY, now())
            .await
            .unwrap()
            == Attempt::Locked
    };
    assert!(locked().await);
    register.clear_attempts(&user).await.unwrap();
    for _ in 0..5 {
        assert!(!locked().await);
    }
    assert!(locked().await);
    register
        .set_user_credential(&user, CredentialHash::new("new"), None, now())
        .await
        .unwrap();
    assert!(!locked().await);
}
