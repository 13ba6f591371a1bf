//! One connection, in the clear or over mutual TLS, which can be reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::otp::respond;
use crate::shared::Shared;

/// How long a connection may stay without a request: as the real backend's.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long a connection whose handshake failed is read on.
const ALERT_LINGER: Duration = Duration::from_millis(500);

/// A connection that can be reset: closed with RST, as a recycled worker does.
struct Plug {
    stream: TcpStream,
    resets: Arc<AtomicBool>,
}

impl Drop for Plug {
    fn drop(&mut self) {
        if self.resets.load(Ordering::Acquire) {
            // With no time to linger, closing resets.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Plug {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Plug {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.resets.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.resets.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Serves one connection, until either side ends it, it is reset, or the stand-in goes down.
pub(crate) async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let resets = Arc::new(AtomicBool::new(false));
    let (mut down, mut reset_all) = (shared.down.subscribe(), shared.resets.subscribe());
    let keep_alive = shared.switches.get().keep_alive_milliseconds;
    let keep_alive = keep_alive.map_or(KEEP_ALIVE, Duration::from_millis);
    let plug = Plug {
        stream,
        resets: Arc::clone(&resets),
    };
    let service = {
        let (shared, resets) = (Arc::clone(&shared), Arc::clone(&resets));
        service_fn(move |request| {
            let (shared, resets) = (Arc::clone(&shared), Arc::clone(&resets));
            async move { respond(request, &shared, &resets).await }
        })
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(keep_alive);
    let served = async {
        // What goes wrong with a connection is its client's to notice.
        match tls {
            None => {
                shared.authorisations.count_connection();
                let _ = http.serve_connection(TokioIo::new(plug), service).await;
            }
            Some(tls) => match tls.accept(plug).into_fallible().await {
                Ok(stream) => {
                    shared.authorisations.count_connection();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                }
                // Closed with bytes unread it would be reset, and the alert that says why might be lost.
                Err((_, mut plug)) => {
                    let mut rest = [0; 1_024];
                    let until_end =
                        async { while plug.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
                    let _ = tokio::time::timeout(ALERT_LINGER, until_end).await;
                }
            },
        }
    };
    tokio::select! {
        () = served => {}
        // Going down cuts what is open.
        _ = down.wait_for(|down| *down) => resets.store(true, Ordering::Release),
        _ = reset_all.changed() => resets.store(true, Ordering::Release),
    }
}
