//! Real SOAP clients, from the WSDL that each listener serves.
//!
//! Failure here means that a program generated from our WSDL cannot submit, that an answer does not arrive as the types it declares, or that
//! what goes over the wire is not what our own schema says. zeep and libxml2 judge; without them there is no test, so their absence is a
//! failure too.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sistema_ts_model::Cun;

use crate::support::installation::{PASSWORD, PINCODE, STRUCTURE, USER};
use crate::support::messages::today;
use crate::support::{Installation, Server};

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

/// Runs the zeep client, which checks its answers itself; the CUNs it was given.
fn zeep(told: &Value) -> Vec<Cun> {
    let mut child = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/clients/zeep_client.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(told.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let codes = String::from_utf8(output.stdout).unwrap();
    codes
        .lines()
        .map(|line| Cun::parse(line).unwrap())
        .collect()
}

/// What both kinds of caller tell the client.
fn told(installation: &Installation, address: SocketAddr, public_url: &str) -> Value {
    json!({
        "address": format!("https://{address}"),
        "public_url": public_url,
        "authority": installation.path("pki/ca.crt"),
        "structure": STRUCTURE,
        "fiscal_code": "BNCLRA75E41F205R",
        "today": today(),
        "certificate": null,
        "pincode": null,
    })
}

/// That the server counted what the client says it did: a client that did nothing would not pass.
fn counted(server: &Server, expected: [(&str, f64); 4]) {
    for (outcome, count) in expected {
        let label = format!("outcome=\"{outcome}\"");
        let requests = server.metric("sistema_ts_requests_total", &[&label]);
        assert_eq!(requests, count, "{outcome}");
    }
}

#[test]
fn zeep_submits_by_certificate_from_the_served_wsdl() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let mut told = told(&installation, server.mutual_tls, "https://localhost:8443");
    told["certificate"] = json!(installation.path("pki/region-010.crt"));
    told["key"] = json!(installation.path("pki/region-010.key"));
    let codes = zeep(&told);
    assert_eq!(
        codes.iter().collect::<BTreeSet<_>>().len(),
        5,
        "{}",
        codes.len()
    );
    counted(
        &server,
        [
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
    let mut told = told(&installation, server.basic, "https://localhost:8444");
    told["user"] = json!(USER);
    told["password"] = json!(PASSWORD);
    told["pincode"] = json!(PINCODE);
    let codes = zeep(&told);
    assert_eq!(
        codes.iter().collect::<BTreeSet<_>>().len(),
        4,
        "{}",
        codes.len()
    );
    counted(
        &server,
        [
            ("done", 4.0),
            ("done_with_warnings", 1.0),
            ("not_done", 3.0),
            ("unauthorized", 1.0),
        ],
    );
}
