//! Health and metrics. Failure here means that an operator is not told, or is told wrongly, how the server is.

use crate::support::installation::USER;
use crate::support::{Installation, Server, Session, Submission, until};

#[test]
fn outcomes_are_counted_and_health_is_told() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let live = server.status("/health/live");
    assert_eq!((live.status, live.text()), (200, "live\n"));
    let ready = server.status("/health/ready");
    assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    for condition in ["store_failed", "clock_behind", "server_stopping"] {
        let label = format!("name=\"{condition}\"");
        assert_eq!(
            server.metric("sistema_ts_condition", &[&label]),
            0.0,
            "{condition}"
        );
    }
    assert_eq!(
        server.status("/soap/v1/invioEsecuzioneTest?wsdl").status,
        404
    );

    let mut region = Session::region(&installation, &server, "010");
    let message = Submission::by_region().with_key("counted");
    let wrong = Submission {
        result: "X".into(),
        ..Submission::by_region()
    };
    for (submission, outcome) in [
        (&message, "0000"),
        (&message, "0001"),
        (&wrong, "9999"),
        (&wrong, "9999"),
    ] {
        assert_eq!(region.submit(submission).told(), (200, outcome));
    }
    region.client.send(region.head(1) + "x");
    assert_eq!(region.client.answer().status, 500);
    let mut user =
        Session::with(server.basic, &installation.client(None)).signed_in("nessuno", "niente");
    assert_eq!(user.submit(&Submission::by_structure()).status(), 401);

    let service = "service=\"invioEsecuzioneTest\"";
    for (outcome, count) in [
        ("done", 1.0),
        ("done_with_warnings", 1.0),
        ("not_done", 2.0),
        ("fault", 1.0),
        ("unauthorized", 1.0),
        ("unavailable", 0.0),
        ("abandoned", 0.0),
    ] {
        let label = format!("outcome=\"{outcome}\"");
        let labels = [service, &*label];
        assert_eq!(
            server.metric("sistema_ts_requests_total", &labels),
            count,
            "{outcome}"
        );
        assert_eq!(
            server.metric("sistema_ts_request_seconds_count", &labels),
            count,
            "{outcome}"
        );
    }
    assert!(server.metric("sistema_ts_store_commits_total", &[]) >= 1.0);
    assert!(server.metric("sistema_ts_store_batch_jobs_count", &[]) >= 1.0);
    assert!(
        server.metric(
            "sistema_ts_auth_credential_checks_total",
            &["outcome=\"refused\""]
        ) >= 1.0
    );
}

#[test]
fn the_security_log_says_who_was_refused_where_and_nothing_that_was_typed() {
    let installation = Installation::new();
    let server = Server::start(&installation);
    let wrong = |user: &str| {
        let mut session = Session::with(server.basic, &installation.client(None))
            .signed_in(user, "Una-password-sbagliata");
        assert_eq!(session.submit(&Submission::by_structure()).status(), 401);
    };
    wrong(USER);
    wrong("utente.mai.visto");
    let mut nobody = Session::with(server.mutual_tls, &installation.client(None));
    assert_eq!(nobody.submit(&Submission::by_region()).status(), 500);

    let (status, _) = server.terminate();
    assert!(status.success());
    let log = installation.log();
    let told = |parts: &[&str]| {
        log.lines()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    };
    assert!(
        told(&["security", "credentials refused", USER, "127.0.0.1"]),
        "{log}"
    );
    assert!(
        told(&["security", "credentials refused", "(not registered)"]),
        "{log}"
    );
    assert!(
        told(&[
            "security",
            "certificate refused",
            "no_certificate",
            "127.0.0.1"
        ]),
        "{log}"
    );
    assert!(
        told(&["security", "request refused", "401", "basic"]),
        "{log}"
    );
    assert!(!log.contains("utente.mai.visto") && !log.contains("Una-password-sbagliata"));
}

#[test]
fn what_the_server_writes_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::new();
    let server = Server::start(&installation);
    let reply = Session::region(&installation, &server, "010").submit(&Submission::by_region());
    assert_eq!(reply.told(), (200, "0000"));
    let mut looked_at = 0;
    for entry in std::fs::read_dir(installation.path("data")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", entry.file_name());
        looked_at += 1;
    }
    assert!(looked_at >= 4, "the register and three archives at least");
}

#[test]
fn a_request_whose_client_left_is_counted_and_done_all_the_same() {
    let installation = Installation::new();
    // Nobody waits for a check that takes so long.
    let server = Server::start_with(
        &installation,
        &[
            ("AUTHENTICATION__ARGON2_MEMORY_KIBIBYTES", "131072"),
            ("AUTHENTICATION__ARGON2_PASSES", "16"),
        ],
    );
    let mut session =
        Session::with(server.basic, &installation.client(None)).signed_in("nessuno", "niente");
    let bytes = session.bytes(&Submission::by_structure());
    session.client.send(bytes);
    until("the check has begun", || {
        server.metric("sistema_ts_auth_checks_under_way", &[]) > 0.0
    });
    // Cut, not closed in both directions: the server would answer a client that only sends no more.
    socket2::SockRef::from(&session.client.stream.sock)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(session);
    let abandoned = || server.metric("sistema_ts_requests_total", &["outcome=\"abandoned\""]);
    until("it is counted", || abandoned() == 1.0);
    until("the check is done", || {
        server.metric("sistema_ts_auth_credential_checks_total", &["refused"]) == 1.0
    });
    assert_eq!(server.metric("sistema_ts_requests_in_flight", &[]), 0.0);
    assert_eq!(server.metric("sistema_ts_admitted", &[]), 0.0);
}
