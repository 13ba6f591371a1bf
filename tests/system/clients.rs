//! Real SOAP clients, from the WSDL that each listener serves.
//!
//! Failure here means that a program generated from our WSDL cannot submit, that an answer does not arrive as the types it declares, or that
//! what goes over the wire is not what our own schema says. zeep and libxml2 judge; without them there is no test, so their absence is a
//! failure too. More clients are run by `make test-clients`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sistema_ts_model::Cun;

use crate::support::chain::Chain;
use crate::support::installation::{
    ASL_OPERATOR, ASL_USER, CALL_CENTRE, CARD, DESK, OPERATOR, PASSWORD, PATIENT, STRUCTURE, USER,
    pincode_of,
};
use crate::support::messages::today;
use crate::support::{Installation, Message, Server, Session, otp, until};

/// The Python that `make test` sets up with what `tests/requirements.txt` lists.
fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (python, ready) = (root.join(".venv/bin/python"), root.join(".venv/ready"));
    assert!(
        ready.exists(),
        "zeep is missing: run `make test`, which installs it in .venv"
    );
    python
}

/// A file in `tests/system/clients/`.
fn script(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/clients");
    folder.join(name)
}

/// Runs a client, which checks its answers itself; the CUNs it was given.
fn run(command: &mut Command, told: &Value) -> Vec<Cun> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // By way of its input, so that the password is in no list of processes.
    let mut input = child.stdin.take().unwrap();
    input.write_all(told.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let codes = String::from_utf8(output.stdout).unwrap();
    let codes: Vec<_> = codes
        .lines()
        .map(|line| Cun::parse(line).unwrap())
        .collect();
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    codes
}

/// A region of this installation, as the clients are told of it.
fn region(installation: &Installation, server: &Server) -> Value {
    json!({
        "address": format!("https://{}", server.mutual_tls),
        "public_url": "https://localhost:8443",
        "authority": installation.path("pki/ca.crt"),
        "certificate": installation.path("pki/region-010.crt"),
        "key": installation.path("pki/region-010.key"),
        "pincode": null,
        "structure": STRUCTURE,
        "fiscal_code": "BNCLRA75E41F205R",
        "today": today(),
    })
}

/// A structure's user, likewise.
fn user(installation: &Installation, server: &Server) -> Value {
    json!({
        "address": format!("https://{}", server.basic),
        "public_url": "https://localhost:8444",
        "authority": installation.path("pki/ca.crt"),
        "certificate": null,
        "user": USER,
        "password": PASSWORD,
        "pincode": pincode_of(USER),
        "structure": STRUCTURE,
        "fiscal_code": "BNCLRA75E41F205R",
        "today": today(),
    })
}

/// That the server counted what the client says it did: a client that did nothing would not pass.
fn counted(server: &Server, expected: &[(&str, f64)]) {
    for (outcome, count) in expected {
        let label = format!("outcome=\"{outcome}\"");
        let requests = server.metric("sistema_ts_requests_total", &[&label]);
        assert_eq!(requests, *count, "{outcome}");
    }
}

#[test]
fn zeep_submits_by_certificate_from_the_served_wsdl() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut zeep = Command::new(python());
    zeep.arg(script("zeep_client.py"));
    let codes = run(&mut zeep, &region(&installation, &server));
    assert_eq!(codes.len(), 5);
    counted(
        &server,
        &[
            ("done", 5.0),
            ("done_with_warnings", 1.0),
            ("not_done", 2.0),
            ("fault", 1.0),
        ],
    );
}

#[test]
fn zeep_submits_with_user_password_and_pincode_from_the_served_wsdl() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut zeep = Command::new(python());
    zeep.arg(script("zeep_client.py"));
    let codes = run(&mut zeep, &user(&installation, &server));
    assert_eq!(codes.len(), 4);
    counted(
        &server,
        &[
            ("done", 4.0),
            ("done_with_warnings", 1.0),
            ("not_done", 3.0),
            ("unauthorized", 1.0),
        ],
    );
}

/// Has a client call every service, on every listener that it has, as the callers of a chain do; the client checks its answers itself.
fn walks_the_chain(mut client: Command) {
    let chain = Chain::start();
    let path = |inside: String| chain.installation.path(&inside);
    let caller = |name: &str| {
        json!({
            "address": format!("https://{}", chain.server.mutual_tls),
            "public_url": "https://localhost:8443",
            "certificate": path(format!("pki/{name}.crt")),
            "key": path(format!("pki/{name}.key")),
        })
    };
    let profiles = [
        "invioEsecuzioneTest",
        "annullamentoEsecuzioneTest",
        "elencoTestEffettuati",
        "invioCodiceOtp",
    ];
    chain
        .installation
        .admin(&[&["user", "profiles", ASL_USER], &profiles[..]].concat());
    let probe = Message::cancellation("?", PATIENT)
        .without("tipoAutenticazione")
        .with("pinCode", pincode_of(ASL_USER));
    let mut user = Session::asl_user(&chain.installation, &chain.server);
    until("the server sees the profiles", || {
        user.ask(&probe).findings() == ["1501"]
    });
    // Two that stay, so that there is something to list beside what the client submits.
    let cun = chain.positive();
    chain.positive();
    let codes = [otp(1), otp(2), otp(3)];
    let told = json!({
        "authority": path("pki/ca.crt".into()),
        "desk": caller(&format!("call-center-{CALL_CENTRE}")),
        "region": caller("region-010"),
        "user": {
            "address": format!("https://{}", chain.server.basic),
            "public_url": "https://localhost:8444",
            "user": ASL_USER,
            "password": PASSWORD,
        },
        "operator": DESK,
        "asl_operator": ASL_OPERATOR,
        "pincode": pincode_of(ASL_USER),
        "patient": PATIENT,
        "card": CARD,
        "cun": cun,
        "structure": STRUCTURE,
        "lister": OPERATOR,
        "codes": codes,
        "today": today(),
    });
    assert!(run(&mut client, &told).is_empty());
    for code in &codes {
        assert_eq!(chain.backend.stored(code), 1);
    }
}

#[test]
fn zeep_walks_the_chain_from_the_served_wsdls() {
    let mut zeep = Command::new(python());
    zeep.arg(script("zeep_chain.py"));
    walks_the_chain(zeep);
}

/// What `make test-clients` builds.
fn built(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".clients")
        .join(inside)
}

/// The Java program, with the classes that one toolkit generated from all seven WSDLs.
fn java(toolkit: &str) -> Command {
    let target = built("java").join(toolkit).join("target");
    let classes = target.join("classes");
    let libraries = target.join("dependency").join("*");
    let mut java = Command::new("java");
    java.arg("-cp")
        .arg(format!("{}:{}", classes.display(), libraries.display()))
        .arg("Chain");
    java
}

#[test]
#[ignore = "needs what Apache CXF generates: make test-clients"]
fn cxf_walks_the_chain_with_all_services_in_one_project() {
    walks_the_chain(java("cxf"));
}

#[test]
#[ignore = "needs what Metro generates: make test-clients"]
fn metro_walks_the_chain_with_all_services_in_one_project() {
    walks_the_chain(java("metro"));
}

#[test]
#[ignore = "needs what gowsdl generates: make test-clients"]
fn gowsdl_walks_the_chain_with_structures_and_options() {
    walks_the_chain(Command::new(built("go/client")));
}

/// Both kinds of caller with a client that is given two CUNs, one of them twice, and makes mistakes once.
fn serves_both_callers(client: impl Fn() -> Command) {
    let installation = Installation::new();
    let server = Server::start(&installation);
    for told in [region(&installation, &server), user(&installation, &server)] {
        assert_eq!(run(&mut client(), &told).len(), 2);
    }
    counted(
        &server,
        &[
            ("done", 4.0),
            ("done_with_warnings", 2.0),
            ("not_done", 2.0),
            ("fault", 1.0),
            ("unauthorized", 1.0),
        ],
    );
}

#[test]
#[ignore = "needs node's soap: make test-clients"]
fn node_submits_from_the_served_wsdl() {
    serves_both_callers(|| {
        let mut node = Command::new("node");
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join(".clients/node_modules");
        node.arg(script("node_client.js")).env("NODE_PATH", modules);
        // No proxy of this machine is between the two.
        for proxy in [
            "http_proxy",
            "https_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ] {
            node.env_remove(proxy);
        }
        node
    });
}

#[test]
#[ignore = "needs PHP's SoapClient: make test-clients"]
fn php_submits_from_the_served_wsdl() {
    serves_both_callers(|| {
        let mut php = Command::new("php");
        php.arg(script("php_client.php"));
        php
    });
}
