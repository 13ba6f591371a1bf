//! The commands as people with roles give them, from an empty cluster to a running server. A failure: somebody is let in, or may do something, who
//! must not; a refusal does not say what is to be done; a password is told.

use std::os::unix::fs::PermissionsExt as _;

use crate::cluster::cannot_be_had;
use crate::node::node;
use crate::support::on_a_cluster::PASSWORD;
use crate::support::{Installation, Server, Session, Submission};

/// What a command has said that must fail.
fn refused(mut command: std::process::Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?} was not refused");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains(PASSWORD), "{told}");
    told
}

#[test]
fn a_server_serves_with_its_own_role_and_whoever_reads_or_migrates_has_another() {
    let Some(cluster) = node() else {
        return;
    };
    if cluster.administrator.is_none() {
        cannot_be_had("the node checks no roles, or TEST_CQL_ROLES is not 1");
        return;
    }
    let installation = Installation::on_a_cluster(cluster);
    let again = installation.renew_roles(&[]);
    assert_eq!(again, "Rights given: 0, taken away: 0.\n");
    let server = Server::start(&installation);
    Session::region(&installation, &server, "010").submitted(&Submission::by_region());
    assert!(server.terminate().0.success());
    let log = installation.log();
    assert!(!log.contains(PASSWORD), "{log}");

    let search = ["audit", "search"];
    let mut as_reader = installation.command_as("reader", &search);
    let found = String::from_utf8(as_reader.output().unwrap().stdout).unwrap();
    assert_eq!(found.lines().count(), 1, "{found}");
    assert_eq!(found, installation.run(&search), "as the server finds it");
    let told = refused(installation.command_as("reader", &["admin", "region", "list"]));
    assert!(told.contains("`sistema-ts roles`"), "{told}");
    let told = refused(installation.command_as("reader", &["serve"]));
    assert!(told.contains("`sistema-ts roles`"), "{told}");
    let told = refused(installation.command_as("migrate", &search));
    assert!(told.contains("`sistema-ts roles`"), "{told}");

    let other = installation.path("other-password");
    std::fs::write(&other, "sbagliata").unwrap();
    let set = |mode| std::fs::set_permissions(&other, std::fs::Permissions::from_mode(mode));
    let serve = |file: &str| {
        let mut serve = installation.command(&["serve"]);
        serve.env("SISTEMA_TS_CQL__PASSWORD_FILE", file);
        serve
    };
    set(0o644).unwrap();
    let told = refused(serve("other-password"));
    assert!(told.contains("chmod 600"), "{told}");
    set(0o600).unwrap();
    let told = refused(serve("other-password"));
    let role = installation.setting("CQL__ROLE");
    assert!(
        told.contains(role) && told.contains("other-password"),
        "{told}"
    );
    assert!(!told.contains("sbagliata"), "{told}");
    let told = refused(serve(""));
    assert!(told.contains("cql.password_file"), "{told}");
}
