//! Certificates and revocation lists that run out, or go back. Failure here means that nobody is told before callers or the server are shut out,
//! or that what is told does not end with its cause.

use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};
use time::{Duration, OffsetDateTime};

use crate::support::chain::Chain;
use crate::support::{Installation, Server, Session, Submission, until};

/// Whether the log has a line with all these words.
fn has_line(log: &str, words: &[&str]) -> bool {
    let mut lines = log.lines();
    lines.any(|line| words.iter().all(|word| line.contains(word)))
}

/// Whether readiness tells that a certificate that was made for 20 days ends: in 20 as long as the second of its making lasts, then in 19.
fn is_announced(ready: &str, subject: &str) -> bool {
    [20, 19]
        .iter()
        .any(|days| ready.contains(&format!("{subject}: it ends in {days} days\n")))
}

/// The gauge of a condition.
fn holds(server: &Server, condition: &str) -> bool {
    server.metric("sistema_ts_condition", &[&format!("name=\"{condition}\"")]) == 1.0
}

#[test]
fn what_runs_out_or_goes_back_is_told_while_everything_is_served() {
    let installation = Installation::new();
    let days = ["--days", "20"];
    let server_names = ["pki", "server", "--file", "short", "localhost", "127.0.0.1"];
    installation.run(&[&server_names[..], &days].concat());
    for kind in ["key", "crt"] {
        let file = |stem: &str| installation.path(&format!("pki/{stem}.{kind}"));
        std::fs::rename(file("short"), file("server")).unwrap();
    }
    installation.run(&[&["pki", "region", "--code", "060"][..], &days].concat());
    installation.admin(&["region", "add", "060"]);
    installation.admin(&[
        "certificate",
        "add",
        "--region",
        "060",
        "pki/region-060.crt",
    ]);
    let list = installation.path("pki/ca.crl");
    let older = std::fs::read(&list).unwrap();
    installation.run(&["pki", "crl"]);
    let server = Server::start(&installation);
    std::fs::write(&list, older).unwrap();
    server.signal(libc::SIGHUP);

    let mut said = String::new();
    until("the older list is told", || {
        let ready = server.status("/health/ready");
        assert_eq!(ready.status, 200);
        said = ready.text().to_owned();
        said.contains("revocation_list_went_back (")
    });
    assert!(said.starts_with("ready\n"), "{said}");
    for subject in [
        "server_certificate_ends (mutual-tls ecdsa)",
        "server_certificate_ends (basic ecdsa)",
        "caller_certificate_ends (region 060)",
    ] {
        assert!(is_announced(&said, subject), "{said}");
    }
    assert!(!said.contains("region 010"), "{said}");
    for condition in [
        "server_certificate_ends",
        "caller_certificate_ends",
        "revocation_list_went_back",
    ] {
        assert!(holds(&server, condition), "{condition}");
    }
    let left = || {
        server.metric(
            "sistema_ts_certificate_days_left",
            &["kind=\"region\"", "name=\"060\""],
        )
    };
    assert!((19.0..=20.0).contains(&left()), "{}", left());
    let hours = server.metric("sistema_ts_revocation_list_hours_left", &[]);
    assert!((29.0 * 24.0..=30.0 * 24.0).contains(&hours), "{hours}");
    let reply = Session::region(&installation, &server, "010").submit(&Submission::by_region());
    assert_eq!(reply.told(), (200, "0000"));

    // Who may not call runs out of nothing.
    installation.admin(&["region", "disable", "060"]);
    until("its certificate is told of no more", || {
        let ready = server.status("/health/ready");
        !ready.text().contains("region 060")
    });
    assert!(left().is_nan(), "{}", left());
    installation.admin(&["region", "enable", "060"]);
    until("it is told of again", || {
        let ready = server.status("/health/ready");
        ready.text().contains("region 060")
    });
    assert!((19.0..=20.0).contains(&left()), "{}", left());

    installation.run(&["pki", "crl"]);
    installation.run(&["pki", "crl"]);
    server.signal(libc::SIGHUP);
    until("the newest list is in force", || {
        server.status("/health/ready");
        !holds(&server, "revocation_list_went_back")
    });
    assert!(server.terminate().0.success());
    let log = installation.log();
    for words in [
        ["WARN", "condition began", "caller_certificate_ends"],
        ["WARN", "condition began", "revocation_list_went_back"],
        ["INFO", "condition ended", "revocation_list_went_back"],
    ] {
        assert!(has_line(&log, &words), "{words:?}: {log}");
    }
}

#[test]
fn a_list_whose_successor_is_late_stays_in_force_and_is_told_until_the_successor_is_there() {
    let installation = Installation::new();
    // Made as the authority's own is, so long ago that its successor was due two days before today.
    let file = |name: &str| std::fs::read_to_string(installation.path(name)).unwrap();
    let key = KeyPair::from_pem(&file("pki/ca.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&file("pki/ca.crt"), key).unwrap();
    let now = OffsetDateTime::now_utc();
    let late = CertificateRevocationListParams {
        this_update: now - Duration::days(32),
        next_update: now - Duration::days(2) - Duration::hours(1),
        crl_number: SerialNumber::from(2_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let late = late.signed_by(&issuer).unwrap().pem().unwrap();
    std::fs::write(installation.path("pki/ca.crl"), late).unwrap();
    let server = Server::start(&installation);

    let ready = server.status("/health/ready");
    let line = "revocation_list_overdue (C=IT, O=Sistema TS, CN=Sistema TS - CA di sviluppo): ";
    assert_eq!(ready.status, 200);
    assert!(ready.text().starts_with("ready\n"), "{}", ready.text());
    let told = format!("{line}its successor was due 2 days ago\n");
    assert!(ready.text().contains(&told), "{}", ready.text());
    assert!(holds(&server, "revocation_list_overdue"));
    let hours = server.metric("sistema_ts_revocation_list_hours_left", &[]);
    assert!((-50.0..=-49.0).contains(&hours), "{hours}");
    // Nobody is shut out for it.
    let reply = Session::region(&installation, &server, "010").submit(&Submission::by_region());
    assert_eq!(reply.told(), (200, "0000"));

    installation.run(&["pki", "crl"]);
    server.signal(libc::SIGHUP);
    until("the successor is in force", || {
        !server.status("/health/ready").text().contains(line)
    });
    assert!(!holds(&server, "revocation_list_overdue"));
    let hours = server.metric("sistema_ts_revocation_list_hours_left", &[]);
    assert!((29.0 * 24.0..=30.0 * 24.0).contains(&hours), "{hours}");
    assert!(server.terminate().0.success());
    let log = installation.log();
    for words in [
        ["WARN", "condition began", "revocation_list_overdue"],
        ["INFO", "condition ended", "revocation_list_overdue"],
    ] {
        assert!(has_line(&log, &words), "{words:?}: {log}");
    }
}

#[test]
fn the_certificate_that_the_immuni_backend_is_shown_is_announced_before_it_ends() {
    let renew = |installation: &Installation, days: &str| {
        for end in ["crt", "key"] {
            std::fs::remove_file(installation.path(&format!("pki/immuni-client.{end}"))).unwrap();
        }
        installation.run(&["pki", "client", "--days", days]);
    };
    let Chain {
        server,
        installation,
        ..
    } = Chain::start_over_mutual_tls(&[], |installation| renew(installation, "20"));
    let subject = "immuni_certificate_ends (immuni)";
    let ready = server.status("/health/ready");
    assert_eq!(ready.status, 200);
    assert!(is_announced(ready.text(), subject), "{}", ready.text());
    assert!(holds(&server, "immuni_certificate_ends"));
    assert!(!holds(&server, "immuni_certificate_not_valid"));
    let left = || {
        server.metric(
            "sistema_ts_certificate_days_left",
            &["kind=\"immuni_client\""],
        )
    };
    assert!((19.0..=20.0).contains(&left()), "{}", left());

    renew(&installation, "90");
    server.signal(libc::SIGHUP);
    until("the new certificate is in force", || {
        !server.status("/health/ready").text().contains(subject)
    });
    assert!(!holds(&server, "immuni_certificate_ends"));
    assert!((89.0..=90.0).contains(&left()), "{}", left());
    assert!(server.terminate().0.success());
    let log = installation.log();
    for words in [
        ["WARN", "condition began", "immuni_certificate_ends"],
        ["INFO", "condition ended", "immuni_certificate_ends"],
    ] {
        assert!(has_line(&log, &words), "{words:?}: {log}");
    }
}
