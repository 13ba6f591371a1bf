//! Two servers, of which the first loses a statement.

use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sistema_ts_cql::faults::{Fault, Lateness};
use sistema_ts_cql::{CqlOptions, CqlSettings, CqlStore};
use sistema_ts_model::{Clock, Cun, FirstSymbol, SystemClock, Timestamp};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples::structure_id;
use sistema_ts_store::{ListingRequest, ListingScope, ReservedCun, Store, StoreError};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::{FAULTS, support};

/// No operation with a lost statement takes longer: the test loses them at once, without a time limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the first server said: none if it died on the way.
pub type Said<T> = Option<Result<T, StoreError>>;

/// Whether an answer, or an error, allows that something was done.
pub fn may_be_done<T>(said: &Said<T>) -> bool {
    match said {
        Some(Err(error)) => !error.had_no_effect(),
        Some(Ok(_)) | None => true,
    }
}

pub struct World {
    runtime: Runtime,
    settings: CqlSettings,
    folder: TempDir,
    first: Mutex<Arc<CqlStore>>,
    second: Arc<CqlStore>,
    pub clock: SystemClock,
    people: AtomicU32,
}

impl World {
    /// Runs a test on keyspaces of its own, if there is a node.
    pub fn on_a_node(name: &str, test: impl FnOnce(&World)) {
        let Some(settings) = support::new_keyspaces(name) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock;
        let ring = |server: usize| folder.path().join(format!("day-keys-{server}"));
        KeyRing::create(&ring(0), clock.now().rome_day()).unwrap();
        std::fs::copy(ring(0), ring(1)).unwrap();
        let runtime = Runtime::new().unwrap();
        let world = World {
            first: Mutex::new(open(&settings, folder.path(), 0)),
            second: open(&settings, folder.path(), 1),
            runtime,
            settings,
            folder,
            clock,
            people: AtomicU32::new(0),
        };
        test(&world);
    }

    pub fn block_on(&self, work: impl Future<Output = ()>) {
        self.runtime.block_on(work);
    }

    /// The server that has no trouble.
    pub fn second(&self) -> &Arc<CqlStore> {
        &self.second
    }

    /// A person, and a structure, of whom nothing is there yet.
    pub fn next_person(&self) -> u32 {
        self.people.fetch_add(1, Ordering::SeqCst)
    }

    pub async fn reserve(&self) -> ReservedCun {
        let symbol = FirstSymbol::from_index(3).unwrap();
        self.second.reserve(symbol, 1).await.unwrap()[0]
    }

    /// The codes of a structure's tests, as they are listed.
    pub async fn listed(&self, structure: u32) -> Vec<Cun> {
        let mark = self.second.listing_mark().await.unwrap();
        let request = ListingRequest {
            scope: ListingScope::Structure(structure_id(structure)),
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            mark,
            after: None,
            limit: 100,
        };
        let page = self.second.list_page(request).await.unwrap();
        page.tests.into_iter().map(|test| test.cun).collect()
    }

    /// Goes through every statement of an operation, and everything that can become of it. `operation` is asked of the first server, on what `prepare`
    /// gives; `judge` looks at what was said with the second, and again when what was late has arrived.
    pub async fn each_statement<P, T, Prepare, Operation, Judge>(
        &self,
        name: &str,
        prepare: Prepare,
        operation: Operation,
        judge: Judge,
    ) where
        P: Clone + Send + Sync + 'static,
        T: Debug + Send + 'static,
        Prepare: AsyncFn(&World) -> P,
        Operation:
            Fn(Arc<CqlStore>, P) -> futures_util::future::BoxFuture<'static, Result<T, StoreError>>,
        Judge: AsyncFn(&World, &P, &Said<T>, &dyn Fn(&str) -> String, Lateness),
    {
        let mut tried = 0;
        for fault in FAULTS {
            for place in 0.. {
                let prepared = prepare(self).await;
                let (said, lateness, lost) = self.lose(place, fault, &operation, &prepared).await;
                let Some(statement) = lost else {
                    assert!(place > 0, "{name} sends no statement");
                    break;
                };
                let told = |what: &str| {
                    format!("{name}, {fault:?} at {statement} ({place}), said {said:?}: {what}")
                };
                judge(self, &prepared, &said, &told, lateness).await;
                tried += 1;
            }
        }
        support::say(&format!("{name}: {tried} statements lost"));
    }

    /// Asks the first server, whose statement at `place` meets the fault: what it said, how what is late arrives, and which statement it was.
    async fn lose<P: Clone, T: Send + 'static>(
        &self,
        place: usize,
        fault: Fault,
        operation: &impl Fn(
            Arc<CqlStore>,
            P,
        ) -> futures_util::future::BoxFuture<'static, Result<T, StoreError>>,
        prepared: &P,
    ) -> (Said<T>, Lateness, Option<&'static str>) {
        let first = Arc::clone(&self.first.lock().unwrap());
        let (sent, lost) = (AtomicUsize::new(0), Arc::new(Mutex::new(None)));
        let died = Arc::new(Notify::new());
        let (noted, dying) = (Arc::clone(&lost), Arc::clone(&died));
        let ends = matches!(fault, Fault::EndsBefore | Fault::EndsAfter);
        let lateness = first.intercept(Some(Arc::new(move |statement| {
            if sent.fetch_add(1, Ordering::SeqCst) != place {
                return Fault::Nothing;
            }
            *noted.lock().unwrap() = Some(statement.name());
            if ends {
                dying.notify_one();
            }
            fault
        })));
        let asked = tokio::spawn(operation(Arc::clone(&first), prepared.clone()));
        let mut asked = asked;
        let said = tokio::select! {
            said = &mut asked => Some(said.unwrap()),
            () = died.notified() => {
                asked.abort();
                None
            }
            () = tokio::time::sleep(PATIENCE) => panic!("an operation does not end"),
        };
        first.intercept(None);
        if ends {
            // A server that died begins anew.
            *self.first.lock().unwrap() = open(&self.settings, self.folder.path(), 0);
        }
        let lost = *lost.lock().unwrap();
        (said, lateness, lost)
    }
}

fn open(settings: &CqlSettings, folder: &Path, server: usize) -> Arc<CqlStore> {
    let data = folder.join(format!("server-{server}"));
    let options = CqlOptions::of(settings.clone(), data);
    let keys = support::ring_of(folder, server);
    Arc::new(CqlStore::open(options, keys, Arc::new(SystemClock)).unwrap())
}
