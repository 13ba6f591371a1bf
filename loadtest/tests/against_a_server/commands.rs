//! The command line, as a person uses it.

use std::process::{Command, Output};
use std::sync::Arc;

use crate::server::{Reply, Server};

fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn shipped_scenarios_are_listed_shown_and_right() {
    let listed = text(&loadtest(&["scenarios"]).stdout);
    for line in listed.lines() {
        let name = line.split_ascii_whitespace().next().unwrap();
        let shown = loadtest(&["scenarios", "show", name]);
        assert!(
            text(&shown.stdout).contains(&format!("name = \"{name}\"")),
            "{name}"
        );
        assert_eq!(loadtest(&["check", name]).status.code(), Some(0), "{name}");
    }
    assert!(listed.lines().count() >= 10, "{listed}");
    assert_eq!(
        loadtest(&["scenarios", "show", "no-such"]).status.code(),
        Some(2)
    );
}

#[test]
fn an_unknown_key_is_a_usage_error_with_its_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let shown = text(&loadtest(&["scenarios", "show", "steady"]).stdout);
    std::fs::write(&path, shown.replace("connections = 32", "conections = 32")).unwrap();
    let checked = loadtest(&["check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(2));
    let line = shown
        .lines()
        .position(|line| line == "connections = 32")
        .unwrap()
        + 1;
    let told = text(&checked.stderr);
    assert!(
        told.contains(&format!(
            "line {line}, column 1: unknown field `conections`"
        )),
        "{told}"
    );
}

#[test]
fn the_exit_status_of_a_run_is_its_verdict_and_its_result_is_a_file() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    std::fs::write(
        server.path("environment.toml"),
        format!(
            "[server]\nmutual_tls_url = \"{}\"\nauthority_file = \"ca.pem\"\n\n[[region]]\ncode = \"010\"\n\
             certificate_file = \"client.pem\"\nprivate_key_file = \"client.key\"\nstructure_description = \"Un drive-in & altro\"\n",
            server.url()
        ),
    )
    .unwrap();
    let run = |objective: &str, output: &str| {
        std::fs::write(
            server.path("mine.toml"),
            format!(
                "name = \"mine\"\nabout = \"Mine.\"\nobjectives = [\"{objective}\"]\n[[callers]]\nname = \"r\"\nkind = \"region\"\n\
                 [[stream]]\nname = \"s\"\ncallers = \"r\"\nconnections = 2\narrival = \"closed\"\nrequests = 20\nmix = {{ submit = 1 }}\n\
                 [validity]\nceiling_percent = 1000\n[truth]\nread_back_percent = 0\nsweep = false\n"
            ),
        )
        .unwrap();
        let path = |name: &str| server.path(name).to_str().unwrap().to_owned();
        loadtest(&[
            "run",
            &path("mine.toml"),
            "--environment",
            &path("environment.toml"),
            "--output",
            &path(output),
        ])
    };
    let kept = run("submit[0000].count == 20", "first");
    assert_eq!(
        kept.status.code(),
        Some(0),
        "{}{}",
        text(&kept.stdout),
        text(&kept.stderr)
    );
    let json = std::fs::read(server.path("first/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(result["verdict"], "kept");
    // Its own ceiling was measured against the constant answer.
    assert!(
        result["method"]["ceiling"].as_f64().unwrap() > 0.0,
        "{result}"
    );
    assert_eq!(
        run("submit[0000].count == 21", "second").status.code(),
        Some(10)
    );
    // A ledger is never written over.
    assert_eq!(
        run("submit[0000].count == 20", "first").status.code(),
        Some(2)
    );
    let requests = server.requests.lock().unwrap();
    assert!(
        requests[0].contains("<urn:descrizioneStruttura>Un drive-in &amp; altro<"),
        "{}",
        requests[0]
    );
}
