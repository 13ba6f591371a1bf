//! Connections that are not TLS, that end in the middle, or that take their time.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::{Scene, request, xml};
use crate::support::client::tcp;
use crate::support::session::PATH;
use crate::support::{Reply, Submission, until};

#[test]
fn what_is_not_tls_is_not_answered_and_the_server_goes_on() {
    let mut scene = Scene::new(&[("LIMITS__HANDSHAKE_TIMEOUT_SECONDS", "1")]);
    let get = format!("GET {PATH}?wsdl HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let hello_of_a_giant = [&[0x16, 3, 1, 0xFF, 0xFF][..], &[0; 70_000]].concat();
    let cases: [(&str, &[u8]); 4] = [
        ("plain HTTP", get.as_bytes()),
        ("noise", &[0xA5; 4_096]),
        ("a record that is too long", &hello_of_a_giant),
        ("nothing at all", b""),
    ];
    for (name, bytes) in cases {
        for address in [scene.server.mutual_tls, scene.server.basic] {
            let mut stream = tcp(address);
            let _ = stream.write_all(bytes);
            let mut heard = Vec::new();
            // At the end, or cut: either way not kept.
            if let Err(error) = stream.read_to_end(&mut heard) {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{name}");
            }
            // At most an alert of TLS.
            assert!(
                heard.len() <= 7 && !heard.starts_with(b"HTTP"),
                "{name}: {heard:?}"
            );
        }
        scene.goes_on(name);
    }
    scene.ends_unharmed();
}

#[test]
fn a_connection_that_is_half_closed_or_torn_down_costs_nobody_else() {
    let mut scene = Scene::new(&[]);
    let whole = xml(Submission::by_region().to_xml());
    // All said, and nothing more to come: the answer still does.
    let mut client = scene.connect();
    client.stream.write_all(&whole).unwrap();
    client.stream.conn.send_close_notify();
    client.stream.flush().unwrap();
    client.stream.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Reply(client.answer()).told(), (200, "0000"));
    scene.honest += 1;
    assert!(client.is_closed());
    // Half said: nothing is done, whichever way it ends.
    for length in [3, 60, whole.len() / 2, whole.len() - 1] {
        for polite in [true, false] {
            let mut client = scene.connect();
            client.send(&whole[..length]);
            if polite {
                client.stream.conn.send_close_notify();
                client.stream.flush().unwrap();
                client.stream.sock.shutdown(Shutdown::Write).unwrap();
            } else {
                client.stream.sock.shutdown(Shutdown::Both).unwrap();
            }
            if let Ok(answer) = client.try_answer() {
                assert_eq!(answer.status, 400, "{length} bytes");
            }
        }
    }
    scene.goes_on("connections torn down");
    scene.ends_unharmed();
}

#[test]
fn a_connection_on_which_nothing_is_asked_is_closed_without_a_word() {
    let mut scene = Scene::new(&[("LIMITS__HEADER_TIMEOUT_SECONDS", "5")]);
    // The open connection has had its first request.
    scene.goes_on("the beginning");
    let mut silent: Vec<_> = (0..40).map(|_| scene.connect()).collect();
    for client in &mut silent {
        let mut heard = Vec::new();
        client.stream.read_to_end(&mut heard).unwrap();
        assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    }
    scene.goes_on("silent connections");
    scene.ends_unharmed();
}

#[test]
fn slow_clients_get_408_and_hold_up_nobody() {
    const FAR_OVER: Duration = Duration::from_secs(60);
    // Long enough for the requests of others, also where a hundred handshakes keep a busy machine.
    let mut scene = Scene::new(&[
        ("LIMITS__HEADER_TIMEOUT_SECONDS", "5"),
        ("LIMITS__BODY_TIMEOUT_SECONDS", "5"),
        ("LIMITS__IDLE_TIMEOUT_SECONDS", "600"),
    ]);
    // The open connection has had its first request: from now on it may be idle for as long as it likes.
    scene.goes_on("the beginning");
    let whole = xml(Submission::by_region().to_xml());
    let body = whole
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    let silent: Vec<_> = (0..100)
        .map(|number| {
            let mut client = scene.connect();
            client.send(&whole[..if number % 2 == 0 { 40 } else { body + 100 }]);
            (client, Instant::now())
        })
        .collect();
    scene.goes_on("a hundred slow clients began");
    for (mut client, began) in silent {
        assert_eq!(client.answer().status, 408);
        assert!(client.is_closed());
        let took = began.elapsed();
        assert!(
            took > Duration::from_millis(500) && took < FAR_OVER,
            "{took:?}"
        );
    }
    // One that never pauses, and never ends: byte by byte, in chunks of one byte each.
    let mut dripping = scene.connect();
    dripping.send(request(
        "Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n",
        b"",
    ));
    dripping
        .stream
        .sock
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let began = Instant::now();
    let mut heard = [0; 12];
    until("the dripping client hears something", || {
        let _ = dripping.stream.write_all(b"1\r\n \r\n");
        dripping.stream.read_exact(&mut heard).is_ok()
    });
    assert_eq!(&heard, b"HTTP/1.1 408");
    assert!(began.elapsed() > Duration::from_millis(500) && began.elapsed() < FAR_OVER);
    scene.goes_on("slow clients");
    scene.ends_unharmed();
}
