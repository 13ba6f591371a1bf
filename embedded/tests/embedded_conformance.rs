//! The embedded store keeps what every store must. What counts as failure is said at the head of each module of the suite.

mod support;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_embedded::register::{EmbeddedRegister, RegisterOptions};
use sistema_ts_model::Clock;
use sistema_ts_store::conformance::names::Names;
use sistema_ts_store::conformance::register::RegisterFactory;
use sistema_ts_store::conformance::{Ability, StoreFactory, run_in_one_place};
use sistema_ts_store::failing::FailingStore;
use sistema_ts_store::register::{NoJournal, Register, RegisterJournal, RegisterKey};
use sistema_ts_store::{AccessArchive, Store};
use tokio::sync::Mutex;

use support::place::Place;

sistema_ts_store::conformance_suite!(Place::new());

/// One place of all checks. A second process is refused by the lock of the folder, so that the engine is opened once, with one clock: two servers are two
/// ways to it, and share what it keeps in memory.
struct OnePlace {
    place: Arc<Place>,
    number: u32,
    engine: Mutex<Weak<dyn Store>>,
}

#[async_trait]
impl StoreFactory for OnePlace {
    fn lacks(&self) -> &[Ability] {
        &[Ability::EmptyPlace, Ability::OwnClocks]
    }

    fn number(&self) -> u32 {
        self.number
    }

    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let mut engine = self.engine.lock().await;
        let opened = match engine.upgrade() {
            Some(opened) => opened,
            None => StoreFactory::open(&*self.place, clock).await,
        };
        *engine = Arc::downgrade(&opened);
        Arc::new(FailingStore::over(opened))
    }

    fn archive(&self) -> Box<dyn AccessArchive> {
        self.place.archive()
    }

    async fn close(&self, store: Arc<dyn Store>) {
        self.place.close(store).await;
    }
}

/// No check needs an empty store, or knows which of two servers it asks.
#[test]
fn every_check_holds_in_one_place_that_all_share_in_any_order_over_two_servers() {
    let place = Arc::new(Place::new());
    run_in_one_place(|number| OnePlace {
        place: Arc::clone(&place),
        number,
        engine: Mutex::new(Weak::<FailingStore>::new()),
    });
}

/// One register of all checks, which run beside one another: none needs an empty one.
struct OneRegister {
    _folder: tempfile::TempDir,
    data: PathBuf,
    key: Arc<RegisterKey>,
    names: Names,
}

/// A way to it.
struct ToRegister(&'static OneRegister);

impl ToRegister {
    fn new() -> Self {
        static ONE: LazyLock<OneRegister> = LazyLock::new(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let key = RegisterKey::create(&folder.path().join("key")).expect("a key");
            let data = folder.path().join("data");
            EmbeddedRegister::create(&data, &key).expect("a register");
            OneRegister {
                data,
                _folder: folder,
                key: Arc::new(key),
                names: Names::default(),
            }
        });
        Self(&ONE)
    }

    fn opened(
        &self,
        journal: Arc<dyn RegisterJournal>,
        poll_interval: Option<Duration>,
    ) -> Arc<dyn Register> {
        let options = RegisterOptions {
            poll_interval,
            ..RegisterOptions::default()
        };
        let key = Arc::clone(&self.0.key);
        let opened = EmbeddedRegister::open(&self.0.data, key, journal, options);
        Arc::new(opened.expect("the register opens"))
    }
}

#[async_trait]
impl RegisterFactory for ToRegister {
    fn names(&self) -> &Names {
        &self.0.names
    }

    async fn open(&self, journal: Arc<dyn RegisterJournal>) -> Arc<dyn Register> {
        self.opened(journal, None)
    }

    async fn open_watching(&self) -> Arc<dyn Register> {
        self.opened(Arc::new(NoJournal), Some(Duration::from_millis(10)))
    }
}

mod register {
    use super::ToRegister;

    sistema_ts_store::register_suite!(ToRegister::new());
}
