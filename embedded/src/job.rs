//! What the writer is asked to do, and how the answer goes back.

use sistema_ts_store::StoreError;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::record::{Recorded, Submission};
use super::writer::Writer;

/// Where an answer goes. The receiver may be gone: then nobody waits for it any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One job of a batch.
pub(super) enum Job {
    /// A submission, which is most of them.
    Record(Box<RecordJob>),
    /// Anything else.
    Task(Box<dyn Task>),
}

/// A submission and where its answer goes.
pub(super) struct RecordJob {
    pub(super) submission: Submission,
    pub(super) reply: Reply<Recorded>,
}

/// Work within the writer's transaction whose answer goes out after the commit.
pub(super) trait Task: Send {
    /// Does it. A failure of this task alone is kept for its answer; what comes back fails the whole batch.
    fn run(&mut self, writer: &mut Writer<'_>) -> Result<(), Failure>;

    /// Sends the answer of [`Task::run`], or the failure of its batch.
    fn finish(self: Box<Self>, batch_failure: Option<StoreError>);
}

struct Closure<F, T> {
    work: Option<F>,
    answer: Option<Result<T, StoreError>>,
    reply: Reply<T>,
}

impl<F, T> Task for Closure<F, T>
where
    F: FnOnce(&mut Writer<'_>) -> Result<T, Failure> + Send,
    T: Send,
{
    fn run(&mut self, writer: &mut Writer<'_>) -> Result<(), Failure> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        match work(writer) {
            Ok(answer) => self.answer = Some(Ok(answer)),
            Err(Failure::Alone(error)) => self.answer = Some(Err(error)),
            Err(batch) => return Err(batch),
        }
        Ok(())
    }

    fn finish(self: Box<Self>, batch_failure: Option<StoreError>) {
        let answer = match batch_failure {
            Some(error) => Some(Err(error)),
            None => self.answer,
        };
        if let Some(answer) = answer {
            // Whoever gave up waiting needs no answer.
            let _ = self.reply.send(answer);
        }
    }
}

/// Makes a job of a closure.
pub(super) fn task<T: Send + 'static>(
    work: impl FnOnce(&mut Writer<'_>) -> Result<T, Failure> + Send + 'static,
    reply: Reply<T>,
) -> Job {
    Job::Task(Box::new(Closure {
        work: Some(work),
        answer: None,
        reply,
    }))
}
