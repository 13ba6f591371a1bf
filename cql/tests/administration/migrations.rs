//! Migrations on a real cluster. A failure: two at once, or one that comes after one that was killed, leave a schema that a server cannot use, or a
//! server uses a schema that is not its own.

use std::sync::Arc;

use scylla::client::session::Session;
use sistema_ts_cql::migrations::{MIGRATIONS, Migrated, MigrationError, apply, check, migrate};
use sistema_ts_cql::{CqlAccessArchive, CqlSettings, connect};

use crate::support;

const KNOWN: i32 = MIGRATIONS.len() as i32;

/// A cluster without tables, and a session with it.
async fn place(name: &str) -> Option<(CqlSettings, Arc<Session>)> {
    let settings = support::settings(name)?;
    let session = connect(&settings).await.unwrap();
    Some((settings, Arc::new(session)))
}

async fn execute(session: &Session, settings: &CqlSettings, statement: &str) {
    let tests = format!("{}_tests", settings.keyspace_prefix);
    let statement = statement.replace("{tests}", &tests);
    session.query_unpaged(statement, ()).await.unwrap();
}

#[tokio::test]
async fn two_at_once_make_one_schema_that_a_server_can_use() {
    let Some((settings, session)) = place("two").await else {
        return;
    };
    let found = check(&session, &settings).await;
    assert!(matches!(found, Err(MigrationError::Older { found: 0, .. })));
    let all = [(); 2].map(|()| {
        let settings = settings.clone();
        tokio::spawn(async move {
            let session = connect(&settings).await.unwrap();
            // Whoever finds the other at it comes back later.
            loop {
                match apply(&session, &settings).await {
                    Err(MigrationError::Locked { .. }) => tokio::task::yield_now().await,
                    other => return other.unwrap(),
                }
            }
        })
    });
    let mut from = Vec::new();
    for one in all {
        let Migrated { from: before, to } = one.await.unwrap();
        assert_eq!(to, KNOWN);
        from.push(before);
    }
    assert!(from.contains(&0), "{from:?}");
    check(&session, &settings).await.unwrap();
    let open = move || CqlAccessArchive::open(&settings).map(drop).unwrap();
    tokio::task::spawn_blocking(open).await.unwrap();
}

#[tokio::test]
async fn one_that_was_killed_between_two_statements_is_taken_over_by_hand_and_ends_well() {
    let Some((settings, session)) = place("killed").await else {
        return;
    };
    for statements in [1, 4] {
        let (settings, session) = (settings.clone(), Arc::clone(&session));
        let killed = tokio::spawn(async move {
            let mut sent = 0;
            let mut die = |_: &str| {
                sent += 1;
                assert!(sent <= statements, "killed");
            };
            migrate(&session, &settings, true, &mut die).await
        });
        assert!(killed.await.unwrap_err().is_panic());
    }
    let refused = apply(&session, &settings).await;
    let Err(MigrationError::Locked { holder }) = refused else {
        panic!("{refused:?}")
    };
    let own = format!("process {} of ", std::process::id());
    assert!(holder.starts_with(&own), "{holder}");
    let found = check(&session, &settings).await;
    assert!(matches!(found, Err(MigrationError::Older { found: 0, .. })));
    let migrated = migrate(&session, &settings, true, &mut |_| ()).await;
    assert_eq!(migrated.unwrap(), Migrated { from: 0, to: KNOWN });
    check(&session, &settings).await.unwrap();
    // The lock is free again, and there is nothing to do.
    let again = apply(&session, &settings).await.unwrap();
    assert_eq!(again.from, KNOWN);
}

#[tokio::test]
async fn one_that_was_taken_over_while_it_stood_still_sends_nothing_more() {
    let Some((settings, session)) = place("still").await else {
        return;
    };
    let (reached, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let still = {
        let settings = settings.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async move {
                let session = connect(&settings).await.unwrap();
                let mut stand_still = move |_: &str| {
                    reached.send(()).ok();
                    may_go_on.recv().ok();
                };
                migrate(&session, &settings, false, &mut stand_still).await
            })
        })
    };
    waiting.recv().await.unwrap();
    let taken = migrate(&session, &settings, true, &mut |_| ()).await;
    assert_eq!(taken.unwrap().to, KNOWN);
    drop(go_on);
    let stopped = still.join().unwrap();
    assert!(
        matches!(stopped, Err(MigrationError::TakenOver { .. })),
        "{stopped:?}"
    );
    check(&session, &settings).await.unwrap();
}

#[tokio::test]
async fn a_schema_of_a_newer_program_or_of_another_build_is_refused_and_left_alone() {
    let Some((settings, session)) = place("other").await else {
        return;
    };
    apply(&session, &settings).await.unwrap();
    execute(
        &session,
        &settings,
        "INSERT INTO {tests}.migration (version, digest) VALUES (99, 'later')",
    )
    .await;
    let newer = |result: Result<(), MigrationError>| {
        assert!(matches!(
            result,
            Err(MigrationError::Newer { found: 99, .. })
        ));
    };
    newer(check(&session, &settings).await);
    newer(apply(&session, &settings).await.map(drop));
    for statement in [
        "DELETE FROM {tests}.migration WHERE version = 99",
        "UPDATE {tests}.migration SET digest = 'another' WHERE version = 1",
    ] {
        execute(&session, &settings, statement).await;
    }
    let differs = |result: Result<(), MigrationError>| {
        assert!(matches!(
            result,
            Err(MigrationError::Differs { version: 1 })
        ));
    };
    differs(check(&session, &settings).await);
    differs(apply(&session, &settings).await.map(drop));
}

#[test]
fn a_server_of_a_later_version_says_what_to_do() {
    let Some(settings) = support::settings("older") else {
        return;
    };
    let Err(error) = CqlAccessArchive::open(&settings) else {
        panic!("opened without a schema")
    };
    let text = error.to_string();
    assert!(text.contains("run `sistema-ts migrate`"), "{text}");
}
