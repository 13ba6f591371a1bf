//! The threads that hash: few, so that checking credentials never takes the machine, behind a queue that says no when it is full.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use sistema_ts_store::register::CredentialHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroizing;

use super::credential::{CredentialHasher, Workspace};

struct Job {
    stored: CredentialHash,
    secret: Zeroizing<Vec<u8>>,
    reply: oneshot::Sender<bool>,
    // Held until the hash is done: the place in the queue.
    _slot: Slot,
}

/// A place in the queue, taken before an attempt is counted, so that a full queue leaves no trace.
pub(super) struct Slot(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!("sistema_ts_auth_checks_under_way").decrement(1.0);
    }
}

/// The threads end when the pool is dropped.
pub(super) struct HashingPool {
    jobs: SyncSender<Job>,
    slots: Arc<Semaphore>,
    /// Hashes computed so far, so that tests can see what work was done.
    #[cfg(test)]
    pub(super) hashed: Arc<std::sync::atomic::AtomicUsize>,
}

impl HashingPool {
    pub(super) fn start(
        hasher: Arc<CredentialHasher>,
        threads: usize,
        queue: usize,
    ) -> std::io::Result<Self> {
        let places = threads + queue;
        let (jobs, waiting) = sync_channel::<Job>(places);
        let waiting = Arc::new(Mutex::new(waiting));
        for index in 0..threads {
            let (hasher, waiting) = (Arc::clone(&hasher), Arc::clone(&waiting));
            std::thread::Builder::new()
                .name(format!("hashing-{index}"))
                .spawn(move || work(&hasher, &waiting))?;
        }
        Ok(HashingPool {
            jobs,
            slots: Arc::new(Semaphore::new(places)),
            #[cfg(test)]
            hashed: Arc::default(),
        })
    }

    /// A place in the queue, if there is one.
    pub(super) fn reserve(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        metrics::gauge!("sistema_ts_auth_checks_under_way").increment(1.0);
        Some(Slot(permit))
    }

    /// Whether `secret` is what was hashed; `None` if the stored hash is damaged or the threads are gone.
    pub(super) async fn verify(
        &self,
        slot: Slot,
        stored: CredentialHash,
        secret: Zeroizing<Vec<u8>>,
    ) -> Option<bool> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            stored,
            secret,
            reply,
            _slot: slot,
        };
        match self.jobs.try_send(job) {
            Ok(()) => {
                let matches = answer.await.ok();
                #[cfg(test)]
                self.hashed
                    .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                matches
            }
            // There are as many places in the channel as slots, so it is never full.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

fn work(hasher: &CredentialHasher, waiting: &Mutex<Receiver<Job>>) {
    let mut workspace = Workspace::default();
    loop {
        // The lock is held while waiting: the threads take turns. A panic elsewhere leaves nothing half done in a receiver.
        let job = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = job else { return };
        match hasher.verify(&job.stored, &job.secret, &mut workspace) {
            // Whoever asked may have gone.
            Ok(matches) => drop(job.reply.send(matches)),
            Err(error) => tracing::error!(%error, "credentials could not be checked"),
        }
    }
}
