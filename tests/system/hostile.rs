//! What no honest client sends, to a running server.
//!
//! Failure here means that one request, or one client, costs others the service, costs the server memory without bound or a panic, is
//! carried out although it is broken, or is answered with another status than the contract's.

mod connections;
mod framing;
mod messages;
mod sizes;

use std::io::Write as _;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::client::{Answer, TlsClient, connect};
use crate::support::session::PATH;
use crate::support::{Installation, Server, Session, Submission};

/// One running server, and honest callers to see whether it goes on.
pub struct Scene {
    pub installation: Installation,
    pub server: Server,
    pub config: Arc<ClientConfig>,
    /// An honest caller's connection, open all the time.
    pub neighbour: Session,
    pub honest: u32,
}

impl Scene {
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let installation = Installation::new();
        let server = Server::start_with(&installation, settings);
        Self {
            config: installation.client(Some("region-010")),
            neighbour: Session::region(&installation, &server, "010"),
            installation,
            server,
            honest: 0,
        }
    }

    pub fn connect(&self) -> TlsClient {
        connect(self.server.mutual_tls, &self.config).unwrap()
    }

    /// Sends these bytes on a connection of their own, and reads one answer.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut client = self.connect();
        // The server may have answered and stopped reading already.
        let _ = client.stream.write_all(bytes);
        let _ = client.stream.flush();
        client.answer()
    }

    /// Both an open connection and a new one are served.
    pub fn goes_on(&mut self, after: &str) {
        let message = Submission::by_region();
        let fresh = Session::with(self.server.mutual_tls, &self.config).submit(&message);
        assert_eq!(fresh.told(), (200, "0000"), "after {after}");
        assert_eq!(
            self.neighbour.submit(&message).told(),
            (200, "0000"),
            "after {after}"
        );
        self.honest += 2;
    }

    /// That nothing but the honest callers' submissions was done, that nothing panicked, and that the log is silent about people.
    pub fn ends_unharmed(self) {
        let done = self
            .server
            .metric("sistema_ts_requests_total", &["outcome=\"done\""]);
        assert_eq!(done, f64::from(self.honest));
        let metrics = self.server.status("/metrics");
        for line in metrics
            .text()
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let bad = ["panic", "fatal", "failed"]
                .iter()
                .any(|word| name.contains(word));
            assert!(!bad || value == "0", "{line}");
        }
        let log = self.installation.path("server.log");
        assert!(self.server.terminate().0.success());
        let log = std::fs::read_to_string(log).unwrap();
        assert!(!log.contains("panic"), "{log}");
        assert!(!log.contains(&Submission::by_region().fiscal_code), "{log}");
    }

    /// The most memory that the server ever had, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// A request to the service with these header lines (each with its end) and this body, whose length is not declared here.
pub fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The same with media type and length as they should be.
pub fn xml(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    request(
        &format!(
            "Content-Type: text/xml\r\nContent-Length: {}\r\n",
            body.len()
        ),
        body,
    )
}
