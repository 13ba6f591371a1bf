//! A blocking client that sends exactly the bytes it is given.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use super::pki::{Authority, Identity};

/// Longest wait for anything: only a failing test gets there.
const PATIENCE: Duration = Duration::from_secs(30);

/// What comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A byte stream to the front.
pub struct Client<S> {
    pub stream: S,
    unread: Vec<u8>,
}

pub type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// A configuration; clones share their sessions, so that the second connection resumes the first.
pub fn config(
    authority: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    use rustls_pki_types::pem::PemObject as _;
    let mut roots = RootCertStore::empty();
    let certificate =
        rustls_pki_types::CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes());
    roots.add(certificate.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain(), identity.key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    })
}

pub fn tls13(authority: &Authority, identity: Option<&Identity>) -> Arc<ClientConfig> {
    config(authority, identity, &[&rustls::version::TLS13])
}

pub fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub fn plain(address: SocketAddr) -> Client<TcpStream> {
    Client {
        stream: tcp(address),
        unread: Vec::new(),
    }
}

/// Connects and completes the handshake.
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<TlsClient> {
    handshake(tcp(address), config)
}

/// A handshake on an open TCP connection.
pub fn handshake(mut tcp: TcpStream, config: &Arc<ClientConfig>) -> io::Result<TlsClient> {
    let name = "localhost".try_into().unwrap();
    let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut tcp)?;
    }
    Ok(Client {
        stream: StreamOwned::new(session, tcp),
        unread: Vec::new(),
    })
}

impl TlsClient {
    pub fn resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

impl<S: Read + Write> Client<S> {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer()
    }

    /// All that comes back to a HEAD, after which the connection closes.
    pub fn head(mut self, path: &str) -> String {
        self.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        ));
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    pub fn post(&mut self, body: &[u8]) -> Answer {
        self.send(xml_header(body.len()));
        self.send(body);
        self.answer()
    }

    /// Reads one answer to its end, by its length, its chunks or the end of the connection.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let header_end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            self.more()?;
        };
        let head = String::from_utf8(self.unread[..header_end].to_vec()).unwrap();
        self.unread.drain(..header_end + 4);
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers = lines.map(header).collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if status == 100 {
            return Ok(answer);
        }
        if let Some(length) = answer
            .header("content-length")
            .map(|text| text.parse::<usize>().unwrap())
        {
            while self.unread.len() < length {
                self.more()?;
            }
            answer.body = self.unread.drain(..length).collect();
        } else if answer.header("transfer-encoding").is_some() {
            answer.body = self.chunks()?;
        } else {
            self.stream.read_to_end(&mut self.unread)?;
            answer.body = std::mem::take(&mut self.unread);
        }
        Ok(answer)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Some(end) = find(&self.unread, b"\r\n") else {
                self.more()?;
                continue;
            };
            let length =
                usize::from_str_radix(std::str::from_utf8(&self.unread[..end]).unwrap(), 16)
                    .unwrap();
            while self.unread.len() < end + 2 + length + 2 {
                self.more()?;
            }
            body.extend_from_slice(&self.unread[end + 2..end + 2 + length]);
            self.unread.drain(..end + 2 + length + 2);
            if length == 0 {
                return Ok(body);
            }
        }
    }

    /// Waits for the end of the connection; whether it came without a byte more.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0_u8; 1]) {
            Ok(0) => self.unread.is_empty(),
            Ok(_) => false,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0_u8; 16 * 1024];
        let length = self.stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&buffer[..length]);
        Ok(())
    }
}

/// The header of a request to `/echo` with a body of this length.
pub fn xml_header(length: usize) -> String {
    format!(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
    )
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
