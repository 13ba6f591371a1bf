//! Access records over a real cluster. A failure: a submission whose record ends with its test, is found twice while it is copied, or reads otherwise
//! afterwards; or a damaged record that a search passes over.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;

use sistema_ts_cql::roles::Role;
use sistema_ts_cql::{CqlAccessArchive, CqlOptions, CqlSettings, CqlStore, connect};
use sistema_ts_model::{Clock, FirstSymbol, ManualClock, TestResult, Timestamp};
use sistema_ts_store::conformance::start;
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::{call_center, new_test, operator, region_caller};
use sistema_ts_store::trusted_time::{Reading, TrustedTime};
use sistema_ts_store::{
    AccessArchive as _, AccessDetail, AccessQuery, AccessRecord, RecordOutcome, Store, StoreError,
    only_outcome,
};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

struct Place {
    settings: CqlSettings,
    clock: ManualClock,
    servers: [CqlStore; 2],
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Option<Self> {
        let settings = support::new_keyspaces("access")?;
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(start());
        let ring = |server: usize| folder.path().join(format!("day-keys-{server}"));
        KeyRing::create(&ring(0), start().rome_day()).unwrap();
        std::fs::copy(ring(0), ring(1)).unwrap();
        let servers = [0, 1].map(|server| {
            let options = CqlOptions::of(
                settings.clone(),
                folder.path().join(format!("server-{server}")),
            );
            let keys = support::ring_of(folder.path(), server);
            CqlStore::open(options, keys, Arc::new(clock.clone())).unwrap()
        });
        Some(Self {
            settings,
            clock,
            servers,
            _folder: folder,
        })
    }

    /// Has every server copy what is due.
    async fn sweep(&self) {
        let reading = Reading {
            wall: self.clock.now(),
            monotonic: self.clock.monotonic(),
        };
        let horizon = TrustedTime::begin(None, reading).horizon();
        let [one, other] = &self.servers;
        let all = async |server: &CqlStore| {
            while server.expire_due(1, horizon).await.unwrap().more {}
        };
        tokio::join!(all(one), all(other));
    }

    async fn search(&self, server: usize) -> Vec<AccessRecord> {
        let page = self.servers[server].search_access(everything()).await;
        page.unwrap().records
    }

    fn execute(&self, statement: &str) {
        let prefix = &self.settings.keyspace_prefix;
        let statement = statement
            .replace("{tests}", &format!("{prefix}_tests"))
            .replace("{access}", &format!("{prefix}_access"));
        let settings = self.settings.clone();
        let execute = move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let session = connect(&settings).await.unwrap();
                session.query_unpaged(statement, ()).await.unwrap();
            });
        };
        std::thread::spawn(execute).join().unwrap();
    }
}

fn everything() -> AccessQuery {
    AccessQuery {
        from: start(),
        to: Timestamp::MAX,
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 10_000,
    }
}

fn by_operator(place: &Place) -> AccessRecord {
    AccessRecord {
        accessed_at: place.clock.now(),
        caller: call_center("CC1"),
        verdict: sistema_ts_model::Verdict::Done,
        outcomes: Vec::new(),
        transaction: sistema_ts_model::TransactionId::random(),
        detail: AccessDetail::AslOtp {
            operator: Some(operator(1)),
        },
    }
}

#[test]
fn a_submissions_record_is_the_same_while_it_is_copied_and_when_its_test_is_gone() {
    let Some(place) = Place::new() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for person in 0..30 {
            let server = &place.servers[person as usize % 2];
            let reserved = server
                .reserve(FirstSymbol::from_index(1).unwrap(), 1)
                .await
                .unwrap();
            let now = place.clock.now();
            let test = new_test(reserved[0], person, TestResult::Positive, now);
            let recorded = only_outcome(server.record_tests(vec![test].into()).await);
            assert!(matches!(recorded, Ok(RecordOutcome::Recorded { .. })));
            place.clock.advance_millis(600_000);
        }
        let own = by_operator(&place);
        place.servers[0].record_access(own.clone()).await.unwrap();
        let before = place.search(0).await;
        assert_eq!(before.len(), 31);
        assert!(before.contains(&own));
        // Half of the hours are a day old.
        place.clock.advance_millis(DAY_MILLIS - 2 * 3_600_000);
        place.sweep().await;
        assert!(place.search(1).await == before);
        // A copy that is under way, and one that is complete.
        place.clock.advance_millis(2 * DAY_MILLIS);
        place.sweep().await;
        place.sweep().await;
        assert!(place.search(0).await == before);
    });
    place.execute("TRUNCATE {tests}.test");
    runtime.block_on(async {
        let server = &place.servers[0];
        let caller = Some(region_caller());
        let query = AccessQuery {
            caller,
            ..everything()
        };
        let page = server.search_access(query).await.unwrap();
        assert_eq!(page.records.len(), 30);
    });
    let mut found = 0;
    // As the role that may do nothing else.
    let settings = match support::roles::are_there() {
        true => support::roles::as_role(&place.settings, Role::Reader),
        false => place.settings.clone(),
    };
    let archive = CqlAccessArchive::open(&settings).unwrap();
    let count = &mut |_| {
        found += 1;
        true
    };
    archive.search(&everything(), count).unwrap();
    assert_eq!(found, 31);
}

#[test]
fn a_record_of_a_later_version_or_a_damaged_one_ends_a_search_with_its_place() {
    let Some(place) = Place::new() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let record = by_operator(&place);
    let recorded = place.servers[0].record_access(record.clone());
    runtime.block_on(recorded).unwrap();
    let hour = record.accessed_at.millis() / 3_600_000;
    let time = record.accessed_at.millis();
    let id = i64::MAX;
    place.execute(&format!(
        "INSERT INTO {{access}}.record (region, hour, part, time, id, accessed_at, service, caller, transaction, outcome, errors) \
         VALUES (0, {hour}, 3, {time}, {id}, {time}, 'invioCodiceOtp', 'Ccc1', '{}', '0000', '9999')",
        record.transaction
    ));
    let searched = runtime.block_on(place.servers[1].search_access(everything()));
    let Err(StoreError::Corrupt { what }) = searched else {
        panic!("{searched:?}")
    };
    let row = format!("hour = {hour}, part = 3, time = {time} and id = {id}");
    assert!(what.contains(&row), "{what}");
}
