//! The PROXY protocol on a real listener: whose word on an address is believed.
//!
//! Failure here means: somebody can pass for another address, a listed proxy is not understood, or one that sends no
//! header is served as if it were the client.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::io::{Read as _, Write as _};

use front_support::client::{handshake, tcp, tls13};
use front_support::pki::Files;
use front_support::{Running, listener, relaxed_limits};
use sistema_ts::front::FrontLimits;
use sistema_ts::front::ListenerKind::MutualTls;

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn running(files: &Files, proxies: &[&str], limits: FrontLimits) -> Running {
    let mut settings = listener(MutualTls, Some(files.tls()));
    settings.trusted_proxies = proxies
        .iter()
        .map(|network| network.parse().unwrap())
        .collect();
    Running::start(settings, limits)
}

/// What a handler hears of the source of a connection that begins with these bytes.
fn source(front: &Running, files: &Files, header: &[u8]) -> Option<String> {
    let mut stream = tcp(front.address);
    stream.write_all(header).unwrap();
    let mut client = handshake(stream, &tls13(&files.authority, None)).ok()?;
    let answer = client.get("/who");
    Some(answer.text().lines().next().unwrap().to_owned())
}

#[test]
fn a_listed_proxy_is_believed_in_both_versions() {
    let files = Files::new();
    let front = running(&files, &["10.0.0.0/8", "127.0.0.0/8"], relaxed_limits());
    for header in [V1, V2] {
        let told = source(&front, &files, header).unwrap();
        assert_eq!(told, r#"source=Some("192.0.2.7:56324")"#);
    }
}

#[test]
fn a_proxy_that_knows_no_address_leaves_none_to_be_assumed() {
    let files = Files::new();
    let front = running(&files, &["127.0.0.1/32"], relaxed_limits());
    let mut unix = b"\r\n\r\n\0\r\nQUIT\n\x21\x31\x00\xd8".to_vec();
    unix.extend([b'/'; 216]);
    let datagram = [&V2[..13], b"\x12", &V2[14..]].concat();
    for header in [V2_LOCAL, b"PROXY UNKNOWN\r\n", &unix, &datagram] {
        assert_eq!(source(&front, &files, header).unwrap(), "source=None");
    }
}

#[test]
fn a_listed_proxy_must_send_a_good_header() {
    let files = Files::new();
    let limits = FrontLimits {
        handshake: std::time::Duration::from_secs(1),
        ..relaxed_limits()
    };
    let front = running(&files, &["127.0.0.1/32"], limits);
    for header in [
        &b""[..],
        b"PROXY TCP4 192.0.2.7 198.51.100.1 563240 443\r\n",
        b"PROXY SMTP\r\n",
        &V2[..12],
    ] {
        assert_eq!(source(&front, &files, header), None, "{header:?} was taken");
    }
    let mut twice = V1.to_vec();
    twice.extend(V1);
    assert_eq!(source(&front, &files, &twice), None);
}

#[test]
fn a_proxy_header_of_an_address_that_is_not_listed_ends_the_connection() {
    let files = Files::new();
    for proxies in [&[][..], &["192.0.2.0/24"]] {
        let front = running(&files, proxies, relaxed_limits());
        for header in [V1, V2, V2_LOCAL] {
            assert_eq!(source(&front, &files, header), None, "{header:?} was taken");
        }
        assert!(
            source(&front, &files, b"")
                .unwrap()
                .starts_with(r#"source=Some("127.0.0.1:"#)
        );
    }
}

#[test]
fn a_header_that_never_ends_ends_by_the_handshake_limit() {
    let files = Files::new();
    let limits = FrontLimits {
        handshake: std::time::Duration::from_millis(300),
        ..relaxed_limits()
    };
    let front = running(&files, &["127.0.0.1/32"], limits);
    let mut stream = tcp(front.address);
    stream.write_all(b"PROXY TCP4 192.0.2.7").unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn one_source_has_its_connections_and_no_more_while_others_and_this_machine_have_theirs() {
    let files = Files::new();
    let mut settings = listener(MutualTls, Some(files.tls()));
    settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    settings.max_connections_per_source = 2;
    let front = Running::start(settings, relaxed_limits());
    let config = tls13(&files.authority, None);
    let connect_from = |header: &str| {
        let mut stream = tcp(front.address);
        stream.write_all(header.as_bytes()).unwrap();
        let mut client = handshake(stream, &config).ok()?;
        (client.get("/who").status == 200).then_some(client)
    };
    let here = "PROXY TCP4 192.0.2.1 198.51.100.1 1 443\r\n";
    let mapped = "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 443\r\n";
    let there = "PROXY TCP4 192.0.2.2 198.51.100.1 1 443\r\n";
    let first = connect_from(here).unwrap();
    let _second = connect_from(mapped).unwrap();
    assert!(connect_from(here).is_none() && connect_from(mapped).is_none());
    let _elsewhere = connect_from(there).unwrap();
    // The proxy's own, and those of this machine.
    for header in [
        "PROXY UNKNOWN\r\n",
        "PROXY TCP4 127.0.0.2 127.0.0.1 1 443\r\n",
    ] {
        let _held: Vec<_> = (0..5).map(|_| connect_from(header).unwrap()).collect();
    }
    drop(first);
    // The server learns of the end in its own time; then there is room.
    let _third = std::iter::repeat_with(|| connect_from(here))
        .find_map(|client| client)
        .unwrap();
}
