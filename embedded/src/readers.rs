//! Pools of threads that read: each thread with a connection of its own, so that no caller's thread waits for a disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use sistema_ts_store::StoreError;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::files::Files;
use super::queue::{Lane, Queue, Taken};

/// Memory for pages of one reader, in KiB.
const CACHE_KIB: u32 = 4_096;
/// How long a reader sleeps between looks at an empty queue; it is woken by work.
const PATIENCE: Duration = Duration::from_secs(60);

type Work = Box<dyn FnOnce(&Connection) + Send>;

/// A pool of readers of the file of tests.
pub(super) struct Readers {
    queue: Arc<Queue<Work>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Opens so many readers.
    pub(super) fn open(
        files: &Files,
        name: &'static str,
        threads: usize,
        capacity: usize,
    ) -> Result<Readers, Failure> {
        let queue = Arc::new(Queue::new(name, capacity));
        let readers = Readers {
            queue,
            threads: Mutex::default(),
        };
        for _ in 0..threads.max(1) {
            let connection = files.open_reader(&files.tests(), CACHE_KIB)?;
            let queue = readers.queue.clone();
            let thread = std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || serve(&queue, &connection))
                .map_err(|error| StoreError::Unavailable {
                    reason: format!("no thread for a reader: {error}"),
                })?;
            readers.threads().push(thread);
        }
        Ok(readers)
    }

    /// Takes no further work, and hands out the threads, which end with what they have.
    pub(super) fn close(&self) -> Vec<JoinHandle<()>> {
        self.queue.close();
        std::mem::take(&mut *self.threads())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        // Nothing that can panic runs under the lock but the allocator.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads on one of the threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            // Whoever gave up waiting needs no answer.
            let _ = reply.send(work(connection));
        });
        self.queue.push(Lane::Usual, work)?;
        match answer.await {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(StoreError::Unavailable {
                reason: "a reader has stopped".to_owned(),
            }),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        for thread in self.close() {
            // A reader that panicked has nothing more to do.
            let _ = thread.join();
        }
    }
}

fn serve(queue: &Queue<Work>, connection: &Connection) {
    let mut work = Vec::with_capacity(1);
    loop {
        match queue.take(&mut work, 1, PATIENCE) {
            Taken::Jobs => work.drain(..).for_each(|work| run(work, connection)),
            Taken::Nothing => {}
            Taken::Closed => return,
        }
    }
}

/// Reads. A panic ends this reading alone, whose caller is told by the loss of his reply: a thread that ended with it would leave those who
/// ask next to wait for ever. Statements and transactions of the connection are undone as they are dropped.
fn run(work: Work, connection: &Connection) {
    if catch_unwind(AssertUnwindSafe(|| work(connection))).is_err() {
        tracing::error!("a reading of the store panicked");
        metrics::counter!("sistema_ts_store_reader_panics_total").increment(1);
    }
}
