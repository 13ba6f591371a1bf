//! The embedded store as its callers have it: opened, closed, asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use sistema_ts_model::{CUN_LIFE_MILLIS, Clock};
use sistema_ts_store::StoreError;
use sistema_ts_store::keys::KeyRing;
use tokio::sync::oneshot;

use super::access::{AccessJob, Archive, Keeper};
use super::epoch;
use super::failure::Failure;
use super::files::{Files, WriteMode};
use super::job::{self, Answers};
use super::log::{self, LogCare, Mover};
use super::opened::OpenedDatabase;
use super::options::EmbeddedOptions;
use super::queue::{Abandon as _, Lane, Queue, Reply};
use super::readers::Readers;
use super::recovery::{self, WriterStart};
use super::schema;
use super::shared::{Shared, Start};
use super::stock;
use super::tenancy::Tenancy;
use super::writer::{Job, Writer};

/// A store in SQLite files of one folder, for one process.
pub struct EmbeddedStore {
    pub(super) shared: Arc<Shared>,
    writer: Arc<Queue<Job>>,
    pub(super) files: Files,
    pub(super) lookups: Readers,
    pub(super) listings: Readers,
    pub(super) access: Arc<Queue<AccessJob>>,
    threads: Mutex<Option<Threads>>,
    tenancy: Mutex<Option<Tenancy>>,
}

/// The threads that write.
struct Threads {
    writer: Writing,
    keeper: Writing,
}

/// A thread that writes, and what becomes of closing its files.
type Writing = JoinHandle<Result<(), Failure>>;

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
        let epoch_path = epoch::path_beside(keys.path());
        let tenancy = Tenancy::enter(&files, &epoch_path, options.settings.maximum_batch_requests)?;
        match EmbeddedStore::open_in(&tenancy, options, keys, clock) {
            Ok(store) => {
                // Nothing that can panic runs under the lock.
                *store.tenancy.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenancy);
                Ok(store)
            }
            Err(error) => {
                // As it was found: the next start shall not take it for a crash.
                if let Err(second) = tenancy.leave() {
                    tracing::warn!(error = %second, "the data folder was not left in order");
                }
                Err(error.into())
            }
        }
    }

    fn open_in(
        tenancy: &Tenancy,
        options: EmbeddedOptions,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
    ) -> Result<EmbeddedStore, Failure> {
        let files = tenancy.files.clone();
        let mode = WriteMode {
            exclusive: false,
            cache_kib: options.settings.cache_kibibytes,
        };
        let (tests, log) = files.open_writer(&files.tests(), mode)?;
        schema::prepare_tests(&tests)?;
        let pseudonyms = recovery::pseudonyms(&tests)?;
        let mut start = recovery::recover(&tests, tenancy, &options, &keys, clock.now())?;
        let lookups = Readers::open(
            &files,
            "the queue of look-ups",
            options.settings.lookup_threads,
            options.settings.queue_capacity,
        )?;
        let listings = Readers::open(
            &files,
            "the queue of listings",
            options.settings.listing_threads,
            options.settings.queue_capacity,
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
            pseudonyms,
        };
        let queue = Arc::new(Queue::new(
            "the writer's queue",
            options.settings.queue_capacity,
        ));
        let shared = Arc::new(Shared::new(
            options,
            clock,
            keys,
            start.codes.reader(),
            start.receipts.reader(),
            queue.clone(),
            shared_start,
        ));
        let mover = Mover::spawn(files.open_log_mover(&files.tests())?, {
            let shared = shared.clone();
            move |error| shared.checkpoint_failed(error)
        })?;
        let opened =
            OpenedDatabase::note(&files.tests()).map_err(|error| StoreError::Unavailable {
                reason: format!("the file of tests cannot be looked at: {error}"),
            })?;
        let mut log = LogCare::new(log, mover);
        if stock::log_bytes(&files.tests()) > 0 {
            // A crash has left it, perhaps with what was erased shortly before; or an older version's file was brought to this one.
            log.wants_clearing();
        }
        let writer = spawn_writer(shared.clone(), queue.clone(), tests, opened, start, log)?;
        let access = Arc::new(Queue::new(
            "the queue of access records",
            shared.options.settings.queue_capacity,
        ));
        let keeper = match spawn_keeper(shared.clone(), access.clone(), tenancy, archive) {
            Ok(keeper) => keeper,
            Err(error) => {
                queue.close();
                // What keeps the store from opening is told; the writer has done nothing yet.
                let _ = joined(writer);
                return Err(error);
            }
        };
        Ok(EmbeddedStore {
            shared,
            writer: queue,
            files,
            lookups,
            listings,
            access,
            threads: Mutex::new(Some(Threads { writer, keeper })),
            tenancy: Mutex::new(None),
        })
    }

    /// Runs `work` in the writer's next transaction and answers once that is committed.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(lane, job::task(Answers::AfterErasures, work, reply))?;
        self.answer(answer).await
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

    /// Hands a job to the writer.
    pub(super) fn submit(&self, lane: Lane, job: Job) -> Result<(), StoreError> {
        match self.writer.push(lane, job) {
            Err(StoreError::Unavailable { reason }) => {
                let reason = self.shared.failure().map_or(reason, |failure| {
                    format!("it failed and must be restarted: {failure}")
                });
                Err(StoreError::Unavailable { reason })
            }
            other => other,
        }
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

impl EmbeddedStore {
    /// Ends the store in order: what it has accepted is done, the logs are moved into their files and emptied, the files are closed. Whoever
    /// asks it anything afterwards is refused.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let Some(closing) = self.begin_to_close() else {
            return Ok(());
        };
        let closed = tokio::task::spawn_blocking(move || closing.finish()).await;
        closed.unwrap_or_else(|_| {
            Err(StoreError::Unavailable {
                reason: "closing the store panicked".to_owned(),
            })
        })
    }

    /// Takes the threads out, once.
    fn begin_to_close(&self) -> Option<Closing> {
        // Nothing that can panic runs under the lock.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = threads.take()?;
        let mut tenancy = self.tenancy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readers = self.lookups.close();
        readers.extend(self.listings.close());
        Some(Closing {
            readers,
            threads,
            tenancy: tenancy.take(),
            shared: self.shared.clone(),
            queue: self.writer.clone(),
            access: self.access.clone(),
        })
    }
}

/// An end in order that has begun: nothing new is read any more.
struct Closing {
    readers: Vec<JoinHandle<()>>,
    threads: Threads,
    tenancy: Option<Tenancy>,
    shared: Arc<Shared>,
    queue: Arc<Queue<Job>>,
    access: Arc<Queue<AccessJob>>,
}

impl Closing {
    /// Waits for the threads one after another: who reads the file of tests ends before its log is emptied.
    fn finish(self) -> Result<(), StoreError> {
        for reader in self.readers {
            // A reader that panicked has nothing more to do.
            let _ = reader.join();
        }
        self.access.close();
        let keeper = joined(self.threads.keeper);
        self.queue.close();
        let writer = joined(self.threads.writer);
        self.shared.check()?;
        keeper.and(writer)?;
        self.tenancy.map_or(Ok(()), Tenancy::leave)
    }
}

fn joined(thread: Writing) -> Result<(), StoreError> {
    match thread.join() {
        Ok(closed) => Ok(closed?),
        // A thread that panicked has said so through its guard.
        Err(_) => Err(StoreError::Unavailable {
            reason: "a thread of the store panicked".to_owned(),
        }),
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        if let Some(closing) = self.begin_to_close()
            && let Err(error) = closing.finish()
        {
            tracing::warn!(%error, "the store was not closed in order");
        }
    }
}

fn spawn_writer(
    shared: Arc<Shared>,
    queue: Arc<Queue<Job>>,
    tests: Connection,
    opened: OpenedDatabase,
    start: WriterStart,
    log: LogCare,
) -> Result<Writing, StoreError> {
    let write = move || {
        let _guard = ThreadGuard {
            shared: shared.clone(),
            access: None,
            reason: "the writer's thread panicked",
        };
        match Writer::new(shared.clone(), queue, &tests, start, log, opened) {
            Ok(mut writer) => writer.run()?,
            Err(error) => {
                let failure = Failure::from(error);
                shared.fail(format!(
                    "the writer could not start: {}",
                    StoreError::from(failure)
                ));
                shared.check()?;
            }
        }
        log::empty(&tests)?;
        tests.close().map_err(|(_, error)| error.into())
    };
    spawn("store-writer", write)
}

fn spawn_keeper(
    shared: Arc<Shared>,
    access: Arc<Queue<AccessJob>>,
    tenancy: &Tenancy,
    archive: Archive,
) -> Result<Writing, Failure> {
    let files = &tenancy.files;
    let tests = files.open_reader(&files.tests(), 1_024)?;
    let note = tenancy.progress.access_note().map_err(Failure::from)?;
    let mut keeper = Keeper::new(shared.clone(), access.clone(), archive, tests, note);
    let keep = move || {
        let _guard = ThreadGuard {
            shared,
            access: Some(access),
            reason: "the thread of access records panicked",
        };
        keeper.run()
    };
    Ok(spawn("store-access", keep)?)
}

fn spawn(
    name: &str,
    work: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<Writing, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unavailable {
            reason: format!("no thread {name}: {error}"),
        })
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
