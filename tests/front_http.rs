//! What HTTP the front speaks, and what it refuses before anybody reads it.
//!
//! Failure here means: a message a real toolkit sends is not read, one that is refused gets no readable status, or the
//! server does not go on after it.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use front_support::client::{TlsClient, connect, plain, tls13, xml_header};
use front_support::pki::Files;
use front_support::{Running, listener, relaxed_limits};
use sistema_ts::front::ListenerKind::{MutualTls, PlainLoopback};
use sistema_ts::front::{Front, FrontError, FrontLimits, FrontSettings, plain_refusal};

const LIMIT: usize = 64 * 1024;

fn with_client(test: impl Fn(&mut dyn FnMut() -> TlsClient)) {
    with_client_and(relaxed_limits(), test);
}

fn with_client_and(limits: FrontLimits, test: impl Fn(&mut dyn FnMut() -> TlsClient)) {
    let files = Files::new();
    let front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let config = tls13(&files.authority, None);
    let mut new_client = || connect(front.address, &config).unwrap();
    test(&mut new_client);
    assert_eq!(
        new_client().get("/who").status,
        200,
        "the server does not go on"
    );
}

#[test]
fn a_body_up_to_the_limit_is_read_and_the_connection_is_kept() {
    with_client(|new_client| {
        let mut client = new_client();
        for length in [0, 1, 902, 20_000, LIMIT] {
            let body = vec![b'x'; length];
            let answer = client.post(&body);
            assert_eq!((answer.status, answer.body.len()), (200, length));
            assert_eq!(answer.header("connection"), None);
        }
    });
}

#[test]
fn a_chunked_body_is_read_like_any_other() {
    with_client(|new_client| {
        let mut client = new_client();
        let header = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!(
            "{header}4\r\nabcd\r\n3;extension=1\r\nefg\r\n0\r\nTrailer: x\r\n\r\n"
        ));
        assert_eq!(client.answer().text(), "abcdefg");
        // Byte by byte, each in a record of its own.
        for byte in format!("{header}2\r\nhi\r\n0\r\n\r\n").bytes() {
            client.send([byte]);
        }
        assert_eq!(client.answer().text(), "hi");
    });
}

#[test]
fn ten_megabytes_are_refused_with_413_and_the_client_can_read_it() {
    with_client(|new_client| {
        let chunk = vec![b'x'; 1024 * 1024];
        let mut declared = new_client();
        declared.send(xml_header(10 * chunk.len()));
        for _ in 0..10 {
            declared.send(&chunk);
        }
        let answer = declared.answer();
        assert_eq!(
            (answer.status, answer.header("connection")),
            (413, Some("close"))
        );

        let mut chunked = new_client();
        chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..10 {
            chunked.send(format!("{:x}\r\n", chunk.len()));
            chunked.send(&chunk);
            chunked.send("\r\n");
        }
        chunked.send("0\r\n\r\n");
        assert_eq!(chunked.answer().status, 413);
    });
}

#[test]
fn expect_100_continue_is_answered_before_the_body_comes() {
    with_client(|new_client| {
        let mut client = new_client();
        let expecting =
            |length| xml_header(length).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
        client.send(expecting(5));
        assert_eq!(client.answer().status, 100);
        client.send("hello");
        assert_eq!(client.answer().text(), "hello");
        client.send(expecting(10_000_000));
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.header("connection")),
            (413, Some("close"))
        );
    });
}

#[test]
fn a_request_that_asks_for_an_upgrade_is_served_like_any_other() {
    // What follows such a request is read away for so long before the connection ends. actix-http's clock ticks twice a second.
    let limits = FrontLimits {
        linger: std::time::Duration::from_millis(600),
        ..relaxed_limits()
    };
    with_client_and(limits, |new_client| {
        for upgrade in [
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
            "Connection: upgrade\r\nUpgrade: websocket",
            "Upgrade: WebSocket",
            "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.3, websocket",
        ] {
            let upgrade = format!("\r\n{upgrade}\r\n\r\n");
            // The body in one piece with the header and with what follows, and after it, byte by byte.
            for in_one_piece in [true, false] {
                let mut client = new_client();
                let header = xml_header(5).replace("\r\n\r\n", &upgrade);
                if in_one_piece {
                    client.send(header + "helloPOST /echo HTTP/1.1\r\n\r\n");
                } else {
                    client.send(header);
                    for byte in b"hello" {
                        client.send([*byte]);
                    }
                }
                let answer = client.answer();
                assert_eq!((answer.status, answer.text()), (200, "hello"), "{upgrade}");
                assert_eq!(answer.header("upgrade"), None);
                assert_eq!(answer.header("connection"), Some("close"));
                assert!(!in_one_piece || client.is_closed());
            }
            // Without a length there is no body, and none is waited for.
            for (method, path, text) in [("POST", "/echo", ""), ("GET", "/stream", "one two three")]
            {
                let mut client = new_client();
                client.send(format!(
                    "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml{upgrade}"
                ));
                let answer = client.answer();
                assert_eq!(
                    (answer.status, answer.text()),
                    (200, text),
                    "{method} {upgrade}"
                );
            }
        }
    });
}

#[test]
fn http10_is_answered_unchunked_and_closed() {
    with_client(|new_client| {
        let mut client = new_client();
        client.send(
            "POST /echo HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\nhello",
        );
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "hello"));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(client.is_closed());

        let mut stream = new_client();
        stream.send("GET /stream HTTP/1.0\r\n\r\n");
        let answer = stream.answer();
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.text(), "one two three");

        let mut chunked = new_client();
        let answer = chunked.get("/stream");
        assert_eq!(
            (answer.header("transfer-encoding"), answer.text()),
            (Some("chunked"), "one two three")
        );
    });
}

#[test]
fn codings_multiparts_and_other_types_get_415() {
    with_client(|new_client| {
        for header in [
            "Content-Type: text/xml; charset=UTF-16",
            "Content-Type: application/soap+xml",
            "Content-Type: multipart/related; boundary=x",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Type: text/xml\r\nContent-Encoding: gzip",
            "Accept: text/xml",
        ] {
            let mut client = new_client();
            client.send(format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\n{header}\r\nContent-Length: 2\r\n\r\nab"
            ));
            assert_eq!(client.answer().status, 415, "{header}");
        }
    });
}

#[test]
fn broken_requests_get_400_and_long_headers_431() {
    with_client(|new_client| {
        for request in [
            "NONSENSE\r\n\r\n".to_owned(),
            "GET /who HTTP/9.9\r\n\r\n".to_owned(),
            "\u{1}\u{2}\u{3}\u{4}\r\n\r\n".to_owned(),
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n".to_owned(),
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            // Which of the two lengths would a proxy in between believe?
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        ] {
            let mut client = new_client();
            client.send(&request);
            assert_eq!(client.answer().status, 400, "{request:?}");
            assert!(client.is_closed(), "{request:?}");
        }
        let mut client = new_client();
        let line = format!("X-Long: {}\r\n", "x".repeat(1_000));
        client.send("GET /who HTTP/1.1\r\nHost: a\r\n");
        // The server may stop reading in the middle.
        let sent = std::io::Write::write_all(&mut client.stream, line.repeat(300).as_bytes());
        assert!(
            sent.is_err()
                || client
                    .try_answer()
                    .map_or(true, |answer| answer.status >= 400)
        );
    });
}

#[test]
fn bare_line_feeds_in_headers_get_400() {
    let right = xml_header(5).replace("\r\n\r\n", "\r\nX: y\r\n\r\n");
    let line_ends: Vec<usize> = right.match_indices("\r\n").map(|(at, _)| at).collect();
    with_client(|new_client| {
        for at in &line_ends {
            let mut header = right.clone();
            header.remove(*at);
            // On a new connection, and behind a request that was read to its end; in one piece, and in two.
            for (before, pieces) in [(false, 1), (true, 1), (true, 2)] {
                let mut client = new_client();
                if before {
                    assert_eq!(client.post(b"a\nb\n").text(), "a\nb\n");
                }
                let (first, second) = header.split_at(if pieces == 1 { 0 } else { *at });
                client.send(first);
                client.send(format!("{second}hello"));
                assert_eq!(client.answer().status, 400, "{header:?}");
                assert!(client.is_closed());
            }
        }
        // In bodies they are right, in one piece with the header or behind it, and so are blank lines before a request.
        let mut client = new_client();
        for body in ["\n\n\n\n\n", "\r\n\r\n\n", "a\nb\nc"] {
            client.send(format!("\r\n{}{body}", xml_header(5)));
            assert_eq!(client.answer().text(), body);
            client.send(xml_header(5));
            client.send(body);
            assert_eq!(client.answer().text(), body);
        }
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    with_client(|new_client| {
        let mut client = new_client();
        let requests: String = (0..50)
            .map(|n| format!("{}{n:04}", xml_header(4)))
            .collect();
        client.send(requests);
        for n in 0..50 {
            assert_eq!(client.answer().text(), format!("{n:04}"));
        }
    });
}

#[test]
fn an_answer_is_one_tls_record() {
    with_client(|new_client| {
        let mut client = new_client();
        client.send(xml_header(902));
        client.send(vec![b'x'; 902]);
        let mut read = vec![0; 16 * 1024];
        // One read of the TLS stream gives one record's plaintext.
        let length = std::io::Read::read(&mut client.stream, &mut read).unwrap();
        assert!(read[..length].starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(
            read[..length].ends_with(&vec![b'x'; 902]),
            "header and body came apart"
        );
    });
}

#[test]
fn a_handler_that_panics_costs_its_own_connection_only() {
    let files = Files::new();
    let mut front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let config = tls13(&files.authority, None);
    let mut neighbours: Vec<_> = (0..4)
        .map(|_| connect(front.address, &config).unwrap())
        .collect();
    for _ in 0..8 {
        let mut client = connect(front.address, &config).unwrap();
        client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.try_answer().is_err());
    }
    for neighbour in &mut neighbours {
        assert_eq!(neighbour.get("/who").status, 200);
    }
    // Nothing stays counted as in flight, or the drain would wait for it.
    front.shutdown.drain();
    assert_eq!(front.ended().cut_requests, 0);
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let front = Running::start(listener(PlainLoopback, None), relaxed_limits());
    assert_eq!(plain(front.address).get("/who").status, 200);
    let mut settings = listener(PlainLoopback, None);
    settings.address = "0.0.0.0:0".parse().unwrap();
    let settings = FrontSettings {
        workers: 1,
        listeners: vec![settings],
        limits: relaxed_limits(),
    };
    let refused = Front::bind(settings, plain_refusal, |_, _| ());
    assert!(matches!(refused, Err(FrontError::Settings { .. })));
}
