//! The embedded store as its callers have it: opened, closed, asked.

use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use sistema_ts_model::{CUN_LIFE_MILLIS, Clock};
use tokio::sync::oneshot;

use super::access::{AccessJob, Archive, Keeper};
use super::failure::Failure;
use super::files::{Files, Opened, WriteMode};
use super::job::{self, Reply};
use super::log::{LogCare, Mover};
use super::options::EmbeddedOptions;
use super::queue::{Lane, Queue};
use super::readers::Readers;
use super::recovery;
use super::schema;
use super::shared::{Shared, Start};
use super::writer::{Writer, WriterStart};
use crate::error::StoreError;
use crate::keys::KeyRing;

/// A store in SQLite files of one folder, for one process.
pub struct EmbeddedStore {
    pub(super) shared: Arc<Shared>,
    pub(super) files: Files,
    pub(super) lookups: Readers,
    pub(super) listings: Readers,
    pub(super) access: Arc<Queue<AccessJob>>,
    writer: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    /// Keeps other processes out of the folder.
    _lock: File,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("folder", &self.shared.options.folder)
            .finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store, completing first what a crash may have left half done. Blocks; within a second for a store of any size.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if another process has the folder or the disk fails, [`StoreError::KeyMissing`] if `keys` is
    /// not the ring that the live data were written with, [`StoreError::Corrupt`] if a file is damaged or of another version.
    pub fn open(
        options: EmbeddedOptions,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
    ) -> Result<EmbeddedStore, StoreError> {
        if options.retention_millis < CUN_LIFE_MILLIS {
            return Err(StoreError::Invalid {
                what: "tests must be kept at least as long as their codes live",
            });
        }
        let files = Files::new(&options.folder, options.vfs.clone());
        let lock = files.take()?;
        files.check_complete()?;
        let mode = WriteMode {
            exclusive: false,
            cache_kib: options.cache_kib,
        };
        let (tests, log) = files.open_writer(&files.tests(), mode)?;
        schema::prepare_tests(&tests)?;
        let receipt_hash = recovery::receipt_hash_key(&tests)?;
        let mut start = recovery::recover(&tests, &files, &options, &keys, clock.now())?;
        let lookups = Readers::open(
            &files,
            "the queue of look-ups",
            options.lookup_threads,
            options.queue_capacity,
        )?;
        let listings = Readers::open(
            &files,
            "the queue of listings",
            options.listing_threads,
            options.queue_capacity,
        )?;
        let mut archive = Archive::new(files.clone());
        let copied_row = archive.copied_through()?;
        // The archive of access records is in no backup: a restored file of tests may be older than it. No number is given again whose
        // submission it holds already, else the new submission would be taken for copied.
        start.last_row = start.last_row.max(copied_row);
        let later_days = recovery::days_after(&tests, start.last_inserted)?;
        let shared_start = Start {
            later_days,
            last_row: start.last_row,
            last_inserted: start.last_inserted.millis(),
            copied_row,
            receipt_hash,
        };
        let shared = Arc::new(Shared::new(
            options,
            clock,
            keys,
            start.codes.reader(),
            start.receipts.reader(),
            shared_start,
        ));
        let mover = Mover::spawn(shared.clone(), files.open_log_mover(&files.tests())?)?;
        let writer = spawn_writer(shared.clone(), tests, start, LogCare::new(log, mover))?;
        let access = Arc::new(Queue::new(
            "the queue of access records",
            shared.options.queue_capacity,
        ));
        let mut store = EmbeddedStore {
            shared,
            files,
            lookups,
            listings,
            access,
            writer: Some(writer),
            keeper: None,
            _lock: lock,
        };
        store.keeper = Some(store.spawn_keeper(archive)?);
        Ok(store)
    }

    /// Runs `work` in the writer's next transaction and answers once that is committed.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.submit(lane, job::task(work, reply))?;
        self.answer(answer).await
    }

    fn spawn_keeper(&self, archive: Archive) -> Result<JoinHandle<()>, StoreError> {
        let tests = self.files.open_reader(&self.files.tests(), 1_024)?;
        let tests_file =
            Opened::note(self.files.tests()).map_err(|error| StoreError::Unavailable {
                reason: format!("the file of tests cannot be looked at: {error}"),
            })?;
        let mut keeper = Keeper::new(
            self.shared.clone(),
            self.access.clone(),
            archive,
            (tests, tests_file),
        );
        let guard = ThreadGuard {
            shared: self.shared.clone(),
            access: Some(self.access.clone()),
            reason: "the thread of access records panicked",
        };
        std::thread::Builder::new()
            .name("store-access".to_owned())
            .spawn(move || {
                let _guard = guard;
                keeper.run();
            })
            .map_err(|error| StoreError::Unavailable {
                reason: format!("no thread for access records: {error}"),
            })
    }

    /// Hands a job to the keeper of access records and waits for its answer.
    pub(super) async fn ask_keeper<T>(
        &self,
        job: impl FnOnce(Reply<T>) -> AccessJob,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.access.push(Lane::Usual, job(reply))?;
        self.answer(answer).await
    }

    /// Waits for the writer's answer.
    pub(super) async fn answer<T>(
        &self,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match answer.await {
            Ok(result) => result,
            Err(_) => {
                // The writer dropped the job, because it failed for good or its thread died: what became of it is not known.
                let reason = self
                    .shared
                    .failure()
                    .unwrap_or("the writer has stopped")
                    .to_owned();
                Err(StoreError::UnknownOutcome { reason })
            }
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.access.close();
        self.shared.writer.close();
        for thread in [self.keeper.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            // A thread that panicked has said so through its guard.
            let _ = thread.join();
        }
    }
}

fn spawn_writer(
    shared: Arc<Shared>,
    tests: Connection,
    start: WriterStart,
    log: LogCare,
) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || {
            let _guard = ThreadGuard {
                shared: shared.clone(),
                access: None,
                reason: "the writer's thread panicked",
            };
            match Writer::new(shared.clone(), &tests, start, log) {
                Ok(mut writer) => writer.run(),
                Err(error) => shared.fail(format!("the writer could not start: {}", StoreError::from(error))),
            }
            if shared.failure().is_none()
                && let Err(error) = tests.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            {
                tracing::warn!(reason = %StoreError::from(error), "the file of tests was not closed cleanly");
            }
        })
        .map_err(|error| StoreError::Unavailable { reason: format!("no thread for the writer: {error}") })
}

/// Tells everybody when a thread of the store ends by a panic, and drops what waits for that thread, which answers its callers.
struct ThreadGuard {
    shared: Arc<Shared>,
    /// The queue that the thread serves, but for the writer's, which every failure empties.
    access: Option<Arc<Queue<AccessJob>>>,
    reason: &'static str,
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(self.reason.to_owned());
            if let Some(access) = &self.access {
                access.abandon();
            }
        }
    }
}
