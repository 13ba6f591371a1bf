//! Work that comes to its end, whatever becomes of the request that asked for it.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// Where such work runs: beside the workers, so that it outlives them, and known to whoever ends the server.
#[derive(Debug, Clone)]
pub struct DetachedWork {
    runtime: Handle,
    tasks: TaskTracker,
}

impl DetachedWork {
    /// Work runs on the runtime of whoever calls this.
    ///
    /// # Panics
    /// Outside a runtime.
    #[must_use]
    pub fn on_this_runtime() -> Self {
        Self {
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
        }
    }

    /// Runs work in a task of its own, which goes on when the handle is dropped.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn_on(work, &self.runtime)
    }

    /// Waits until all of it has ended. Nothing may begin any more.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
