//! A client that waits for its answers, one after another: for what comes before and after the load.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::listing::{Frame, ScanError};
use super::target::Target;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection could be made within the time limit.
    #[error("connecting: {0}")]
    Connect(String),
    /// The connection ended, or nothing came within the time limit.
    #[error("an answer cut off: {0}")]
    Cut(ErrorKind),
    /// What came is no answer.
    #[error("{0}")]
    Scan(#[from] ScanError),
}

/// One caller's connection, made when it is needed.
pub(crate) struct Client {
    target: Target,
    limit: Duration,
    stream: Option<StreamOwned<ClientConnection, TcpStream>>,
    piece: Vec<u8>,
}

impl Client {
    /// `limit` is the longest time for a connection, and the longest without a byte of an answer.
    pub(crate) fn new(target: &Target, limit: Duration) -> Self {
        Self {
            target: target.clone(),
            limit,
            stream: None,
            piece: vec![0; PIECE],
        }
    }

    /// Sends a request and hands on its answer's body as it comes; the status. The whole answer may take so long, however its bytes come.
    /// A connection that has ended while it was idle is made
    /// anew before anything is sent, and nothing is sent twice.
    pub(crate) fn exchange(
        &mut self,
        request: &[u8],
        whole: Duration,
        mut body: impl FnMut(&[u8]) -> Result<(), ScanError>,
    ) -> Result<u16, ClientError> {
        let mut stream = match self.stream.take().filter(is_idle) {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let cut = |error: std::io::Error| ClientError::Cut(error.kind());
        stream
            .write_all(request)
            .and_then(|()| stream.flush())
            .map_err(cut)?;
        let mut frame = Frame::default();
        let until = Instant::now() + whole;
        loop {
            if Instant::now() >= until {
                return Err(ClientError::Cut(ErrorKind::TimedOut));
            }
            let length = stream.read(&mut self.piece).map_err(cut)?;
            if length == 0 {
                return Err(ClientError::Cut(ErrorKind::UnexpectedEof));
            }
            if frame.push(&self.piece[..length], &mut body)? {
                break;
            }
        }
        if !frame.closes {
            self.stream = Some(stream);
        }
        Ok(frame.status)
    }

    /// Connects, and asks nothing.
    pub(crate) fn reach(&self) -> Result<(), ClientError> {
        self.connect().map(drop)
    }

    /// A server that has just been started again is waited for.
    fn connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>, ClientError> {
        let until = Instant::now() + self.limit;
        loop {
            let error = match self.try_to_connect() {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            if Instant::now() >= until {
                return Err(ClientError::Connect(error));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn try_to_connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        let failed = |error: std::io::Error| error.kind().to_string();
        let socket =
            TcpStream::connect_timeout(&self.target.address, self.limit).map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        socket.set_read_timeout(Some(self.limit)).map_err(failed)?;
        let tls = ClientConnection::new(
            Arc::clone(&self.target.tls),
            self.target.server_name.clone(),
        )
        .map_err(|error| format!("TLS: {error}"))?;
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream
                .conn
                .complete_io(&mut stream.sock)
                .map_err(|error| error.to_string())?;
        }
        Ok(stream)
    }
}

/// Whether a connection is there, and nothing has come on it.
fn is_idle(stream: &StreamOwned<ClientConnection, TcpStream>) -> bool {
    let mut byte = [0];
    let nothing_came = stream.sock.set_nonblocking(true).is_ok()
        && matches!(stream.sock.peek(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock);
    stream.sock.set_nonblocking(false).is_ok() && nothing_came
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a client that a server can keep for as long as it likes.

    use std::net::TcpListener;

    use rustls::ServerConnection;

    use super::*;
    use crate::mirror::Identity;

    #[test]
    fn an_answer_that_comes_byte_by_byte_without_end_is_given_up() {
        let identity = Identity::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target {
            address: listener.local_addr().unwrap(),
            ..Target::nowhere(identity.authority.clone()).unwrap()
        };
        let server = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let tls = ServerConnection::new(identity.tls).unwrap();
            let mut stream = StreamOwned::new(tls, socket);
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            // Until the client closes.
            while stream.write_all(b"x").and_then(|()| stream.flush()).is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut client = Client::new(&target, Duration::from_secs(60));
        let answer = client.exchange(b"GET", Duration::from_millis(200), |_| Ok(()));
        assert!(
            matches!(answer, Err(ClientError::Cut(ErrorKind::TimedOut))),
            "{answer:?}"
        );
        server.join().unwrap();
    }
}
