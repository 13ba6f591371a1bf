//! Certificates, authorities and revocation lists replaced while the front runs.
//!
//! Failure here means: a reload drops a connection, does not take effect, lets somebody in whose authority is gone, or
//! a broken file takes the server down with it.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::time::{Duration, Instant};

use front_support::client::{TlsClient, connect, tls13};
use front_support::pki::{Authority, Files};
use front_support::{Running, listener, relaxed_limits};
use rustls_pki_types::CertificateDer;
use sistema_ts::front::FrontLimits;
use sistema_ts::front::ListenerKind::MutualTls;

fn served_certificate(client: &TlsClient) -> CertificateDer<'static> {
    client.stream.conn.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

#[test]
fn a_new_server_certificate_serves_new_connections_and_keeps_the_open_ones() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let mut open = connect(front.address, &tls13(&files.authority, Some(&region))).unwrap();
    assert!(open.get("/who").text().contains(r#"OU=Some("010")"#));
    let before = served_certificate(&open);

    let renewed = files.authority.server();
    files.write("server.key", &renewed.key_pem);
    // Half of a renewal: the key does not fit the certificate. The old pair stays in force.
    assert_eq!(front.reloader.reload().len(), 1);
    let during = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(served_certificate(&during), before);
    files.write("server.pem", &renewed.certificate_pem);
    assert!(front.reloader.reload().is_empty());

    let after = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(served_certificate(&after), renewed.chain()[0]);
    assert!(
        open.get("/who").text().contains(r#"OU=Some("010")"#),
        "the open connection is gone"
    );
}

#[test]
fn an_authority_added_is_known_and_one_removed_is_not() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let old_region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let new_authority = Authority::new("New authority");
    let new_region = new_authority.client("Regione", "020", "Altra regione", 5);
    let old_config = tls13(&files.authority, Some(&old_region));
    let mut open = connect(front.address, &old_config).unwrap();
    assert!(open.get("/who").text().contains(r#"OU=Some("010")"#));

    files.write(
        "ca.pem",
        format!(
            "{}{}",
            files.authority.certificate_pem, new_authority.certificate_pem
        ),
    );
    assert!(front.reloader.reload().is_empty());
    let mut added = connect(front.address, &tls13(&files.authority, Some(&new_region))).unwrap();
    assert!(added.get("/who").text().contains(r#"OU=Some("020")"#));
    assert!(open.get("/who").text().contains(r#"OU=Some("010")"#));

    files.write("ca.pem", &new_authority.certificate_pem);
    files.write("ca.crl", new_authority.revoking(&[]));
    assert!(front.reloader.reload().is_empty());
    assert!(
        open.get("/who")
            .text()
            .contains("refused: client certificate of an unknown authority")
    );
    assert!(added.get("/who").text().contains(r#"OU=Some("020")"#));
    // The session of before cannot be resumed past the change either.
    let again = connect(front.address, &old_config).map(|mut client| {
        assert!(!client.resumed());
        client.send("GET /who HTTP/1.1\r\nHost: a\r\n\r\n");
        client.try_answer()
    });
    assert!(
        !matches!(again, Ok(Ok(_))),
        "an unknown authority's certificate got in"
    );
}

#[test]
fn broken_files_keep_the_old_state_and_say_why() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let good_list = files.authority.revoking(&[1]);
    for (name, content, reason) in [
        ("server.pem", String::new(), "no certificate"),
        (
            "server.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
            "a broken certificate",
        ),
        ("server.key", "no key".into(), "no private key in it"),
        ("ca.pem", "garbage".into(), "no certificate"),
        ("ca.crl", "garbage".into(), "no revocation list"),
        (
            "ca.crl",
            good_list.replace("-----END", "-----BEGIN"),
            "ca.crl",
        ),
    ] {
        let before = std::fs::read(files.path(name)).unwrap();
        files.write(name, &content);
        let failed = front.reloader.reload();
        assert_eq!(failed.len(), 1, "{name} with {content:?} was taken");
        let text = failed[0].1.to_string();
        assert!(text.contains(reason), "{text:?} does not say {reason:?}");
        assert_eq!(
            connect(front.address, &tls13(&files.authority, None))
                .unwrap()
                .get("/who")
                .status,
            200
        );
        files.write(name, before);
        assert!(front.reloader.reload().is_empty());
    }
    std::fs::remove_file(files.path("ca.crl")).unwrap();
    assert_eq!(front.reloader.reload().len(), 1);
}

#[test]
fn lists_in_force_are_told_with_their_next_update() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    files.write("ca.crl", files.authority.revoking(&[3, 4, 5]));
    assert!(front.reloader.reload().is_empty());
    let trust = front.reloader.in_force();
    let list = &trust[0].revocation_lists[0];
    assert_eq!((list.entries, &*list.issuer), (3, "CN=Test authority"));
    assert!(list.next_update.unwrap() > list.this_update);
}

#[test]
fn a_list_in_der_is_read_too() {
    use rustls_pki_types::pem::PemObject as _;
    let files = Files::new();
    let pem = files.authority.revoking(&[77]);
    let der =
        rustls_pki_types::CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap();
    files.write("ca.crl", &*der);
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let mut client = connect(front.address, &tls13(&files.authority, Some(&region))).unwrap();
    assert!(
        client
            .get("/who")
            .text()
            .contains("refused: client certificate revoked")
    );
}

#[test]
fn a_replaced_file_is_noticed_without_a_signal() {
    let files = Files::new();
    let limits = FrontLimits {
        file_poll: Duration::from_millis(50),
        ..relaxed_limits()
    };
    let front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let mut open = connect(front.address, &tls13(&files.authority, Some(&region))).unwrap();
    assert!(open.get("/who").text().contains(r#"OU=Some("010")"#));
    files.write("ca.crl", files.authority.revoking(&[77]));
    let give_up = Instant::now() + Duration::from_secs(20);
    while !open
        .get("/who")
        .text()
        .contains("refused: client certificate revoked")
    {
        assert!(Instant::now() < give_up, "the new list was not noticed");
        std::thread::yield_now();
    }
}
