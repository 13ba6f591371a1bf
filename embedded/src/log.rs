//! The write-ahead log of a file: how long it is, and moving it into the file.
//!
//! SQLite would do that by itself within some commit, and pass over its failures. Here it is done between commits, and a failure
//! to sync is told: a second try could claim success for pages that the system has dropped, and reset a log that was still
//! needed.
//!
//! The log of the tests' file is long, so that most pages are moved once for many changes; moving it at once would hold up the
//! writer for a tenth of a second. So a thread beside the writer moves all but the newest pages while the writer goes on, and the
//! writer moves those few itself: only while it writes nothing can the log begin again from its start.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sistema_ts_store::StoreError;

use super::failure::Failure;

/// What the writer is left to move: few enough pages that nobody notices.
const PAGES_LEFT: i64 = 1_000;
/// Bytes of a page, of what stands before each page in a log, and of what a log begins with.
const PAGE: u64 = 4_096;
const FRAME_HEADER: u64 = 24;
const LOG_HEADER: u64 = 32;
/// How long a clean end waits for a reader in another process, such as `sistema-ts audit search`.
const LONGEST_READER: Duration = Duration::from_secs(5);
/// How often the thread beside tries to catch up with the writer in one go.
const MOST_PASSES: usize = 6;

/// How long a connection's log was at its last commit.
pub(super) struct Log {
    pages: Arc<AtomicU32>,
}

/// What a checkpoint found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// Pages in the log.
    pub(super) pages: i64,
    /// Those of them that are in the file, now or before.
    pub(super) in_file: i64,
}

impl Log {
    /// Watches the log of a connection's file, and takes it from SQLite's own care.
    pub(super) fn watch(connection: &mut Connection) -> rusqlite::Result<Log> {
        let pages = Arc::new(AtomicU32::new(0));
        let log = Log {
            pages: pages.clone(),
        };
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(log)
    }

    /// Pages in the log.
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// How long the log's file is at least.
    pub(super) fn bytes(&self) -> u64 {
        match u64::from(self.pages()) {
            0 => 0,
            pages => LOG_HEADER + pages * (FRAME_HEADER + PAGE),
        }
    }

    /// The log was cut to nothing.
    pub(super) fn emptied(&self) {
        self.pages.store(0, Ordering::Relaxed);
    }
}

/// Moves what can be moved without waiting for anybody.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<Moved> {
    let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
    let moved = statement.query_row([], |row| {
        Ok(Moved {
            pages: row.get(1)?,
            in_file: row.get(2)?,
        })
    })?;
    metrics::counter!("sistema_ts_store_checkpoints_total").increment(1);
    Ok(moved)
}

/// Moves the whole log into its file and cuts it to nothing, at a clean end. A reader in another process is waited for, for some seconds.
pub(super) fn empty(connection: &Connection) -> Result<(), Failure> {
    connection.busy_timeout(LONGEST_READER)?;
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy != 0 {
        return Err(StoreError::Unavailable {
            reason: "a log was not emptied, because another process reads the file".to_owned(),
        }
        .into());
    }
    Ok(())
}

/// How long erased contacts may stay in the log, beyond the reach of `secure_delete`.
const CLEAR_AFTER: Duration = Duration::from_secs(30);

const IDLE: u8 = 0;
const MOVING: u8 = 1;
const NEARLY_DONE: u8 = 2;

/// The thread that moves the tests' log beside the writer.
pub(super) struct Mover {
    state: Arc<MoverState>,
    thread: Option<JoinHandle<()>>,
}

struct MoverState {
    phase: AtomicU8,
    closed: Mutex<bool>,
    asked: Condvar,
}

impl Mover {
    /// Starts the thread, on a connection of its own. What a checkpoint fails with is handed to `failed`.
    pub(super) fn spawn(
        connection: Connection,
        failed: impl Fn(&rusqlite::Error) + Send + 'static,
    ) -> Result<Mover, StoreError> {
        let state = Arc::new(MoverState {
            phase: AtomicU8::new(IDLE),
            closed: Mutex::new(false),
            asked: Condvar::new(),
        });
        let thread = std::thread::Builder::new()
            .name("store-log".to_owned())
            .spawn({
                let state = state.clone();
                move || state.serve(&connection, &failed)
            })
            .map_err(|error| StoreError::Unavailable {
                reason: format!("no thread for the log: {error}"),
            })?;
        Ok(Mover {
            state,
            thread: Some(thread),
        })
    }

    /// Asks for the log to be moved, unless it is already being moved.
    fn ask(&self) {
        if self
            .state
            .phase
            .compare_exchange(IDLE, MOVING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            self.state.asked.notify_one();
        }
    }

    /// Whether all but the newest pages are moved; says so once.
    fn take_nearly_done(&self) -> bool {
        self.state
            .phase
            .compare_exchange(NEARLY_DONE, IDLE, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}

/// The writer's care of the tests' log.
pub(super) struct LogCare {
    log: Log,
    mover: Mover,
    /// Since when the log may hold what was erased from the file.
    to_be_cleared: Option<Instant>,
}

impl LogCare {
    pub(super) fn new(log: Log, mover: Mover) -> LogCare {
        LogCare {
            log,
            mover,
            to_be_cleared: None,
        }
    }

    /// The log itself.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Something is erased in this transaction that earlier pages of the log hold.
    pub(super) fn wants_clearing(&mut self) {
        self.to_be_cleared.get_or_insert_with(Instant::now);
    }

    /// Clears the log without waiting any longer, if it is to be cleared at all.
    #[cfg(test)]
    pub(super) fn clear_now(&mut self) {
        if self.to_be_cleared.is_some() {
            self.to_be_cleared = Instant::now().checked_sub(CLEAR_AFTER);
        }
    }

    /// Between two transactions: has the log moved once it has `threshold` pages, or has waited long enough to be cleared.
    pub(super) fn look_after(
        &mut self,
        connection: &Connection,
        threshold: u32,
    ) -> rusqlite::Result<()> {
        if self.mover.take_nearly_done() {
            let moved = checkpoint(connection)?;
            if self.to_be_cleared.is_some() && moved.pages == moved.in_file {
                // Nothing is left to move; a reader in the log makes it busy, and then the next time will do.
                let busy: i64 =
                    connection
                        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
                if busy == 0 {
                    self.to_be_cleared = None;
                    self.log.emptied();
                }
            }
            return Ok(());
        }
        let clear = self
            .to_be_cleared
            .is_some_and(|since| since.elapsed() >= CLEAR_AFTER);
        if clear || self.log.pages() >= threshold {
            self.mover.ask();
        }
        Ok(())
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        *self
            .state
            .closed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.state.asked.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked leaves a log that is moved at the next start.
            let _ = thread.join();
        }
    }
}

impl MoverState {
    fn serve(&self, connection: &Connection, failed: &dyn Fn(&rusqlite::Error)) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // The writer asks without the lock, so that it never waits for it; a notice that is missed is made up for soon.
            let patience = Duration::from_millis(50);
            let waited = self.asked.wait_timeout(closed, patience);
            closed = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *closed {
                return;
            }
            if self.phase.load(Ordering::Acquire) == MOVING {
                drop(closed);
                if let Err(error) = move_most(connection) {
                    failed(&error);
                }
                self.phase.store(NEARLY_DONE, Ordering::Release);
                closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// Moves pages until only those are left that came last.
fn move_most(connection: &Connection) -> rusqlite::Result<()> {
    let mut before = 0;
    for _ in 0..MOST_PASSES {
        let moved = checkpoint(connection)?;
        if moved.in_file - before < PAGES_LEFT {
            break;
        }
        before = moved.in_file;
    }
    Ok(())
}
