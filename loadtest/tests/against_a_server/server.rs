//! A small server for the tests: rustls over blocking sockets, a thread for each connection, and a behaviour to order.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sistema_ts_model::Cun;

use crate::support::{Authority, read_request};

/// What the server does with the request that has this number (from 1), counted over all connections.
pub type Behaviour = dyn Fn(u64) -> Reply + Send + Sync;

pub enum Reply {
    /// `0000` with a CUN made from this number, in one piece.
    Accept(u64),
    /// The same, chunked, in two TLS records.
    AcceptChunked(u64),
    /// `9999` with these codes.
    Refuse(&'static [&'static str]),
    /// These bytes, and the connection stays open.
    Raw(&'static str),
    /// This body in one piece, and these bytes behind it, on their own once the client has read it; then the connection is closed.
    BodyAndLater(String, &'static str),
    /// `0000`, then the connection is closed as announced.
    AcceptAndClose(u64),
    /// The connection is cut without a word.
    Cut,
    /// No answer ever.
    Silence,
}

/// Files for the client, and where the server listens. The listener closes with the value.
pub struct Server {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Starts it. `only` connections are accepted, and then the port is closed; 0 = no limit.
    pub fn start(only: usize, behaviour: Arc<Behaviour>) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let config = make_pki(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            let count = Arc::new(AtomicU64::new(0));
            for accepted in 1.. {
                let Ok((socket, _)) = listener.accept() else {
                    return;
                };
                let (config, behaviour) = (config.clone(), behaviour.clone());
                let (seen, count) = (seen.clone(), count.clone());
                thread::spawn(move || serve(socket, config, &*behaviour, &seen, &count));
                if accepted == only {
                    return;
                }
            }
        });
        Server {
            address,
            folder,
            requests,
        }
    }
}

/// The server's side, and the files of a client and of a stranger, whom it does not let in.
fn make_pki(folder: &std::path::Path) -> Arc<ServerConfig> {
    let ours = Authority::new("ours");
    ours.issue(folder, "client");
    Authority::new("strangers").issue(folder, "stranger");
    ours.server(folder)
}

fn serve(
    socket: TcpStream,
    config: Arc<ServerConfig>,
    behaviour: &Behaviour,
    seen: &Mutex<Vec<String>>,
    count: &AtomicU64,
) {
    socket.set_nodelay(true).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
    while let Some(request) = read_request(&mut stream) {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        seen.lock().unwrap().push(request);
        let reply = behaviour(number);
        let written = match reply {
            Reply::Accept(cun) => whole(&mut stream, &accepted(cun), ""),
            Reply::AcceptAndClose(cun) => {
                let _ = whole(&mut stream, &accepted(cun), "Connection: close\r\n");
                stream.conn.send_close_notify();
                let _ = stream.flush();
                return;
            }
            Reply::AcceptChunked(cun) => chunked(&mut stream, &accepted(cun)),
            Reply::Refuse(codes) => whole(&mut stream, &refused(codes), ""),
            Reply::BodyAndLater(body, later) => {
                let _ = whole(&mut stream, &body, "");
                // A server that waits for a request in vain is what this plays: the client has read the body long ago.
                until_read(&stream.sock);
                let _ = stream
                    .write_all(later.as_bytes())
                    .and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
                return;
            }
            Reply::Raw(bytes) => stream.write_all(bytes.as_bytes()),
            Reply::Cut => return,
            Reply::Silence => continue,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Waits until the client has read all that was sent to it. Idle as it is then, it says nothing; but its end is on this machine too, whose table
/// of sockets tells how much is unread there. After a while it gives up, and the test fails by what follows.
fn until_read(socket: &TcpStream) {
    let end_of = |address: SocketAddr| format!(":{:04X}", address.port());
    let here = end_of(socket.local_addr().unwrap());
    let there = end_of(socket.peer_addr().unwrap());
    let limit = Instant::now() + Duration::from_secs(10);
    while Instant::now() < limit {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let is_read = table.lines().any(|line| {
            // Number, local and remote address, state, and the bytes unacknowledged and unread.
            let row: Vec<_> = line.split_ascii_whitespace().take(5).collect();
            row[1].ends_with(&there) && row[2].ends_with(&here) && row[4].ends_with(":00000000")
        });
        if is_read {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn whole(
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    body: &str,
    more: &str,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\n{more}content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}

fn chunked(
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    body: &str,
) -> std::io::Result<()> {
    let (first, second) = body.split_at(body.len() / 2);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n",
        first.len()
    )?;
    stream.flush()?;
    write!(stream, "{:x}\r\n{second}\r\n0\r\n\r\n", second.len())?;
    stream.flush()
}

fn envelope(transaction: &str, rest: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soap:Body><InvioEsecuzioneTestRicevuta xmlns=\"urn:sistemats:invioEsecuzioneTest:v1\">\
         <identificativoTransazione>{transaction}</identificativoTransazione>\
         <dataOra>2022-01-18T10:00:00.000+01:00</dataOra>{rest}</InvioEsecuzioneTestRicevuta></soap:Body></soap:Envelope>"
    )
}

/// A number made a CUN.
fn cun(number: u64) -> String {
    String::from_utf8(Cun::from_number(number).unwrap().to_text().to_vec()).unwrap()
}

pub fn accepted(number: u64) -> String {
    envelope(
        &cun(number),
        "<esito>0000</esito><descrizioneEsito>eseguito</descrizioneEsito>",
    )
}

fn refused(codes: &[&str]) -> String {
    let errors: String = codes
        .iter()
        .map(|code| format!("<t:errore><t:codice>{code}</t:codice><t:tipo>E</t:tipo></t:errore>"))
        .collect();
    envelope(
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        &format!(
            "<esito>9999</esito><descrizioneEsito>no</descrizioneEsito><listaErrori>{errors}</listaErrori>"
        ),
    )
}
