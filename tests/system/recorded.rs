//! Requests as real toolkits send them (`tests/data/client-requests/`), byte for byte over mutual TLS to a running server.
//!
//! Failure here means that a toolkit which people use cannot submit, or that a request to be refused is refused otherwise than its README
//! says, costs more than its own connection, or has an effect.
//!
//! Only the path and the day of the swab are adapted, the latter to one of the same length: lengths, chunks, quotes, headers and their
//! order stay as recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sistema_ts_model::Cun;

use crate::support::client::connect;
use crate::support::messages::today;

use crate::support::{Installation, Reply, Server, Session, Submission};

/// A recorded request, ready to be sent.
struct Recorded {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Recorded {
    /// Whether this header is there with this value, whatever its case.
    fn says(&self, header: &str) -> bool {
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        head.lines().any(|line| line == header)
    }
}

fn recorded() -> BTreeMap<String, Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/client-requests");
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "http")
        })
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, adapted(&std::fs::read(&path).unwrap()))
        })
        .collect()
}

/// The request with the path of the service it was meant for, and a swab of today.
fn adapted(bytes: &[u8]) -> Recorded {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let (line, rest) = head.split_once("\r\n").unwrap();
    let [method, path, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("no request line: {line}");
    };
    let service = path.rsplit('/').next().unwrap();
    let mut body = bytes[end..].to_vec();
    let day = today();
    assert_eq!(day.len(), "2020-10-30".len());
    let places: Vec<_> = body
        .windows(day.len())
        .enumerate()
        .filter(|(_, window)| window == b"2020-10-30")
        .map(|(at, _)| at)
        .collect();
    for at in places {
        body[at..at + day.len()].copy_from_slice(day.as_bytes());
    }
    Recorded {
        head: format!("{method} /soap/v1/{service} {version}\r\n{rest}").into_bytes(),
        body,
    }
}

/// What becomes of a recorded request.
enum Fate {
    /// Recorded.
    Done,
    /// Read, and refused by the rules with these codes, the first on this element.
    NotDone(&'static [&'static str], &'static str),
    /// A fault with this status and a text that says this.
    Fault(u16, &'static str),
}

fn fate(name: &str) -> Fate {
    match name {
        "apex"
        | "apex-chunked"
        | "axis1"
        | "curl"
        | "curl-chunked-expect"
        | "curl-http10"
        | "cxf"
        | "cxf-tls"
        | "cxf-zoned-date"
        | "gowsdl"
        | "gsoap"
        | "metro"
        | "mono-wsdl"
        | "node-soap"
        | "perl-soaplite"
        | "php"
        | "php-latin1"
        | "php-timestamp-date"
        | "zeep" => Fate::Done,
        "php-both" | "axis1-utf8" => Fate::NotDone(&["1102"], "descrizioneStruttura"),
        "php-gzip" => Fate::Fault(415, "senza compressione"),
        "php-soap12" | "node-soap12" => Fate::Fault(415, "SOAP 1.2"),
        "mono-wcf-mtom" => Fate::Fault(415, "multipart"),
        "curl-d-default-content-type" => Fate::Fault(415, "text/xml"),
        "php-nowsdl" => Fate::Fault(500, "XML"),
        "mono-wcf" => Fate::Fault(500, "InvioEsecuzioneTestRichiesta"),
        "perl-soaplite-wsdl" => Fate::Fault(500, "Operazione non prevista"),
        // All of it is read; they were recorded with another way to sign in, and long ago.
        name if name.ends_with(".elenco") => {
            Fate::NotDone(&["1011", "1303", "1303"], "tipoAutenticazione")
        }
        name => panic!("{name} is not in the README"),
    }
}

#[test]
fn every_recorded_request_gets_what_its_readme_says_from_a_running_server() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let config = installation.client(Some("region-010"));
    let recorded = recorded();
    assert_eq!(recorded.len(), 37);
    let mut codes = BTreeSet::new();
    let mut done = 0_u32;
    for (name, request) in &recorded {
        let fate = fate(name);
        let mut client = connect(server.mutual_tls, &config).unwrap();
        client.send(&request.head);
        if request.says("expect: 100-continue") {
            let first = client.answer();
            if first.status != 100 {
                // Refused before the body, which a client that waits for leave then keeps to itself.
                assert!(
                    matches!(fate, Fate::Fault(status, _) if status == first.status),
                    "{name}"
                );
                continue;
            }
        }
        client.send(&request.body);
        let reply = Reply(client.answer());
        assert_eq!(
            reply.0.header("content-type"),
            Some("text/xml; charset=utf-8"),
            "{name}"
        );
        assert_eq!(reply.0.header("transfer-encoding"), None, "{name}");
        assert_eq!(reply.0.header("upgrade"), None, "{name}");
        let text = reply.0.text();
        assert!(!text.contains("RSSMRA80A01H501U"), "{name}: {text}");
        match fate {
            Fate::Done => {
                assert_eq!(
                    (reply.told(), reply.findings()),
                    ((200, "0000"), vec![]),
                    "{name}: {text}"
                );
                assert!(
                    codes.insert(Cun::parse(reply.transaction()).unwrap()),
                    "{name}"
                );
                done += 1;
            }
            Fate::NotDone(codes, element) => {
                assert_eq!(
                    (reply.told(), reply.findings()),
                    ((200, "9999"), codes.to_vec()),
                    "{name}: {text}"
                );
                assert_eq!(reply.value("campo"), element, "{name}");
            }
            Fate::Fault(status, says) => {
                assert_eq!(reply.status(), status, "{name}: {text}");
                assert_eq!(reply.value("faultcode"), "soap:Client", "{name}");
                let told = reply.value("faultstring");
                assert!(told.contains(says), "{name}: {told}");
                let next =
                    Session::with(server.mutual_tls, &config).submit(&Submission::by_region());
                assert_eq!(next.told(), (200, "0000"), "after {name}");
                done += 1;
            }
        }
        let ends = request.says("connection: close")
            || request.says("connection: te, close")
            || request
                .head
                .windows(10)
                .any(|window| window == b" HTTP/1.0\r");
        if ends {
            assert!(client.is_closed(), "{name}: the connection stays open");
        }
    }
    let counted = server.metric("sistema_ts_requests_total", &["outcome=\"done\""]);
    assert_eq!(counted, f64::from(done));
}
