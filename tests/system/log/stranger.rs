//! Somebody who is not registered, and tries to get into the log what is on his mind.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use crate::support::client::{connect, tcp, tls13};
use crate::support::pki::Authority;
use crate::support::{Installation, Server, Session, Submission};

/// What he sends, each in its place. As a server name it is an illegal one.
pub const PLANTED: [&str; 9] = [
    "RSSMRA80A01H501U", // server name
    "BNCLRA75E41F205R", // Host
    "VRDGPP62D15L219E", // path
    "NRELCU70M12F839P", // a header of no name
    "GLLMRC68T05D612W", // user agent
    "FRRPLA71C44G273O", // SOAPAction
    "MRTNNA66A41L736Y", // subject of a certificate
    "RMNGNN55B63C351K", // user id and password
    "CNTLCU81P09A944J", // method, and what is no TLS at all
];

pub struct Stranger {
    mutual_tls: SocketAddr,
    basic: SocketAddr,
    anonymous: Arc<ClientConfig>,
    with_foreign_certificate: Arc<ClientConfig>,
}

impl Stranger {
    pub fn of(installation: &Installation, server: &Server) -> Self {
        let own = Authority::new(PLANTED[6]);
        let identity = own.client("Regione", "010", PLANTED[6], 7);
        let (mutual_tls, basic) = (server.mutual_tls, server.basic);
        let mut authority = own;
        authority.certificate_pem =
            std::fs::read_to_string(installation.path("pki/ca.crt")).unwrap();
        Self {
            mutual_tls,
            basic,
            anonymous: installation.client(None),
            with_foreign_certificate: tls13(&authority, Some(&identity)),
        }
    }

    /// Each of his tricks once, on both listeners where it makes a difference.
    pub fn tries_everything(&self) {
        for address in [self.mutual_tls, self.basic] {
            self.sends_an_illegal_server_name(address);
            self.sends_bad_http(address);
        }
        self.shows_a_certificate_of_another_authority();
        self.shows_no_certificate();
        self.guesses_credentials();
        self.speaks_no_tls();
        self.comes_and_goes();
    }

    /// Nothing in a ClientHello is authenticated yet: the name of a right one is overwritten by one of the same length.
    fn sends_an_illegal_server_name(&self, address: SocketAddr) {
        let illegal = format!("{} .it", PLANTED[0]);
        let legal = "a".repeat(illegal.len() - 3) + ".it";
        let name = legal.clone().try_into().unwrap();
        let mut session = ClientConnection::new(Arc::clone(&self.anonymous), name).unwrap();
        let mut hello = Vec::new();
        session.write_tls(&mut hello).unwrap();
        let at = hello
            .windows(legal.len())
            .position(|window| window == legal.as_bytes())
            .unwrap();
        hello[at..at + illegal.len()].copy_from_slice(illegal.as_bytes());
        say(address, &hello);
    }

    fn sends_bad_http(&self, address: SocketAddr) {
        let [_, host, path, header, agent, action, ..] = PLANTED;
        for request in [
            format!("GET /{path}?{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n"),
            format!(
                "POST /soap/v1/invioEsecuzioneTest HTTP/1.1\r\nHost: {host}\r\nSOAPAction: \"{action}\"\r\n\
                 User-Agent: {agent}\r\nX-{header}: {header}\r\nContent-Type: text/xml; charset={header}\r\n\
                 Content-Length: 9\r\n\r\n<{header}/>"
            ),
            format!("{0} /{path} {0}\r\n{header}\r\n\r\n", PLANTED[8]),
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {header}\r\n\r\n"),
        ] {
            let mut client = connect(address, &self.anonymous).unwrap();
            client.send(request);
            // Some are answered and some are cut.
            let _ = client.try_answer();
        }
    }

    pub fn shows_a_certificate_of_another_authority(&self) {
        // In TLS 1.3 the refusal comes after the client's own handshake is done.
        if let Ok(mut client) = connect(self.mutual_tls, &self.with_foreign_certificate) {
            assert!(client.is_closed());
        }
    }

    fn shows_no_certificate(&self) {
        let mut session = Session::with(self.mutual_tls, &self.anonymous);
        assert_eq!(session.submit(&Submission::by_region()).status(), 500);
    }

    fn guesses_credentials(&self) {
        let mut session =
            Session::with(self.basic, &self.anonymous).signed_in(PLANTED[7], PLANTED[7]);
        // Later guesses may be refused early.
        let status = session.submit(&Submission::by_structure()).status();
        assert!([401, 503].contains(&status), "{status}");
    }

    pub fn speaks_no_tls(&self) {
        say(
            self.mutual_tls,
            format!("{0} {0}\r\n\r\n", PLANTED[8]).as_bytes(),
        );
    }

    /// As load balancers do.
    pub fn comes_and_goes(&self) {
        say(self.mutual_tls, b"");
    }
}

/// Says this over TCP, nothing more, and listens to the end.
fn say(address: SocketAddr, bytes: &[u8]) {
    let mut stream = tcp(address);
    // The other end may be closed already.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}
