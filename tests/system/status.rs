//! Health and metrics. Failure here means that an operator is not told, or is told wrongly, how the server is.

use crate::support::client::{connect, plain};
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
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let by_get = server.status(path);
        let by_head = plain(server.status).head(path);
        assert!(by_head.starts_with("HTTP/1.1 200 OK\r\n"), "{by_head}");
        assert!(
            by_head.ends_with("\r\n\r\n"),
            "{path} has a body: {by_head}"
        );
        let length = format!("content-length: {}\r\n", by_get.body.len());
        // The metrics' own length changes from one reading to the next.
        let length = if path == "/metrics" {
            "content-length: "
        } else {
            &length
        };
        assert!(by_head.contains(length), "{path}: {by_head}");
    }
    let wsdl = "/soap/v1/invioEsecuzioneTest?WSDL";
    let stranger = || connect(server.basic, &installation.client(None)).unwrap();
    let by_get = stranger().get(wsdl);
    let by_head = stranger().head(wsdl);
    assert!(by_head.starts_with("HTTP/1.1 200 OK\r\n") && by_head.ends_with("\r\n\r\n"));
    let length = format!("content-length: {}\r\n", by_get.body.len());
    assert!(by_head.contains(&length), "{by_head}");
    // HEAD of what has no GET is refused like that.
    let refused = stranger().head("/soap/v1/invioEsecuzioneTest");
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.ends_with("\r\n\r\n"));

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
        // The HEAD, and the user.
        ("unauthorized", 2.0),
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

#[test]
fn health_and_metrics_answer_to_no_name_that_a_page_in_a_browser_could_have() {
    let installation = Installation::new();
    let server = Server::start_with(
        &installation,
        &[("STATUS__ALLOWED_HOSTS", "Monitor.example")],
    );
    let asked = |target: &str, host: &str| {
        let mut client = crate::support::client::plain(server.status);
        client.send(format!("GET {target} HTTP/1.1\r\n{host}\r\n"));
        client.answer().status
    };
    for path in ["/health/live", "/health/ready", "/metrics"] {
        for host in [
            "localhost:1",
            "127.0.0.1",
            "[::1]:9464",
            "monitor.example:80",
        ] {
            assert_eq!(
                asked(path, &format!("Host: {host}\r\n")),
                200,
                "{path} {host}"
            );
        }
        for host in ["example.org", "127.0.0.1.example.org:9464", "10.0.0.1", ""] {
            assert_eq!(
                asked(path, &format!("Host: {host}\r\n")),
                403,
                "{path} {host}"
            );
        }
        let absolute = format!("http://example.org{path}");
        assert_eq!(asked(&absolute, "Host: localhost\r\n"), 403, "{path}");
    }
    assert_eq!(asked("/", "Host: example.org\r\n"), 403);
}

#[test]
fn a_secret_that_lies_open_keeps_the_server_and_the_commands_from_starting() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::new();
    let set = |path: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(installation.path(path), permissions).unwrap();
    };
    let words = |arguments: &[&str]| {
        let output = installation.command(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (serve, list) = (&["serve"][..], &["admin", "region", "list"][..]);
    let (age, pki) = (
        &["keys", "age"][..],
        &["pki", "region", "--code", "050"][..],
    );
    for (path, open, closed, commands) in [
        ("keys/day-keys", 0o644, 0o600, &[serve, age][..]),
        ("keys/register-key", 0o644, 0o600, &[serve, list]),
        ("keys", 0o777, 0o700, &[serve, list, age]),
        ("pki/server.key", 0o644, 0o600, &[serve]),
        ("pki/ca.key", 0o644, 0o600, &[pki]),
        ("pki", 0o777, 0o700, &[serve, pki]),
        ("data/register.db", 0o666, 0o600, &[serve, list]),
        ("data", 0o777, 0o700, &[serve, list]),
        ("data", 0o1777, 0o700, &[serve, list]),
    ] {
        set(path, open);
        for arguments in commands {
            let (code, text) = words(arguments);
            assert_eq!(code, Some(2), "{path} {arguments:?}: {text}");
            let named = text.contains("chmod") && text.contains(path.rsplit('/').next().unwrap());
            assert!(named, "{path} {arguments:?}: {text}");
        }
        set(path, closed);
    }
    // What the group may read is warned of, by commands and by the server.
    set("keys/register-key", 0o640);
    let (code, text) = words(list);
    assert_eq!(
        (code, text.matches("chmod 600").count()),
        (Some(0), 1),
        "{text}"
    );
    let server = Server::start(&installation);
    assert!(server.terminate().0.success());
    let warned = |line: &&str| line.contains("its group") && line.contains("register-key");
    assert_eq!(installation.log().lines().filter(warned).count(), 1);
}

#[test]
fn what_is_made_is_its_owners_alone_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sistema-ts.toml"), "").unwrap();
    for arguments in [
        &["pki", "ca"][..],
        &["pki", "server", "localhost"],
        &["keys", "create"],
        &["admin", "init"],
        &["admin", "region", "add", "010"],
    ] {
        let mut command = std::process::Command::new(crate::support::installation::SISTEMA_TS);
        command
            .current_dir(folder.path())
            .env(
                "SISTEMA_TS_CONFIGURATION",
                folder.path().join("sistema-ts.toml"),
            )
            .args(arguments);
        // SAFETY: between fork and exec only a number of the new process is set.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0);
                Ok(())
            });
        }
        assert!(command.output().unwrap().status.success(), "{arguments:?}");
    }
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for made in ["pki", "keys", "data"] {
        let made = folder.path().join(made);
        assert_eq!(mode(&made), 0o700, "{}", made.display());
        for entry in std::fs::read_dir(&made).unwrap() {
            let path = entry.unwrap().path();
            let is_public = path
                .extension()
                .is_some_and(|end| end == "crt" || end == "crl");
            let most = if is_public { 0o644 } else { 0o600 };
            assert_eq!(mode(&path) & !most, 0, "{}", path.display());
        }
    }
}
