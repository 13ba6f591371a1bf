//! A caller that asks for the right and for the wrong, and keeps every answer.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use super::hunt::Evidence;
use super::places;
use super::planted::Planted;
use crate::support::client::{connect, tcp};
use crate::support::{Reply, Submission};

/// One caller's way of asking, and what becomes of it.
pub struct Asker<'a> {
    pub address: SocketAddr,
    pub config: Arc<ClientConfig>,
    /// The header that signs in; empty for a certificate.
    pub sign_in: String,
    /// What this caller sends when nothing is wrong.
    pub message: Submission,
    pub name: &'static str,
    pub evidence: &'a mut Evidence,
    pub planted: &'a mut Planted,
    /// Status and outcome of every answer.
    pub heard: BTreeSet<(u16, String)>,
}

impl Asker<'_> {
    /// Sends bytes on a new connection; the answer, if one comes.
    pub fn send(&mut self, place: &str, bytes: &[u8]) -> Option<Reply> {
        let mut client = connect(self.address, &self.config).unwrap();
        // An early answer may end the connection before all is sent.
        let _ = client.stream.write_all(bytes);
        let _ = client.stream.flush();
        let mut answer = client.try_answer().ok()?;
        if answer.status == 100 {
            answer = client.try_answer().ok()?;
        }
        self.evidence
            .add_answer(format!("answer to {}, {place}", self.name), &answer);
        let reply = Reply(answer);
        self.heard
            .insert((reply.status(), reply.outcome().to_owned()));
        Some(reply)
    }

    pub fn post(&mut self, place: &str, body: &[u8]) -> Reply {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            crate::support::session::PATH,
            self.sign_in,
            body.len()
        );
        self.send(place, &[head.as_bytes(), body].concat())
            .unwrap_or_else(|| panic!("{}, {place}: no answer", self.name))
    }

    pub fn submit(&mut self, place: &str, message: &Submission) -> Reply {
        self.post(place, message.to_xml().as_bytes())
    }

    /// A submission of somebody who is nowhere else, with everything that may be in it.
    pub fn whole(&mut self, place: &str, result: &str, by_mail: bool) -> Submission {
        let place = format!("{}, {place}", self.name);
        let (mobile, email) = if by_mail {
            (None, Some(self.planted.word(&place) + "@posta.example"))
        } else {
            (Some(format!("+{}", self.planted.number(&place))), None)
        };
        Submission {
            key: Some(self.planted.word(&place)),
            fiscal_code: self.planted.person(&place),
            result: result.into(),
            mobile,
            email,
            ..self.message.clone()
        }
    }

    /// What is taken, repeated, and taken for something else.
    pub fn succeed(&mut self) {
        for (result, by_mail) in [("P", false), ("P", true), ("N", false), ("N", true)] {
            let message = self.whole("taken", result, by_mail);
            let first = self.submit("taken", &message);
            assert_eq!(first.told(), (200, "0000"));
            assert_eq!(
                self.evidence.find(first.transaction()).len(),
                1,
                "the search finds nothing at all"
            );
            assert_eq!(self.submit("repeated", &message).told(), (200, "0001"));
            let other = Submission {
                key: message.key,
                ..self.whole("under a known key", result, by_mail)
            };
            assert_eq!(self.submit("key reused", &other).told(), (200, "9999"));
        }
    }

    /// Values that are no values of their elements.
    pub fn mistake(&mut self) {
        type Change = fn(&mut Submission, &mut Planted);
        let changes: [(&str, Change); 16] = [
            ("tipoAutenticazione", |message, planted| {
                message.authentication_kind = Some(planted.person("tipoAutenticazione"));
            }),
            ("codiceRegione", |message, planted| {
                message.structure = Some(planted.person("codiceRegione") + "-101-000123");
            }),
            ("codiceAsl", |message, planted| {
                message.structure = Some(format!("010-{}-000123", planted.person("codiceAsl")));
            }),
            ("codiceStruttura", |message, planted| {
                message.structure = Some(format!("010-101-{}", planted.person("codiceStruttura")));
            }),
            ("descrizioneStruttura", |message, planted| {
                message.description = Some(planted.person("descrizioneStruttura").repeat(20));
            }),
            ("identificativoRichiesta", |message, planted| {
                message.key = Some(planted.word("identificativoRichiesta").repeat(5));
            }),
            ("wrong check letter", |message, planted| {
                message.fiscal_code = planted.wrong_person("wrong check letter");
            }),
            ("small letters", |message, planted| {
                message.fiscal_code = planted.person("small letters").to_lowercase();
            }),
            ("too short", |message, planted| {
                message.fiscal_code = planted.person("too short");
                message.fiscal_code.insert(8, ' ');
            }),
            ("too long", |message, planted| {
                message.fiscal_code = planted.person("too long") + "X";
            }),
            ("dataPrelievo", |message, planted| {
                message.swab_date = planted.person("dataPrelievo");
            }),
            ("tipologiaTest", |message, planted| {
                message.kind = planted.person("tipologiaTest");
            }),
            ("esitoTest", |message, planted| {
                message.result = planted.person("esitoTest");
            }),
            ("numeroCellulare", |message, planted| {
                message.mobile = Some(planted.number("numeroCellulare") + "99999999");
            }),
            ("contattoEmail", |message, planted| {
                message.email = Some(planted.word("contattoEmail"));
            }),
            ("both contacts", |message, planted| {
                message.mobile = Some(planted.number("both contacts"));
                message.email = Some(planted.word("both contacts") + "@posta.example");
            }),
        ];
        for (place, change) in changes {
            let mut message = self.message.clone();
            change(&mut message, self.planted);
            assert_eq!(
                self.submit(place, &message).told(),
                (200, "9999"),
                "{place}"
            );
        }
        // All at once.
        let mut message = self.message.clone();
        for (_, change) in changes {
            change(&mut message, self.planted);
        }
        assert_eq!(self.submit("all mistakes", &message).told(), (200, "9999"));
    }

    /// Values where no value may be.
    pub fn misplace(&mut self) {
        for &(place, is_taken, edit) in places::IN_MESSAGES {
            for is_person in [true, false] {
                let name = format!("{}, {place}", self.name);
                let value = match is_person {
                    true => self.planted.person(&name),
                    false => self.planted.word(&name),
                };
                let body = edit(&self.message.to_xml(), &value);
                let reply = self.post(place, &body);
                assert_eq!(reply.outcome() == "0000", is_taken, "{place}: {reply:?}");
            }
        }
        for (place, request) in places::IN_HEADS {
            let name = format!("{}, {place}", self.name);
            let value = self.planted.word(&name);
            let request = request(&value, &self.sign_in, &self.message.to_xml());
            self.send(place, request.as_bytes());
        }
    }

    /// Requests that do not come whole.
    pub fn break_off(&mut self) {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\n{}",
            crate::support::session::PATH,
            self.sign_in
        );
        let value = self.planted.person("slow header");
        self.send("slow header", format!("{head}X-Nota: {value}").as_bytes());
        let head = head + "Content-Type: text/xml\r\nContent-Length: 1000\r\n\r\n";
        let value = self.planted.person("slow body");
        let slow = self.send("slow body", format!("{head}<{value}>{value}").as_bytes());
        assert_eq!(slow.unwrap().status(), 408);
        let value = self.planted.person("broken body");
        let mut client = connect(self.address, &self.config).unwrap();
        client.send(format!("{head}<{value}>"));
        drop(client);
        let head = head.replace("1000", "1000000\r\nExpect: 100-continue");
        self.send("announced too large", head.as_bytes());
    }

    /// What comes instead of TLS, and what is in a handshake that fails.
    pub fn fail_handshakes(&mut self) {
        let value = self.planted.person("not TLS");
        for bytes in [
            format!("GET /{value} HTTP/1.1\r\nHost: {value}\r\n\r\n"),
            format!("PROXY TCP4 {value} 127.0.0.1 1 2\r\n"),
        ] {
            let mut stream = tcp(self.address);
            stream.write_all(bytes.as_bytes()).unwrap();
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard);
            self.evidence.add("answer to what is not TLS", heard);
        }
        let name = self.planted.word("server name").to_lowercase();
        let mut protocol = ClientConfig::clone(&self.config);
        protocol.alpn_protocols = vec![self.planted.word("ALPN").into_bytes()];
        for (config, name) in [
            (Arc::clone(&self.config), format!("{name}.example")),
            (Arc::new(protocol), "localhost".to_owned()),
        ] {
            let mut stream = tcp(self.address);
            let mut session = ClientConnection::new(config, name.try_into().unwrap()).unwrap();
            while session.is_handshaking() {
                if session.complete_io(&mut stream).is_err() {
                    break;
                }
            }
        }
    }
}
