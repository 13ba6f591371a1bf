//! The archive of access records beside a file of tests that does not fit it: restored from a backup, or alone left of the two.
//!
//! A failure: a submission without its access record, another record refused for a submission's sake, or a thread that looks for ever for what is
//! not there.

use sistema_ts_model::{Clock as _, Cun, Timestamp, TransactionId};
use sistema_ts_store::{AccessQuery, Expired, RecordOutcome, Store, StoreError};

use super::super::access::AccessJob;
use super::super::queue::Lane;
use super::{DAY_MILLIS, Fixture, MORNING, access_record};

/// The codes of all submissions in the archive, in its order.
async fn archived(fixture: &Fixture) -> Vec<Cun> {
    let query = AccessQuery {
        from: Timestamp::from_millis(MORNING - DAY_MILLIS).unwrap(),
        to: Timestamp::from_millis(MORNING + 40 * DAY_MILLIS).unwrap(),
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 100,
    };
    let page = fixture.store().search_access(query).await.unwrap();
    let code = |record: &sistema_ts_store::AccessRecord| match record.transaction {
        TransactionId::Cun(cun) => cun,
        TransactionId::Uuid(_) => panic!("no submission"),
    };
    page.records.iter().map(code).collect()
}

fn remove(fixture: &Fixture, prefix: &str) {
    for entry in std::fs::read_dir(&fixture.options.folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(prefix)
        {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[tokio::test]
async fn a_submission_that_cannot_be_copied_keeps_no_other_record_out() {
    let fixture = Fixture::new();
    fixture.record(|_| {}).await;
    let store = fixture.store();
    let set_code = async |number: i64| {
        let set = move |writer: &mut super::super::writer::Writer<'_>| {
            let update = "UPDATE tests SET cun = ?1";
            Ok(writer.tests.execute(update, [number])?)
        };
        assert_eq!(store.write(Lane::Usual, set).await.unwrap(), 1);
    };
    set_code(-1).await;
    for _ in 0..2 {
        store.ask_keeper(AccessJob::CopyIsDue).await.unwrap();
        let record = access_record(fixture.clock.now());
        store.record_access(record).await.unwrap();
        let copied = store.ask_keeper(AccessJob::CopyAll).await;
        assert!(matches!(copied, Err(StoreError::Unavailable { .. })));
    }
    set_code(7).await;
    store.ask_keeper(AccessJob::CopyIsDue).await.unwrap();
    let record = access_record(fixture.clock.now());
    store.record_access(record).await.unwrap();
    assert_eq!(fixture.store().shared.copied_row(), 1);
}

#[tokio::test]
async fn beside_an_older_file_of_tests_every_new_submission_still_has_its_record() {
    let mut fixture = Fixture::new();
    fixture.close();
    let file = fixture.options.folder.join("tests.db");
    let backup = fixture.folder.path().join("backup");
    std::fs::copy(&file, &backup).unwrap();
    fixture.reopen();
    let mut submitted = Vec::new();
    for _ in 0..3 {
        submitted.push(fixture.record(|_| {}).await);
    }
    assert_eq!(archived(&fixture).await, submitted);
    fixture.close();
    std::fs::copy(&backup, &file).unwrap();
    fixture.accept();
    fixture.reopen();
    for _ in 0..3 {
        submitted.push(fixture.record(|_| {}).await);
        assert_eq!(archived(&fixture).await, submitted);
        fixture.reopen();
    }
}

#[tokio::test]
async fn submissions_that_expired_and_are_in_no_archive_are_not_looked_for_again() {
    let mut fixture = Fixture::new();
    fixture.record(|_| {}).await;
    fixture.clock.advance_millis(15 * DAY_MILLIS);
    while fixture.sweep(10).await != Expired::default() {}
    fixture.close();
    remove(&fixture, "access-");
    fixture.accept();
    fixture.reopen();
    assert_eq!(archived(&fixture).await, []);
    let shared = &fixture.store().shared;
    assert_eq!(shared.copied_row(), shared.committed_row());
    let test = fixture.new_test(|_| {}).await;
    let recorded = fixture.store().record_test(test).await.unwrap();
    let RecordOutcome::Recorded { cun, .. } = recorded else {
        panic!("{recorded:?}")
    };
    assert_eq!(archived(&fixture).await, [cun]);
}
