//! The store, opened.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sistema_ts_model::{
    ClaimId, Clock, CodiceFiscale, Condition, Cun, FirstSymbol, Life, NewClaim, PostOutcome,
    SessionId, Settlement,
};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::trusted_time::{Horizon, NotedTime};
use sistema_ts_store::{
    AccessPage, AccessQuery, AccessRecord, AslOtpAdmission, Batch, CancelOutcome, CancelTest,
    ClaimOutcome, ClaimUnlock, ConcludeOutcome, Confirmation, CountAslOtp, Expired, FolderLock,
    Forgiveness, Guess, GuessAdmission, GuessTicket, ListingMark, ListingPage, ListingRequest,
    NewTest, OpenOutcome, OpenSession, PatientView, PersonClaim, PersonOutcome, Readiness,
    RecordOutcome, ReservedCun, SessionView, SettleUnlock, Store, StoreError, StoreToken, TestView,
};

use crate::cluster::Cluster;
use crate::connecting::ConnectError;
use crate::core::Core;
use crate::failure::Failure;
#[cfg(feature = "faults")]
use crate::faults::{Aftermath, Fault};
use crate::health;
use crate::options::CqlOptions;
use crate::roles::Role;
use crate::statement::Statement;
use crate::threads::Threads;

/// A store over ScyllaDB or Apache Cassandra. Any number of servers may have it open.
pub struct CqlStore {
    core: Arc<Core>,
    threads: Arc<Threads>,
    /// Of this server's folder, until the store is closed.
    lock: Mutex<Option<FolderLock>>,
}

impl CqlStore {
    /// Connects to the cluster, whose schema is there. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another process has this server's folder, no node can be used, or the schema is not of this version.
    pub fn open(
        options: CqlOptions,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let lock = FolderLock::take(&options.data_folder)?;
        let threads = Threads::start("cql", options.settings.threads)?;
        let opening = async {
            let cluster = Cluster::open(&options.settings, Role::Server).await?;
            Ok::<_, StoreError>(Core::open(cluster, keys, clock, options).await?)
        };
        let core = threads.block_on(opening)?;
        Ok(Self {
            core: Arc::new(core),
            threads: Arc::new(threads),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// How often each statement was sent since the store was opened, repetitions by the driver not counted.
    #[must_use]
    pub fn statements_sent(&self) -> Vec<(Statement, u64)> {
        self.core.cluster.sent()
    }

    /// Has a test decide what becomes of each statement from now on; none: all are sent and answered.
    #[cfg(feature = "faults")]
    pub fn intercept(
        &self,
        decide: Option<Arc<dyn Fn(Statement) -> Fault + Send + Sync>>,
    ) -> Aftermath {
        self.core.cluster.interception.set(decide)
    }

    /// The server as it begins after its death: with nothing in its memory, over the same connections. Blocks.
    ///
    /// # Errors
    /// As [`CqlStore::open`].
    #[cfg(feature = "faults")]
    pub fn begin_anew(&self) -> Result<Self, StoreError> {
        let core = &self.core;
        let (cluster, keys) = (core.cluster.again(), Arc::clone(&core.keys));
        let (clock, options) = (Arc::clone(&core.clock), core.options.clone());
        let opening =
            async { Ok::<_, StoreError>(Core::open(cluster, keys, clock, options).await?) };
        let core = self.threads.block_on(opening)?;
        Ok(Self {
            core: Arc::new(core),
            threads: Arc::clone(&self.threads),
            // Its death gives the folder up.
            lock: Mutex::new(self.take_lock()),
        })
    }

    fn take_lock(&self) -> Option<FolderLock> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.take()
    }

    /// Carries an operation out on the store's threads, if there is a place for it.
    async fn run<T, F>(
        &self,
        operation: impl FnOnce(Arc<Core>) -> F + Send,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let core = Arc::clone(&self.core);
        if core.places.is_closed() {
            return Err(stopped());
        }
        if core.places.available_permits() == 0 {
            return Err(StoreError::Overloaded {
                what: "operations on the cluster",
            });
        }
        let operation = operation(Arc::clone(&core));
        let task = self.threads.spawn(async move {
            let Ok(_place) = core.places.acquire().await else {
                return Err(Failure::Store(stopped()));
            };
            operation.await
        });
        match task.await {
            Ok(result) => result.map_err(StoreError::from),
            // It has panicked, or the store was dropped under it.
            Err(_) => Err(StoreError::UnknownOutcome {
                reason: "an operation on the cluster has not ended".to_owned(),
            }),
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable {
        reason: "the store is shutting down".to_owned(),
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        StoreError::Unavailable {
            reason: error.to_string(),
        }
    }
}

#[async_trait]
impl Store for CqlStore {
    async fn reserve(
        &self,
        first: FirstSymbol,
        count: usize,
    ) -> Result<Vec<ReservedCun>, StoreError> {
        let mut generator = ::rand::rng();
        let draw = |_| ReservedCun {
            cun: Cun::random_with_first(first, &mut generator),
            // Whether it is free is found out when it is used.
            proof: StoreToken::default(),
        };
        Ok((0..count).map(draw).collect())
    }

    async fn record_tests(
        &self,
        tests: Batch<NewTest>,
    ) -> Batch<Result<RecordOutcome, StoreError>> {
        let records = tests
            .into_iter()
            .map(|test| self.run(|core| async move { core.record(&test).await }));
        futures_util::future::join_all(records)
            .await
            .into_iter()
            .collect()
    }

    async fn find_test(&self, cun: Cun) -> Result<Option<TestView>, StoreError> {
        self.run(move |core| async move { core.find_test(cun).await })
            .await
    }

    async fn find_by_digest(&self, digest: [u8; 32]) -> Result<Option<TestView>, StoreError> {
        self.run(move |core| async move { core.find_by_digest(&digest).await })
            .await
    }

    async fn find_patient(&self, cun: Cun) -> Result<Option<PatientView>, StoreError> {
        self.run(move |core| async move { core.find_patient(cun).await })
            .await
    }

    async fn begin_guess(&self, guess: Guess) -> Result<GuessAdmission, StoreError> {
        self.run(move |core| async move { core.begin_guess(&guess).await })
            .await
    }

    async fn fail_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        self.core.fail_guess(ticket);
        Ok(())
    }

    async fn return_guess(&self, ticket: &GuessTicket) -> Result<(), StoreError> {
        // What has ended, or was lost, stays as it is.
        let Some(raised) = self.core.tickets.end(ticket) else {
            return Ok(());
        };
        self.run(move |core| async move { core.return_guess(raised).await })
            .await
    }

    async fn forgive_code(&self, cun: Cun) -> Result<Forgiveness, StoreError> {
        self.run(move |core| async move { core.forgive_code(cun).await })
            .await
    }

    async fn open_session(&self, session: OpenSession) -> Result<OpenOutcome, StoreError> {
        self.run(move |core| async move { core.open_session(&session).await })
            .await
    }

    async fn find_session(&self, session: SessionId) -> Result<Option<SessionView>, StoreError> {
        self.run(move |core| async move { core.find_session(session).await })
            .await
    }

    async fn claim_unlock(&self, claim: ClaimUnlock) -> Result<ClaimOutcome, StoreError> {
        self.run(move |core| async move { core.claim_unlock(&claim).await })
            .await
    }

    async fn settle_unlock(&self, settlement: SettleUnlock) -> Result<Settlement, StoreError> {
        self.run(move |core| async move { core.settle_unlock(settlement).await })
            .await
    }

    async fn confirm(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        self.run(move |core| async move { core.conclude(&confirmation, Life::confirm).await })
            .await
    }

    async fn annul(&self, confirmation: Confirmation) -> Result<ConcludeOutcome, StoreError> {
        self.run(move |core| async move { core.conclude(&confirmation, Life::annul).await })
            .await
    }

    async fn cancel(&self, cancellation: CancelTest) -> Result<CancelOutcome, StoreError> {
        self.run(move |core| async move { core.cancel(&cancellation).await })
            .await
    }

    async fn count_asl_otp(&self, wish: CountAslOtp) -> Result<AslOtpAdmission, StoreError> {
        self.run(move |core| async move { core.count_asl_otp(&wish).await })
            .await
    }

    async fn claim_person(
        &self,
        fiscal_code: CodiceFiscale,
        claim: NewClaim,
    ) -> Result<PersonOutcome, StoreError> {
        self.run(move |core| async move { core.claim_person(&fiscal_code, claim).await })
            .await
    }

    async fn settle_person(
        &self,
        person: PersonClaim,
        claim: ClaimId,
        outcome: PostOutcome,
    ) -> Result<usize, StoreError> {
        self.run(move |core| async move { core.settle_person(&person, claim, outcome).await })
            .await
    }

    async fn expire_due(&self, limit: usize, horizon: Horizon) -> Result<Expired, StoreError> {
        self.run(move |core| async move { core.expire_due(limit, horizon).await })
            .await
    }

    async fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
        self.run(move |core| async move { core.noted_time().await })
            .await
    }

    async fn note_time(&self, time: NotedTime) -> Result<(), StoreError> {
        self.run(move |core| async move { core.note_time(time).await })
            .await
    }

    async fn listing_mark(&self) -> Result<ListingMark, StoreError> {
        Ok(self.core.listing_mark())
    }

    async fn list_page(&self, request: ListingRequest) -> Result<ListingPage, StoreError> {
        self.run(|core| async move { core.list_page(&request).await })
            .await
    }

    async fn record_access(&self, record: AccessRecord) -> Result<(), StoreError> {
        self.run(|core| async move { core.record_access(&record).await })
            .await
    }

    async fn search_access(&self, query: AccessQuery) -> Result<AccessPage, StoreError> {
        self.run(|core| async move { core.search_access(&query).await })
            .await
    }

    async fn readiness(&self) -> Readiness {
        // It needs no place among the operations: those may all be waiting for the nodes.
        let core = Arc::clone(&self.core);
        let looking = self
            .threads
            .spawn(async move { health::readiness(&core).await });
        looking.await.unwrap_or_else(|_| {
            let mut readiness = Readiness::default();
            readiness.add(Condition::StoreNotWriting, "the look has not ended");
            readiness
        })
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.core.places.close();
        drop(self.take_lock());
        Ok(())
    }
}
