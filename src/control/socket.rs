//! The side of the server: the socket, who may use it, and the bounds on each order.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{LONGEST_LINE, LONGEST_PATH, Order, Reply};
use crate::telemetry::LogBudget;

/// Orders at work at once; one more is told to come back.
const MOST_ORDERS: usize = 8;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 16;

/// How long a command may take to write its order, and to take its reply. Tests see the end of it.
const PATIENCE: Duration = if cfg!(test) {
    Duration::from_secs(1)
} else {
    Duration::from_secs(5)
};

/// Wait after the system gave no connection, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why the control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The path does not fit into a socket's address.
    #[error(
        "the path of the control socket, {}, has more than {LONGEST_PATH} bytes: set control.socket_file to a shorter one",
        .0.display()
    )]
    PathTooLong(PathBuf),
    /// Something else is at that path.
    #[error("{} is there and is no socket: it is left alone; set control.socket_file to another path", .0.display())]
    NotASocket(PathBuf),
    /// Another server listens there.
    #[error("another server listens at {}", .0.display())]
    InUse(PathBuf),
    /// The system refused.
    #[error("the control socket {} cannot be {what}: {reason}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What could not be done with it.
        what: &'static str,
        /// What the system said.
        reason: io::Error,
    },
}

/// Who has sent an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// User that the command runs as: the server's own, or root.
    pub user: u32,
    /// Its process, if the system tells.
    pub process: Option<i32>,
}

/// Carries orders out.
#[async_trait]
pub trait CarryOut: Send + Sync + 'static {
    /// Does what the order says. Goes on to its end when the command that sent it has gone.
    async fn carry_out(&self, order: Order, by: Peer) -> Reply;
}

/// A socket that is bound and not served yet: commands that connect wait.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    place: Place,
}

/// A socket that is served.
#[derive(Debug)]
pub struct OpenControl {
    accepting: JoinHandle<()>,
    orders: TaskTracker,
    place: Place,
}

/// Where the socket is; removed when dropped, unless something else is there by then.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    identity: (u64, u64),
}

impl ControlSocket {
    /// Makes the socket, with mode 0600 from its first moment. One that a killed server has left behind is replaced. Must be called on a runtime.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(ControlError::PathTooLong(path.to_owned()));
        }
        let failed = |what| {
            move |reason| ControlError::Io {
                path: path.to_owned(),
                what,
                reason,
            }
        };
        clear_the_way(path)?;
        let listener = listen(path).map_err(failed("made"))?;
        let metadata = std::fs::symlink_metadata(path).map_err(failed("looked at"))?;
        let place = Place {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
        };
        // Where a system gives a socket's file another mode than the socket's own.
        if metadata.mode() & 0o777 != 0o600 {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
                .map_err(failed("made private"))?;
        }
        Ok(Self {
            listener: UnixListener::from_std(listener).map_err(failed("watched"))?,
            place,
        })
    }

    /// Carries orders out from now on.
    #[must_use]
    pub fn serve(self, orders: Arc<dyn CarryOut>) -> OpenControl {
        let at_work = TaskTracker::new();
        let accepting = tokio::spawn(accept(self.listener, orders, at_work.clone()));
        OpenControl {
            accepting,
            orders: at_work,
            place: self.place,
        }
    }
}

impl OpenControl {
    /// Takes no order any more, and waits for the end of those at work.
    pub async fn end(self) {
        self.accepting.abort();
        // Cancelled, which is what was asked for.
        let _ = self.accepting.await;
        drop(self.place);
        self.orders.close();
        self.orders.wait().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if is_ours {
            // What stays is replaced by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket of a server that is gone.
fn clear_the_way(path: &Path) -> Result<(), ControlError> {
    let failed = |what| {
        move |reason| ControlError::Io {
            path: path.to_owned(),
            what,
            reason,
        }
    };
    match std::fs::symlink_metadata(path) {
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(reason) => return Err(failed("looked at")(reason)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ControlError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    let connect = || -> io::Result<()> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match connect() {
        Err(reason) if reason.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("replaced"))
        }
        // `WouldBlock`: somebody listens and has not accepted those before.
        Ok(()) => Err(ControlError::InUse(path.to_owned())),
        Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => {
            Err(ControlError::InUse(path.to_owned()))
        }
        Err(reason) => Err(failed("looked at")(reason)),
    }
}

fn listen(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the file the mode of the socket, so that there is no moment in which others could connect.
    let socket = File::from(OwnedFd::from(socket));
    socket.set_permissions(Permissions::from_mode(0o600))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(OwnedFd::from(socket).into())
}

async fn accept(listener: UnixListener, orders: Arc<dyn CarryOut>, at_work: TaskTracker) {
    let places = Arc::new(Semaphore::new(MOST_ORDERS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the control socket gives no connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // A few bytes fit into the socket's buffer: nothing is waited for.
            let busy = line_of(&not_done("too many orders are at work: repeat the command"));
            let _ = stream.try_write(&busy);
            continue;
        };
        let orders = Arc::clone(&orders);
        at_work.spawn(async move {
            serve(stream, &*orders).await;
            drop(place);
        });
    }
}

/// One order and its reply.
async fn serve(mut stream: UnixStream, orders: &dyn CarryOut) {
    let reply = match peer_of(&stream) {
        None => not_done("only the server's own user and root may give orders"),
        Some(peer) => match timeout(PATIENCE, read_order(&mut stream)).await {
            Ok(Ok(order)) => orders.carry_out(order, peer).await,
            Ok(Err(reason)) => not_done(reason),
            Err(_) => not_done("the order did not come in time"),
        },
    };
    let line = line_of(&reply);
    // Who has gone does not want it; the order was carried out all the same.
    let _ = timeout(PATIENCE, stream.write_all(&line)).await;
}

/// Who is at the other end, if he may give orders.
fn peer_of(stream: &UnixStream) -> Option<Peer> {
    static LOG: LogBudget = LogBudget::new("order-refused");
    let credentials = stream.peer_cred().ok()?;
    // SAFETY: geteuid reads a number of this process.
    let own = unsafe { libc::geteuid() };
    let peer = Peer {
        user: credentials.uid(),
        process: credentials.pid(),
    };
    if peer.user == own || peer.user == 0 {
        return Some(peer);
    }
    if let Some(left_out) = LOG.take_for(&peer.user) {
        tracing::warn!(target: "security", user = peer.user, process = peer.process, left_out, "an order of another user was refused");
    }
    None
}

async fn read_order(stream: &mut UnixStream) -> Result<Order, &'static str> {
    let mut line = Vec::with_capacity(512);
    let mut reader = BufReader::new(stream).take(LONGEST_LINE as u64);
    let read = reader.read_until(b'\n', &mut line).await;
    match read {
        Ok(_) if line.ends_with(b"\n") => serde_json::from_slice(&line).map_err(|_| {
            "the server does not understand the order: are command and server of the same version?"
        }),
        Ok(_) if line.len() >= LONGEST_LINE => Err("the order is too long"),
        _ => Err("the order was cut off"),
    }
}

fn not_done(reason: &str) -> Reply {
    Reply::NotDone {
        reason: reason.to_owned(),
    }
}

fn line_of(reply: &Reply) -> Vec<u8> {
    // Texts and numbers, which always have a form in JSON.
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
