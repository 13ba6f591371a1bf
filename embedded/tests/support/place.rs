//! A folder with a ring of keys, in which an embedded store is opened again and again.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_embedded::{
    EmbeddedAccessArchive, EmbeddedMaintenance, EmbeddedOptions, EmbeddedStore,
};
use sistema_ts_model::Clock;
use sistema_ts_store::conformance::{Ability, StoreFactory};
use sistema_ts_store::keys::{KeyRing, oldest_live_day};
use sistema_ts_store::{AccessArchive, Store, StoreError};

/// The folder; one of its own is removed when dropped.
pub struct Place {
    root: PathBuf,
    _own: Option<tempfile::TempDir>,
    pub vfs: Option<String>,
}

impl Place {
    pub fn new() -> Place {
        let own = tempfile::tempdir().unwrap();
        Place {
            root: own.path().to_owned(),
            _own: Some(own),
            vfs: None,
        }
    }

    /// A folder that belongs to somebody else.
    pub fn at(root: impl Into<PathBuf>) -> Place {
        Place {
            root: root.into(),
            _own: None,
            vfs: None,
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn ring(&self) -> PathBuf {
        self.root.join("ring")
    }

    /// Opens the store; makes the ring at the first time.
    pub fn open(&self, clock: Arc<dyn Clock>) -> Result<EmbeddedStore, StoreError> {
        if !self.ring().exists() {
            KeyRing::create(&self.ring(), oldest_live_day(clock.now())).unwrap();
        }
        let mut options = EmbeddedOptions::in_folder(self.data());
        // The suite's clock is moved by hand: it is never ahead of itself.
        options.clock_error_millis = 0;
        options.vfs = self.vfs.clone();
        EmbeddedStore::open(options, Arc::new(KeyRing::load(&self.ring())?), clock)
    }

    /// The folder while no store is open in it.
    #[allow(dead_code, reason = "shared by several test programs")]
    pub fn at_rest(&self) -> EmbeddedMaintenance {
        EmbeddedMaintenance::new(EmbeddedOptions::in_folder(self.data()), self.ring())
    }
}

#[async_trait]
impl StoreFactory for Place {
    fn lacks(&self) -> &[Ability] {
        &[Ability::SecondServer, Ability::OwnClocks]
    }

    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(Place::open(self, clock).expect("the embedded store opens"))
    }

    fn archive(&self) -> Box<dyn AccessArchive> {
        Box::new(EmbeddedAccessArchive::open(&self.data()).expect("there is a store"))
    }

    async fn close(&self, store: Arc<dyn Store>) {
        assert_eq!(
            Arc::strong_count(&store),
            1,
            "a check still holds the store"
        );
        drop(store);
    }
}
