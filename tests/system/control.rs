//! Orders of commands to the running server, over its control socket.
//!
//! Failure here means that a command waits for ever, or says nothing that helps, when it has nobody to ask; that a server that was killed
//! prevents the next start; or that others reach the socket.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::Output;

use crate::support::chain::Chain;
use crate::support::command::output_with_input;
use crate::support::installation::OPERATOR;
use crate::support::{Installation, Server};

/// Well-formed, and never issued.
const UNKNOWN: &str = "CUN-59FU36KR46";

fn forgive(installation: &Installation, code: &str) -> Output {
    let mut command = installation.command(&["admin", "cun", "forgive"]);
    output_with_input(&mut command, code)
}

fn said(output: &[u8]) -> &str {
    std::str::from_utf8(output).unwrap()
}

#[test]
fn without_a_server_the_command_says_that_one_must_be_started() {
    let installation = Installation::new();
    for killed in [false, true] {
        if killed {
            Server::start(&installation).kill9();
            assert!(installation.path("data/control.sock").exists());
        }
        let output = forgive(&installation, UNKNOWN);
        assert_eq!(output.status.code(), Some(2));
        let errors = said(&output.stderr);
        assert!(errors.contains("no server is running on this data folder"));
        assert!(errors.contains("start it"), "{errors}");
        assert!(!errors.contains("59FU36KR46"), "{errors}");
    }
    // What the killed server left behind is in nobody's way.
    let server = Server::start(&installation);
    assert!(forgive(&installation, UNKNOWN).status.success());
    let (status, _) = server.terminate();
    assert!(status.success());
    assert!(!installation.path("data/control.sock").exists());
}

#[test]
fn the_socket_is_its_user_s_alone_and_may_lie_elsewhere() {
    let installation = Installation::new();
    let server = Server::start_with(&installation, &[("CONTROL__SOCKET_FILE", "elsewhere.sock")]);
    let socket = std::fs::symlink_metadata(installation.path("elsewhere.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let mut command = installation.command(&["admin", "cun", "forgive"]);
    command.env("SISTEMA_TS_CONTROL__SOCKET_FILE", "elsewhere.sock");
    assert!(output_with_input(&mut command, UNKNOWN).status.success());
    // And the usual place has none.
    assert_eq!(forgive(&installation, UNKNOWN).status.code(), Some(2));
    drop(server);
}

#[test]
fn a_running_server_has_each_change_of_the_register_in_its_security_log_with_who_made_it() {
    let installation = Installation::new();
    installation.admin(&["call-center", "add", "cc7", "--name", "Prova"]);
    let server = Server::start(&installation);
    installation.admin(&["call-center", "rename", "cc7", "--name", "Nuova"]);
    let network = ["--call-center", "cc7", "192.0.2.0/28"];
    installation.admin(&[&["network", "add"], &network[..]].concat());
    let operator = ["operator", "add", "--call-center", "cc7"];
    installation.admin_with_input(&operator, OPERATOR);
    // Refused: no change.
    let mut refused = installation.command(&["admin", "call-center", "remove", "cc7"]);
    assert_eq!(output_with_input(&mut refused, "").status.code(), Some(2));
    assert!(server.terminate().0.success());

    let log = installation.log();
    let told: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.contains("the register was changed"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let changes: Vec<_> = told
        .iter()
        .map(|line| (line["change"].as_str(), line["object"].as_str()))
        .collect();
    assert_eq!(
        changes,
        [
            (Some("rename_caller"), Some("call centre cc7")),
            (
                Some("add_network"),
                Some("network 192.0.2.0/28 of call centre cc7")
            ),
            (
                Some("add_operator"),
                Some("this operator of call centre cc7")
            ),
        ]
    );
    // SAFETY: takes nothing, changes nothing and never fails.
    let own = unsafe { libc::geteuid() };
    assert!(
        told.iter()
            .all(|line| line["user"] == own && line["target"] == "security")
    );
    assert!(!log.contains(OPERATOR));
}

#[test]
fn of_many_changes_at_once_the_security_log_leaves_none_out() {
    const CHANGES: usize = 60;
    let installation = Installation::new();
    installation.admin(&["call-center", "add", "cc7", "--name", "Prova"]);
    let server = Server::start(&installation);
    let people: Vec<_> = (1..=CHANGES).map(crate::support::fiscal_code).collect();
    let import = ["operator", "import", "--call-center", "cc7", "-"];
    installation.admin_with_input(&import, &people.join("\n"));
    assert!(server.terminate().0.success());
    let log = installation.log();
    let changes = log.lines().filter(|line| line.contains("\"add_operator\""));
    assert_eq!(changes.count(), CHANGES);
}

#[test]
fn what_is_no_cun_is_refused_without_asking_the_server_and_is_not_repeated() {
    let installation = Installation::new();
    for (input, reason) in [
        ("", "CUN"),
        ("CUN-59FU36KR45", "CUN"),
        ("RSSMRA80A01H501U", "CUN"),
    ] {
        let output = forgive(&installation, input);
        assert_eq!(output.status.code(), Some(2), "{input}");
        let errors = said(&output.stderr);
        assert!(
            errors.contains(reason) && !errors.contains("no server"),
            "{errors}"
        );
        assert!(
            input.is_empty() || !errors.contains(&input[4..]),
            "{errors}"
        );
    }
    let mut argument = installation.command(&["admin", "cun", "forgive", UNKNOWN]);
    assert_eq!(output_with_input(&mut argument, "").status.code(), Some(2));
}

#[test]
fn a_code_is_forgiven_twice_and_the_security_log_says_so_without_naming_it() {
    let chain = Chain::start_with(&[("CALL_CENTER__CODE_FAILURES_IN_LIFE", "2")]);
    let cun = chain.positive();
    let installation = &chain.installation;
    let mut references = Vec::new();
    for left in [Some(1), Some(0), None] {
        for _ in 0..2 {
            assert!(!chain.is_verifiable_with("11111111", &cun));
        }
        assert!(!chain.is_verifiable(&cun), "its tries are used up");
        let mut command = installation.command(&["admin", "--json", "cun", "forgive"]);
        let output = output_with_input(&mut command, &cun.to_lowercase());
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let Some(left) = left else {
            assert_eq!(output.status.code(), Some(1), "no more than twice");
            break;
        };
        assert!(output.status.success());
        assert_eq!(printed["forgiven_failures"], 2);
        assert_eq!(printed["can_be_forgiven_again"], left);
        references.push(printed["reference"].as_str().unwrap().to_owned());
        assert!(chain.is_verifiable(&cun), "forgiven");
        // Without a failure there is nothing to forgive, and none is used up.
        assert!(forgive(installation, &cun).status.success());
    }
    assert_eq!(references[0], references[1]);
    let log = installation.log();
    assert!(!log.contains(&cun[4..]), "{log}");
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(&references[0]))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains("\"security\"") && line.contains("\"user\""))
    );
}
