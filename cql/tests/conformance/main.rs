//! The store over CQL passes the suite of every store, opened by two servers on one real cluster.
//!
//! The checks share the keyspaces, since making tables takes seconds: each begins a hundred days after the one before, and one runs at a time. A
//! failure is a promise of the store that this one breaks; the head of each of the suite's modules says which.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod died;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use sistema_ts_cql::{CqlAccessArchive, CqlOptions, CqlSettings, CqlStore};
use sistema_ts_model::Clock;
use sistema_ts_store::conformance::{Ability, StoreFactory, start};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{AccessArchive, Store};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// What all checks share.
struct Place {
    settings: CqlSettings,
    folder: TempDir,
    checks: AtomicU32,
}

impl Place {
    fn new() -> Option<Self> {
        let settings = support::new_keyspaces("suite")?;
        let folder = tempfile::tempdir().unwrap();
        let ring = |server: usize| folder.path().join(format!("day-keys-{server}"));
        KeyRing::create(&ring(0), start().rome_day()).unwrap();
        std::fs::copy(ring(0), ring(1)).unwrap();
        Some(Self {
            settings,
            folder,
            checks: AtomicU32::new(0),
        })
    }
}

/// One check's turn at the place, if there is one.
struct Turn {
    place: Option<&'static Place>,
    number: u32,
    opened: AtomicUsize,
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    fn wait() -> Self {
        static PLACE: OnceLock<Option<Place>> = OnceLock::new();
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.blocking_lock();
        let place = PLACE.get_or_init(Place::new).as_ref();
        let number = |place: &Place| place.checks.fetch_add(1, Ordering::SeqCst);
        Self {
            place,
            number: place.map_or(0, number),
            opened: AtomicUsize::new(0),
            _turn: turn,
        }
    }
}

#[async_trait]
impl StoreFactory for Turn {
    fn has_place(&self) -> bool {
        self.place.is_some()
    }

    fn lacks(&self) -> &[Ability] {
        &[
            Ability::OneOrder,
            Ability::FixedListing,
            Ability::SweepCount,
            Ability::EmptyPlace,
        ]
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn clock_error_millis(&self) -> i64 {
        1_000
    }

    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        // The two servers are opened in turn.
        let server = self.opened.fetch_add(1, Ordering::SeqCst) % 2;
        let place = self.place.expect("a check runs at a place alone");
        let folder = place.folder.path();
        let data = folder.join(format!("server-{server}"));
        let options = CqlOptions::of(place.settings.clone(), data);
        let keys = support::ring_of(folder, server);
        let open = move || CqlStore::open(options, keys, clock).unwrap();
        Arc::new(tokio::task::spawn_blocking(open).await.unwrap())
    }

    fn archive(&self) -> Box<dyn AccessArchive> {
        let place = self.place.expect("a check runs at a place alone");
        // It waits for the nodes on threads of its own, which nobody may do who is one of a runtime's.
        let open = || CqlAccessArchive::open(&place.settings).unwrap();
        Box::new(std::thread::scope(|scope| {
            scope.spawn(open).join().unwrap()
        }))
    }

    async fn close(&self, store: Arc<dyn Store>) {
        store.close().await.unwrap();
    }
}

sistema_ts_store::conformance_suite!(Turn::wait());
