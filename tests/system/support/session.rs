//! A caller's connection, and what it hears.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;

use super::client::{Answer, TlsClient, connect};
use super::installation::{ASL_USER, Installation, PASSWORD, USER};
use super::messages::{Message, Submission};
use super::server::Server;

/// Where submissions go.
pub const PATH: &str = "/soap/v1/invioEsecuzioneTest";

/// One open connection of one caller.
pub struct Session {
    pub client: TlsClient,
    authorization: String,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    /// Whether the last answer said that the connection ends with it.
    closed: bool,
}

impl Session {
    /// Region `code` on the listener for certificates.
    pub fn region(installation: &Installation, server: &Server, code: &str) -> Self {
        let config = installation.client(Some(&format!("region-{code}")));
        Self::with(server.mutual_tls, &config)
    }

    /// The registered user on the listener for users.
    pub fn user(installation: &Installation, server: &Server) -> Self {
        Self::with(server.basic, &installation.client(None)).signed_in(USER, PASSWORD)
    }

    /// Call centre `code`, with its certificate.
    pub fn call_centre(installation: &Installation, server: &Server, code: &str) -> Self {
        let config = installation.client(Some(&format!("call-center-{code}")));
        Self::with(server.mutual_tls, &config)
    }

    /// The user that may send the codes of the ASL, on the listener for users.
    pub fn asl_user(installation: &Installation, server: &Server) -> Self {
        Self::with(server.basic, &installation.client(None)).signed_in(ASL_USER, PASSWORD)
    }

    /// Whoever the settings say.
    pub fn with(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::try_with(address, config).unwrap()
    }

    /// The same, where the handshake may fail.
    pub fn try_with(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Ok(Self::over(connect(address, config)?, address, config))
    }

    /// Over a connection that is open already, made with these settings.
    pub fn over(client: TlsClient, address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self {
            client,
            authorization: String::new(),
            address,
            config: Arc::clone(config),
            closed: false,
        }
    }

    /// The same connection with these credentials.
    pub fn signed_in(mut self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.authorization = format!("Authorization: Basic {pair}\r\n");
        self
    }

    /// The head of a submission with a body of this length.
    pub fn head(&self, length: usize) -> String {
        self.head_of(PATH, length)
    }

    fn head_of(&self, path: &str, length: usize) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\n\r\n",
            self.authorization
        )
    }

    /// The whole of a submission, to be sent as it is.
    pub fn bytes(&self, submission: &Submission) -> Vec<u8> {
        let body = submission.to_xml();
        (self.head(body.len()) + &body).into_bytes()
    }

    /// Sends a submission up to the middle of its body; the rest is given back, for [`Session::finish`].
    pub fn begin(&mut self, submission: &Submission) -> Vec<u8> {
        let mut bytes = self.bytes(submission);
        let rest = bytes.split_off(bytes.len() - 200);
        self.client.send(bytes);
        rest
    }

    /// Sends the rest, and waits for the answer.
    pub fn finish(&mut self, rest: &[u8]) -> Reply {
        self.client.send(rest);
        Reply(self.client.answer())
    }

    /// Submits, and waits for the answer; on a new connection if the last answer ended the old one.
    pub fn submit(&mut self, submission: &Submission) -> Reply {
        self.try_submit(submission).unwrap()
    }

    /// The CUN of a submission that must succeed.
    pub fn submitted(&mut self, submission: &Submission) -> String {
        let reply = self.submit(submission);
        assert_eq!(reply.told(), (200, "0000"), "{reply:?}");
        reply.transaction().to_owned()
    }

    /// The same where the server may be gone.
    pub fn try_submit(&mut self, submission: &Submission) -> io::Result<Reply> {
        let bytes = self.bytes(submission);
        self.try_send(&bytes)?;
        self.try_answer()
    }

    /// Sends any service's message, and waits for the answer.
    pub fn ask(&mut self, message: &Message) -> Reply {
        self.try_ask(message).unwrap()
    }

    /// The id of a verification that must succeed.
    pub fn verified(&mut self, operator: &str, card: &str, cun: &str) -> String {
        let reply = self.ask(&Message::verification(operator, card, cun));
        let told = (reply.told(), reply.findings());
        assert_eq!(told, ((200, "0000"), vec![]), "{reply:?}");
        reply.value("idVerificaTampone").to_owned()
    }

    /// The same where the server may be gone.
    pub fn try_ask(&mut self, message: &Message) -> io::Result<Reply> {
        self.send(message)?;
        self.try_answer()
    }

    /// Sends a message and does not wait: for [`Session::try_answer`], from another thread or never.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        let body = message.to_xml();
        let head = self.head_of(&message.path(), body.len());
        self.try_send((head + &body).as_bytes())
    }

    /// The answer to what was sent.
    pub fn try_answer(&mut self) -> io::Result<Reply> {
        let answer = self.client.try_answer()?;
        self.closed = answer.header("connection") == Some("close");
        Ok(Reply(answer))
    }

    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        if self.closed {
            self.client = connect(self.address, &self.config)?;
            self.closed = false;
        }
        self.client.stream.write_all(bytes)?;
        self.client.stream.flush()
    }
}

/// An answer, with what the document calls its parts.
#[derive(Debug)]
pub struct Reply(pub Answer);

impl Reply {
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The text of the first element of this name, whatever its prefix; empty if there is none.
    pub fn value<'a>(&'a self, name: &'a str) -> &'a str {
        self.values(name).next().unwrap_or_default()
    }

    /// The texts of all elements of this name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        // Start tags alone: an end tag has a slash before its name or prefix.
        let is_named = move |tag: &str| {
            let qualified = tag.split([' ', '/']).next().unwrap_or_default();
            qualified.rsplit(':').next() == Some(name)
        };
        self.0
            .text()
            .split('<')
            .filter_map(|piece| piece.split_once('>'))
            .filter(move |(tag, _)| !tag.starts_with('/') && is_named(tag))
            .map(|(_, text)| text)
    }

    pub fn outcome(&self) -> &str {
        self.value("esito")
    }

    pub fn transaction(&self) -> &str {
        self.value("identificativoTransazione")
    }

    /// The codes of all mistakes and warnings, in order.
    pub fn findings(&self) -> Vec<&str> {
        self.values("codice").collect()
    }

    /// HTTP status and outcome: what most tests look at.
    pub fn told(&self) -> (u16, &str) {
        (self.status(), self.outcome())
    }

    /// The texts of all mistakes and warnings, in order.
    pub fn texts(&self) -> Vec<&str> {
        self.values("descrizione").collect()
    }

    /// The envelope but for what every answer has of its own, transaction and time: two answers that must tell the same are equal in this.
    pub fn but_for_itself(&self) -> String {
        let own = [self.transaction(), self.value("dataOra")];
        assert!(own.iter().all(|value| !value.is_empty()), "{self:?}");
        own.iter().fold(self.0.text().to_owned(), |text, value| {
            text.replace(value, "")
        })
    }

    /// What a 503 says when to come back, in seconds; `None` if this is another answer, or does not say it.
    pub fn comes_back_after(&self) -> Option<u8> {
        let wait = self.0.header("retry-after")?.parse().ok()?;
        (self.status() == 503).then_some(wait)
    }

    /// Whether this is a 503 that says when to come back.
    pub fn is_unavailable(&self) -> bool {
        matches!(self.comes_back_after(), Some(1..=60))
    }
}
