//! The byte stream of an established connection, under the watch of its time limits.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::ConnectionInfo;
use super::connection_slots::ConnectionSlot;
use super::sources::SourceSlot;
use super::watch::Watch;

/// A connection on `S`: a TLS stream, or plain TCP on the loopback listener.
pub(super) struct FrontStream<S> {
    pub(super) stream: S,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) watch: Rc<Watch>,
    pub(super) _slot: ConnectionSlot,
    pub(super) _source_slot: Option<SourceSlot>,
}

impl<S> FrontStream<S> {
    fn written<T>(
        &self,
        poll: Poll<T>,
        count: impl FnOnce(&T) -> usize,
        context: &Context<'_>,
    ) -> Poll<T> {
        match &poll {
            Poll::Pending => self.watch.on_write_pending(context),
            Poll::Ready(outcome) => self.watch.on_written(count(outcome)),
        }
        poll
    }

    fn refuse_if_aborted(&self) -> io::Result<()> {
        if self.watch.is_aborted() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(())
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrontStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.refuse_if_aborted()?;
        if self.watch.pauses_in_header(context) {
            return Poll::Pending;
        }
        if self.watch.has_ended() {
            buffer.put_slice(self.watch.too_many_lines(buffer.remaining()));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &poll {
            Poll::Pending => self.watch.wake_later(context),
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                self.watch.on_read(&mut buffer.filled_mut()[before..]);
            }
            Poll::Ready(_) => {}
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrontStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.refuse_if_aborted()?;
        if self.watch.was_never_asked() {
            // actix-http's 408, after which it closes the connection.
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(poll, |written| *written.as_ref().unwrap_or(&0), context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.refuse_if_aborted()?;
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.written(poll, |_| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.refuse_if_aborted()?;
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.written(poll, |_| 0, context)
    }
}
