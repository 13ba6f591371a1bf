//! Whether a server says that it cannot serve, on a real node. A failure: one whose clock, ring of keys or schema is not that of the others is ready,
//! or one of which nothing is wrong is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;

use sistema_ts_cql::roles::Role;
use sistema_ts_cql::{CqlOptions, CqlSettings, CqlStore, connect};
use sistema_ts_model::{Clock, Condition, ManualClock, SystemClock, Timestamp};
use sistema_ts_store::Store;
use sistema_ts_store::keys::KeyRing;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// By how much the clocks of two servers may differ here.
const CLOCK_ERROR_MILLIS: i64 = 10_000;

/// Keyspaces, and a folder for the rings of the servers.
struct Place {
    settings: CqlSettings,
    folder: TempDir,
    now: Timestamp,
    runtime: Runtime,
}

impl Place {
    fn new(name: &str) -> Option<Self> {
        Some(Self {
            settings: support::new_keyspaces(name)?,
            folder: tempfile::tempdir().unwrap(),
            now: SystemClock.now(),
            runtime: Runtime::new().unwrap(),
        })
    }

    /// A ring of its own, and all that is made from it later.
    fn ring(&self, name: &str) -> Arc<KeyRing> {
        let file = self.folder.path().join(name);
        if !file.exists() {
            KeyRing::create(&file, self.now.rome_day()).unwrap();
        }
        Arc::new(KeyRing::load(&file).unwrap())
    }

    fn open(&self, keys: Arc<KeyRing>, clock: Arc<dyn Clock>) -> CqlStore {
        // Each has a folder of its own, as it has a ring of its own.
        let folder = keys.path().with_extension("server");
        let options = CqlOptions {
            clock_error_millis: CLOCK_ERROR_MILLIS,
            ..CqlOptions::of(self.settings.clone(), folder)
        };
        CqlStore::open(options, keys, clock).unwrap()
    }

    fn conditions(&self, store: &CqlStore) -> Vec<Condition> {
        let readiness = self.runtime.block_on(store.readiness());
        for report in &readiness.conditions {
            support::say(&report.to_string());
        }
        let conditions = readiness.conditions.iter();
        conditions.map(|report| report.condition).collect()
    }

    /// How many days' keys have a check value, as the server sees it.
    fn days_begun(&self) -> usize {
        let prefix = &self.settings.keyspace_prefix;
        let statement = format!("SELECT day FROM {prefix}_tests.day_key");
        self.runtime.block_on(async {
            let session = connect(&self.settings).await.unwrap();
            let days = session.query_unpaged(statement, ()).await.unwrap();
            days.into_rows_result().unwrap().rows_num()
        })
    }

    fn execute(&self, statement: &str) {
        let tests = format!("{}_tests", self.settings.keyspace_prefix);
        let statement = statement.replace("{tests}", &tests);
        // As whoever migrates: a server may not write there.
        let settings = match support::roles::are_there() {
            true => support::roles::as_role(&self.settings, Role::Migrate),
            false => self.settings.clone(),
        };
        self.runtime.block_on(async {
            let session = connect(&settings).await.unwrap();
            session.query_unpaged(statement, ()).await.unwrap();
        });
    }
}

#[test]
fn a_clock_that_differs_from_the_nodes_by_more_than_half_of_what_is_permitted_stops_its_server() {
    let Some(place) = Place::new("clock") else {
        return;
    };
    let keys = place.ring("ring");
    let store = |ahead: i64| {
        let clock = ManualClock::new(SystemClock.now().plus_millis(ahead));
        place.open(Arc::clone(&keys), Arc::new(clock))
    };
    // Its clock stands still: what a busy machine takes meanwhile comes off what it is ahead by.
    let day = 24 * 60 * 60 * 1_000;
    for (ahead, is_right) in [
        (30 * day, false),
        (60 * CLOCK_ERROR_MILLIS, false),
        (-60 * CLOCK_ERROR_MILLIS, false),
        (CLOCK_ERROR_MILLIS / 4, true),
    ] {
        let expected = match is_right {
            true => Vec::new(),
            false => vec![Condition::ClockDiffers],
        };
        assert_eq!(place.conditions(&store(ahead)), expected, "{ahead} ms");
        // What a server brings on the word of its clock stays: nothing, while that is wrong.
        assert_eq!(place.days_begun(), usize::from(is_right), "{ahead} ms");
    }
}

#[test]
fn a_server_with_another_ring_is_not_ready_before_any_test_and_without_its_ring_neither() {
    let Some(place) = Place::new("ring") else {
        return;
    };
    let first = place.open(place.ring("ring"), Arc::new(SystemClock));
    assert_eq!(place.conditions(&first), Vec::new());
    let other = place.open(place.ring("another"), Arc::new(SystemClock));
    assert_eq!(place.conditions(&other), [Condition::KeysMissing]);
    // The first one's is right however often the other asks.
    assert_eq!(place.conditions(&first), Vec::new());
    let (ring, away) = ("ring", "away");
    let move_ring = |from: &str, to: &str| {
        let file = |name: &str| place.folder.path().join(Path::new(name));
        std::fs::rename(file(from), file(to)).unwrap();
    };
    move_ring(ring, away);
    assert_eq!(place.conditions(&first), [Condition::KeysMissing]);
    move_ring(away, ring);
    assert_eq!(place.conditions(&first), Vec::new());
}

#[test]
fn a_schema_that_a_newer_program_has_changed_is_told_and_one_of_another_build_stops_the_server() {
    let Some(place) = Place::new("schema") else {
        return;
    };
    let store = place.open(place.ring("ring"), Arc::new(SystemClock));
    assert_eq!(place.conditions(&store), Vec::new());
    place.execute("INSERT INTO {tests}.migration (version, digest) VALUES (99, 'later')");
    let readiness = place.runtime.block_on(store.readiness());
    assert!(readiness.is_ready());
    assert_eq!(place.conditions(&store), [Condition::SchemaNewer]);
    place.execute("DELETE FROM {tests}.migration WHERE version = 99");
    place.execute("UPDATE {tests}.migration SET digest = 'another' WHERE version = 1");
    assert_eq!(place.conditions(&store), [Condition::SchemaDiffers]);
}

#[test]
fn a_server_that_is_shutting_down_is_not_ready() {
    let Some(place) = Place::new("closed") else {
        return;
    };
    let store = place.open(place.ring("ring"), Arc::new(SystemClock));
    place.runtime.block_on(store.close()).unwrap();
    assert_eq!(place.conditions(&store), [Condition::StoreNotWriting]);
}
