//! The archive of access records as another process reads it (`sistema-ts audit`), beside a running store and without one. Failure: a record that
//! was answered is not found, is found twice, reads otherwise than it was written, or is found by a condition that it does not meet.

use sistema_ts_model::{TransactionId, Verdict};

use super::access::{one_of_each, query};
use super::world::{World, call_center, operator, region_caller};
use crate::{AccessDetail, AccessQuery, AccessRecord};

/// What the archive hands over, at most so many.
fn found(world: &World, query: &AccessQuery, most: usize) -> Vec<AccessRecord> {
    let mut records = Vec::new();
    let search = || {
        world.archive().search(query, &mut |record| {
            records.push(record);
            records.len() < most
        })
    };
    tokio::task::block_in_place(search).unwrap();
    records
}

/// The same without submissions, in the order of their times.
fn found_in_order(world: &World, query: AccessQuery) -> Vec<AccessRecord> {
    let mut records = found(world, &query, usize::MAX);
    records.retain(|record| !matches!(record.transaction, TransactionId::Cun(_)));
    records.sort_by_key(|record| record.accessed_at);
    records
}

pub async fn another_process_finds_what_was_answered_by_every_condition(world: World) {
    let began = world.now();
    let records = one_of_each(&world).await;
    let mut world = world;
    for _ in 0..2 {
        for limit in [1, 3, 1_000] {
            let query = |world: &World| AccessQuery {
                limit,
                ..query(world)
            };
            assert_eq!(found_in_order(&world, query(&world)), records);
            for record in &records {
                let by_transaction = AccessQuery {
                    transaction: Some(record.transaction),
                    ..query(&world)
                };
                let found = found_in_order(&world, by_transaction);
                assert_eq!(found, std::slice::from_ref(record));
            }
            let by_operator = AccessQuery {
                operator: Some(operator(2)),
                ..query(&world)
            };
            assert_eq!(found_in_order(&world, by_operator.clone()), records[3..5]);
            let by_both = AccessQuery {
                from: began.plus_millis(4),
                ..by_operator
            };
            assert_eq!(found_in_order(&world, by_both), records[4..5]);
            for (caller, expected) in [(region_caller(), &records[..3]), (call_center("CC2"), &[])]
            {
                let by_caller = AccessQuery {
                    caller: Some(caller),
                    ..query(&world)
                };
                assert_eq!(found_in_order(&world, by_caller), expected);
            }
            let within = AccessQuery {
                from: began.plus_millis(2),
                to: began.plus_millis(5),
                ..query(&world)
            };
            assert_eq!(found_in_order(&world, within), records[2..5]);
        }
        world = world.reopen().await;
    }
}

pub async fn a_submission_is_found_as_soon_as_it_is_answered(world: World) {
    let mut submitted = Vec::new();
    for person in 0..20 {
        let mut test = world.positive(person).await;
        test.access.with_warnings = true;
        test.access.accessed_at = world.now().minus_millis(40);
        let (accessed_at, structure) = (test.access.accessed_at, test.swab.structure.clone());
        let (cun, _) = world.record(test).await;
        submitted.push(cun);
        let by_transaction = AccessQuery {
            transaction: Some(TransactionId::Cun(cun)),
            ..query(&world)
        };
        let expected = AccessRecord {
            accessed_at,
            caller: region_caller(),
            verdict: Verdict::DoneWithWarnings,
            outcomes: Vec::new(),
            transaction: TransactionId::Cun(cun),
            detail: AccessDetail::Submission {
                structure: Some(structure),
            },
        };
        assert_eq!(found(&world, &by_transaction, usize::MAX), [expected]);
        world.clock.advance_millis(3_600_000);
    }
    let found_codes = |world: &World| {
        let records = found(world, &query(world), usize::MAX);
        let code = |record: &AccessRecord| match record.transaction {
            TransactionId::Cun(cun) => Some(cun),
            TransactionId::Uuid(_) => None,
        };
        let mut codes: Vec<_> = records.iter().filter_map(code).collect();
        codes.sort();
        codes
    };
    submitted.sort();
    assert_eq!(found_codes(&world), submitted);
    let world = world.reopen().await;
    assert_eq!(found_codes(&world), submitted);
    let before = AccessQuery {
        to: world.began().minus_millis(40),
        ..query(&world)
    };
    assert!(found(&world, &before, usize::MAX).is_empty());
}

pub async fn a_search_ends_when_it_is_told_to(world: World) {
    one_of_each(&world).await;
    for person in 0..5 {
        world.issued(person).await;
    }
    let all = found(&world, &query(&world), usize::MAX).len();
    assert_eq!(all, 13, "seven accesses and six submissions");
    for most in 1..=all {
        assert_eq!(found(&world, &query(&world), most).len(), most);
    }
}
