//! Work that has effects comes to its end, whatever becomes of the request that asked for it.

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::endpoint::Answered;
use crate::soap::SoapFault;

/// Where such work runs: beside the workers, so that it outlives them, and known to who ends the server.
#[derive(Debug, Clone)]
pub struct Ending {
    runtime: Handle,
    tasks: TaskTracker,
}

impl Ending {
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

    /// Runs what has effects in a task of its own, so that it comes to its end, its access record included, when the client leaves in between.
    ///
    /// # Errors
    /// Those of the work; [`SoapFault::OutcomeUnknown`] if it panicked.
    pub async fn see_through(
        &self,
        work: impl Future<Output = Result<Answered, SoapFault>> + Send + 'static,
    ) -> Result<Answered, SoapFault> {
        self.tasks
            .spawn_on(work, &self.runtime)
            .await
            .map_err(|_| SoapFault::OutcomeUnknown { has_key: false })?
    }

    /// Waits until all of it has ended. Nothing may begin any more.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
