//! The threads that hash: few, so that checking credentials never takes the machine, in front of them a waiting room that is fair.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sistema_ts_store::register::CredentialHash;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::credential::{CredentialError, CredentialHasher, Workspace};
use super::source::Source;
use super::waiting_room::{Next, Place, Standing, WaitingRoom};

/// What is compared with what.
pub(super) struct Comparison {
    pub(super) stored: CredentialHash,
    pub(super) secret: Zeroizing<Vec<u8>>,
}

type Answer = oneshot::Receiver<Result<bool, CredentialError>>;

struct Job {
    comparison: Comparison,
    standing: Standing,
    reply: oneshot::Sender<Result<bool, CredentialError>>,
    /// Hashes computed before it entered.
    #[cfg(test)]
    entered_after: usize,
}

struct Shared {
    room: Mutex<Room>,
    /// Told when somebody enters, and when the pool ends.
    changed: Condvar,
    /// Hashes computed so far, so that tests can see what work was done.
    #[cfg(test)]
    hashed: std::sync::atomic::AtomicUsize,
    /// Of those, how many the last that matched has waited for.
    #[cfg(test)]
    waited_for: std::sync::atomic::AtomicUsize,
}

struct Room {
    waiting: WaitingRoom<Job>,
    is_closed: bool,
}

/// The threads end when the pool is dropped.
pub(super) struct HashingPool {
    shared: Arc<Shared>,
}

/// A place in the waiting room, given up when this is dropped.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    place: Place,
    /// Whether `secret` is what was hashed. Ends without an answer if the place was lost to another, or the pool has ended.
    pub(super) answer: Answer,
}

impl HashingPool {
    /// Starts so many threads, before which at most `queue` of each standing wait.
    pub(super) fn start(
        hasher: &Arc<CredentialHasher>,
        threads: usize,
        queue: usize,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            room: Mutex::new(Room {
                waiting: WaitingRoom::new(queue),
                is_closed: false,
            }),
            changed: Condvar::new(),
            #[cfg(test)]
            hashed: std::sync::atomic::AtomicUsize::new(0),
            #[cfg(test)]
            waited_for: std::sync::atomic::AtomicUsize::new(0),
        });
        // Made first, so that the threads that were started end if one cannot be.
        let pool = HashingPool { shared };
        // At most 64, by the bounds of the setting.
        let count = u32::try_from(threads).unwrap_or(u32::MAX).max(1);
        for index in 0..threads {
            let (hasher, shared) = (Arc::clone(hasher), Arc::clone(&pool.shared));
            std::thread::Builder::new()
                .name(format!("hashing-{index}"))
                .spawn(move || shared.work(&hasher, count))?;
        }
        Ok(pool)
    }

    /// A place in the waiting room, which is lost at once if the room is full of others who have as much right to be there.
    pub(super) fn enter(
        &self,
        standing: Standing,
        source: &Source,
        user: u64,
        comparison: Comparison,
    ) -> Ticket {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            comparison,
            standing,
            reply,
            #[cfg(test)]
            entered_after: self.hashed(),
        };
        let (place, leaves) = self
            .shared
            .room()
            .waiting
            .enter(standing, source, user, job);
        self.shared.changed.notify_one();
        metrics::gauge!("sistema_ts_auth_checks_under_way").increment(1.0);
        if let Some(leaves) = leaves {
            metrics::counter!("sistema_ts_auth_checks_turned_away_total", "reason" => "full")
                .increment(1);
            // With the job its reply ends, which tells whoever must leave.
            drop(leaves);
        }
        Ticket {
            shared: Arc::clone(&self.shared),
            place,
            answer,
        }
    }

    /// Has the lane of those who were never right rest.
    #[cfg(test)]
    pub(super) fn rest(&self, pause: std::time::Duration) {
        self.shared.room().waiting.failed(Instant::now(), pause);
    }

    /// How many checks of others the last that matched has waited for.
    #[cfg(test)]
    pub(super) fn waited_for(&self) -> usize {
        self.shared
            .waited_for
            .load(std::sync::atomic::Ordering::SeqCst)
    }

    #[cfg(test)]
    pub(super) fn hashed(&self) -> usize {
        self.shared.hashed.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        self.shared.room().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Ticket {
    /// Gives the place up; `false` if the check has begun already.
    pub(super) fn leave(&self) -> bool {
        self.shared.room().waiting.leave(&self.place).is_some()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
        metrics::gauge!("sistema_ts_auth_checks_under_way").decrement(1.0);
    }
}

impl Shared {
    /// Nothing under the lock panics.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next check, when its time has come; `None` when the pool has ended.
    fn next(&self) -> Option<Job> {
        let mut room = self.room();
        loop {
            if room.is_closed {
                return None;
            }
            let now = Instant::now();
            room = match room.waiting.next(now) {
                Next::Check(job) => return Some(job),
                Next::Rest(until) => {
                    let rest = until.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(room, rest);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                Next::Nothing => {
                    let woken = self.changed.wait(room);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    #[cfg(test)]
    fn count(&self, is_right: bool, entered_after: usize) {
        use std::sync::atomic::Ordering::SeqCst;
        let before = self.hashed.fetch_add(1, SeqCst);
        if is_right {
            self.waited_for.store(before - entered_after, SeqCst);
        }
    }

    fn work(&self, hasher: &CredentialHasher, threads: u32) {
        let mut workspace = Workspace::default();
        while let Some(job) = self.next() {
            // Whoever asked may have gone.
            if job.reply.is_closed() {
                continue;
            }
            let begun = Instant::now();
            let Comparison { stored, secret } = &job.comparison;
            let matches = hasher.verify(stored, secret, &mut workspace);
            #[cfg(test)]
            self.count(matches!(matches, Ok(true)), job.entered_after);
            if job.standing != Standing::Known && !matches!(matches, Ok(true)) {
                // As long as it took, of one thread's time of so many: half of all.
                let pause = begun.elapsed() / threads;
                self.room().waiting.failed(Instant::now(), pause);
            }
            // Whoever asked may have gone meanwhile.
            let _ = job.reply.send(matches);
        }
    }
}
