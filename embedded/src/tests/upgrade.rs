//! A data folder as the first version of this program has left it: without inventory, note of the progress and number beside the ring, with
//! operators of sessions in clear, without the columns and tables that came later.
//!
//! A failure: such a folder is refused, or something in it that was answered is not found and served as before.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sistema_ts_model::{
    Caller, ClaimId, Clock as _, Cun, NewClaim, PostOutcome, SessionId, Settlement, TestResult,
    Timestamp,
};
use sistema_ts_store::samples::{cancellation, fiscal_code, repeatable};
use sistema_ts_store::{
    AccessQuery, CancelOutcome, ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation,
    OpenSession, RecordOutcome, SettleUnlock, Store as _,
};

use super::{DAY_MILLIS, Fixture, access_record, mobile, records::list_all};
use crate::schema;

/// What the first version kept in the `meta` of the file of tests.
const META: &str = "('receipt_hash_key', 'expired_row', 'expired_ms', 'erased_row')";
/// The tables whose columns are taken over as far as that version had them.
const TABLES: [&str; 7] = [
    "tests",
    "callers",
    "structures",
    "days",
    "claims",
    "erasures",
    "cancellations",
];

fn open(path: &Path, killed: bool) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    // What a process leaves that was killed: all that it wrote is in the log.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, killed)
        .unwrap();
    connection
}

/// Makes of the folder of a store that is closed what the first version would have written.
fn as_the_first_version_left_it(fixture: &Fixture, killed: bool) {
    let folder = &fixture.options.folder;
    rewrite_tests(folder, killed);
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let statements = match (name.split('-').next(), name.ends_with(".db")) {
            (Some("patients"), true) => "DELETE FROM meta WHERE name IN ('commits', 'probed_ms');",
            (Some("access"), true) => "DROP TABLE merged; PRAGMA user_version = 1;",
            _ => continue,
        };
        let connection = open(&entry.path(), killed);
        connection.execute_batch(statements).unwrap();
    }
    for name in ["inventory", "progress", "reserve"] {
        let _ = std::fs::remove_file(folder.join(name));
    }
    std::fs::remove_file(fixture.folder.path().join("ring.epoch")).unwrap();
}

fn rewrite_tests(folder: &Path, killed: bool) {
    let (new, old) = (folder.join("tests.db"), folder.join("old.db"));
    let connection = open(&old, killed);
    schema::make_tests_of_version(&connection, 2);
    connection
        .execute("ATTACH ?1 AS new", [new.to_str().unwrap()])
        .unwrap();
    // The late indexes make their own tables, now as then.
    let indexes: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM new.sqlite_schema WHERE name GLOB 'codes_*' OR name GLOB 'receipts_*'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(indexes.len(), 6);
    for (_, sql) in &indexes {
        connection.execute_batch(sql).unwrap();
    }
    let names = indexes.iter().map(|(name, _)| name.as_str());
    for table in TABLES.into_iter().chain(names) {
        let columns: String = connection
            .query_row(
                "SELECT group_concat(name, ', ') FROM pragma_table_info(?1, 'main')",
                [table],
                |row| row.get(0),
            )
            .unwrap();
        connection
            .execute_batch(&format!(
                "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"
            ))
            .unwrap();
    }
    connection
        .execute_batch(&format!(
            "INSERT INTO main.meta SELECT name, number, bytes FROM new.meta WHERE name IN {META};
             INSERT INTO main.sessions (digest, row, operator, caller, opened_ms, lapses_ms)
             SELECT digest, row, 'RSSMRA80A01H501U', caller, opened_ms, lapses_ms FROM new.sessions;
             INSERT INTO main.guesses VALUES (x'00112233445566778899aabbccddeeff', 1795503600000, 2, 1795507200000);
             DETACH new;"
        ))
        .unwrap();
    drop(connection);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("tests.db{suffix}")));
        let _ = std::fs::rename(
            folder.join(format!("old.db{suffix}")),
            folder.join(format!("tests.db{suffix}")),
        );
    }
    std::fs::rename(old, new).unwrap();
}

fn call_center() -> Caller {
    Caller::from_key("Ccc1").unwrap()
}

/// Opens a session of a code and delivers a one-time code with it.
async fn unlock(fixture: &Fixture, cun: Cun) -> SessionId {
    let store = fixture.store();
    let session = SessionId::random();
    let opened = OpenSession {
        cun,
        session,
        operator: fiscal_code(900),
        caller: call_center(),
        lifetime_millis: 1_800_000,
    };
    store.open_session(opened).await.unwrap();
    let claim = ClaimUnlock {
        session,
        operator: fiscal_code(900),
        caller: call_center(),
        claim: NewClaim {
            id: ClaimId(7),
            deadline: fixture.clock.now().plus_millis(10_000),
        },
    };
    let claimed = store.claim_unlock(claim).await.unwrap();
    assert!(matches!(claimed, ClaimOutcome::Claimed { .. }));
    let settled = SettleUnlock {
        cun,
        claim: ClaimId(7),
        outcome: PostOutcome::Delivered,
    };
    let settled = store.settle_unlock(settled).await.unwrap();
    assert_eq!(settled, Settlement::Written);
    session
}

async fn access_records(fixture: &Fixture) -> usize {
    let query = AccessQuery {
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 1_000,
    };
    fixture
        .store()
        .search_access(query)
        .await
        .unwrap()
        .records
        .len()
}

#[tokio::test]
async fn what_the_first_version_has_left_is_served_as_before_after_a_stop_and_after_a_crash() {
    for killed in [false, true] {
        let mut fixture = Fixture::new();
        let with_key = |test: &mut sistema_ts_store::NewTest| {
            test.repeatable = repeatable("key", "content");
            test.swab.contact = Some(mobile("+393331234567"));
        };
        let live = fixture.record(with_key).await;
        let cancelled = fixture.record(|_| {}).await;
        let unlocked = fixture
            .record(|test| test.swab.fiscal_code = fiscal_code(2))
            .await;
        let mut listed = vec![live, unlocked];
        // More than the late index keeps in memory.
        for number in 0..150 {
            let negative = |test: &mut sistema_ts_store::NewTest| {
                test.swab.fiscal_code = fiscal_code(10 + number);
                test.swab.result = TestResult::Negative;
            };
            listed.push(fixture.record(negative).await);
        }
        let mut cancel = cancellation(cancelled, 1);
        cancel.repeatable = repeatable("cancel", "content");
        let first = fixture.store().cancel(cancel.clone()).await.unwrap();
        assert!(matches!(first, CancelOutcome::Done { .. }));
        let session = unlock(&fixture, unlocked).await;
        let record = access_record(fixture.clock.now());
        fixture.store().record_access(record).await.unwrap();
        let submissions = listed.len() + 1;
        assert_eq!(access_records(&fixture).await, submissions + 1);
        fixture.close();
        as_the_first_version_left_it(&fixture, killed);

        for _ in 0..2 {
            fixture.reopen();
            let store = fixture.store();
            assert_eq!(list_all(&fixture).await, listed);
            for cun in [live, unlocked] {
                assert!(store.find_patient(cun).await.unwrap().is_some());
            }
            for cun in &listed {
                assert!(store.find_test(*cun).await.unwrap().is_some());
            }
            assert!(store.find_patient(cancelled).await.unwrap().is_none());
            let again = fixture.new_test(with_key).await;
            let again = store.record_test(again).await.unwrap();
            assert!(matches!(again, RecordOutcome::Replayed { cun, .. } if cun == live));
            let again = store.cancel(cancel.clone()).await.unwrap();
            assert!(matches!(again, CancelOutcome::Replayed { .. }), "{again:?}");
            // Its operator stood in clear: it has ended, and what it unlocked has not.
            assert!(store.find_session(session).await.unwrap().is_none());
            assert_eq!(access_records(&fixture).await, submissions + 1);
        }
        let confirmation = Confirmation {
            cun: unlocked,
            session: None,
            operator: fiscal_code(900),
            caller: call_center(),
        };
        let confirmed = fixture.store().confirm(confirmation).await.unwrap();
        assert!(
            matches!(confirmed, ConcludeOutcome::Done(_)),
            "{confirmed:?}"
        );
        listed.push(
            fixture
                .record(|test| test.swab.fiscal_code = fiscal_code(3))
                .await,
        );
        assert_eq!(list_all(&fixture).await, listed);
        fixture.clock.advance_millis(16 * DAY_MILLIS);
        while fixture.sweep(100).await.more {}
        assert!(list_all(&fixture).await.is_empty());
        assert!(fixture.bytes_of("patients-2026-11-24").is_empty());
    }
}
