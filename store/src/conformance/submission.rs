//! Recording and finding tests. Failure: a test that was answered is missing on a reading path or reads otherwise than it was
//! recorded, one is found that was never recorded, insertion times that go back, or anything lost over a restart.

use sistema_ts_model::{
    Caller, CunState, Moment, Origin, StructureDescription, StructureReference, TestResult,
    Timestamp,
};

use super::contention::insist;
use super::world::{
    World, contact, fiscal_code, never_issued, region, region_caller, structure_id,
};
use crate::{ListingScope, RecordOutcome, TestView};

fn state(view: &TestView, now: Timestamp) -> CunState {
    let origin = Origin {
        issued_at: view.inserted_at,
        result: view.result,
        submitter: view.caller,
    };
    view.life.state_at(
        &origin,
        Moment {
            now,
            clock_error_millis: 0,
        },
    )
}

pub async fn a_test_is_found_by_code_and_digest(world: World) {
    for result in [TestResult::Positive, TestResult::Negative] {
        let mut test = world.positive(1).await;
        test.swab.result = result;
        test.swab.contact = Some(contact(1));
        test.swab.swab_date = test.swab.swab_date.pred_opt().unwrap();
        let (cun, inserted_at) = world.record(test.clone()).await;
        let by_code = world
            .store()
            .find_test(cun)
            .await
            .unwrap()
            .expect("an answered test is not found by its code");
        let by_digest = world
            .store()
            .find_by_digest(cun.digest())
            .await
            .unwrap()
            .expect("an answered test is not found by its digest");
        for view in [by_code, by_digest] {
            assert_eq!(
                (view.cun, view.inserted_at, view.caller),
                (cun, inserted_at, test.caller)
            );
            assert_eq!(
                (view.swab_date, view.kind, view.result),
                (test.swab.swab_date, test.swab.kind, result)
            );
            assert_eq!(view.structure, test.swab.structure);
            assert!(view.life.is_untouched());
            assert_eq!(state(&view, world.now()), CunState::Issued);
        }
    }
}

pub async fn a_positive_has_its_person_and_a_negative_none(world: World) {
    let cun = world.issued(7).await;
    let view = world
        .store()
        .find_patient(cun)
        .await
        .unwrap()
        .expect("a live positive has its person");
    assert_eq!(view.fiscal_code, fiscal_code(7));
    assert_eq!(view.test.cun, cun);
    let negative = world.negative(8).await;
    let (cun, _) = world.record(negative).await;
    assert!(
        world.store().find_patient(cun).await.unwrap().is_none(),
        "the fiscal code of a negative is kept nowhere"
    );
}

pub async fn unknown_codes_are_not_found(world: World) {
    world.issued(1).await;
    let reserved = world.reserve().await.cun;
    for cun in [never_issued(), reserved] {
        assert!(world.store().find_test(cun).await.unwrap().is_none());
        assert!(
            world
                .store()
                .find_by_digest(cun.digest())
                .await
                .unwrap()
                .is_none()
        );
        assert!(world.store().find_patient(cun).await.unwrap().is_none());
    }
    // A digest that begins like that of a known code is another digest.
    let cun = world.issued(2).await;
    let mut digest = cun.digest();
    digest[31] ^= 1;
    assert!(
        world
            .store()
            .find_by_digest(digest)
            .await
            .unwrap()
            .is_none(),
        "only a part of the digest was compared"
    );
}

pub async fn tests_outlive_a_restart(world: World) {
    let mut recorded = Vec::new();
    for person in 0..200 {
        let test = if person % 3 == 0 {
            world.positive(person).await
        } else {
            world.negative(person).await
        };
        recorded.push((world.record(test.clone()).await, person, test.swab.result));
    }
    let mut world = world;
    for _ in 0..3 {
        world = world.reopen().await;
        for &((cun, inserted_at), person, result) in &recorded {
            let view = world
                .store()
                .find_test(cun)
                .await
                .unwrap()
                .expect("a test was lost over a restart");
            assert_eq!((view.inserted_at, view.result), (inserted_at, result));
            assert!(
                world
                    .store()
                    .find_by_digest(cun.digest())
                    .await
                    .unwrap()
                    .is_some()
            );
            let patient = world
                .store()
                .find_patient(cun)
                .await
                .unwrap()
                .map(|view| view.fiscal_code);
            assert_eq!(
                patient,
                (result == TestResult::Positive).then(|| fiscal_code(person))
            );
        }
        assert_eq!(world.list_all().await.len(), recorded.len());
    }
}

/// Moves the clock for the next of many records: on, and at times back.
fn move_clock(world: &World, round: u32) {
    let millis = if round % 3 == 2 { -5_000 } else { 2_000 };
    world.clock.advance_millis(millis);
}

pub async fn insertion_times_of_one_server_ascend(world: World) {
    let [one, other] = world.both();
    for server in [one, other] {
        let mut last = Timestamp::MIN;
        for round in 0..30 {
            move_clock(&world, round);
            let test = world.negative(round).await;
            let told = insist(|| server.record_test(test.clone())).await;
            let RecordOutcome::Recorded { inserted_at, .. } = told.answer else {
                panic!("a new test was not recorded: {told:?}")
            };
            assert!(inserted_at >= last, "insertion times go back");
            last = inserted_at;
        }
    }
}

pub async fn insertion_times_ascend_over_all_servers_and_restarts(world: World) {
    let mut last = Timestamp::MIN;
    for round in 0..30 {
        // A clock that goes back does not take the order of insertion with it.
        move_clock(&world, round);
        let test = world.negative(round).await;
        let (_, inserted_at) = world.record(test).await;
        assert!(inserted_at >= last, "insertion times go back");
        last = inserted_at;
    }
    let world = world.reopen().await;
    world.clock.advance_millis(-40_000);
    let test = world.negative(1).await;
    assert!(
        world.record(test).await.1 >= last,
        "insertion times go back over a restart"
    );
}

pub async fn callers_keep_what_they_said(world: World) {
    let description =
        StructureDescription::parse("Drive-in d'Altrove, piazza n° 1 — «tenda» B").unwrap();
    let mut test = world.positive(1).await;
    test.swab.structure = StructureReference::Description(description.clone());
    let (described, _) = world.record(test).await;
    let mut test = world.positive(2).await;
    test.caller = Caller::Structure(structure_id(42));
    test.swab.structure = StructureReference::Identifier(structure_id(42));
    let (identified, _) = world.record(test).await;
    let world = world.reopen().await;
    let view = world.store().find_test(described).await.unwrap().unwrap();
    assert_eq!(
        (view.caller, view.structure),
        (
            region_caller(),
            StructureReference::Description(description.clone())
        )
    );
    let view = world.store().find_test(identified).await.unwrap().unwrap();
    assert_eq!(view.caller, Caller::Structure(structure_id(42)));
    assert_eq!(
        view.structure,
        StructureReference::Identifier(structure_id(42))
    );
    let all = (world.began(), Timestamp::MAX);
    let listed = world
        .list(
            ListingScope::Description(region(), description),
            all.0,
            all.1,
            10,
        )
        .await;
    assert_eq!(
        listed.iter().map(|test| test.cun).collect::<Vec<_>>(),
        [described]
    );
}
