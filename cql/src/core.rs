//! What every operation of the store needs.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand;
use chrono::NaiveDate;
use sistema_ts_model::{CUN_LIFE_MILLIS, Clock, Moment, Timestamp};
use sistema_ts_store::Pseudonyms;
use sistema_ts_store::keys::{DayKey, KeyError, KeyRing};
use sistema_ts_store::trusted_time::Horizon;
use tokio::sync::{Mutex as Queue, MutexGuard, Semaphore};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::noted_hours::NotedHours;
use crate::options::CqlOptions;
use crate::statement::Statement;
use crate::ticket::Tickets;

/// How many queues there are: of two keys at once hardly ever both wait in one.
const QUEUES: usize = 1_024;

/// Queues by key, within this server: of those who would change the same row by conditional writes one goes after another, so that the nodes see
/// as many at once as there are servers. It makes nothing right that would be wrong without it.
pub(crate) struct Queues {
    queues: Box<[Queue<()>]>,
    hasher: RandomState,
}

impl Queues {
    fn new() -> Self {
        Self {
            queues: (0..QUEUES).map(|_| Queue::new(())).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until nobody else of this server is at this key.
    pub(crate) async fn at(&self, key: impl Hash) -> MutexGuard<'_, ()> {
        self.of(key).lock().await
    }

    /// The same, if nobody else is there now.
    pub(crate) fn at_once(&self, key: impl Hash) -> Option<MutexGuard<'_, ()>> {
        self.of(key).try_lock().ok()
    }

    fn of(&self, key: impl Hash) -> &Queue<()> {
        // A remainder below the number of queues.
        let number = self.hasher.hash_one(key) % QUEUES as u64;
        &self.queues[number as usize]
    }
}

/// What every operation needs.
pub(crate) struct Core {
    pub(crate) cluster: Cluster,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: CqlOptions,
    pub(crate) pseudonyms: Pseudonyms,
    /// Places for operations at once.
    pub(crate) places: Semaphore,
    /// Of keys of requests.
    pub(crate) receipts: Queues,
    /// Of codes, whose lives change.
    pub(crate) lives: Queues,
    /// Of callers and codes, whose guesses are counted.
    pub(crate) guesses: Queues,
    /// Guesses of this server's that have not ended.
    pub(crate) tickets: Tickets,
    /// The hours that this server has noted for the archive of access records.
    pub(crate) noted_hours: NotedHours,
    /// The hour through which the access records of submissions are copied, as far as this server knows.
    pub(crate) copied_through: AtomicI32,
    last_time: AtomicI64,
    horizon: AtomicI64,
    begun_days: Mutex<BTreeSet<NaiveDate>>,
    /// The day, since 1970, on which the keys of all days were last found to be those of the other servers.
    pub(crate) keys_compared_on: AtomicI32,
}

impl Core {
    pub(crate) async fn open(
        cluster: Cluster,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        options: CqlOptions,
    ) -> Result<Self, Failure> {
        let pseudonyms = pseudonyms(&cluster).await?;
        Ok(Self {
            cluster,
            keys,
            clock,
            pseudonyms,
            places: Semaphore::new(options.settings.maximum_operations),
            options,
            receipts: Queues::new(),
            lives: Queues::new(),
            guesses: Queues::new(),
            tickets: Tickets::default(),
            noted_hours: NotedHours::new(),
            copied_through: AtomicI32::new(i32::MIN),
            last_time: AtomicI64::new(i64::MIN),
            horizon: AtomicI64::new(i64::MIN),
            begun_days: Mutex::default(),
            keys_compared_on: AtomicI32::new(i32::MIN),
        })
    }

    /// The time by this server's clock: never before one that it has given already.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now().millis();
        let last = self.last_time.fetch_max(now, Ordering::SeqCst);
        Timestamp::from_millis_clamped(now.max(last))
    }

    /// How far erasures have been allowed to go by the last sweep.
    pub(crate) fn horizon(&self) -> Timestamp {
        Timestamp::from_millis_clamped(self.horizon.load(Ordering::SeqCst))
    }

    /// A sweep begins.
    pub(crate) fn set_horizon(&self, horizon: Horizon) {
        self.horizon
            .store(horizon.time().millis(), Ordering::SeqCst);
    }

    /// That time, for a code's life.
    pub(crate) fn moment(&self) -> Moment {
        Moment {
            now: self.now(),
            clock_error_millis: self.options.clock_error_millis,
        }
    }

    /// Whether a test is kept still that was inserted at `time`.
    pub(crate) fn is_kept(&self, time: Timestamp) -> bool {
        time.plus_millis(self.options.retention_millis) > self.now()
    }

    /// Whether a code still lives that was issued at `time`, and with it what its request's key stands for.
    pub(crate) fn lives(&self, time: Timestamp) -> bool {
        time.plus_millis(CUN_LIFE_MILLIS) > self.now()
    }

    /// The key of a day that is to have tests: that of all servers, or none.
    pub(crate) async fn begin_day(&self, day: NaiveDate) -> Result<Arc<DayKey>, Failure> {
        let key = self.keys.day(day)?;
        let is_begun = || {
            self.begun_days
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if is_begun().contains(&day) {
            return Ok(key);
        }
        self.bring_check_value(&key).await?;
        is_begun().insert(day);
        Ok(key)
    }

    /// Brings the check value of a day's key, or compares it with the one that is there.
    pub(crate) async fn bring_check_value(&self, key: &DayKey) -> Result<(), Failure> {
        let (day, check_value) = (key.day(), key.check_value());
        let values = (day.to_epoch_days(), check_value.as_slice());
        let decided = self.cluster.decide(Statement::BeginDay, values).await?;
        match decided.applied || decided.bytes("check_value") == Some(&check_value) {
            true => Ok(()),
            false => Err(KeyError::Differs { day }.into()),
        }
    }
}

/// The pseudonyms' key, which the first server makes.
async fn pseudonyms(cluster: &Cluster) -> Result<Pseudonyms, Failure> {
    const NAME: &str = "pseudonyms";
    let stored: Option<(Vec<u8>,)> = cluster.read_one(Statement::ReadSecret, (NAME,)).await?;
    if let Some((key,)) = stored {
        return Ok(Pseudonyms::under(&key));
    }
    let mut key = vec![0; Pseudonyms::KEY_LENGTH];
    rand::fill(&mut key).map_err(|_| KeyError::Crypto)?;
    let decided = cluster.decide(Statement::MakeSecret, (NAME, &key)).await?;
    if decided.applied {
        return Ok(Pseudonyms::under(&key));
    }
    let stored = decided.bytes("value");
    Ok(Pseudonyms::under(
        stored.ok_or(Failure::Corrupt("a secret of the store"))?,
    ))
}
