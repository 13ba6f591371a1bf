//! Listing (§2.4.3). Failure: a test answered before the mark that is missing, one listed twice, out of order, outside the interval or
//! the scope, or one that no longer stands; and where the store says that a mark fixes a listing, one that was answered afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sistema_ts_model::{
    CUN_LIFE_MILLIS, Caller, Cun, RegionCode, StructureDescription, StructureReference, TestResult,
    Timestamp,
};
use tokio::sync::Semaphore;

use super::contention::insist;
use super::world::{World, cancellation, new_test, region, structure_id, with_swab};
use crate::{CancelOutcome, CancelTest, ListedTest, ListingRequest, ListingScope, NewTest};

async fn record_some(world: &World, count: u32) -> Vec<(Cun, Timestamp)> {
    let mut recorded = Vec::new();
    for person in 0..count {
        let test = if person % 2 == 0 {
            world.positive(person).await
        } else {
            world.negative(person).await
        };
        recorded.push(world.record(test).await);
        // Some share their millisecond.
        if person % 3 == 0 {
            world.clock.advance_millis(1);
        }
    }
    recorded
}

fn codes(tests: &[ListedTest]) -> Vec<Cun> {
    tests.iter().map(|test| test.cun).collect()
}

fn in_order(tests: &[ListedTest]) -> bool {
    tests.is_sorted_by_key(|test| test.inserted_at)
}

/// Whether all that was answered before a mark is listed, once, as it was answered, and in order. More may be there.
pub(super) fn assert_listed(listed: &[ListedTest], answered: &[(Cun, Timestamp)]) {
    assert!(in_order(listed), "the listing is out of order");
    let times: HashMap<Cun, Timestamp> = listed
        .iter()
        .map(|test| (test.cun, test.inserted_at))
        .collect();
    assert_eq!(times.len(), listed.len(), "a test is listed twice");
    for (cun, inserted_at) in answered {
        assert_eq!(
            times.get(cun),
            Some(inserted_at),
            "an answered test is missing"
        );
    }
}

/// A listing of the whole region that begins now.
async fn begun(world: &World, limit: usize) -> ListingRequest {
    ListingRequest {
        scope: ListingScope::Region(region()),
        from: world.began(),
        to: Timestamp::MAX,
        mark: insist(|| world.store().listing_mark()).await.answer,
        after: None,
        limit,
    }
}

pub async fn everything_answered_before_the_mark_in_order(world: World) {
    world.stand_still();
    let recorded = record_some(&world, 100).await;
    let listed = world.list_all().await;
    assert_eq!(listed.len(), recorded.len());
    assert_listed(&listed, &recorded);
    let first = &listed[0];
    assert_eq!(
        first.structure,
        StructureReference::Identifier(structure_id(1))
    );
    assert_eq!(
        (first.result, first.swab_date),
        (TestResult::Positive, world.began().rome_day())
    );
    // What is answered after the mark takes nothing of that away, over a restart either: a bookmark on the wire outlives it.
    let request = begun(&world, 7).await;
    record_some(&world, 10).await;
    assert_listed(&world.list_from(request.clone()).await, &recorded);
    let world = world.reopen().await;
    assert_listed(&world.list_from(request).await, &recorded);
}

pub async fn nothing_answered_after_the_mark_is_listed(world: World) {
    world.stand_still();
    record_some(&world, 40).await;
    let listed = world.list_all().await;
    let request = begun(&world, 7).await;
    // Even within the same millisecond.
    record_some(&world, 10).await;
    assert_eq!(world.list_from(request.clone()).await, listed);
    let world = world.reopen().await;
    assert_eq!(world.list_from(request).await, listed);
}

pub async fn pages_of_any_size_give_the_same(world: World) {
    world.stand_still();
    record_some(&world, 60).await;
    let whole = world.list_all().await;
    for limit in [1, 2, 7, 59, 60, 61, 25_000] {
        let listed = world
            .list(
                ListingScope::Region(region()),
                world.began(),
                Timestamp::MAX,
                limit,
            )
            .await;
        assert_eq!(listed, whole, "pages of {limit}");
    }
}

pub async fn the_interval_includes_its_start_and_excludes_its_end(world: World) {
    world.stand_still();
    let mut recorded = Vec::new();
    for person in 0..10 {
        world.clock.advance_millis(1);
        recorded.push(world.issued(person).await);
    }
    let end = world.now();
    let at = |step: i64| end.minus_millis(9 - step);
    let listed = world
        .list(ListingScope::Region(region()), at(3), at(7), 10)
        .await;
    assert_eq!(codes(&listed), recorded[3..7]);
    assert!(
        world
            .list(ListingScope::Region(region()), at(5), at(5), 10)
            .await
            .is_empty()
    );
    assert_eq!(
        codes(
            &world
                .list(ListingScope::Region(region()), at(9), at(10), 10)
                .await
        ),
        recorded[9..]
    );
}

pub async fn a_scope_lists_its_own(world: World) {
    let description = |text: &str| StructureDescription::parse(text).unwrap();
    let elsewhere = RegionCode::parse("020").unwrap();
    let variants: [(Caller, StructureReference); 5] = [
        (
            Caller::Region(region()),
            StructureReference::Identifier(structure_id(1)),
        ),
        (
            Caller::Region(region()),
            StructureReference::Description(description("Tenda")),
        ),
        (
            Caller::Region(region()),
            StructureReference::Description(description("tenda")),
        ),
        (
            Caller::Structure(structure_id(2)),
            StructureReference::Identifier(structure_id(2)),
        ),
        (
            Caller::Region(elsewhere),
            StructureReference::Description(description("Tenda")),
        ),
    ];
    let mut recorded = Vec::new();
    for (caller, structure) in variants {
        let test = with_swab(
            NewTest {
                caller,
                ..world.positive(1).await
            },
            |swab| swab.structure = structure,
        );
        recorded.push(world.record(test).await.0);
    }
    for (scope, expected) in [
        (ListingScope::Region(region()), vec![0, 1, 2, 3]),
        (ListingScope::Region(elsewhere), vec![4]),
        (ListingScope::Structure(structure_id(1)), vec![0]),
        (ListingScope::Structure(structure_id(2)), vec![3]),
        (ListingScope::Structure(structure_id(3)), vec![]),
        (
            ListingScope::Description(region(), description("Tenda")),
            vec![1],
        ),
        (
            ListingScope::Description(region(), description("tenda")),
            vec![2],
        ),
        (
            ListingScope::Description(region(), description("Tend")),
            vec![],
        ),
        (
            ListingScope::Description(elsewhere, description("Tenda")),
            vec![4],
        ),
    ] {
        let listed = codes(
            &world
                .list(scope.clone(), world.began(), Timestamp::MAX, 2)
                .await,
        );
        assert_eq!(
            listed,
            expected
                .iter()
                .map(|&index| recorded[index])
                .collect::<Vec<_>>(),
            "{scope:?}"
        );
    }
}

pub async fn a_description_is_one_in_all_its_forms(world: World) {
    let description = |text: &str| StructureDescription::parse(text).unwrap();
    // One text in three forms, and one that looks alike.
    let texts = [
        "Citt\u{e0} di Forl\u{ec}",
        "Citta\u{300} di Forli\u{300}",
        "Citta\u{300} di Forl\u{ec}",
        "Citta' di Forli'",
    ];
    let mut recorded = Vec::new();
    // Twice, so that the second time finds each form known.
    for (index, text) in texts.iter().chain(&texts).enumerate() {
        let person = u32::try_from(index).unwrap_or_default();
        let test = with_swab(
            NewTest {
                caller: Caller::Region(region()),
                ..world.positive(person).await
            },
            |swab| swab.structure = StructureReference::Description(description(text)),
        );
        recorded.push(world.record(test).await.0);
    }
    let world = world.reopen().await;
    for (index, text) in texts.iter().enumerate() {
        let scope = ListingScope::Description(region(), description(text));
        let listed = world.list(scope, world.began(), Timestamp::MAX, 2).await;
        let expected: Vec<usize> = match index {
            3 => vec![3, 7],
            _ => vec![0, 1, 2, 4, 5, 6],
        };
        let found: Vec<_> = expected.iter().map(|&index| recorded[index]).collect();
        assert_eq!(codes(&listed), found, "{text}");
        // Each as it was sent.
        for (test, index) in listed.iter().zip(expected) {
            let sent = StructureReference::Description(description(texts[index % 4]));
            assert_eq!(test.structure, sent);
        }
    }
    // Cancelled by another form, and by no other text.
    for (text, is_taken) in [(texts[3], false), (texts[1], true)] {
        let asked = CancelTest {
            structure: StructureReference::Description(description(text)),
            ..cancellation(recorded[0], 0)
        };
        let outcome = world.cancel(asked).await;
        assert_eq!(
            matches!(outcome, CancelOutcome::Done { .. }),
            is_taken,
            "{text}"
        );
    }
}

pub async fn what_no_longer_stands_is_not_listed(world: World) {
    let kept = world.issued(1).await;
    let cancelled = world.issued(2).await;
    let request = begun(&world, 10).await;
    world.cancel(cancellation(cancelled, 2)).await;
    assert_eq!(codes(&world.list_from(request).await), [kept]);
    world.clock.advance_millis(CUN_LIFE_MILLIS);
    assert!(
        world.list_all().await.is_empty(),
        "a test past its retention is listed before the sweep"
    );
    while world.sweep(1000).await.more {}
    assert!(world.list_all().await.is_empty());
}

pub async fn a_listing_under_writes_is_complete_and_in_order(world: World) {
    under_writes(world, false).await;
}

pub async fn a_listing_under_writes_stays_as_its_mark_has_found_it(world: World) {
    under_writes(world, true).await;
}

/// Lists again and again while eight tasks record. `is_fixed`: a listing that is read twice is the same.
async fn under_writes(world: World, is_fixed: bool) {
    let world = Arc::new(world);
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(std::sync::Mutex::new(Vec::new()));
    // So many for each listing that begins: a store that writes much faster than it lists would else never come to an end of one.
    let allowed = Arc::new(Semaphore::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8u32 {
        let (world, stop, answered) = (world.clone(), stop.clone(), answered.clone());
        let allowed = Arc::clone(&allowed);
        tasks.spawn(async move {
            let mut person = task;
            while !stop.load(Ordering::Acquire) {
                // Closed at the end.
                let Ok(permit) = allowed.acquire_many(20).await else {
                    return;
                };
                permit.forget();
                for reserved in world.reserve_many(20).await {
                    let test = new_test(reserved, person, TestResult::Negative, world.now());
                    let recorded = world.record(test).await;
                    answered.lock().unwrap().push(recorded);
                    person = (person + 8) % 10_000;
                }
                world.clock.advance_millis(1);
            }
        });
    }
    for round in 0..20 {
        allowed.add_permits(200);
        super::world::eventually("writers write", || async {
            answered.lock().unwrap().len() > round * 50
        })
        .await;
        let before = answered.lock().unwrap().clone();
        let request = begun(&world, 97).await;
        let first = world.list_from(request.clone()).await;
        assert_listed(&first, &before);
        let again = world.list_from(request).await;
        assert_listed(&again, &before);
        assert!(
            !is_fixed || again == first,
            "a listing changed below its mark"
        );
    }
    stop.store(true, Ordering::Release);
    allowed.close();
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let answered = answered.lock().unwrap().clone();
    let listed = world.list_all().await;
    assert_eq!(listed.len(), answered.len());
    assert_listed(&listed, &answered);
}
