//! A server that answers every request alike: against it the client's own ceiling is measured.
//!
//! It reads a request up to its end and looks at nothing in it; each answer has the form of an accepted submission, with a CUN that
//! no other answer has. One thread, readiness events, TLS by hand: what it costs is the least that a server could.

mod connection;
mod identity;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ServerConfig;

use connection::{AnswerBytes, Client};
pub(crate) use identity::Identity;

const LISTENER: Token = Token(usize::MAX - 1);
const STOP: Token = Token(usize::MAX - 2);

/// A mirror that runs on a thread of its own until it is dropped.
pub(crate) struct Mirror {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Mirror {
    /// Starts one.
    pub(crate) fn start(address: SocketAddr, tls: Arc<ServerConfig>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("mirror".into())
            .spawn(move || serve(poll, &listener, &tls, &is_stopped))?;
        Ok(Self {
            address,
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// Waits for its end, which only a failure brings.
    pub(crate) fn join(mut self) -> io::Result<()> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(end)) => end,
            _ => Err(io::Error::other("the mirror's thread failed")),
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            // What it failed of is of no interest any more.
            let _ = thread.join();
        }
    }
}

fn serve(
    mut poll: Poll,
    listener: &TcpListener,
    tls: &Arc<ServerConfig>,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut clients: HashMap<usize, Client> = HashMap::new();
    let mut next = 0;
    let mut answer = AnswerBytes::new();
    let mut events = Events::with_capacity(256);
    while !stop.load(Ordering::Relaxed) {
        match poll.poll(&mut events, Some(Duration::from_secs(1))) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        for event in &events {
            match event.token() {
                STOP => {}
                LISTENER => loop {
                    let (mut socket, _) = match listener.accept() {
                        Ok(accepted) => accepted,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        // One that left before it was accepted is no reason to stop.
                        Err(_) => continue,
                    };
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry()
                        .register(&mut socket, Token(next), interest)?;
                    if let Some(client) = Client::new(socket, tls) {
                        clients.insert(next, client);
                    }
                    next += 1;
                },
                Token(number) => {
                    let ended = clients
                        .get_mut(&number)
                        .is_some_and(|client| client.advance(&mut answer).is_err());
                    if ended {
                        clients.remove(&number);
                    }
                }
            }
        }
    }
    Ok(())
}
