//! The register in SQLite: one file, `register.db`, that the command line writes beside a running server.
//!
//! Two threads serve it. The *writer* runs every write, one after another, behind a bounded queue, so that no caller of these
//! async methods ever waits on a lock of the file itself. The *watch* looks at `PRAGMA data_version` at each interval (about a
//! microsecond when nobody has written) and swaps in a new snapshot when the register's generation has moved. It first looks whether
//! the file that is open is still the one in the folder ([`place`]): a register that an administrator does not reach is not served from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use sistema_ts_store::register::{
    Act, Register, RegisterChange, RegisterError, RegisterJournal, RegisterKey, RegisterSnapshot,
};

use self::place::{Place, Standing};
use self::read::Reader;
use self::write::Writer;
use crate::asking;

mod callers;
mod operators;
mod place;
mod read;
mod schema;
mod sql;
mod users;
mod write;

#[cfg(test)]
mod tests;

/// The name of the register's file in the data folder.
pub const REGISTER_FILE: &str = "register.db";

/// How a register is opened.
#[derive(Clone, Copy, Debug)]
pub struct RegisterOptions {
    /// How often to look whether another process changed it; `None` for a command that ends at once.
    pub poll_interval: Option<Duration>,
    /// How many writes may wait for the writer before the next is refused.
    pub queue: usize,
}

impl Default for RegisterOptions {
    fn default() -> Self {
        RegisterOptions {
            poll_interval: None,
            queue: 256,
        }
    }
}

type Job = asking::Work<Writer>;

struct Shared {
    snapshot: ArcSwap<RegisterSnapshot>,
    reader: Mutex<Reader>,
    place: Arc<Place>,
    current: AtomicBool,
}

impl Shared {
    /// Swaps in a newer snapshot, if there is one. The reader stays locked meanwhile, so that of two looks at once neither returns before what
    /// the other has read is swapped in, nor swaps in what is older.
    fn look(&self) -> Result<(), RegisterError> {
        let looked = self.place.check().and_then(|()| {
            let mut reader = self.reader();
            if let Some(snapshot) = reader.newer(&self.snapshot.load())? {
                self.snapshot.store(Arc::new(snapshot));
            }
            Ok(())
        });
        self.current.store(looked.is_ok(), Ordering::Release);
        looked
    }

    /// A panic while reading leaves the reader as it was before: its state is written last.
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens what is in the folder now, in the place of what was open, and reads it whole. The writer's connection must be closed, so that this
    /// one is the last: then SQLite moves what a removed log still holds into the file, if that is still its own.
    fn open_again(&self, log_is_anothers: bool) -> Result<(), RegisterError> {
        let mut reader = self.reader();
        reader.close(log_is_anothers);
        let before = self.snapshot.load().generation();
        let snapshot = reader.open_again(&self.place)?;
        let generation = snapshot.generation();
        self.snapshot.store(Arc::new(snapshot));
        tracing::error!(
            generation_before = before,
            generation,
            "the register's file or its log was replaced under the server; it was opened again"
        );
        Ok(())
    }
}

/// The register in the data folder of this machine.
pub struct EmbeddedRegister {
    shared: Arc<Shared>,
    // Taken when dropped: their end is what tells the threads to end.
    jobs: Option<SyncSender<Job>>,
    stop_watch: Option<std::sync::mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for EmbeddedRegister {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EmbeddedRegister(..)")
    }
}

impl EmbeddedRegister {
    /// Makes a new, empty register in `folder`, which is created if need be.
    ///
    /// # Errors
    /// [`RegisterError::AlreadyMade`] if there is one already.
    pub fn create(folder: &Path, key: &RegisterKey) -> Result<(), RegisterError> {
        std::fs::create_dir_all(folder).map_err(|reason| {
            RegisterError::Unavailable(format!("{}: {reason}", folder.display()))
        })?;
        schema::create(&file_in(folder), key)
    }

    /// Opens the register in `folder` and reads it whole. `journal` hears of the changes that are made through what is opened here.
    ///
    /// # Errors
    /// [`RegisterError::NotFound`], [`RegisterError::WrongKey`], [`RegisterError::TooNew`], [`RegisterError::Corrupt`].
    pub fn open(
        folder: &Path,
        key: Arc<RegisterKey>,
        journal: Arc<dyn RegisterJournal>,
        options: RegisterOptions,
    ) -> Result<Self, RegisterError> {
        let place = Arc::new(Place::of(file_in(folder)));
        let reader = Reader::open(&place, Arc::clone(&key))?;
        let mut writer = Writer::new(Arc::clone(&place), key, journal);
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::default(),
            reader: Mutex::new(reader),
            place,
            current: AtomicBool::new(true),
        });
        shared.look()?;
        let (jobs, waiting) = sync_channel::<Job>(options.queue);
        let mut threads = vec![spawn("register-writer", move || {
            while let Ok(job) = waiting.recv() {
                job(&mut writer);
            }
        })?];
        let mut stop_watch = None;
        if let Some(interval) = options.poll_interval {
            let (stop, stopped) = channel();
            let watch = Watch {
                shared: Arc::clone(&shared),
                jobs: jobs.clone(),
            };
            threads.push(spawn("register-watch", move || {
                watch.run(interval, &stopped)
            })?);
            stop_watch = Some(stop);
        }
        Ok(EmbeddedRegister {
            shared,
            jobs: Some(jobs),
            stop_watch,
            threads,
        })
    }

    /// Runs a write on the writer's thread, and has the snapshot hold it before this returns.
    async fn on_writer(
        &self,
        write: impl FnOnce(&mut Writer) -> Result<(), RegisterError> + Send + 'static,
    ) -> Result<(), RegisterError> {
        let shared = Arc::clone(&self.shared);
        let write = move |writer: &mut Writer| {
            write(writer)?;
            shared.look()
        };
        let stopped = || RegisterError::Unavailable("it is shutting down".to_owned());
        asking::ask(
            self.jobs.as_ref(),
            write,
            RegisterError::Overloaded,
            stopped,
        )
        .await
    }
}

impl Drop for EmbeddedRegister {
    fn drop(&mut self) {
        // The watch holds a way to the writer's thread, and so ends first: it is joined last, and told first.
        self.stop_watch = None;
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn file_in(folder: &Path) -> PathBuf {
    folder.join(REGISTER_FILE)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RegisterError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|reason| RegisterError::Unavailable(reason.to_string()))
}

/// Looks for changes that other processes make.
struct Watch {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
}

impl Watch {
    fn run(&self, interval: Duration, stopped: &Receiver<()>) {
        // Nothing is ever sent: the channel's end is the sign to stop.
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
            let was_current = self.shared.current.load(Ordering::Acquire);
            match self.look() {
                Ok(()) if !was_current => tracing::info!("the register can be read again"),
                Err(error) if was_current => {
                    let serves = self.shared.place.is_in_place();
                    tracing::error!(%error, serves, "the register cannot be read");
                }
                _ => {}
            }
        }
    }

    fn look(&self) -> Result<(), RegisterError> {
        let standing = self.shared.place.look();
        let is_closed = standing == Standing::InPlace && self.shared.reader().is_closed();
        if standing == Standing::Replaced || is_closed {
            self.open_again().inspect_err(|_| {
                self.shared.current.store(false, Ordering::Release);
            })?;
        }
        self.shared.look()
    }

    fn open_again(&self) -> Result<(), RegisterError> {
        let log_is_anothers = self.shared.place.log_is_anothers();
        let (closed, was_closed) = channel();
        let close: Job = Box::new(move |writer| {
            writer.close(log_is_anothers);
            // Whoever waits may have given up.
            let _ = closed.send(());
        });
        let stopped = |_| RegisterError::Unavailable("its writer has stopped".to_owned());
        self.jobs
            .try_send(close)
            .map_err(|_| RegisterError::Overloaded)?;
        was_closed.recv().map_err(stopped)?;
        self.shared.open_again(log_is_anothers)
    }
}

#[async_trait]
impl Register for EmbeddedRegister {
    fn snapshot(&self) -> Arc<RegisterSnapshot> {
        self.shared.snapshot.load_full()
    }

    fn is_current(&self) -> bool {
        // A thread that has ended has panicked: then changes are no longer seen.
        self.shared.current.load(Ordering::Acquire)
            && self.threads.iter().all(|thread| !thread.is_finished())
    }

    fn is_in_place(&self) -> bool {
        self.shared.place.is_in_place()
    }

    async fn refresh(&self) -> Result<(), RegisterError> {
        self.on_writer(|_| Ok(())).await
    }

    async fn change(&self, change: RegisterChange, act: Act) -> Result<(), RegisterError> {
        self.on_writer(move |writer| writer.make(&change, &act))
            .await
    }
}
