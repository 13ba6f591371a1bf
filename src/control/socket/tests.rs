//! A failure here means that others than the server's user reach it by its control socket, that a command or a stranger can make it wait or
//! remember without bound, that a killed server prevents the next start, or that one server takes another's socket away.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream as Blocking;
use std::sync::Mutex;

use sistema_ts_model::Cun;
use tokio::sync::Notify;

use super::*;
use crate::control::{AskError, ask};

/// Remembers what it was asked, and waits for a word before it replies.
#[derive(Default)]
struct Desk {
    asked: Mutex<Vec<(Order, Peer)>>,
    begun: Notify,
    go_on: Notify,
    waits: bool,
    ended: Mutex<usize>,
}

#[async_trait]
impl CarryOut for Desk {
    async fn carry_out(&self, order: Order, by: Peer) -> Reply {
        self.asked.lock().unwrap().push((order, by));
        self.begun.notify_one();
        if self.waits {
            self.go_on.notified().await;
        }
        *self.ended.lock().unwrap() += 1;
        Reply::NoFailureCounts
    }
}

fn order() -> Order {
    let code = Cun::parse("CUN-59FU36KR46").unwrap();
    Order::ForgiveCode { code }
}

/// A socket in a folder of its own, served by this desk.
fn served(desk: &Arc<Desk>) -> (tempfile::TempDir, PathBuf, OpenControl) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let socket = ControlSocket::bind(&path).unwrap();
    let orders: Arc<dyn CarryOut> = Arc::<Desk>::clone(desk);
    (folder, path, socket.serve(orders))
}

async fn asked(path: &Path) -> Result<Reply, AskError> {
    let path = path.to_owned();
    let asking = tokio::task::spawn_blocking(move || ask(&path, &order()));
    asking.await.unwrap()
}

/// What comes back for these bytes, of which no more follow if `ends`.
async fn raw(path: &Path, bytes: Vec<u8>, ends: bool) -> String {
    let path = path.to_owned();
    let exchange = move || {
        let mut stream = Blocking::connect(path).unwrap();
        // The server may have replied and closed before it has read all.
        let _ = stream.write_all(&bytes);
        if ends {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

#[tokio::test]
async fn an_order_is_carried_out_for_its_user_and_replied_to() {
    let desk = Arc::new(Desk::default());
    let (_folder, path, control) = served(&desk);
    let metadata = std::fs::symlink_metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert_eq!(asked(&path).await.unwrap(), Reply::NoFailureCounts);
    let (carried_out, by) = desk.asked.lock().unwrap()[0].clone();
    assert_eq!(carried_out, order());
    assert_eq!(by.user, metadata.uid());
    assert_eq!(by.process, Some(std::process::id().cast_signed()));
    control.end().await;
    assert!(!path.exists());
    assert!(matches!(asked(&path).await, Err(AskError::NotRunning(_))));
}

#[tokio::test]
async fn the_socket_is_private_from_its_first_moment() {
    // Tests run under the umask of whoever starts them, which mostly lets others read: the socket's own mode must do it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = listen(&path).unwrap();
    assert_eq!(
        std::fs::symlink_metadata(&path).unwrap().mode() & 0o077,
        0,
        "before anything else was done to it"
    );
    drop(listener);
}

#[tokio::test]
async fn what_is_no_order_is_refused_in_words_and_reaches_nobody() {
    let desk = Arc::new(Desk::default());
    let (_folder, path, _control) = served(&desk);
    let line = serde_json::to_vec(&order()).unwrap();
    let long = [b"{\"order\":\"".to_vec(), vec![b'x'; 2 * LONGEST_LINE]].concat();
    for (bytes, reason) in [
        (b"\n".to_vec(), "does not understand"),
        (b"stop\n".to_vec(), "does not understand"),
        (vec![0xff, 0xfe, b'\n'], "does not understand"),
        (line.clone(), "cut off"),
        (Vec::new(), "cut off"),
        (long, "too long"),
    ] {
        let reply = raw(&path, bytes, true).await;
        assert!(reply.contains(reason), "{reply}");
        assert!(reply.starts_with(r#"{"reply":"not_done""#), "{reply}");
    }
    assert!(desk.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_writes_nothing_is_not_waited_for() {
    let desk = Arc::new(Desk::default());
    let (_folder, path, control) = served(&desk);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("did not come in time"), "{reply}");
    control.end().await;
}

#[tokio::test]
async fn more_orders_than_there_is_room_for_are_told_to_come_back() {
    let desk = Arc::new(Desk {
        waits: true,
        ..Desk::default()
    });
    let (_folder, path, control) = served(&desk);
    let mut first: Vec<_> = Vec::new();
    for _ in 0..MOST_ORDERS {
        let path = path.clone();
        first.push(tokio::spawn(async move { asked(&path).await }));
        desk.begun.notified().await;
    }
    let Ok(Reply::NotDone { reason }) = asked(&path).await else {
        panic!("one order too many was taken");
    };
    assert!(reason.contains("too many"), "{reason}");
    desk.go_on.notify_waiters();
    for asking in first {
        assert_eq!(asking.await.unwrap().unwrap(), Reply::NoFailureCounts);
    }
    control.end().await;
}

#[tokio::test]
async fn an_order_comes_to_its_end_when_its_command_has_gone_and_the_server_waits_for_it() {
    let desk = Arc::new(Desk {
        waits: true,
        ..Desk::default()
    });
    let (_folder, path, control) = served(&desk);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let mut line = serde_json::to_vec(&order()).unwrap();
    line.push(b'\n');
    stream.write_all(&line).await.unwrap();
    desk.begun.notified().await;
    drop(stream);
    let ending = tokio::spawn(control.end());
    desk.go_on.notify_one();
    ending.await.unwrap();
    assert_eq!(*desk.ended.lock().unwrap(), 1);
}

#[tokio::test]
async fn what_a_killed_server_left_is_replaced_and_what_is_another_s_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    // As after kill -9: the file stays, and nobody listens.
    drop(listen(&path).unwrap());
    assert!(path.exists());
    let socket = ControlSocket::bind(&path).unwrap();
    // While it is there, served or not, no other takes its place.
    assert!(matches!(
        ControlSocket::bind(&path),
        Err(ControlError::InUse(_))
    ));
    drop(socket);
    assert!(!path.exists());

    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(
        ControlSocket::bind(&path),
        Err(ControlError::NotASocket(_))
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    std::fs::remove_file(&path).unwrap();
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(
        ControlSocket::bind(&path),
        Err(ControlError::NotASocket(_))
    ));
}

#[tokio::test]
async fn a_socket_that_took_the_place_of_ours_stays_when_we_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let ours = ControlSocket::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let theirs = ControlSocket::bind(&path).unwrap();
    drop(ours);
    assert!(path.exists());
    drop(theirs);
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let long = |bytes: usize| {
        let room = bytes - folder.path().as_os_str().len() - 1;
        folder.path().join("s".repeat(room))
    };
    assert!(ControlSocket::bind(&long(LONGEST_PATH)).is_ok());
    assert!(matches!(
        ControlSocket::bind(&long(LONGEST_PATH + 1)),
        Err(ControlError::PathTooLong(_))
    ));
    assert!(matches!(
        ask(&long(LONGEST_PATH + 1), &order()),
        Err(AskError::PathTooLong(_))
    ));
    assert!(matches!(
        ControlSocket::bind(&folder.path().join("missing/s")),
        Err(ControlError::Io { .. })
    ));
}

/// Connects as another user: the number of this thread's user alone is changed, which only root may do.
fn connect_as(user: libc::uid_t, path: &Path) -> io::Result<Blocking> {
    let unchanged = libc::uid_t::MAX;
    // SAFETY: the call takes integers only; unlike libc's own function it changes the calling thread, which ends after this.
    let changed = unsafe { libc::syscall(libc::SYS_setresuid, unchanged, user, unchanged) };
    if changed != 0 {
        return Err(io::Error::last_os_error());
    }
    Blocking::connect(path)
}

#[tokio::test]
async fn an_order_of_another_user_is_refused_even_if_the_socket_lets_him_in() {
    // SAFETY: geteuid reads a number of this process.
    if unsafe { libc::geteuid() } != 0 {
        // Nobody else can be played.
        return;
    }
    let desk = Arc::new(Desk::default());
    let (folder, path, control) = served(&desk);
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    open(folder.path(), 0o755);
    let asked_by_another = |path: PathBuf| {
        let thread = std::thread::spawn(move || {
            let mut stream = connect_as(65_534, &path)?;
            let mut line = serde_json::to_vec(&order()).unwrap();
            line.push(b'\n');
            let _ = stream.write_all(&line);
            let mut reply = String::new();
            let _ = stream.read_to_string(&mut reply);
            Ok::<_, io::Error>(reply)
        });
        tokio::task::spawn_blocking(move || thread.join().unwrap())
    };
    // As it is made, he does not even reach it.
    let refused = asked_by_another(path.clone()).await.unwrap().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    open(&path, 0o666);
    let reply = asked_by_another(path.clone()).await.unwrap().unwrap();
    assert!(reply.contains("own user and root"), "{reply}");
    assert!(desk.asked.lock().unwrap().is_empty());
    control.end().await;
}
