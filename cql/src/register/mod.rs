//! The register over CQL: one partition, whose version each change raises, on the condition that it is the one that the change was judged by.
//!
//! A server reads the version at each interval, and then what was touched since. What is kept of a person (a sealed fiscal code, a credential's
//! hash) lies apart from the entries, in a table of plain writes from which it is erased by hand.

mod entry;
mod judging;
mod reading;
mod state;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use sistema_ts_store::register::{
    Act, Register, RegisterChange, RegisterError, RegisterJournal, RegisterKey, RegisterSnapshot,
};
use tokio::sync::{Mutex, Semaphore};

use self::entry::Key;
use self::state::State;
use crate::cluster::Cluster;
use crate::connecting::ConnectError;
use crate::failure::Failure;
use crate::roles::Role;
use crate::settings::CqlSettings;
use crate::statement::Statement;
use crate::tables::Keyspace;
use crate::threads::Threads;

/// So many changes and looks may wait for each other in one process.
const QUEUE: usize = 256;
/// So many looks may fail one after another before the snapshot counts as old.
const MOST_FAILURES: u32 = 2;

/// What the register's threads share.
struct Shared {
    cluster: Cluster,
    key: Arc<RegisterKey>,
    journal: Arc<dyn RegisterJournal>,
    /// Where it is, for people.
    place: String,
    state: Mutex<State>,
    snapshot: ArcSwap<RegisterSnapshot>,
    /// Looks that have failed since the last that succeeded.
    failures: AtomicU32,
    in_place: AtomicBool,
    turns: Semaphore,
}

impl Shared {
    fn publish(&self, state: &State, touched: Option<&[Key]>) -> Result<(), RegisterError> {
        let snapshot = state.snapshot(&self.snapshot.load(), touched)?;
        self.snapshot.store(Arc::new(snapshot));
        Ok(())
    }

    fn note_in_place(&self, is: bool) {
        self.in_place.store(is, Ordering::Release);
    }

    fn is_current(&self) -> bool {
        self.failures.load(Ordering::Acquire) < MOST_FAILURES
    }

    async fn look(&self) -> Result<(), RegisterError> {
        let mut state = self.state.lock().await;
        let looked = self.catch_up(&mut state).await;
        drop(state);
        match &looked {
            Ok(()) => {
                let failures = self.failures.swap(0, Ordering::AcqRel);
                if failures >= MOST_FAILURES {
                    tracing::info!("the register can be read again");
                }
            }
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::AcqRel) + 1;
                if failures == MOST_FAILURES {
                    let serves = self.in_place.load(Ordering::Acquire);
                    tracing::error!(%error, serves, "the register cannot be read");
                }
            }
        }
        looked
    }

    async fn watch(&self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Its outcome is in the count of failures.
            let _ = self.look().await;
        }
    }
}

/// The register of a store over CQL. Any number of servers and commands may have it open.
pub struct CqlRegister {
    shared: Arc<Shared>,
    watch: Option<tokio::task::JoinHandle<()>>,
    threads: Threads,
}

impl std::fmt::Debug for CqlRegister {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CqlRegister(..)")
    }
}

impl CqlRegister {
    /// Makes a new, empty register. Blocks.
    ///
    /// # Errors
    /// [`RegisterError::AlreadyMade`] if there is one already.
    pub fn create(settings: &CqlSettings, key: &RegisterKey) -> Result<(), RegisterError> {
        let (threads, cluster) = open_cluster(settings)?;
        let check = key.check_value();
        let values = (check.as_slice(),);
        let made = threads.block_on(cluster.decide(Statement::MakeRegister, values));
        let made = made.map_err(|error| RegisterError::UnknownOutcome(error.to_string()))?;
        match made.applied {
            true => Ok(()),
            false => Err(RegisterError::AlreadyMade(PathBuf::from(Self::place(
                settings,
            )))),
        }
    }

    /// Whether there is a register. Blocks.
    ///
    /// # Errors
    /// [`RegisterError::Unavailable`] if no node can be used.
    pub fn exists(settings: &CqlSettings) -> Result<bool, RegisterError> {
        let (threads, cluster) = open_cluster(settings)?;
        let read =
            cluster.read_one::<(i8, Option<i64>, Option<Vec<u8>>)>(Statement::ReadVersion, ());
        let found = threads.block_on(read).map_err(unavailable)?;
        Ok(found.is_some_and(|(_, version, _)| version.is_some()))
    }

    /// Where the register of an installation is, for people.
    #[must_use]
    pub fn place(settings: &CqlSettings) -> String {
        let (prefix, name) = (&settings.keyspace_prefix, Keyspace::Register.name());
        format!("keyspace {prefix}_{name}")
    }

    /// Opens the register and reads it whole. What others change is looked for every `poll_interval`; a command that ends at once has none. `journal`
    /// hears of the changes that are made through what is opened here. Blocks.
    ///
    /// # Errors
    /// [`RegisterError::NotMade`], [`RegisterError::WrongKey`], [`RegisterError::Corrupt`], [`RegisterError::Unavailable`].
    pub fn open(
        settings: &CqlSettings,
        key: Arc<RegisterKey>,
        journal: Arc<dyn RegisterJournal>,
        poll_interval: Option<Duration>,
    ) -> Result<Self, RegisterError> {
        let (threads, cluster) = open_cluster(settings)?;
        let shared = Arc::new(Shared {
            cluster,
            key,
            journal,
            place: Self::place(settings),
            state: Mutex::default(),
            snapshot: ArcSwap::default(),
            failures: AtomicU32::new(0),
            in_place: AtomicBool::new(false),
            turns: Semaphore::new(QUEUE),
        });
        threads.block_on(shared.look())?;
        let watch = poll_interval.map(|interval| {
            let shared = Arc::clone(&shared);
            threads.spawn(async move { shared.watch(interval).await })
        });
        Ok(Self {
            shared,
            watch,
            threads,
        })
    }

    /// Has a test decide what becomes of each statement from now on; none: all are sent and answered.
    #[cfg(feature = "faults")]
    pub fn intercept(
        &self,
        decide: Option<Arc<dyn Fn(Statement) -> crate::faults::Fault + Send + Sync>>,
    ) -> crate::faults::Aftermath {
        self.shared.cluster.interception.set(decide)
    }

    /// Carries something out on the register's threads, whatever becomes of whoever asked for it.
    async fn run<F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> Result<(), RegisterError>
    where
        F: Future<Output = Result<(), RegisterError>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        if shared.turns.available_permits() == 0 {
            return Err(RegisterError::Overloaded);
        }
        let work = work(Arc::clone(&shared));
        let task = self.threads.spawn(async move {
            let _turn = shared.turns.acquire().await.map_err(|_| stopped())?;
            work.await
        });
        // It has panicked, or the register was dropped under it.
        let ended = task.await;
        ended.unwrap_or_else(|_| {
            Err(RegisterError::UnknownOutcome(
                "the work on the register has not ended".to_owned(),
            ))
        })
    }
}

fn open_cluster(settings: &CqlSettings) -> Result<(Threads, Cluster), RegisterError> {
    let unavailable = |error: ConnectError| RegisterError::Unavailable(error.to_string());
    let threads = Threads::start("cql-register", 1).map_err(unavailable)?;
    let cluster = threads.block_on(Cluster::open(settings, Role::Server));
    Ok((threads, cluster.map_err(unavailable)?))
}

fn stopped() -> RegisterError {
    RegisterError::Unavailable("it is shutting down".to_owned())
}

/// Nothing was changed: the cluster has not answered a read, or a write that nobody sees alone.
fn unavailable(failure: Failure) -> RegisterError {
    match failure {
        Failure::Corrupt(what) => RegisterError::Corrupt(what),
        Failure::Overloaded { .. } => RegisterError::Overloaded,
        other => RegisterError::Unavailable(format!("the cluster: {other}")),
    }
}

#[async_trait]
impl Register for CqlRegister {
    fn snapshot(&self) -> Arc<RegisterSnapshot> {
        self.shared.snapshot.load_full()
    }

    fn is_current(&self) -> bool {
        // A watch that has ended has panicked: then changes are no longer seen.
        let watch = self.watch.as_ref();
        self.shared.is_current() && watch.is_none_or(|watch| !watch.is_finished())
    }

    fn is_in_place(&self) -> bool {
        self.shared.in_place.load(Ordering::Acquire)
    }

    async fn refresh(&self) -> Result<(), RegisterError> {
        self.run(|shared| async move { shared.look().await }).await
    }

    async fn change(&self, change: RegisterChange, act: Act) -> Result<(), RegisterError> {
        self.run(|shared| async move { shared.change(change, act).await })
            .await
    }
}
