//! The front's TLS: who gets in, and what its handlers learn of the caller.
//!
//! Failure here means: a caller is known by another's certificate or by none, somebody gets in with a wrong one, a
//! revoked or expired one still counts, or a stranger's bytes harm the server.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::io::{Read as _, Write as _};

use front_support::client::{config, connect, tcp, tls13};
use front_support::pki::{Authority, Files};
use front_support::{Running, listener, relaxed_limits};
use rustls::version::{TLS12, TLS13};
use sistema_ts::front::ListenerKind::{MutualTls, ServerTls};
use time::{Duration, OffsetDateTime};

#[test]
fn the_certificate_reaches_the_handler_and_so_does_its_absence() {
    let files = Files::new();
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    for version in [&TLS12, &TLS13] {
        let mut known = connect(
            front.address,
            &config(&files.authority, Some(&region), &[version]),
        )
        .unwrap();
        let answer = known.get("/who");
        assert!(
            answer.text().contains(
                r#"C=Some("IT") O=Some("Regione") OU=Some("010") CN=Some("Regione di prova")"#
            ),
            "{}",
            answer.text()
        );
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &region.chain()[0]);
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(answer.text().contains(&hex), "{}", answer.text());
        let mut unknown =
            connect(front.address, &config(&files.authority, None, &[version])).unwrap();
        assert!(
            unknown
                .get("/who")
                .text()
                .contains("refused: no client certificate")
        );
    }
}

#[test]
fn a_listener_for_basic_asks_for_no_certificate() {
    let files = Files::new();
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let front = Running::start(listener(ServerTls, Some(files.tls())), relaxed_limits());
    let mut client = connect(front.address, &tls13(&files.authority, Some(&region))).unwrap();
    assert!(
        client
            .get("/who")
            .text()
            .contains("refused: no client certificate")
    );
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let files = Files::new();
    let stranger =
        Authority::new("Test authority").client("Regione", "010", "Regione di prova", 77);
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    // In TLS 1.3 the client's side of the handshake ends before the server has judged: the refusal comes at the read.
    let refused = connect(front.address, &tls13(&files.authority, Some(&stranger))).is_err() || {
        let mut client = connect(front.address, &tls13(&files.authority, Some(&stranger))).unwrap();
        let _ = client
            .stream
            .write_all(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n");
        client.try_answer().is_err()
    };
    assert!(refused);
    assert!(
        connect(
            front.address,
            &config(&files.authority, Some(&stranger), &[&TLS12])
        )
        .is_err()
    );
}

#[test]
fn an_expired_certificate_is_refused_in_the_handshake() {
    let files = Files::new();
    let now = OffsetDateTime::now_utc();
    let old = files.authority.client_valid(
        "Regione",
        "010",
        "Regione di prova",
        5,
        now - Duration::days(2),
        now - Duration::days(1),
    );
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    assert!(
        connect(
            front.address,
            &config(&files.authority, Some(&old), &[&TLS12])
        )
        .is_err()
    );
}

#[test]
fn a_resumed_session_still_has_its_certificate() {
    let files = Files::new();
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    for version in [&TLS12, &TLS13] {
        let config = config(&files.authority, Some(&region), &[version]);
        let mut first = connect(front.address, &config).unwrap();
        assert!(first.get("/who").text().contains("resumed=false"));
        let mut second = connect(front.address, &config).unwrap();
        assert!(second.resumed(), "the client did not resume");
        let answer = second.get("/who");
        assert!(answer.text().contains("resumed=true"), "{}", answer.text());
        assert!(
            answer.text().contains(r#"OU=Some("010")"#),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn a_revoked_certificate_is_refused_on_an_open_a_resumed_and_a_new_connection() {
    let files = Files::new();
    let region = files
        .authority
        .client("Regione", "010", "Regione di prova", 77);
    let other = files
        .authority
        .client("Regione", "020", "Altra regione", 78);
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    for version in [&TLS12, &TLS13] {
        files.write("ca.crl", files.authority.revoking(&[]));
        assert!(front.reloader.reload().is_empty());
        let config_of_region = config(&files.authority, Some(&region), &[version]);
        let mut open = connect(front.address, &config_of_region).unwrap();
        assert!(open.get("/who").text().contains(r#"OU=Some("010")"#));
        let mut bystander = connect(front.address, &tls13(&files.authority, Some(&other))).unwrap();
        assert!(bystander.get("/who").text().contains(r#"OU=Some("020")"#));

        files.write("ca.crl", files.authority.revoking(&[77]));
        assert!(front.reloader.reload().is_empty());

        assert!(
            open.get("/who")
                .text()
                .contains("refused: client certificate revoked")
        );
        let mut resumed = connect(front.address, &config_of_region).unwrap();
        assert!(
            resumed.resumed(),
            "the client did not resume: the test would prove nothing"
        );
        let answer = resumed.get("/who");
        assert!(answer.text().contains("resumed=true"), "{}", answer.text());
        assert!(
            answer
                .text()
                .contains("refused: client certificate revoked"),
            "{}",
            answer.text()
        );
        let mut new = connect(
            front.address,
            &config(&files.authority, Some(&region), &[version]),
        )
        .unwrap();
        assert!(!new.resumed());
        assert!(
            new.get("/who")
                .text()
                .contains("refused: client certificate revoked")
        );
        assert!(
            bystander.get("/who").text().contains(r#"OU=Some("020")"#),
            "another's certificate was hit"
        );
    }
}

#[test]
fn a_certificate_that_expires_on_an_open_connection_counts_no_more() {
    let files = Files::new();
    let now = OffsetDateTime::now_utc();
    let region = files.authority.client_valid(
        "Regione",
        "010",
        "Regione di prova",
        5,
        now - Duration::days(2),
        now + Duration::seconds(3),
    );
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let mut open = connect(front.address, &tls13(&files.authority, Some(&region))).unwrap();
    assert!(open.get("/who").text().contains(r#"OU=Some("010")"#));
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !open
        .get("/who")
        .text()
        .contains("refused: client certificate expired")
    {
        assert!(std::time::Instant::now() < give_up, "it never expired");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_no_tls_is_refused_without_harm() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    // A ClientHello of TLS 1.1: handshake record, version 3.2 in record and hello, one old suite.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7_u8; 32]);
    hello.extend([0x00, 0x00, 0x02, 0x00, 0x2f, 0x01, 0x00]);
    let mut tls11 = vec![
        0x16,
        0x03,
        0x02,
        0x00,
        hello.len() as u8 + 4,
        0x01,
        0x00,
        0x00,
        hello.len() as u8,
    ];
    tls11.extend(&hello);
    let mut noise: Vec<u8> = (0..5_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for bytes in [
        b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        tls11,
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec(),
        vec![0; 10_000],
        std::mem::take(&mut noise),
        Vec::new(),
    ] {
        let mut stream = tcp(front.address);
        let _ = stream.write_all(&bytes);
        if bytes.is_empty() {
            continue; // opened and closed at once
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"), "answered in plain HTTP");
        // At most an alert: content type 21.
        assert!(rest.is_empty() || rest[0] == 21, "{rest:02x?}");
    }
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(client.get("/who").status, 200);
}

#[test]
fn a_client_that_offers_http_2_too_is_served_by_http_1_1() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let mut both = (*tls13(&files.authority, None)).clone();
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = connect(front.address, &both.into()).unwrap();
    assert_eq!(client.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(client.get("/who").status, 200);
}

#[test]
fn many_connections_at_once_are_told_apart() {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let regions: Vec<_> = (10..20)
        .map(|code| {
            files
                .authority
                .client("Regione", &format!("{code:03}"), "Regione", code)
        })
        .collect();
    std::thread::scope(|scope| {
        for region in &regions {
            let (files, address) = (&files, front.address);
            scope.spawn(move || {
                let config = tls13(&files.authority, Some(region));
                let expected = format!("OU=Some(\"{:03}\")", region.serial);
                let mut open = Vec::new();
                for _ in 0..20 {
                    let mut client = connect(address, &config).unwrap();
                    assert!(client.get("/who").text().contains(&expected));
                    open.push(client);
                }
                for client in &mut open {
                    assert!(client.get("/who").text().contains(&expected));
                }
            });
        }
    });
}

#[test]
fn one_connection_too_many_is_closed_and_its_place_comes_back() {
    let files = Files::new();
    let mut settings = listener(MutualTls, Some(files.tls()));
    settings.max_connections = 2;
    let front = Running::start(settings, relaxed_limits());
    let config = tls13(&files.authority, None);
    let mut first = connect(front.address, &config).unwrap();
    let mut second = connect(front.address, &config).unwrap();
    assert_eq!(
        (first.get("/who").status, second.get("/who").status),
        (200, 200)
    );
    assert!(connect(front.address, &config).is_err());
    drop(first);
    // The server learns of the end in its own time; then there is room.
    let mut third = std::iter::repeat_with(|| connect(front.address, &config))
        .find_map(Result::ok)
        .unwrap();
    assert_eq!(
        (third.get("/who").status, second.get("/who").status),
        (200, 200)
    );
}
