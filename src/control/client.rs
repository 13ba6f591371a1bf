//! The side of the commands: one order, one reply, and a clear word when there is nobody to ask.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::{LONGEST_LINE, LONGEST_PATH, Order, Reply};

/// How long the server may take to accept an order.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take to carry the order out.
const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// Why an order got no reply. No text holds a value of the order.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error(
        "no server is running on this data folder (nobody listens at {}): start it, then repeat the command",
        .0.display()
    )]
    NotRunning(PathBuf),
    /// The socket is another user's.
    #[error(
        "{} belongs to another user: run the command as the user that the server runs as, or as root",
        .0.display()
    )]
    NotAllowed(PathBuf),
    /// The path is too long for a socket.
    #[error(
        "the path of the control socket, {}, has more than {LONGEST_PATH} bytes: set control.socket_file to a shorter one",
        .0.display()
    )]
    PathTooLong(PathBuf),
    /// The connection failed before the order was sent whole.
    #[error("the running server cannot be asked: {0}")]
    Unsent(#[source] io::Error),
    /// The order was sent and no reply came.
    #[error(
        "the running server gave no reply, and whether the order was carried out is not known: {0}"
    )]
    NoReply(#[source] io::Error),
    /// The reply is none that this version knows.
    #[error(
        "the running server's reply is not understood, and whether the order was carried out is not known: are command and server of the same version?"
    )]
    NotUnderstood,
}

/// Asks the server that listens at `path`, and waits for its reply.
///
/// # Errors
/// [`AskError`].
pub fn ask(path: &Path, order: &Order) -> Result<Reply, AskError> {
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(AskError::PathTooLong(path.to_owned()));
    }
    let mut stream = connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AskError::NotRunning(path.to_owned())
        }
        io::ErrorKind::PermissionDenied => AskError::NotAllowed(path.to_owned()),
        _ => AskError::Unsent(error),
    })?;
    let mut line = serde_json::to_vec(order).map_err(|error| AskError::Unsent(error.into()))?;
    line.push(b'\n');
    // A server that replies before it has read (there is no room) may have closed already: its reply tells more than this failure.
    let sent = stream.write_all(&line);
    let mut reply = Vec::with_capacity(LONGEST_LINE);
    let read = BufReader::new(&stream)
        .take(LONGEST_LINE as u64)
        .read_until(b'\n', &mut reply);
    match (sent, read) {
        (_, Ok(read)) if read > 0 => {}
        (Err(error), _) => return Err(AskError::Unsent(error)),
        (Ok(()), Err(error)) => return Err(AskError::NoReply(error)),
        (Ok(()), Ok(_)) => return Err(AskError::NoReply(io::ErrorKind::UnexpectedEof.into())),
    }
    serde_json::from_slice(&reply).map_err(|_| AskError::NotUnderstood)
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Holds for the connection, too: a server that accepts nothing must not keep a command for ever.
    socket.set_write_timeout(Some(SEND_LIMIT))?;
    socket.set_read_timeout(Some(REPLY_LIMIT))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(UnixStream::from(OwnedFd::from(socket)))
}
