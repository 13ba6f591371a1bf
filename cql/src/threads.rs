//! The threads that speak with the nodes: what was begun goes on there, whatever becomes of whoever asked for it.

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::connecting::ConnectError;

/// Threads with a runtime of their own, which may be started, waited for and ended on a thread of another one.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub(crate) fn start(name: &str, count: usize) -> Result<Self, ConnectError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name(name)
            .enable_all()
            .build()
            .map_err(ConnectError::Threads)?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for what runs on these threads.
    pub(crate) fn block_on<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime();
        // A thread of another runtime may not wait for this one itself.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| runtime.block_on(work));
            match waiting.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime().spawn(work)
    }

    fn runtime(&self) -> &Runtime {
        // It is taken when these threads are dropped, and nobody can ask them then.
        self.0
            .as_ref()
            .expect("the runtime is there until the drop")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // They may be dropped on a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}
