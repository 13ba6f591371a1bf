//! The server in memory over mutual TLS, as the harness's own wire reaches it, with a port for the commands of events.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::CertificateDer;
use sistema_ts_loadtest::ledger::{Class, Intent, Kind, Listed, Settlement, session_mark};
use sistema_ts_model::Cun;

use super::server::{Fault, Server};
use crate::support::{Authority, read_request};

/// Who may call, by the number that the server in memory knows it by.
pub const CALLERS: [&str; 3] = ["010", "020", "cc1"];
/// Every so often the server is busy, after which the sweep waits a while.
const BUSY_EVERY: u64 = 211;
/// More than there are connections, so that some of these tests were answered.
const NOT_DURABLE: usize = 20;
/// How long a frozen server stands still.
pub const FROZEN: Duration = Duration::from_millis(400);

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// What all connections share.
struct Shared {
    fault: Fault,
    server: Mutex<Server>,
    names: Mutex<Names>,
    /// Held by whoever freezes it.
    gate: RwLock<()>,
    life: Mutex<Life>,
    certificates: Mutex<HashMap<CertificateDer<'static>, usize>>,
    authority: Authority,
    folder: PathBuf,
}

#[derive(Default)]
struct Life {
    down: bool,
    open: Vec<TcpStream>,
    revoked: BTreeSet<usize>,
}

/// Texts of the wire, each with a number of its own.
#[derive(Default)]
struct Names {
    people: HashMap<String, u32>,
    keys: HashMap<String, NonZeroU32>,
    /// The verification's CUN and person.
    sessions: HashMap<String, (Cun, u32)>,
    /// Verifications that have a name, those under way as well: two at once have two names.
    named_sessions: u64,
}

/// A running one; it ends with the test's process.
pub struct Wire {
    pub folder: tempfile::TempDir,
    url: String,
    control: u16,
}

impl Wire {
    pub fn start(fault: Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("ours");
        let config = authority.server(folder.path());
        let certificates = CALLERS
            .iter()
            .enumerate()
            .map(|(number, name)| (authority.issue(folder.path(), name), number))
            .collect();
        let shared = Arc::new(Shared {
            fault,
            server: Mutex::new(Server::new(fault, BUSY_EVERY, NOT_DURABLE)),
            names: Mutex::default(),
            gate: RwLock::default(),
            life: Mutex::default(),
            certificates: Mutex::new(certificates),
            authority,
            folder: folder.path().to_owned(),
        });
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (services, control) = (listen(), listen());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let wire = Self {
            folder,
            url: format!("https://localhost:{}", port(&services)),
            control: port(&control),
        };
        let of_control = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in control.incoming() {
                of_control.obey(socket.unwrap());
            }
        });
        thread::spawn(move || {
            for socket in services.incoming() {
                let (shared, config) = (Arc::clone(&shared), Arc::clone(&config));
                thread::spawn(move || shared.serve(socket.unwrap(), config));
            }
        });
        wire
    }

    /// An environment of the callers at this server.
    pub fn environment(&self) -> PathBuf {
        let identity = |name: &str| {
            format!("certificate_file = \"{name}.pem\"\nprivate_key_file = \"{name}.key\"\n")
        };
        let mut text = format!(
            "[server]\nmutual_tls_url = \"{}\"\nauthority_file = \"ca.pem\"\n",
            self.url
        );
        for (region, operator) in [("010", "RSSMRA80A01H501U"), ("020", "VRDGPP62D15L219E")] {
            text += &format!(
                "\n[[region]]\ncode = \"{region}\"\n{}structure_description = \"Drive-in\"\noperator = \"{operator}\"\n",
                identity(region)
            );
        }
        text += &format!(
            "\n[[call-center]]\nname = \"cc1\"\n{}operators_file = \"operators\"\n",
            identity("cc1")
        );
        let path = self.folder.path().join("environment.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(self.folder.path().join("operators"), "RSSMRA80A01H501U\n").unwrap();
        path
    }

    /// An event of a scenario: after so long the server is told this, as [`Shared::obey`] knows it. `more` are lines of the event.
    pub fn event(&self, at_seconds: f64, order: &str, more: &str) -> String {
        let program = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{}; echo '{order}' >&3; read -r done <&3; test \"$done\" = done",
            self.control
        );
        format!(
            "[[event]]\nat_seconds = {at_seconds}\nrun = [\"bash\", \"-c\", {}]\nlabel = \"{order}\"\n{more}\n",
            toml::Value::from(program)
        )
    }
}

impl Shared {
    /// One order of an event, and the word that it is done.
    fn obey(&self, mut socket: TcpStream) {
        let mut line = String::new();
        BufReader::new(socket.try_clone().unwrap())
            .read_line(&mut line)
            .unwrap();
        let number = |name: &str| CALLERS.iter().position(|caller| *caller == name).unwrap();
        match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("kill", _) => {
                let mut life = self.life.lock().unwrap();
                life.down = true;
                // Requests under way are carried out or not, and nobody hears of it.
                for open in life.open.drain(..) {
                    let _ = open.shutdown(Shutdown::Both);
                }
                self.server.lock().unwrap().kill();
            }
            ("start", _) => self.life.lock().unwrap().down = false,
            ("freeze", _) => {
                let _closed = self.gate.write().unwrap();
                thread::sleep(FROZEN);
            }
            ("revoke", name) => {
                self.life.lock().unwrap().revoked.insert(number(name));
            }
            ("admit", name) => {
                self.life.lock().unwrap().revoked.remove(&number(name));
            }
            ("renew", name) => {
                // The old certificate is nobody's from now on.
                let mut certificates = self.certificates.lock().unwrap();
                certificates.retain(|_, caller| *caller != number(name));
                certificates.insert(self.authority.issue(&self.folder, name), number(name));
            }
            (order, _) => panic!("{order}"),
        }
        writeln!(socket, "done").unwrap();
    }

    fn serve(&self, socket: TcpStream, config: Arc<ServerConfig>) {
        socket.set_nodelay(true).unwrap();
        {
            let mut life = self.life.lock().unwrap();
            if life.down {
                return;
            }
            life.open.push(socket.try_clone().unwrap());
        }
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        let mut admitted_once = false;
        while let Some(request) = read_request(&mut stream) {
            drop(self.gate.read().unwrap());
            let answer = match self.caller(&stream, &mut admitted_once) {
                Some(caller) => self.answer(caller, &request),
                None => fault(500, 6022),
            };
            if stream
                .write_all(answer.as_bytes())
                .and_then(|()| stream.flush())
                .is_err()
            {
                return;
            }
        }
    }

    /// Whose request it is; `None` of one who is not admitted.
    fn caller(&self, stream: &Stream, admitted_once: &mut bool) -> Option<usize> {
        let shown = stream.conn.peer_certificates()?.first()?;
        let caller = self.certificates.lock().unwrap().get(shown).copied()?;
        let is_revoked = self.life.lock().unwrap().revoked.contains(&caller);
        let looks_once = self.fault == Fault::ServesTheRevokedOnOpenConnections;
        if is_revoked && !(looks_once && *admitted_once) {
            return None;
        }
        *admitted_once = true;
        Some(caller)
    }

    fn answer(&self, caller: usize, request: &str) -> String {
        let caller = u16::try_from(caller).unwrap();
        let value = |name: &str| {
            let (_, rest) = request.split_once(&format!("<urn:{name}>"))?;
            rest.split_once("</").map(|(value, _)| value.to_owned())
        };
        if request.starts_with("POST /soap/v1/elencoTestEffettuati ") {
            let maximum = value("massimoElementi").map(|number| number.parse().unwrap());
            let from = value("segnalibro").map_or(0, |place| place.parse().unwrap());
            return self.page(caller, maximum, from);
        }
        let (intent, session) = self.intent(caller, request, &value);
        let settled = self.server.lock().unwrap().handle(&intent, None).unwrap();
        if settled.status != 200 {
            return fault(settled.status, settled.finding);
        }
        let mut rest = String::new();
        if intent.kind == Kind::Verify && settled.class == Class::Done {
            rest = format!("<idVerificaTampone>{session}</idVerificaTampone>");
            let of_session = (intent.cun.unwrap(), intent.person);
            let mut names = self.names.lock().unwrap();
            names.sessions.insert(session, of_session);
        }
        told(&settled, &rest)
    }

    /// What is asked, and the session that is shown or that a verification would open.
    fn intent(
        &self,
        caller: u16,
        request: &str,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> (Intent, String) {
        let path = request.split(' ').nth(1).unwrap();
        let kind = match (path, value("idTipoComunicazione").as_deref()) {
            ("/soap/v1/invioEsecuzioneTest", _) => Kind::Submit,
            ("/soap/v1/annullamentoEsecuzioneTest", _) => Kind::Cancel,
            ("/soap/v1/verificaPositivita", _) => Kind::Verify,
            ("/soap/v1/sbloccoCodiceImmuni", _) => Kind::Unlock,
            ("/soap/v1/confermaSbloccoImmuni", Some("C")) => Kind::Confirm,
            ("/soap/v1/confermaSbloccoImmuni", _) => Kind::Annul,
            (path, _) => panic!("{path}"),
        };
        let mut names = self.names.lock().unwrap();
        let mut cun = value("cun").or_else(|| value("identificativoTransazione"));
        let cun = cun.take().map(|text| Cun::parse(&text).unwrap());
        let person = value("codiceFiscaleAssistito").map(|code| {
            let next = u32::try_from(names.people.len()).unwrap();
            *names.people.entry(code).or_insert(next)
        });
        let key = value("identificativoRichiesta").map(|key| {
            let next = NonZeroU32::MIN.saturating_add(u32::try_from(names.keys.len()).unwrap());
            *names.keys.entry(key).or_insert(next)
        });
        let session = value("idVerificaTampone");
        let of_session = session
            .as_ref()
            .and_then(|session| names.sessions.get(session));
        let person = match kind {
            // Whose card it is, is not what this server is about.
            Kind::Verify => cun.and_then(|cun| self.server.lock().unwrap().person_of(cun)),
            _ => person.or(of_session.map(|(_, person)| *person)),
        };
        let intent = Intent {
            person: person.unwrap_or(u32::MAX),
            positive: value("esitoTest").as_deref() == Some("P"),
            key: key.filter(|_| kind == Kind::Submit),
            cun: cun.or(of_session.map(|(cun, _)| *cun)),
            session: session
                .as_ref()
                .map_or(0, |text| session_mark(text.as_bytes())),
            ..Intent::new(kind, caller)
        };
        let session = session.unwrap_or_else(|| {
            names.named_sessions += 1;
            format!("00000000-0000-4000-8000-{:012}", names.named_sessions)
        });
        (intent, session)
    }

    fn page(&self, caller: u16, maximum: Option<u32>, from: usize) -> String {
        let tests = self.server.lock().unwrap().list(caller, maximum);
        let length = maximum.map_or(tests.len(), |maximum| maximum as usize);
        let until = tests.len().min(from + length);
        let test = |test: &Listed| {
            format!(
                "<test><identificativoTest>{}</identificativoTest><dataInserimento>2026-11-27</dataInserimento><esitoTest>{}</esitoTest></test>",
                text_of(test.cun.unwrap()),
                if test.positive { "P" } else { "N" }
            )
        };
        let mut body: String = tests[from..until].iter().map(test).collect();
        if until < tests.len() {
            body += &format!("<segnalibro>{until}</segnalibro>");
        }
        told(&Settlement::answered(200, Some(*b"0000"), 0), &body)
    }
}

fn text_of(cun: Cun) -> String {
    String::from_utf8(cun.to_text().to_vec()).unwrap()
}

fn told(settled: &Settlement, rest: &str) -> String {
    let mut body = format!("<esito>{:04}</esito>", settled.outcome.unwrap());
    if let Some(cun) = settled.cun {
        body += &format!(
            "<identificativoTransazione>{}</identificativoTransazione>",
            text_of(cun)
        );
    }
    if let Some(at) = settled.data_ora {
        let text = String::from_utf8(at.rome_text().to_vec()).unwrap();
        body += &format!("<dataOra>{text}</dataOra>");
    }
    if settled.finding != 0 {
        body += &format!(
            "<listaErrori><errore><codice>{:04}</codice></errore></listaErrori>",
            settled.finding
        );
    }
    http(200, &format!("<Body><R>{body}{rest}</R></Body>"))
}

fn fault(status: u16, code: u16) -> String {
    http(
        status,
        &format!("<Body><Fault><detail><codice>{code:04}</codice></detail></Fault></Body>"),
    )
}

fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
