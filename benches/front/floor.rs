//! The floor: epoll, rustls, and a search for the end of the request; nothing else.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

struct Open {
    socket: TcpStream,
    tls: ServerConnection,
    unread: Vec<u8>,
}

/// Serves until killed, after printing its address.
pub fn serve(folder: &Path) {
    let config = config(folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    // SAFETY: plain system call.
    let epoll = unsafe { libc::epoll_create1(0) };
    watch(epoll, listener.as_raw_fd(), u64::MAX);
    let mut connections: Vec<Option<Open>> = Vec::new();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncontent-type: text/xml; charset=utf-8\r\n\
         date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
        super::ANSWER_BYTES
    )
    .into_bytes();
    answer.extend(vec![b'x'; super::ANSWER_BYTES]);
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    loop {
        // SAFETY: the buffer holds as many events as the call is told.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 256, -1) };
        for event in &events[..usize::try_from(count).unwrap_or(0)] {
            let token = event.u64;
            if token == u64::MAX {
                let (socket, _) = listener.accept().unwrap();
                socket.set_nodelay(true).unwrap();
                socket.set_nonblocking(true).unwrap();
                watch(epoll, socket.as_raw_fd(), connections.len() as u64);
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                connections.push(Some(Open {
                    socket,
                    tls,
                    unread: Vec::new(),
                }));
                continue;
            }
            let slot = &mut connections[usize::try_from(token).unwrap()];
            if slot.as_mut().is_some_and(|open| !go_on(open, &answer)) {
                *slot = None;
            }
        }
    }
}

/// Reads what there is and answers each whole request; whether the connection lives on.
fn go_on(open: &mut Open, answer: &[u8]) -> bool {
    match open.tls.read_tls(&mut open.socket) {
        Ok(0) => return false,
        Ok(_) => {}
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    }
    let Ok(state) = open.tls.process_new_packets() else {
        return false;
    };
    let start = open.unread.len();
    open.unread
        .resize(start + state.plaintext_bytes_to_read(), 0);
    if open
        .tls
        .reader()
        .read_exact(&mut open.unread[start..])
        .is_err()
    {
        return false;
    }
    while let Some(end) = memchr::memmem::find(&open.unread, b"\r\n\r\n") {
        let whole = end + 4 + super::BODY_BYTES;
        if open.unread.len() < whole {
            break;
        }
        open.unread.drain(..whole);
        open.tls.writer().write_all(answer).unwrap();
    }
    while open.tls.wants_write() {
        if open.tls.write_tls(&mut open.socket).is_err() {
            return false;
        }
    }
    true
}

fn watch(epoll: RawFd, socket: RawFd, token: u64) {
    let mut event = libc::epoll_event {
        events: libc::EPOLLIN as u32,
        u64: token,
    };
    // SAFETY: plain system call on a valid event.
    assert_eq!(
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket, &raw mut event) },
        0
    );
}

fn config(folder: &Path) -> Arc<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}
