//! A server that answers every request alike: against it the client's own ceiling is measured, and its figures are held against known ones.
//!
//! It reads a request up to its end and looks at nothing in it; each answer has the form of an accepted submission, with a CUN that
//! no other answer has. One thread, readiness events, TLS by hand: what it costs is the least that a server could. An answer that is due later is
//! waited for awake, since what is compared are times of some hundred microseconds.

mod connection;
mod identity;
mod pace;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ServerConfig;

use connection::{AnswerBytes, Client};
pub(crate) use identity::Identity;
pub(crate) use pace::{Delays, Pace};

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
    pub(crate) fn start(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        mut pace: Pace,
    ) -> io::Result<Self> {
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
            .spawn(move || serve(poll, &listener, &tls, &mut pace, &is_stopped))?;
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
    pace: &mut Pace,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut clients: HashMap<usize, Client> = HashMap::new();
    let mut next = 0;
    let mut answer = AnswerBytes::new();
    // The earliest one first; of one moment, the one that was asked for first.
    let mut due: BinaryHeap<Reverse<(Instant, u64, usize)>> = BinaryHeap::new();
    let mut asked = 0;
    let mut events = Events::with_capacity(256);
    while !stop.load(Ordering::Relaxed) {
        let timeout = if due.is_empty() {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        };
        match poll.poll(&mut events, Some(timeout)) {
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
                    let Some(client) = clients.get_mut(&number) else {
                        continue;
                    };
                    let done = client.advance().and_then(|requests| {
                        for _ in 0..requests {
                            match pace.due(Instant::now()) {
                                None => client.answer(answer.next())?,
                                Some(at) => {
                                    asked += 1;
                                    due.push(Reverse((at, asked, number)));
                                }
                            }
                        }
                        Ok(())
                    });
                    if done.is_err() {
                        clients.remove(&number);
                    }
                }
            }
        }
        while let Some(Reverse((at, _, number))) = due.peek().copied()
            && at <= Instant::now()
        {
            due.pop();
            // One that left meanwhile gets none.
            if let Some(client) = clients.get_mut(&number)
                && client.answer(answer.next()).is_err()
            {
                clients.remove(&number);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: an answer before its time, so that a client which tells the truth seems to be slow.

    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::wire::client::Client;
    use crate::wire::target::Target;

    /// How long it takes until so many connections, one request each at once, all have an answer.
    fn answered_after(pace: Pace, connections: usize) -> Duration {
        let identity = Identity::new().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mirror = Mirror::start(address, Arc::clone(&identity.tls), pace).unwrap();
        let target = Target {
            address: mirror.address,
            ..Target::nowhere(identity.authority).unwrap()
        };
        let minute = Duration::from_secs(60);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let mut client = Client::new(&target, minute);
                    let request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
                    let status = client.exchange(request, minute, |_| Ok(()));
                    assert_eq!(status.unwrap(), 200);
                });
            }
        });
        begun.elapsed()
    }

    #[test]
    fn no_answer_comes_before_its_time() {
        let delays = "1000x60000".parse().unwrap();
        assert!(answered_after(Pace::apart(delays), 3) >= Duration::from_millis(60));
        let service = Duration::from_millis(20);
        assert!(answered_after(Pace::in_turn(service), 3) >= 3 * service);
    }
}
