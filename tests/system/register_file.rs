//! The register's file removed or replaced under the running server. Failure here means that somebody is served whom an administrator has disabled
//! meanwhile, that nobody is told, or that what comes back is not taken up.

use std::time::{Duration, Instant};

use crate::support::installation::{PASSWORD, USER};
use crate::support::{Installation, Server, Session, Submission, until};

/// How often these tests' servers look at the register. That they look at the latest so late is one of the things that are tested.
const LOOK_INTERVAL: Duration = Duration::from_millis(1_000);

/// What a look, a command's end and a busy machine may add.
const MARGIN: Duration = Duration::from_secs(4);

const SETTINGS: &[(&str, &str)] = &[("REGISTER__POLL_INTERVAL_MILLISECONDS", "1000")];

fn ready_status(server: &Server) -> u16 {
    server.status("/health/ready").status
}

#[test]
fn without_its_file_nobody_is_served_and_the_server_is_not_ready_until_it_is_back() {
    let installation = Installation::new();
    let server = Server::start_with(&installation, SETTINGS);
    let mut region = Session::region(&installation, &server, "010");
    let mut user =
        Session::with(server.basic, &installation.client(None)).signed_in(USER, PASSWORD);
    assert_eq!(
        region.submit(&Submission::by_region()).told(),
        (200, "0000")
    );
    assert_eq!(
        user.submit(&Submission::by_structure()).told(),
        (200, "0000")
    );
    let (file, aside) = (
        installation.path("data/register.db"),
        installation.path("aside.db"),
    );
    std::fs::rename(&file, &aside).unwrap();

    until("it is not ready", || ready_status(&server) == 503);
    let told = server.status("/health/ready");
    assert!(
        told.text().starts_with("register_not_read: "),
        "{}",
        told.text()
    );
    assert_eq!(server.status("/health/live").status, 200);
    // Over the connections of before as over new ones.
    assert_eq!(region.submit(&Submission::by_region()).status(), 503);
    assert_eq!(user.submit(&Submission::by_structure()).status(), 503);
    let mut new = Session::region(&installation, &server, "020");
    assert_eq!(new.submit(&Submission::by_region()).status(), 503);
    let label = "name=\"register_not_read\"";
    assert_eq!(server.metric("sistema_ts_condition", &[label]), 1.0);

    std::fs::rename(&aside, &file).unwrap();
    until("it is ready again", || ready_status(&server) == 200);
    assert_eq!(
        region.submit(&Submission::by_region()).told(),
        (200, "0000")
    );
    assert_eq!(server.metric("sistema_ts_condition", &[label]), 0.0);
    assert!(server.terminate().0.success());
    let log = installation.log();
    let line = |level: &str| {
        let mut lines = log.lines();
        lines.any(|line| line.contains(level) && line.contains("register_not_read"))
    };
    assert!(line("WARN") && line("INFO"), "{log}");
    assert!(log.contains("the register cannot be read"), "{log}");
}

#[test]
fn a_region_disabled_in_a_copy_that_took_the_files_place_is_refused_within_the_interval() {
    let installation = Installation::new();
    let server = Server::start_with(&installation, SETTINGS);
    let mut region = Session::region(&installation, &server, "010");
    assert_eq!(
        region.submit(&Submission::by_region()).told(),
        (200, "0000")
    );
    let (file, copy) = (
        installation.path("data/register.db"),
        installation.path("copy.db"),
    );
    std::fs::copy(&file, &copy).unwrap();
    std::fs::rename(&copy, &file).unwrap();
    installation.admin(&["region", "disable", "010"]);
    let disabled = Instant::now();

    let submit = |region: &mut Session| region.submit(&Submission::by_region()).status();
    until("the region is refused", || match submit(&mut region) {
        // Before, it is served; while the file is opened again, nobody is.
        200 | 503 => false,
        500 => true,
        other => panic!("{other}"),
    });
    let took = disabled.elapsed();
    assert!(took < LOOK_INTERVAL + MARGIN, "{took:?}");
    until("it is ready again", || ready_status(&server) == 200);
    assert_eq!(submit(&mut region), 500);
    let mut neighbour = Session::region(&installation, &server, "020");
    let other = Submission {
        structure: None,
        description: Some("Drive-in".into()),
        ..Submission::by_region()
    };
    assert_eq!(neighbour.submit(&other).told(), (200, "0000"));
    assert!(server.terminate().0.success());
    let log = installation.log();
    assert!(
        log.contains("the register's file or its log was replaced under the server"),
        "{log}"
    );
}
