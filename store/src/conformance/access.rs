//! Access records (§2.5, §3.4, §5.2). Failure: a record that was answered is not found, reads otherwise than it was written, or is found
//! by a condition that it does not meet.

use std::net::{IpAddr, Ipv4Addr};

use sistema_ts_model::{
    AuthenticationKind, Outcome, SessionId, StructureReference, Timestamp, TransactionId, Verdict,
};

use super::world::{World, call_center, eventually, operator, region_caller, structure_id};
use crate::{
    AccessDetail, AccessQuery, AccessRecord, ConfirmationKind, RecordedOption, RecordedValue,
};

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

pub(super) fn query(world: &World) -> AccessQuery {
    AccessQuery {
        from: world.began().minus_millis(1_000),
        to: Timestamp::MAX,
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 1000,
    }
}

/// One record of each service, all different.
pub(super) async fn one_of_each(world: &World) -> Vec<AccessRecord> {
    world.stand_still();
    let cun = world.issued(1).await;
    let session = Some(SessionId::random());
    let details = [
        AccessDetail::Submission {
            structure: Some(StructureReference::Identifier(structure_id(1))),
        },
        AccessDetail::Cancellation { structure: None },
        AccessDetail::Listing {
            structure: None,
            operator: Some(operator(1)),
        },
        AccessDetail::Verification {
            operator: Some(operator(2)),
            session,
            cun: Some(cun),
            client_address: ADDRESS,
        },
        AccessDetail::Unlock {
            operator: Some(operator(2)),
            authentication: Some(AuthenticationKind::Spid),
            ended_at: world.now().plus_millis(8_000),
            session,
            client_address: "2001:db8::7".parse().unwrap(),
        },
        AccessDetail::Confirmation {
            operator: None,
            kind: Some(ConfirmationKind::Annul),
            session: None,
            cun: Some(cun),
            options: vec![RecordedOption {
                key: "canale".to_owned(),
                value: RecordedValue::Text("telefono".to_owned()),
            }],
            client_address: ADDRESS,
        },
        AccessDetail::AslOtp {
            operator: Some(operator(3)),
        },
    ];
    let mut records = Vec::new();
    for (index, detail) in (0..).zip(details) {
        let outcomes = match index % 2 {
            0 => Vec::new(),
            _ => vec![Outcome::FieldRequired, Outcome::CunMalformed],
        };
        let record = AccessRecord {
            accessed_at: world.now().plus_millis(index),
            caller: if index < 3 {
                region_caller()
            } else {
                call_center("CC1")
            },
            verdict: match outcomes.is_empty() {
                true => Verdict::Done,
                false => Verdict::NotDone,
            },
            outcomes,
            transaction: TransactionId::random(),
            detail,
        };
        world.store().record_access(record.clone()).await.unwrap();
        records.push(record);
    }
    records
}

async fn search(world: &World, query: AccessQuery) -> Vec<AccessRecord> {
    let (mut query, mut records) = (query, Vec::new());
    for _ in 0..10_000 {
        let page = world.store().search_access(query.clone()).await.unwrap();
        assert!(
            page.records.len() <= query.limit,
            "a page is longer than asked for"
        );
        records.extend(page.records);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return records,
        }
    }
    panic!("a search never ends");
}

async fn found(world: &World, query: AccessQuery, expected: &[AccessRecord]) {
    let mut records = search(world, query).await;
    // The submission that made the code has a record of its own, which may come later.
    records.retain(|record| !matches!(record.transaction, TransactionId::Cun(_)));
    assert_eq!(records, expected);
}

pub async fn records_are_found_by_every_condition(world: World) {
    let records = one_of_each(&world).await;
    found(&world, query(&world), &records).await;
    for record in &records {
        let by_transaction = AccessQuery {
            transaction: Some(record.transaction),
            ..query(&world)
        };
        found(&world, by_transaction, std::slice::from_ref(record)).await;
    }
    found(
        &world,
        AccessQuery {
            operator: Some(operator(2)),
            ..query(&world)
        },
        &records[3..5],
    )
    .await;
    found(
        &world,
        AccessQuery {
            operator: Some(operator(9)),
            ..query(&world)
        },
        &[],
    )
    .await;
    found(
        &world,
        AccessQuery {
            caller: Some(region_caller()),
            ..query(&world)
        },
        &records[..3],
    )
    .await;
    found(
        &world,
        AccessQuery {
            caller: Some(call_center("CC2")),
            ..query(&world)
        },
        &[],
    )
    .await;
    let at = |index: i64| world.now().plus_millis(index);
    found(
        &world,
        AccessQuery {
            from: at(2),
            to: at(5),
            ..query(&world)
        },
        &records[2..5],
    )
    .await;
    found(
        &world,
        AccessQuery {
            from: at(2),
            to: at(2),
            ..query(&world)
        },
        &[],
    )
    .await;
    let both = AccessQuery {
        operator: Some(operator(2)),
        from: at(4),
        ..query(&world)
    };
    found(&world, both, &records[4..5]).await;
    found(
        &world,
        AccessQuery {
            transaction: Some(TransactionId::random()),
            ..query(&world)
        },
        &[],
    )
    .await;
}

pub async fn a_submission_has_its_record(world: World) {
    let mut test = world.positive(1).await;
    test.access.accessed_at = world.now().minus_millis(40);
    test.access.with_warnings = true;
    let accessed_at = test.access.accessed_at;
    let (cun, _) = world.record(test).await;
    let by_code = AccessQuery {
        transaction: Some(TransactionId::Cun(cun)),
        ..query(&world)
    };
    eventually("a submission's access record is found", || async {
        !search(&world, by_code.clone()).await.is_empty()
    })
    .await;
    let world = world.reopen().await;
    let records = search(&world, by_code).await;
    assert_eq!(records.len(), 1, "one submission has one record");
    let record = &records[0];
    assert_eq!(
        (record.accessed_at, record.caller),
        (accessed_at, region_caller())
    );
    assert_eq!(record.verdict, Verdict::DoneWithWarnings);
    assert_eq!(
        record.detail,
        AccessDetail::Submission {
            structure: Some(StructureReference::Identifier(structure_id(1)))
        }
    );
}

pub async fn records_outlive_a_restart(world: World) {
    let records = one_of_each(&world).await;
    let world = world.reopen().await;
    found(&world, query(&world), &records).await;
    found(
        &world,
        AccessQuery {
            operator: Some(operator(2)),
            ..query(&world)
        },
        &records[3..5],
    )
    .await;
}

pub async fn pages_go_on_where_they_ended(world: World) {
    world.stand_still();
    let mut expected = Vec::new();
    for day in 0..3 {
        for number in 0..10 {
            let record = AccessRecord {
                accessed_at: world.now(),
                caller: call_center("CC1"),
                verdict: Verdict::Done,
                outcomes: Vec::new(),
                transaction: TransactionId::random(),
                detail: AccessDetail::AslOtp {
                    operator: Some(operator(number % 2)),
                },
            };
            world.store().record_access(record.clone()).await.unwrap();
            expected.push(record);
        }
        world.clock.advance_millis(24 * 3_600_000 + day);
    }
    let all = search(&world, query(&world)).await;
    // Within a day the order is the store's own, but it stays.
    assert!(all.is_sorted_by_key(|record| record.accessed_at.rome_day()));
    let transactions = |records: &[AccessRecord]| {
        let mut texts: Vec<String> = records
            .iter()
            .map(|record| record.transaction.to_string())
            .collect();
        texts.sort();
        texts
    };
    assert_eq!(transactions(&all), transactions(&expected));
    for limit in [1, 3, 10, 29, 30, 31] {
        let limited = AccessQuery {
            limit,
            ..query(&world)
        };
        assert_eq!(search(&world, limited).await, all, "pages of {limit}");
    }
    let of_one: Vec<AccessRecord> = all
        .iter()
        .filter(|record| record.operator() == Some(&operator(1)))
        .cloned()
        .collect();
    let of_operator = AccessQuery {
        limit: 4,
        operator: Some(operator(1)),
        ..query(&world)
    };
    assert_eq!(search(&world, of_operator).await, of_one);
}
