//! Recording, finding, repeating, listing; across openings.

use sistema_ts_model::{Caller, StructureDescription, StructureReference, TestResult, Timestamp};
use sistema_ts_store::samples::{fiscal_code, region_caller, repeatable, structure_id};
use sistema_ts_store::{
    ListingRequest, ListingScope, RecordOutcome, Store, StoreError, StoreToken,
};

use super::super::queue::Lane;
use super::{DAY_MILLIS, Fixture, MORNING, mobile};

#[tokio::test]
async fn a_recorded_test_is_found_by_every_path_also_after_reopening() {
    let mut fixture = Fixture::new();
    let positive = fixture.record(|_| {}).await;
    let negative = fixture
        .record(|test| test.swab.result = TestResult::Negative)
        .await;
    for _ in 0..2 {
        let store = fixture.store();
        for cun in [positive, negative] {
            let found = store.find_test(cun).await.unwrap().unwrap();
            assert_eq!(found.cun, cun);
            assert_eq!(
                found.structure,
                StructureReference::Identifier(structure_id(1))
            );
            assert_eq!(found.caller, region_caller());
            assert_eq!(found.inserted_at.millis(), MORNING);
            assert!(found.life.is_untouched());
            assert_eq!(
                store
                    .find_by_digest(cun.digest())
                    .await
                    .unwrap()
                    .unwrap()
                    .cun,
                cun
            );
        }
        let patient = store.find_patient(positive).await.unwrap().unwrap();
        assert_eq!(patient.fiscal_code, fiscal_code(1));
        assert!(store.find_patient(negative).await.unwrap().is_none());
        assert_eq!(list_all(&fixture).await, [positive, negative]);
        fixture.reopen();
    }
}

#[tokio::test]
async fn a_code_is_issued_once() {
    let fixture = Fixture::new();
    let reserved = fixture.reserve().await;
    fixture.record(|test| test.reserved = reserved).await;
    let again = fixture.new_test(|test| test.reserved = reserved).await;
    assert_eq!(
        fixture.store().record_test(again).await.unwrap(),
        RecordOutcome::CodeTaken
    );
    let mut stale = reserved;
    stale.proof = StoreToken::of_number(i64::MAX);
    // A reservation that claims to know more than there is would be a mistake of the caller; an honest old one is not.
    stale.proof = StoreToken::of_number(0);
    for _ in 0..200 {
        fixture
            .record(|test| test.swab.result = TestResult::Negative)
            .await;
    }
    let again = fixture.new_test(|test| test.reserved = stale).await;
    assert_eq!(
        fixture.store().record_test(again).await.unwrap(),
        RecordOutcome::CodeTaken
    );
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_other_content_is_refused() {
    for result in [TestResult::Positive, TestResult::Negative] {
        let mut fixture = Fixture::new();
        let first = fixture
            .record(|test| {
                test.swab.result = result;
                test.repeatable = repeatable("key-1", "content");
            })
            .await;
        for _ in 0..2 {
            fixture.clock.advance_millis(60_000);
            let retry = async |change: &dyn Fn(&mut sistema_ts_store::NewTest)| {
                let test = fixture
                    .new_test(|test| {
                        test.swab.result = result;
                        test.repeatable = repeatable("key-1", "content");
                        change(test);
                    })
                    .await;
                fixture.store().record_test(test).await.unwrap()
            };
            let inserted_at = Timestamp::from_millis(MORNING).unwrap();
            assert_eq!(
                retry(&|_| {}).await,
                RecordOutcome::Replayed {
                    cun: first,
                    inserted_at
                }
            );
            let reused = RecordOutcome::RequestKeyReused;
            assert_eq!(
                retry(&|test| test.repeatable = repeatable("key-1", "other")).await,
                reused
            );
            assert_eq!(
                retry(&|test| test.swab.fiscal_code = fiscal_code(2)).await,
                reused
            );
            assert_eq!(retry(&|test| test.swab.contact = None).await, reused);
            assert_eq!(
                retry(&|test| test.swab.contact = Some(mobile("+393331234568"))).await,
                reused
            );
            fixture.reopen();
        }
        // Another caller's key is another key.
        let other = fixture
            .record(|test| {
                test.repeatable = repeatable("key-1", "content");
                test.caller = Caller::from_key("S010-101-000001").unwrap();
            })
            .await;
        assert_ne!(other, first);
        assert_eq!(list_all(&fixture).await, [first, other]);
    }
}

#[tokio::test]
async fn copies_of_one_message_in_flight_at_once_are_one_test() {
    let fixture = Fixture::new();
    let mut tests = Vec::new();
    for _ in 0..50 {
        tests.push(
            fixture
                .new_test(|test| test.repeatable = repeatable("key-1", "content"))
                .await,
        );
    }
    let store = fixture.store();
    let outcomes = futures(tests.into_iter().map(|test| store.record_test(test))).await;
    let mut recorded = 0;
    let mut codes = Vec::new();
    for outcome in outcomes {
        match outcome.unwrap() {
            RecordOutcome::Recorded { cun, .. } => {
                recorded += 1;
                codes.push(cun);
            }
            RecordOutcome::Replayed { cun, .. } => codes.push(cun),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(recorded, 1);
    codes.dedup();
    assert_eq!(codes.len(), 1);
}

#[tokio::test]
async fn a_submission_prepared_before_midnight_is_sealed_for_the_day_it_is_written_on() {
    let fixture = Fixture::new();
    let before = fixture.record(|_| {}).await;
    fixture.clock.advance_millis(DAY_MILLIS);
    let after = fixture
        .record(|test| test.swab.fiscal_code = fiscal_code(2))
        .await;
    assert_eq!(
        fixture
            .store()
            .find_patient(before)
            .await
            .unwrap()
            .unwrap()
            .fiscal_code,
        fiscal_code(1)
    );
    assert_eq!(
        fixture
            .store()
            .find_patient(after)
            .await
            .unwrap()
            .unwrap()
            .fiscal_code,
        fiscal_code(2)
    );
    assert!(
        fixture
            .options
            .folder
            .join("patients-2026-11-24.db")
            .exists()
    );
    assert!(
        fixture
            .options
            .folder
            .join("patients-2026-11-25.db")
            .exists()
    );
}

#[tokio::test]
async fn insertion_never_goes_back_with_the_clock() {
    let mut fixture = Fixture::new();
    let first = fixture.record(|_| {}).await;
    // So little that it may be a correction; under a clock further behind nothing is stamped, see `clock`.
    fixture.clock.advance_millis(-59_000);
    fixture.reopen();
    let second = fixture.record(|_| {}).await;
    let (first, second) = (
        fixture.store().find_test(first).await.unwrap().unwrap(),
        fixture.store().find_test(second).await.unwrap().unwrap(),
    );
    assert_eq!(first.inserted_at, second.inserted_at);
}

#[tokio::test]
async fn a_listing_pages_through_its_scope_up_to_its_mark() {
    let fixture = Fixture::new();
    let described =
        |text: &str| StructureReference::Description(StructureDescription::parse(text).unwrap());
    let mut expected = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..30_i64 {
        fixture.clock.advance_millis(1_000);
        let cun = fixture
            .record(|test| match number % 3 {
                0 => {}
                1 => test.swab.structure = described("Casa di cura"),
                _ => {
                    test.caller = Caller::from_key("R200").unwrap();
                    test.swab.structure = described("Casa di cura");
                }
            })
            .await;
        match number % 3 {
            0 => expected.0.push(cun),
            1 => expected.1.push(cun),
            _ => expected.2.push(cun),
        }
    }
    let mark = fixture.store().listing_mark().await.unwrap();
    fixture.record(|_| {}).await;
    let list = async |scope: &ListingScope, from: i64, to: i64, limit: usize| {
        let mut codes = Vec::new();
        let mut after = None;
        loop {
            let request = ListingRequest {
                scope: scope.clone(),
                from: Timestamp::from_millis(from).unwrap(),
                to: Timestamp::from_millis(to).unwrap(),
                mark,
                after,
                limit,
            };
            let page = fixture.store().list_page(request).await.unwrap();
            assert!(page.tests.len() <= limit);
            codes.extend(page.tests.into_iter().map(|test| test.cun));
            after = page.next;
            if after.is_none() {
                return codes;
            }
        }
    };
    let (piemonte, sardegna) = (
        region_caller().region().unwrap(),
        Caller::from_key("R200").unwrap().region().unwrap(),
    );
    let all_of_piemonte: Vec<_> = expected
        .0
        .iter()
        .zip(&expected.1)
        .flat_map(|(one, other)| [*one, *other])
        .collect();
    let StructureReference::Identifier(id) = StructureReference::Identifier(structure_id(1)) else {
        unreachable!()
    };
    let casa = StructureDescription::parse("Casa di cura").unwrap();
    for limit in [1, 3, 7, 1_000] {
        let (from, to) = (MORNING, MORNING + DAY_MILLIS);
        assert_eq!(
            list(&ListingScope::Region(piemonte), from, to, limit).await,
            all_of_piemonte
        );
        assert_eq!(
            list(&ListingScope::Region(sardegna), from, to, limit).await,
            expected.2
        );
        assert_eq!(
            list(&ListingScope::Structure(id), from, to, limit).await,
            expected.0
        );
        assert_eq!(
            list(
                &ListingScope::Description(piemonte, casa.clone()),
                from,
                to,
                limit
            )
            .await,
            expected.1
        );
        assert_eq!(
            list(
                &ListingScope::Description(sardegna, casa.clone()),
                from,
                to,
                limit
            )
            .await,
            expected.2
        );
        // The first second included, the last excluded.
        assert_eq!(
            list(
                &ListingScope::Region(piemonte),
                MORNING + 1_000,
                MORNING + 4_000,
                limit
            )
            .await,
            all_of_piemonte[..2]
        );
    }
}

#[tokio::test]
async fn one_process_at_a_time_has_the_folder() {
    let fixture = Fixture::new();
    assert!(matches!(
        fixture.try_open(),
        Err(StoreError::Unavailable { .. })
    ));
}

#[tokio::test]
async fn another_ring_is_refused() {
    let mut fixture = Fixture::new();
    fixture.record(|_| {}).await;
    fixture.close();
    let path = fixture.folder.path().join("ring");
    let day = Timestamp::from_millis(MORNING).unwrap().rome_day();
    std::fs::remove_file(&path).unwrap();
    sistema_ts_store::keys::KeyRing::create(&path, day).unwrap();
    assert!(matches!(
        fixture.try_open(),
        Err(StoreError::KeyMissing(
            sistema_ts_store::keys::KeyError::Differs { .. }
        ))
    ));
}

pub(super) async fn list_all(fixture: &Fixture) -> Vec<sistema_ts_model::Cun> {
    let request = ListingRequest {
        scope: ListingScope::Region(region_caller().region().unwrap()),
        from: Timestamp::from_millis(MORNING - DAY_MILLIS).unwrap(),
        to: Timestamp::from_millis(MORNING + DAY_MILLIS).unwrap(),
        mark: fixture.store().listing_mark().await.unwrap(),
        after: None,
        limit: 1_000,
    };
    fixture
        .store()
        .list_page(request)
        .await
        .unwrap()
        .tests
        .into_iter()
        .map(|test| test.cun)
        .collect()
}

/// Awaits all at once, in order.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn an_opening_reads_few_rows_however_few_have_a_receipt() {
    let mut fixture = Fixture::new();
    let bound = 2 * fixture.options.codes.memory_entries;
    let with_receipt = async |fixture: &Fixture, key: &str| {
        let message =
            |test: &mut sistema_ts_store::NewTest| test.repeatable = repeatable(key, "content");
        let test = fixture.new_test(message).await;
        fixture.store().record_test(test).await.unwrap()
    };
    for round in 0..3 {
        for _ in 0..bound {
            fixture
                .record(|test| test.swab.result = TestResult::Negative)
                .await;
        }
        let (rows, covered) = fixture
            .store()
            .write(Lane::Usual, |writer| {
                Ok((writer.last_row as u64, writer.receipts.covered_through()))
            })
            .await
            .unwrap();
        assert!(rows - covered < bound as u64, "{covered} of {rows}");
        if round > 0 {
            let key = format!("key-{}", round - 1);
            let again = with_receipt(&fixture, &key).await;
            assert!(matches!(again, RecordOutcome::Replayed { .. }), "{again:?}");
        }
        let first = with_receipt(&fixture, &format!("key-{round}")).await;
        assert!(matches!(first, RecordOutcome::Recorded { .. }), "{first:?}");
        fixture.reopen();
    }
}
