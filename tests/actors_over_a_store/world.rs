//! A real store in a folder of its own, with a clock that stands still.

use std::sync::Arc;

use sistema_ts::backend::Archives;
use sistema_ts_model::{Clock as _, Cun, FirstSymbol, ManualClock, TestResult, Timestamp};
use sistema_ts_store::failing::FailingStore;
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{RecordOutcome, Store, samples};

pub struct World {
    folder: tempfile::TempDir,
    pub clock: ManualClock,
    pub store: Arc<dyn Store>,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::from_millis(1_605_000_000_000).unwrap();
        let clock = ManualClock::new(start);
        let ring = folder.path().join("ring");
        KeyRing::create(&ring, start.rome_day()).unwrap();
        let archives = Archives::in_folder(&folder.path().join("data"), &ring);
        let store = archives.store(archives.key_ring().unwrap(), Arc::new(clock.clone()));
        Self {
            folder,
            clock,
            store: store.unwrap(),
        }
    }

    /// Puts a store that fails on demand before the store.
    pub fn fail_on_demand(&mut self) -> FailingStore {
        let failing = FailingStore::over(Arc::clone(&self.store));
        self.store = Arc::new(failing.clone());
        failing
    }

    /// Whether no day's file of patients is left.
    pub fn has_no_patient_file(&self) -> bool {
        let files = std::fs::read_dir(self.folder.path().join("data")).unwrap();
        !files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .any(|name| name.starts_with("patients-"))
    }

    /// Records a positive test; answers its code, and when it was recorded.
    pub async fn positive(&self) -> (Cun, Timestamp) {
        let now = self.clock.now();
        let first = FirstSymbol::from_index(0).unwrap();
        let reserved = self.store.reserve(first, 1).await.unwrap()[0];
        let test = samples::new_test(reserved, 1, TestResult::Positive, now);
        match self.store.record_test(test).await.unwrap() {
            RecordOutcome::Recorded { cun, inserted_at } => (cun, inserted_at),
            other => panic!("{other:?}"),
        }
    }
}
