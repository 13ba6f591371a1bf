//! One connection: a socket, its TLS, and the answer that is coming.
//!
//! An answer is gathered whole, but for those to listings, which are read as they come and may be of any length.

use std::io::{self, BufRead as _, ErrorKind, Write as _};
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ClientConnection, HandshakeKind};

use crate::wire::answer::{AnswerError, AnswerReader, Answered};
use crate::wire::listing::{Frame, Scan, ScanError};
use crate::wire::target::Target;

/// What ended a connection.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The socket failed.
    #[error("{}", describe(.0))]
    Io(#[from] io::Error),
    /// TLS failed, or the server refused the certificate.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// What came is no answer.
    #[error("{0}")]
    Answer(#[from] AnswerError),
    /// What came is no listing.
    #[error("{0}")]
    Listing(#[from] ScanError),
    /// The server closed it.
    #[error("closed by the server")]
    Closed,
}

/// The kind alone where there is one: system texts carry numbers that differ between runs.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::Other | ErrorKind::InvalidData => error.to_string(),
        kind => kind.to_string(),
    }
}

/// What a connection has to tell after an event.
#[derive(Debug)]
pub enum Progress {
    /// Nothing yet.
    Waiting,
    /// The handshake is done.
    Open,
    /// The answer to the request under way is whole.
    Answered(Answered),
}

/// A TLS connection that never blocks.
pub struct Connection {
    socket: TcpStream,
    tls: ClientConnection,
    answer: AnswerReader,
    /// The listing that is coming instead of an answer.
    listing: Option<Box<ListingReader>>,
    open: bool,
}

/// A listing as it comes.
#[derive(Default)]
struct ListingReader {
    frame: Frame,
    scan: Scan,
}

impl Connection {
    /// Begins to connect; `token` names it in events.
    pub fn begin(target: &Target, registry: &Registry, token: Token) -> Result<Self, Broken> {
        let mut socket = TcpStream::connect(target.address)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            socket,
            tls: ClientConnection::new(Arc::clone(&target.tls), target.server_name.clone())?,
            answer: AnswerReader::default(),
            listing: None,
            open: false,
        })
    }

    /// Sends a request; what the socket does not take now goes with later events.
    pub fn send(&mut self, request: &[u8]) -> Result<(), Broken> {
        self.tls.writer().write_all(request)?;
        self.flush()
    }

    /// The next answer is a listing, which is read as it comes.
    pub fn expect_listing(&mut self) {
        self.listing = Some(Box::default());
    }

    /// The body of the answer that is whole, until [`forget`](Self::forget).
    pub fn body(&self) -> &[u8] {
        self.answer.body()
    }

    /// Makes ready for the next answer.
    pub fn forget(&mut self) {
        self.answer.clear();
        self.listing = None;
    }

    /// What was in the listing that is whole.
    pub fn take_listing(&mut self) -> Option<Scan> {
        self.listing.take().map(|reader| reader.scan)
    }

    /// Whether the handshake was a short one; false before its end.
    pub fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Does what an event allows. With edge-triggered events all must be read up to a complete answer: after it nothing
    /// more is due, and whatever still comes is a new event.
    pub fn advance(&mut self, writable: bool) -> Result<Progress, Broken> {
        if writable && !self.open {
            if let Some(error) = self.socket.take_error()? {
                return Err(error.into());
            }
            // Fails until the connection is made; the event comes again.
            if self.socket.peer_addr().is_err() {
                return Ok(Progress::Waiting);
            }
            self.socket.set_nodelay(true)?;
        }
        if writable {
            self.flush()?;
        }
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(Broken::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::NotConnected => break,
                Err(error) => return Err(error.into()),
            }
            let processed = self.tls.process_new_packets();
            // Also an alert of ours has to leave.
            self.flush()?;
            processed?;
            if let Some(answer) = self.read_answer()? {
                return Ok(Progress::Answered(answer));
            }
        }
        if !self.open && !self.tls.is_handshaking() {
            self.open = true;
            return Ok(Progress::Open);
        }
        Ok(Progress::Waiting)
    }

    fn read_answer(&mut self) -> Result<Option<Answered>, Broken> {
        let mut reader = self.tls.reader();
        let mut complete = None;
        loop {
            let length = match reader.fill_buf() {
                // The server may close right behind its answer, which counts all the same.
                Ok([]) if complete.is_some() => return Ok(complete),
                Ok([]) => return Err(Broken::Closed),
                Ok(_) if complete.is_some() => return Err(AnswerError::Excess.into()),
                Ok(bytes) => {
                    complete = match &mut self.listing {
                        Some(reader) => reader.push(bytes)?,
                        None => self.answer.push(bytes)?,
                    };
                    bytes.len()
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(complete),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(Broken::Closed);
                }
                Err(error) => return Err(error.into()),
            };
            reader.consume(length);
        }
    }

    fn flush(&mut self) -> Result<(), Broken> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl ListingReader {
    fn push(&mut self, bytes: &[u8]) -> Result<Option<Answered>, ScanError> {
        let Self { frame, scan } = self;
        let whole = frame.push(bytes, |part| scan.push(part))?;
        Ok(whole.then_some(Answered {
            status: frame.status,
            closes: frame.closes,
        }))
    }
}
