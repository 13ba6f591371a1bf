//! Personal data and secrets in what the server writes. Failure here means that a codice fiscale, a mobile number, an e-mail address, a password,
//! a pincode or a retry key that came with a request, wherever in it, is found again in an answer, in standard output, in the log, in the
//! metrics, or in the bytes of any file, also after `kill -9` and after a write that failed.

mod asker;
mod chain;
pub mod hunt;
mod places;
mod planted;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;

use self::asker::Asker;
use self::hunt::Evidence;
use self::planted::Planted;
use crate::support::client::plain;
use crate::support::installation::{OPERATOR, PASSWORD, STRUCTURE, USER, pincode_of};
use crate::support::pki::Authority;
use crate::support::{Installation, Server, Session, Submission, until};

/// A description that the tests' archive keeps, and one that only an access record has: what must be found, or the search finds nothing at all.
const KEPT: &str = "Ambulatorio di controllo 7301";
const KEPT_OF_REFUSED: &str = "Presidio di controllo 7302";

const SETTINGS: &[(&str, &str)] = &[
    ("LOGGING__LEVEL", "debug"),
    ("LOGGING__FORMAT", "json"),
    ("LIMITS__BODY_TIMEOUT_SECONDS", "1"),
    ("LIMITS__HEADER_TIMEOUT_SECONDS", "1"),
    ("LIMITS__HANDSHAKE_TIMEOUT_SECONDS", "2"),
    ("LIMITS__LINGER_TIMEOUT_SECONDS", "1"),
    ("AUTHENTICATION__SOURCE_BURST", "100000"),
];

/// A client certificate that another authority gave to a person.
fn strange_certificate(server: &Server, installation: &Installation, planted: &mut Planted) {
    let name = planted.person("client certificate");
    let identity = Authority::new(&planted.word("client authority")).client(&name, &name, &name, 7);
    let mut roots = rustls::RootCertStore::empty();
    let ca = rustls_pki_types::CertificateDer::from_pem_file(installation.path("pki/ca.crt"));
    roots.add(ca.unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .with_root_certificates(roots)
    .with_client_auth_cert(identity.chain(), identity.key())
    .unwrap();
    let heard = Session::try_with(server.mutual_tls, &Arc::new(config))
        .and_then(|mut session| session.try_submit(&Submission::by_region()));
    assert!(heard.is_err(), "{heard:?}");
}

fn basic(user: &str, password: &str) -> String {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {pair}\r\n")
}

/// Wrong users, passwords and pincodes, until the user is slowed and beyond.
fn guess(asker: &mut Asker<'_>) {
    let right = asker.message.clone();
    let (person, word) = (
        asker.planted.person("user id"),
        asker.planted.word("password of nobody"),
    );
    asker.sign_in = basic(&person, &word);
    assert_eq!(asker.submit("unknown user", &right).status(), 401);
    asker.sign_in = format!("Authorization: Basic {}\r\n", STANDARD.encode(&person));
    assert_eq!(asker.submit("no colon", &right).status(), 401);
    for attempt in 0..4 {
        let word = asker.planted.word("wrong password");
        asker.sign_in = basic(USER, &word);
        assert_eq!(asker.submit("wrong password", &right).status(), 401);
        let mut message = right.clone();
        let pincode = asker.planted.pincode("wrong pincode");
        message.pincode = Some(if attempt == 0 { pincode + "0" } else { pincode });
        asker.sign_in = basic(USER, PASSWORD);
        assert_eq!(asker.submit("wrong pincode", &message).status(), 401);
    }
    // Nobody is locked out.
    let own = Submission {
        pincode: Some(pincode_of(USER)),
        ..right
    };
    assert_eq!(asker.submit("slowed", &own).told(), (200, "0000"));
}

/// No file may grow any more: every write fails, as on a full disk. (Writes within a file still work, so the log, which is shorter, goes on.)
fn fill_the_disk(installation: &Installation, server: &Server) {
    let largest = std::fs::metadata(installation.path("data/tests.db-wal"))
        .unwrap()
        .len();
    let log = std::fs::metadata(installation.path("server.log"))
        .unwrap()
        .len();
    assert!(
        log * 2 < largest,
        "the log would not be written either: {log} of {largest}"
    );
    let limit = libc::rlimit {
        rlim_cur: largest,
        rlim_max: largest,
    };
    // SAFETY: prlimit reads the structure it is given, which outlives the call.
    let set = unsafe {
        libc::prlimit(
            server.pid().cast_signed(),
            libc::RLIMIT_FSIZE,
            &raw const limit,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(set, 0);
}

/// What the status listener says, asked also for what it does not have.
fn ask_status(server: &Server, evidence: &mut Evidence, planted: &mut Planted) {
    for path in ["/metrics", "/health/ready", "/health/live"] {
        evidence.add_answer(path, &server.status(path));
    }
    let value = planted.person("status listener");
    for request in [
        format!("GET /{value} HTTP/1.1\r\nHost: {value}\r\n\r\n"),
        format!("GET /metrics?{value} HTTP/1.1\r\nHost: localhost\r\nX-Nota: {value}\r\n\r\n"),
        format!("{value}\r\n\r\n"),
    ] {
        let mut client = plain(server.status);
        client.send(request);
        let answer = client.try_answer().unwrap();
        evidence.add_answer("answer of the status listener", &answer);
    }
}

/// A user whose credentials are nowhere else.
fn add_user(installation: &Installation, planted: &mut Planted) -> (String, String) {
    let password = planted.word("own password");
    std::fs::write(installation.path("password"), &password).unwrap();
    let arguments =
        "user add operatore.cercato --profile invioEsecuzioneTest --password-file password --json";
    let arguments: Vec<_> = arguments
        .split(' ')
        .chain(["--structure", STRUCTURE])
        .collect();
    let told = installation.admin_with_input(&arguments, &planted.person("own fiscal code"));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let pincode = told["pincode"].as_str().unwrap().to_owned();
    std::fs::remove_file(installation.path("password")).unwrap();
    for (place, value) in [
        ("operator", OPERATOR.to_owned()),
        ("password", PASSWORD.to_owned()),
        ("pincode", pincode_of(USER)),
        ("own pincode", pincode.clone()),
    ] {
        planted.note(place, value);
    }
    (password, pincode)
}

fn nothing_is_found(installation: &Installation, evidence: &mut Evidence, planted: &Planted) {
    evidence.add_folder(installation.folder());
    let leaks: Vec<_> = planted
        .iter()
        .flat_map(|(place, value)| {
            let found = evidence.find(value);
            found
                .into_iter()
                .map(move |found| format!("{place}: {found}"))
        })
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    for (kept, file) in [
        (KEPT, "/data/tests.db"),
        (KEPT_OF_REFUSED, "/data/access-"),
        ("connection refused", "/server.log"),
        ("certificate refused", "/server.log"),
    ] {
        let found = evidence.find(kept);
        assert!(
            found.iter().any(|found| found.contains(file)),
            "{kept} is not in {file}: the search finds nothing at all: {found:?}"
        );
    }
}

#[test]
fn nothing_personal_that_a_caller_sends_stands_in_any_output_of_the_server() {
    // Inherited by the server: a write beyond the limit set below fails, and does not kill it.
    // SAFETY: ignoring a signal touches no memory.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let installation = Installation::new();
    let (mut evidence, mut planted) = (Evidence::default(), Planted::default());
    let (password, pincode) = add_user(&installation, &mut planted);
    let server = Server::start_with(&installation, SETTINGS);
    let mut heard = BTreeSet::new();

    let mut region = Asker {
        address: server.mutual_tls,
        config: installation.client(Some("region-010")),
        sign_in: String::new(),
        message: Submission::by_region(),
        name: "the region",
        evidence: &mut evidence,
        planted: &mut planted,
        heard: BTreeSet::new(),
    };
    let described = |description: &str, result: &str| Submission {
        structure: None,
        description: Some(description.into()),
        result: result.into(),
        ..Submission::by_region()
    };
    assert_eq!(
        region.submit("kept", &described(KEPT, "P")).told(),
        (200, "0000")
    );
    let refused = region.submit("kept of a refused", &described(KEPT_OF_REFUSED, "?"));
    assert_eq!(refused.told(), (200, "9999"));
    let with_pincode = Submission {
        pincode: Some(region.planted.pincode("a region's pincode")),
        ..Submission::by_region()
    };
    assert_eq!(
        region.submit("pincode", &with_pincode).told(),
        (200, "9999")
    );
    region.succeed();
    region.mistake();
    region.misplace();
    region.break_off();
    region.fail_handshakes();
    heard.append(&mut region.heard);

    let mut user = Asker {
        address: server.basic,
        config: installation.client(None),
        sign_in: basic("operatore.cercato", &password),
        message: Submission {
            pincode: Some(pincode),
            ..Submission::by_structure()
        },
        name: "the user",
        evidence: &mut evidence,
        planted: &mut planted,
        heard: BTreeSet::new(),
    };
    user.succeed();
    user.mistake();
    user.misplace();
    user.break_off();
    user.fail_handshakes();
    guess(&mut user);
    heard.append(&mut user.heard);

    let nobody = Session::region(&installation, &server, "030").submit(&Submission::by_region());
    evidence.add_answer("answer to region 030", &nobody.0);
    strange_certificate(&server, &installation, &mut planted);
    ask_status(&server, &mut evidence, &mut planted);

    fill_the_disk(&installation, &server);
    let mut region = Asker {
        address: server.mutual_tls,
        config: installation.client(Some("region-010")),
        sign_in: String::new(),
        message: Submission::by_region(),
        name: "the region without a disk",
        evidence: &mut evidence,
        planted: &mut planted,
        heard: BTreeSet::new(),
    };
    until("the store fails", || {
        let message = region.whole("full disk", "P", false);
        region.submit("full disk", &message).status() == 503
    });
    assert_eq!(server.status("/health/ready").status, 503);
    heard.append(&mut region.heard);
    ask_status(&server, &mut evidence, &mut planted);

    for (status, outcome) in [
        (200, "0000"),
        (200, "0001"),
        (200, "9999"),
        (400, ""),
        (401, ""),
        (404, ""),
        (405, ""),
        (408, ""),
        (413, ""),
        (415, ""),
        (500, ""),
        (503, ""),
    ] {
        assert!(
            heard.contains(&(status, outcome.to_owned())),
            "no {status} {outcome} in {heard:?}"
        );
    }
    evidence.add("standard output before the kill", server.kill9());
    nothing_is_found(&installation, &mut evidence, &planted);

    // What the server finds and puts right at its start, and writes when it ends.
    let server = Server::start_with(&installation, SETTINGS);
    let mut region = Asker {
        address: server.mutual_tls,
        config: installation.client(Some("region-010")),
        sign_in: String::new(),
        message: Submission::by_region(),
        name: "the region after the kill",
        evidence: &mut evidence,
        planted: &mut planted,
        heard: BTreeSet::new(),
    };
    region.succeed();
    ask_status(&server, &mut evidence, &mut planted);
    let (ended, output) = server.terminate();
    assert!(ended.success());
    evidence.add("standard output", output);
    nothing_is_found(&installation, &mut evidence, &planted);
}
