//! Asking a thread that does one thing after another behind a bounded queue, without ever waiting for room there.

use std::sync::mpsc::{SyncSender, TrySendError};

use tokio::sync::oneshot;

/// What such a thread is asked to do with what is its own.
pub(super) type Work<Own> = Box<dyn FnOnce(&mut Own) + Send>;

/// Asks the thread behind `queue` and waits for its answer. The error is `full` if there is no room, and that of `stopped` if the thread has
/// ended or was lost before its answer.
pub(super) async fn ask<Own: 'static, T: Send + 'static, E: Send + 'static>(
    queue: Option<&SyncSender<Work<Own>>>,
    work: impl FnOnce(&mut Own) -> Result<T, E> + Send + 'static,
    full: E,
    stopped: impl Fn() -> E,
) -> Result<T, E> {
    let (reply, answer) = oneshot::channel();
    let work: Work<Own> = Box::new(move |own| {
        // Whoever asked may have gone; what was done stands all the same.
        let _ = reply.send(work(own));
    });
    queue
        .ok_or_else(&stopped)?
        .try_send(work)
        .map_err(|error| match error {
            TrySendError::Full(_) => full,
            TrySendError::Disconnected(_) => stopped(),
        })?;
    answer.await.map_err(|_| stopped())?
}
