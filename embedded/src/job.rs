//! Jobs made of closures, for the writer.

use sistema_ts_store::StoreError;

use super::failure::Failure;
use super::queue::Reply;
use super::writer::{Job, Task, Writer};

struct Closure<F, T> {
    work: Option<F>,
    answer: Option<Result<T, StoreError>>,
    reply: Reply<T>,
    answers: Answers,
}

/// When the answer of a job leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// As soon as its batch is committed: the job erases nobody.
    AfterCommit,
    /// When the persons are erased whose erasure its batch intends.
    AfterErasures,
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

    fn waits_for_erasures(&self) -> bool {
        self.answers == Answers::AfterErasures
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

/// A job that does `work`.
pub(super) fn task<T: Send + 'static>(
    answers: Answers,
    work: impl FnOnce(&mut Writer<'_>) -> Result<T, Failure> + Send + 'static,
    reply: Reply<T>,
) -> Job {
    Box::new(Closure {
        work: Some(work),
        answer: None,
        reply,
        answers,
    })
}
