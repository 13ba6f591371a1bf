//! The client: as little as can be, one task a connection on one thread.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::pki::{Authority, Identity};

/// TLS 1.3 with a client certificate.
pub fn config(authority: &Authority, identity: &Identity) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(identity.chain(), identity.key())
        .unwrap();
    Arc::new(config)
}

/// Runs a closed loop over `connections` for `length`, after a warm-up of a fifth of it. Returns the requests answered
/// within and the CPU time that `cpu` says went by.
pub fn run(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    connections: usize,
    length: Duration,
    cpu: impl Fn() -> Duration,
) -> (u64, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let answered = Rc::new(Cell::new(0_u64));
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let connector = TlsConnector::from(Arc::clone(&config));
            let stream = connector
                .connect("localhost".try_into().unwrap(), stream)
                .await
                .unwrap();
            tasks.push(tokio::task::spawn_local(one(stream, Rc::clone(&answered))));
        }
        tokio::time::sleep(length / 5).await;
        let (requests_before, cpu_before) = (answered.get(), cpu());
        tokio::time::sleep(length).await;
        let measured = (answered.get() - requests_before, cpu() - cpu_before);
        for task in &tasks {
            assert!(!task.is_finished(), "a connection ended early");
            task.abort();
        }
        measured
    })
}

async fn one(mut stream: tokio_rustls::client::TlsStream<TcpStream>, answered: Rc<Cell<u64>>) {
    let mut request = format!(
        "POST /soap/v1/constant HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\
         Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"urn:constant\"\r\nContent-Length: {}\r\n\r\n",
        super::BODY_BYTES
    )
    .into_bytes();
    request.extend(vec![b'x'; super::BODY_BYTES]);
    let mut answer = vec![0; 4_096];
    loop {
        stream.write_all(&request).await.unwrap();
        let mut length = 0;
        // The answer is of one length but for its header, and ends with its constant body.
        loop {
            let read = stream.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the connection ended");
            length += read;
            if length > super::ANSWER_BYTES
                && answer[length - super::ANSWER_BYTES - 4..].starts_with(b"\r\n\r\n")
            {
                break;
            }
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200 OK"),
            "{}",
            String::from_utf8_lossy(&answer[..length])
        );
        answered.set(answered.get() + 1);
    }
}
