//! What is peculiar to the embedded store; what every store must do is in the conformance suite.
//!
//! A failure: something answered that a new opening does not find, or finds otherwise; a wrong answer of a single operation.
#![allow(clippy::unwrap_used)]

mod access;
mod claims;
mod clock;
mod damage;
mod erasure;
mod faults;
mod keys;
mod logs;
mod lookups;
mod records;
mod searches;
mod sessions;
mod sweeps;
mod upgrade;

use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;
use sistema_ts_model::{
    Clock as _, Contact, Cun, FirstSymbol, ManualClock, MobileNumber, TestResult, Timestamp,
    TransactionId, Verdict,
};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{self, fiscal_code, region_caller};
use sistema_ts_store::trusted_time::{Reading, TrustedTime};
use sistema_ts_store::{
    AccessDetail, AccessRecord, Expired, NewTest, RecordOutcome, ReservedCun, Store as _,
    StoreError,
};
use tempfile::TempDir;

use super::index::IndexOptions;
use super::inventory::{Contents, State};
use super::{EmbeddedOptions, EmbeddedStore};

/// 2026-11-24, 08:00 in Rome.
pub(super) const MORNING: i64 = 1_795_503_600_000;
pub(super) const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// A store in a folder of its own, under a clock that stands still.
pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) clock: ManualClock,
    store: Option<EmbeddedStore>,
    pub(super) options: EmbeddedOptions,
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        Fixture::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut EmbeddedOptions)) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(MORNING).unwrap());
        let oldest = Timestamp::from_millis(MORNING).unwrap().rome_day();
        KeyRing::create(&folder.path().join("ring"), oldest).unwrap();
        let mut options = EmbeddedOptions::in_folder(folder.path().join("data"));
        // Small enough that the tests reach the files.
        options.codes = IndexOptions {
            memory_entries: 64,
            ..IndexOptions::default()
        };
        options.receipts = options.codes;
        change(&mut options);
        let mut fixture = Fixture {
            folder,
            clock,
            store: None,
            options,
        };
        fixture.reopen();
        fixture
    }

    pub(super) fn store(&self) -> &EmbeddedStore {
        self.store.as_ref().unwrap()
    }

    pub(super) fn try_open(&self) -> Result<EmbeddedStore, StoreError> {
        let ring = KeyRing::load(&self.folder.path().join("ring"))?;
        EmbeddedStore::open(
            self.options.clone(),
            Arc::new(ring),
            Arc::new(self.clock.clone()),
        )
    }

    pub(super) fn close(&mut self) {
        self.store = None;
    }

    /// A copy of the data folder and of what lies beside the ring, as a crash of the process would leave them now. Nothing may be under way.
    pub(super) fn killed(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.options.folder, &copy.path().join("data"));
        let epoch = "ring.epoch";
        std::fs::copy(self.folder.path().join(epoch), copy.path().join(epoch)).unwrap();
        copy
    }

    /// Puts what [`Fixture::killed`] has kept in the place of what is there. The store is closed.
    pub(super) fn put_back(&self, copy: &TempDir) {
        std::fs::remove_dir_all(&self.options.folder).unwrap();
        copy_files(&copy.path().join("data"), &self.options.folder);
        let epoch = "ring.epoch";
        std::fs::copy(copy.path().join(epoch), self.folder.path().join(epoch)).unwrap();
    }

    /// Has the folder look as if the last run had ended in a crash, so that a test may change it as a crash does.
    pub(super) fn crashed(&self) {
        let path = self.options.folder.join("inventory");
        let mut inventory = Contents::load(&path).unwrap().unwrap();
        inventory.state = State::Running { run: 0 };
        inventory.save(&path).unwrap();
    }

    /// Accepts the folder as it is, which a start would refuse.
    pub(super) fn accept(&self) {
        assert!(!self.try_accept().unwrap().is_empty());
    }

    pub(super) fn try_accept(&self) -> Result<Vec<String>, StoreError> {
        let ring = self.folder.path().join("ring");
        crate::restore::accept(&self.options, &ring)
    }

    pub(super) fn examine(&self) -> Vec<String> {
        let ring = self.folder.path().join("ring");
        crate::restore::examine(&self.options, &ring).unwrap()
    }

    pub(super) fn reopen(&mut self) {
        self.close();
        self.store = Some(self.try_open().unwrap());
    }

    /// Has the store erase what is past its time by a clock that is right, at most about `limit` tests.
    pub(super) async fn sweep(&self, limit: usize) -> Expired {
        self.try_sweep(limit).await.unwrap()
    }

    pub(super) async fn try_sweep(&self, limit: usize) -> Result<Expired, StoreError> {
        let reading = Reading {
            wall: self.clock.now(),
            monotonic: self.clock.monotonic(),
        };
        let horizon = TrustedTime::begin(None, reading).horizon();
        self.store().expire_due(limit, horizon).await
    }

    /// Every byte of the data folder's files whose name begins so.
    pub(super) fn bytes_of(&self, prefix: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(&self.options.folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().unwrap().starts_with(prefix) {
                bytes.extend(std::fs::read(entry.path()).unwrap());
            }
        }
        bytes
    }

    pub(super) async fn reserve(&self) -> ReservedCun {
        let first = FirstSymbol::from_index(7).unwrap();
        self.store().reserve(first, 1).await.unwrap().pop().unwrap()
    }

    /// Records a test and answers its code.
    pub(super) async fn record(&self, change: impl FnOnce(&mut NewTest)) -> Cun {
        let test = self.new_test(change).await;
        match self.store().record_test(test).await.unwrap() {
            RecordOutcome::Recorded { cun, .. } => cun,
            other => panic!("not recorded: {other:?}"),
        }
    }

    pub(super) async fn new_test(&self, change: impl FnOnce(&mut NewTest)) -> NewTest {
        let now = Timestamp::from_millis(MORNING - 5).unwrap();
        let mut test = samples::new_test(self.reserve().await, 1, TestResult::Positive, now);
        test.swab.swab_date = date("2026-11-23");
        test.swab.contact = Some(mobile("+393331234567"));
        change(&mut test);
        test
    }
}

/// Copies a folder's files, but for the maps of logs, which are made anew.
fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

pub(super) fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn mobile(number: &str) -> Contact {
    Contact::Mobile(MobileNumber::parse(number).unwrap())
}

/// The record of a code of the ASL that was sent for a region.
pub(super) fn access_record(at: Timestamp) -> AccessRecord {
    AccessRecord {
        accessed_at: at,
        caller: region_caller(),
        verdict: Verdict::Done,
        outcomes: Vec::new(),
        transaction: TransactionId::random(),
        detail: AccessDetail::AslOtp {
            operator: Some(fiscal_code(1)),
        },
    }
}
