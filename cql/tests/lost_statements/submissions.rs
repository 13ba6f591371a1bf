//! Submissions: without a key, with one, and sent again with one.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sistema_ts_cql::CqlStore;
use sistema_ts_model::{Clock as _, Cun, StructureReference, TestResult};
use sistema_ts_store::samples::{new_test, repeatable, structure_id};
use sistema_ts_store::{NewTest, RecordOutcome, Store, StoreError};

use super::losing::{Case, each_statement};
use super::world::World;

/// A test of a person and a structure of whom nothing is there yet.
async fn new(world: &World, result: TestResult) -> NewTest {
    let person = world.next_number();
    let mut test = new_test(world.reserve().await, person, result, world.clock.now());
    test.swab.structure = StructureReference::Identifier(structure_id(person));
    test
}

fn structure_of(test: &NewTest) -> u32 {
    let StructureReference::Identifier(id) = &test.swab.structure else {
        unreachable!("made-up tests have an identifier")
    };
    id.structure.as_str().parse().unwrap()
}

async fn keyed_test(world: &World, result: TestResult) -> NewTest {
    let test = new(world, result).await;
    NewTest {
        repeatable: repeatable(&format!("KEY {}", structure_of(&test)), "content"),
        ..test
    }
}

/// Whether a code's test is found by every reading path; by some of them alone would be half a test.
async fn is_there(
    world: &World,
    test: &NewTest,
    cun: Cun,
    case: &Case<RecordOutcome, StoreError>,
) -> bool {
    let store = world.second();
    let found = store.find_test(cun).await.unwrap().is_some();
    let digest = store.find_by_digest(cun.digest()).await.unwrap().is_some();
    let listed = world.listed(structure_of(test)).await.contains(&cun);
    let patient = store.find_patient(cun).await.unwrap();
    assert_eq!(digest, found, "{}", case.told("by its digest"));
    assert_eq!(listed, found, "{}", case.told("by its structure's list"));
    let is_positive = test.swab.result == TestResult::Positive;
    assert_eq!(
        patient.is_some(),
        found && is_positive,
        "{}",
        case.told("its person")
    );
    if let Some(patient) = patient {
        assert_eq!(
            patient.fiscal_code,
            test.swab.fiscal_code,
            "{}",
            case.told("whose it is")
        );
    }
    found
}

async fn judge_bare(world: &World, test: &NewTest, case: &Case<RecordOutcome, StoreError>) {
    let cun = test.reserved.cun;
    for _ in 0..2 {
        let found = is_there(world, test, cun, case).await;
        match &case.said {
            Some(Ok(RecordOutcome::Recorded { .. })) => {
                assert!(found, "{}", case.told("an answered test is lost"));
            }
            _ if !case.may_be_done() => {
                assert!(!found, "{}", case.told("it is there all the same"))
            }
            _ => {}
        }
        case.late_arrives().await;
    }
    // The code is burned, or somebody's: it is not issued again.
    let other = new(world, TestResult::Positive).await;
    let again = NewTest {
        reserved: test.reserved,
        ..other
    };
    let before = world.second().find_test(cun).await.unwrap().is_some();
    let outcome = world.second().record_test(again).await.unwrap();
    if before {
        assert_eq!(
            outcome,
            RecordOutcome::CodeTaken,
            "{}",
            case.told("one code twice")
        );
    }
}

pub async fn bare(world: &World) {
    for result in [TestResult::Negative, TestResult::Positive] {
        let name = format!("a submission without a key, {result}");
        let prepare = async || new(world, result).await;
        let judge = async |test: &_, case: &_| judge_bare(world, test, case).await;
        each_statement(&world.first, &name, prepare, record, judge).await;
    }
}

/// A repetition at the second server, under a code of its own.
async fn again(world: &World, test: &NewTest) -> RecordOutcome {
    for _ in 0..10 {
        let test = NewTest {
            reserved: world.reserve().await,
            ..test.clone()
        };
        match world.second().record_test(test).await.unwrap() {
            RecordOutcome::CodeTaken => {}
            outcome => return outcome,
        }
    }
    panic!("ten codes in a row are taken")
}

async fn judge_keyed(world: &World, test: &NewTest, case: &Case<RecordOutcome, StoreError>) {
    let mut answer = match &case.said {
        Some(Ok(
            RecordOutcome::Recorded { cun, inserted_at }
            | RecordOutcome::Replayed { cun, inserted_at },
        )) => Some((*cun, *inserted_at)),
        Some(Ok(RecordOutcome::CodeTaken)) | Some(Err(_)) | None => None,
        Some(Ok(other)) => panic!("{}", case.told(&format!("{other:?}"))),
    };
    for _ in 0..2 {
        let (RecordOutcome::Recorded { cun, inserted_at }
        | RecordOutcome::Replayed { cun, inserted_at }) = again(world, test).await
        else {
            panic!("{}", case.told("a repetition is refused"))
        };
        let first = *answer.get_or_insert((cun, inserted_at));
        assert_eq!(
            first,
            (cun, inserted_at),
            "{}",
            case.told("one key has two answers")
        );
        assert!(
            is_there(world, test, cun, case).await,
            "{}",
            case.told("it is lost")
        );
        let listed = world.listed(structure_of(test)).await;
        assert_eq!(listed, [cun], "{}", case.told("one key has several tests"));
        case.late_arrives().await;
    }
    let listed = world.listed(structure_of(test)).await;
    assert_eq!(
        listed.len(),
        1,
        "{}",
        case.told("what was late is there beside it")
    );
}

fn record(
    store: Arc<CqlStore>,
    test: NewTest,
) -> BoxFuture<'static, Result<RecordOutcome, StoreError>> {
    Box::pin(async move { store.record_test(test).await })
}

pub async fn keyed(world: &World) {
    for result in [TestResult::Negative, TestResult::Positive] {
        let name = format!("a submission with a key, {result}");
        let prepare = async || keyed_test(world, result).await;
        let judge = async |test: &_, case: &_| judge_keyed(world, test, case).await;
        each_statement(&world.first, &name, prepare, record, judge).await;
    }
}

/// The first server repeats what the second has recorded.
pub async fn repeated(world: &World) {
    let prepare = async || {
        let test = keyed_test(world, TestResult::Positive).await;
        let outcome = world.second().record_test(test.clone()).await.unwrap();
        assert!(matches!(outcome, RecordOutcome::Recorded { .. }));
        NewTest {
            reserved: world.reserve().await,
            ..test
        }
    };
    let judge = async |test: &_, case: &_| judge_keyed(world, test, case).await;
    let name = "a repetition with its key";
    each_statement(&world.first, name, prepare, record, judge).await;
}
