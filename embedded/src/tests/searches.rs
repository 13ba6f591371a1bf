//! Searching the archive of access records. A failure: an access that is not found, or twice, or under conditions that it does not meet.

use sistema_ts_model::{Caller, Outcome, StructureReference, Timestamp, TransactionId, Verdict};
use sistema_ts_store::samples::{fiscal_code, region_caller, structure_id};
use sistema_ts_store::{AccessDetail, AccessQuery, AccessRecord, Store};

use super::{DAY_MILLIS, Fixture, MORNING};

#[tokio::test]
async fn a_submission_and_a_recorded_access_are_both_in_the_archive_once() {
    let mut fixture = Fixture::new();
    let cun = fixture
        .record(|test| test.access.with_warnings = true)
        .await;
    let refused = AccessRecord {
        accessed_at: Timestamp::from_millis(MORNING).unwrap(),
        caller: region_caller(),
        verdict: Verdict::NotDone,
        outcomes: vec![Outcome::FieldRequired],
        transaction: TransactionId::random(),
        detail: AccessDetail::Submission {
            structure: Some(StructureReference::Identifier(structure_id(1))),
        },
    };
    fixture
        .store()
        .record_access(refused.clone())
        .await
        .unwrap();
    for _ in 0..2 {
        let everything = search(&fixture, |_| {}).await;
        assert_eq!(everything.len(), 2);
        assert_eq!(everything[0], refused);
        assert_eq!(everything[1].transaction, TransactionId::Cun(cun));
        assert_eq!(everything[1].accessed_at.millis(), MORNING - 5);
        assert_eq!(everything[1].verdict, Verdict::DoneWithWarnings);
        assert_eq!(
            search(&fixture, |query| query.transaction =
                Some(TransactionId::Cun(cun)))
            .await,
            everything[1..]
        );
        assert_eq!(
            search(&fixture, |query| query.transaction =
                Some(refused.transaction))
            .await,
            everything[..1]
        );
        assert_eq!(
            search(&fixture, |query| query.to =
                Timestamp::from_millis(MORNING).unwrap())
            .await,
            everything[1..]
        );
        assert_eq!(
            search(&fixture, |query| query.caller = Some(Caller::Immuni)).await,
            []
        );
        assert_eq!(
            search(&fixture, |query| query.operator = Some(fiscal_code(1))).await,
            []
        );
        fixture.reopen();
    }
}

#[tokio::test]
async fn a_search_pages_through_everything() {
    let fixture = Fixture::new();
    let mut expected = Vec::new();
    for number in 0..25 {
        expected.push(TransactionId::Cun(
            fixture
                .record(|test| test.swab.fiscal_code = fiscal_code(number + 1))
                .await,
        ));
        if number % 10 == 9 {
            fixture.clock.advance_millis(DAY_MILLIS);
        }
    }
    for limit in [1, 4, 25, 100] {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let query = AccessQuery {
                from: Timestamp::from_millis(MORNING - DAY_MILLIS).unwrap(),
                to: Timestamp::from_millis(MORNING + 9 * DAY_MILLIS).unwrap(),
                operator: None,
                caller: None,
                transaction: None,
                after,
                limit,
            };
            let page = fixture.store().search_access(query).await.unwrap();
            found.extend(page.records.into_iter().map(|record| record.transaction));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected);
    }
}

async fn search(fixture: &Fixture, change: impl FnOnce(&mut AccessQuery)) -> Vec<AccessRecord> {
    let mut query = AccessQuery {
        from: Timestamp::from_millis(MORNING - DAY_MILLIS).unwrap(),
        to: Timestamp::from_millis(MORNING + DAY_MILLIS).unwrap(),
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 100,
    };
    change(&mut query);
    fixture.store().search_access(query).await.unwrap().records
}
