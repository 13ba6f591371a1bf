//! The rhythm of retention over a real embedded store. Failure here means that a test outlives its fourteen days, or goes before them, although
//! the rhythm was kept.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_actors::Retention;
use sistema_ts_actors::retention::Tick;
use sistema_ts_model::{
    CUN_LIFE_MILLIS, Caller, Clock, CodiceFiscale, FirstSymbol, ManualClock, RegionCode,
    StructureDescription, StructureReference, TestKind, TestResult, Timestamp,
};
use sistema_ts_store::embedded::{EmbeddedOptions, EmbeddedStore};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{NewTest, RecordOutcome, Store, SubmissionAccess};
use tokio::sync::oneshot;

#[actix_rt::test]
async fn what_is_past_its_time_goes_with_the_next_tick_and_nothing_before() {
    let folder = tempfile::tempdir().unwrap();
    let start = Timestamp::from_millis(1_605_000_000_000).unwrap();
    let clock = ManualClock::new(start);
    let ring = folder.path().join("ring");
    KeyRing::create(&ring, start.rome_day()).unwrap();
    let store: Arc<dyn Store> = Arc::new(
        EmbeddedStore::open(
            EmbeddedOptions::in_folder(folder.path().join("data")),
            Arc::new(KeyRing::load(&ring).unwrap()),
            Arc::new(clock.clone()) as Arc<dyn Clock>,
        )
        .unwrap(),
    );
    let reserved = store
        .reserve(FirstSymbol::from_index(0).unwrap(), 1)
        .await
        .unwrap()[0];
    let recorded = store
        .record_test(NewTest {
            reserved,
            caller: Caller::Region(RegionCode::parse("010").unwrap()),
            structure: StructureReference::Description(
                StructureDescription::parse("Drive-in").unwrap(),
            ),
            fiscal_code: CodiceFiscale::parse("RSSMRA80A01H501U").unwrap(),
            swab_date: start.rome_day(),
            kind: TestKind::Molecular,
            result: TestResult::Positive,
            contact: None,
            receipt: None,
            access: SubmissionAccess {
                accessed_at: start,
                with_warnings: false,
            },
        })
        .await
        .unwrap();
    let RecordOutcome::Recorded { cun, inserted_at } = recorded else {
        panic!("{recorded:?}");
    };

    // The interval is long: the only ticks are the first and those of this test.
    let retention = Retention::begin(Arc::clone(&store), Duration::from_secs(3_600));
    let tick = || async {
        let (done, ended) = oneshot::channel();
        retention.try_send(Tick { done: Some(done) }).unwrap();
        ended.await.unwrap();
    };

    clock.set(inserted_at.plus_millis(CUN_LIFE_MILLIS - 1));
    tick().await;
    assert!(store.find_patient(cun).await.unwrap().is_some());

    clock.set(inserted_at.plus_millis(CUN_LIFE_MILLIS));
    tick().await;
    assert!(store.find_test(cun).await.unwrap().is_none());
    assert!(store.find_patient(cun).await.unwrap().is_none());
}
