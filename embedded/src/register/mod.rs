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
use ipnet::IpNet;
use sistema_ts_model::{Caller, CodiceFiscale, StructureDescription, StructureId, Timestamp};
use sistema_ts_store::register::{
    CredentialHash, Fingerprint, NewUser, Profiles, Register, RegisterError, RegisterKey,
    RegisterSnapshot, UserId,
};

use self::place::{Place, Standing};
use self::read::Reader;
use self::write::Writer;
use crate::asking;

mod operators;
mod place;
mod read;
mod schema;
mod sql;
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

    /// Opens the register in `folder` and reads it whole.
    ///
    /// # Errors
    /// [`RegisterError::NotFound`], [`RegisterError::WrongKey`], [`RegisterError::TooNew`], [`RegisterError::Corrupt`].
    pub fn open(
        folder: &Path,
        key: Arc<RegisterKey>,
        options: RegisterOptions,
    ) -> Result<Self, RegisterError> {
        let place = Arc::new(Place::of(file_in(folder)));
        let reader = Reader::open(&place, Arc::clone(&key))?;
        let mut writer = Writer::new(Arc::clone(&place), key);
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

    /// Runs a write on the writer's thread.
    async fn on_writer<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Writer) -> Result<T, RegisterError> + Send + 'static,
    ) -> Result<T, RegisterError> {
        let stopped = || RegisterError::Unavailable("it is shutting down".to_owned());
        asking::ask(
            self.jobs.as_ref(),
            write,
            RegisterError::Overloaded,
            stopped,
        )
        .await
    }

    /// Runs an administrator's change, and has the snapshot hold it before it returns.
    async fn change<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Writer) -> Result<T, RegisterError> + Send + 'static,
    ) -> Result<T, RegisterError> {
        let shared = Arc::clone(&self.shared);
        self.on_writer(move |writer| {
            let outcome = write(writer)?;
            shared.look()?;
            Ok(outcome)
        })
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
        self.change(|_| Ok(())).await
    }

    async fn add_caller(
        &self,
        caller: Caller,
        name: &str,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let name = name.to_owned();
        self.change(move |writer| writer.add_caller(caller, &name, now))
            .await
    }

    async fn set_caller_enabled(&self, caller: Caller, enabled: bool) -> Result<(), RegisterError> {
        self.change(move |writer| writer.set_caller_enabled(caller, enabled))
            .await
    }

    async fn add_certificate(
        &self,
        caller: Caller,
        fingerprint: Fingerprint,
        not_after: Timestamp,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.add_certificate(caller, fingerprint, not_after, now))
            .await
    }

    async fn remove_certificate(
        &self,
        caller: Caller,
        fingerprint: Fingerprint,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.remove_certificate(caller, fingerprint))
            .await
    }

    async fn add_network(
        &self,
        caller: Caller,
        network: IpNet,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.add_network(caller, network, now))
            .await
    }

    async fn remove_network(&self, caller: Caller, network: IpNet) -> Result<(), RegisterError> {
        self.change(move |writer| writer.remove_network(caller, network))
            .await
    }

    async fn add_operator(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
        profiles: Profiles,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.add_operator(caller, &fiscal_code, profiles, now))
            .await
    }

    async fn set_operator_enabled(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
        enabled: bool,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.set_operator_enabled(caller, &fiscal_code, enabled))
            .await
    }

    async fn set_operator_profiles(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
        profiles: Profiles,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.set_operator_profiles(caller, &fiscal_code, profiles))
            .await
    }

    async fn remove_operator(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.remove_operator(caller, &fiscal_code))
            .await
    }

    async fn add_structure(
        &self,
        id: StructureId,
        description: &StructureDescription,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let description = description.clone();
        self.change(move |writer| writer.add_structure(id, &description, now))
            .await
    }

    async fn set_structure_enabled(
        &self,
        id: StructureId,
        enabled: bool,
    ) -> Result<(), RegisterError> {
        self.change(move |writer| writer.set_structure_enabled(id, enabled))
            .await
    }

    async fn add_user(&self, user: NewUser, now: Timestamp) -> Result<(), RegisterError> {
        self.change(move |writer| writer.add_user(&user, now)).await
    }

    async fn set_user_enabled(&self, user: &UserId, enabled: bool) -> Result<(), RegisterError> {
        let user = user.clone();
        self.change(move |writer| writer.set_user_enabled(&user, enabled))
            .await
    }

    async fn set_user_credential(
        &self,
        user: &UserId,
        credential: CredentialHash,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let user = user.clone();
        self.change(move |writer| writer.set_user_credential(&user, &credential, expires_at, now))
            .await
    }

    async fn set_user_expiry(
        &self,
        user: &UserId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), RegisterError> {
        let user = user.clone();
        self.change(move |writer| writer.set_user_expiry(&user, expires_at))
            .await
    }

    async fn set_user_profiles(
        &self,
        user: &UserId,
        profiles: Profiles,
    ) -> Result<(), RegisterError> {
        let user = user.clone();
        self.change(move |writer| writer.set_user_profiles(&user, profiles))
            .await
    }
}
