//! Sessions as their file holds them (§3.4). A failure: a row that lacks what §3.4 names, an operator in clear, or one that is bound to another code.

use rusqlite::Connection;
use sistema_ts_model::{Caller, Cun, NewClaim, SessionId, Timestamp};
use sistema_ts_store::samples::fiscal_code;
use sistema_ts_store::{ClaimOutcome, ClaimUnlock, OpenOutcome, OpenSession, StoreError};

use super::{Fixture, MORNING, date};
use crate::schema;

fn caller() -> Caller {
    Caller::from_key("Ccc1").unwrap()
}

async fn open(fixture: &Fixture, cun: Cun) -> SessionId {
    let session = SessionId::random();
    let request = OpenSession {
        cun,
        session,
        operator: fiscal_code(900),
        caller: caller(),
        lifetime_millis: 1_800_000,
    };
    let opened = fixture.store().open_session(request).await.unwrap();
    assert!(matches!(opened, OpenOutcome::Opened(_)));
    session
}

#[tokio::test]
async fn a_session_holds_region_and_day_of_the_swab_itself_and_its_operator_sealed() {
    let mut fixture = Fixture::new();
    let cun = fixture
        .record(|test| test.swab.swab_date = date("2026-11-20"))
        .await;
    let session = open(&fixture, cun).await;
    fixture.close();
    let file = fixture.options.folder.join("tests.db");
    let (region, swab_day, operator): (i64, i32, Vec<u8>) = Connection::open(file)
        .unwrap()
        .query_row(
            "SELECT region, swab_day, operator FROM sessions",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((region, swab_day), (10, 20_777));
    let clear = fiscal_code(900);
    let clear = clear.expose().as_bytes();
    // Nonce and tag beside the sixteen letters or fewer.
    assert_eq!(operator.len(), clear.len() + 28);
    let bytes = fixture.bytes_of("tests.db");
    assert!(!bytes.windows(clear.len()).any(|window| window == clear));

    fixture.reopen();
    let view = fixture
        .store()
        .find_session(session)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((view.cun, view.operator), (cun, fiscal_code(900)));
    assert_eq!(view.region.as_str(), "010");
    assert_eq!(view.swab_date, date("2026-11-20"));
}

#[tokio::test]
async fn an_operator_put_into_another_session_is_damage() {
    let mut fixture = Fixture::new();
    let sessions = [
        open(&fixture, fixture.record(|_| {}).await).await,
        open(&fixture, fixture.record(|_| {}).await).await,
    ];
    fixture.close();
    let file = fixture.options.folder.join("tests.db");
    Connection::open(file)
        .unwrap()
        .execute_batch(
            "UPDATE sessions SET operator = (SELECT operator FROM sessions WHERE row = 1) WHERE row = 2",
        )
        .unwrap();
    fixture.accept();
    fixture.reopen();
    let store = fixture.store();
    assert!(store.find_session(sessions[0]).await.unwrap().is_some());
    let moved = store.find_session(sessions[1]).await;
    assert!(matches!(moved, Err(StoreError::Corrupt { .. })));
    let claim = ClaimUnlock {
        session: sessions[1],
        operator: fiscal_code(900),
        caller: caller(),
        claim: NewClaim {
            id: sistema_ts_model::ClaimId(7),
            deadline: Timestamp::from_millis(MORNING + 10_000).unwrap(),
        },
    };
    let claimed = store.claim_unlock(claim).await;
    assert!(!matches!(claimed, Ok(ClaimOutcome::Claimed { .. })));
}

#[test]
fn sessions_of_a_file_of_before_end_and_no_operator_stays_in_clear() {
    let connection = Connection::open_in_memory().unwrap();
    schema::make_tests_of_version(&connection, 2);
    connection
        .execute_batch(
            "INSERT INTO sessions VALUES (x'01', 1, 'RSSMRA80A01H501U', 1, 1, 2);
             INSERT INTO meta (name, number) VALUES ('kept', 7);",
        )
        .unwrap();
    schema::prepare_tests(&connection).unwrap();
    let count: i64 = connection
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 0);
    assert_eq!(schema::read_number(&connection, "kept").unwrap(), Some(7));
    // And again, of a file of this version.
    schema::prepare_tests(&connection).unwrap();
}
