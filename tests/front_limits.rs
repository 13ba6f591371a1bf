//! The front's time limits, each on the real socket with a short setting.
//!
//! Failure here means: a client that is slow on purpose holds a connection for good, or one that is merely between two
//! requests, or honest and large, loses it.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use front_support::client::{connect, tcp, tls13, xml_header};
use front_support::pki::Files;
use front_support::{Running, listener, relaxed_limits, short_limits};
use sistema_ts::front::FrontLimits;
use sistema_ts::front::ListenerKind::MutualTls;

/// The short limits' length, and far more than that: between the two a limit must have struck.
const LIMIT: Duration = Duration::from_millis(400);
const FAR_OVER: Duration = Duration::from_secs(10);

/// Runs `wait` and checks that it ended by the limit: not before it, nor by anything much later.
fn ends_by_the_limit<T>(wait: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = wait();
    let took = started.elapsed();
    assert!(took > LIMIT / 2 && took < FAR_OVER, "took {took:?}");
    result
}

fn running(files: &Files, limits: FrontLimits) -> Running {
    Running::start(listener(MutualTls, Some(files.tls())), limits)
}

#[test]
fn a_handshake_that_does_not_come_is_ended() {
    let files = Files::new();
    let front = running(
        &files,
        FrontLimits {
            handshake: LIMIT,
            ..relaxed_limits()
        },
    );
    let mut silent = tcp(front.address);
    ends_by_the_limit(|| assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0));
    assert_eq!(
        connect(front.address, &tls13(&files.authority, None))
            .unwrap()
            .get("/who")
            .status,
        200
    );
}

#[test]
fn a_slow_first_header_gets_408() {
    let files = Files::new();
    let front = running(
        &files,
        FrontLimits {
            header: LIMIT,
            ..relaxed_limits()
        },
    );
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    client.send("GET /who HTTP/1.1\r\nHost: loc");
    let answer = ends_by_the_limit(|| client.answer());
    assert_eq!(answer.status, 408);
    assert!(client.is_closed());
}

#[test]
fn a_slow_later_header_ends_the_connection_even_if_it_drips() {
    let files = Files::new();
    let front = running(
        &files,
        FrontLimits {
            header: LIMIT,
            ..relaxed_limits()
        },
    );
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(client.get("/who").status, 200);
    client.send("GET /who HTTP/1.1\r\nHost: loc");
    ends_by_the_limit(|| {
        // One byte whenever none came back for a moment: never idle, never done.
        client
            .stream
            .sock
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let started = Instant::now();
        while started.elapsed() < FAR_OVER {
            match client.stream.read(&mut [0; 1]) {
                Ok(0) => return,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if std::io::Write::write_all(&mut client.stream, b"x").is_err() {
                        return;
                    }
                }
                Err(_) => return,
                Ok(_) => panic!("an answer to half a header"),
            }
        }
    });
}

#[test]
fn a_body_that_does_not_come_in_its_time_gets_408() {
    let files = Files::new();
    let front = running(
        &files,
        FrontLimits {
            body: LIMIT,
            ..relaxed_limits()
        },
    );
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    for _ in 0..2 {
        assert_eq!(client.post(b"quick").status, 200);
    }
    client.send(xml_header(1_000));
    client.send("some of it");
    let answer = ends_by_the_limit(|| client.answer());
    assert_eq!(
        (answer.status, answer.header("connection")),
        (408, Some("close"))
    );
    assert!(client.is_closed());
}

#[test]
fn an_idle_connection_is_closed() {
    let files = Files::new();
    let front = running(
        &files,
        FrontLimits {
            idle: LIMIT,
            ..relaxed_limits()
        },
    );
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(client.get("/who").status, 200);
    ends_by_the_limit(|| assert!(client.is_closed()));
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let files = Files::new();
    let front = |write_stall| {
        let limits = FrontLimits {
            write_stall,
            ..relaxed_limits()
        };
        running(&files, limits)
    };
    let strict = front(LIMIT);
    let mut client = connect(strict.address, &tls13(&files.authority, None)).unwrap();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let started = Instant::now();
    while strict.shutdown.connections() > 0 {
        assert!(started.elapsed() < FAR_OVER, "the connection is still open");
        std::thread::yield_now();
    }
    assert!(
        client.try_answer().is_err(),
        "the answer is whole although nobody took it"
    );
    // A client that does take it gets all of it, however long that takes. On a busy machine it may be kept from its work for longer than the
    // short limit.
    let patient = front(5 * LIMIT);
    let mut honest = connect(patient.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(honest.get("/large").body.len(), 32 * 1024 * 1024);
}

#[test]
fn a_request_at_work_and_its_connection_outlive_every_limit() {
    let files = Files::new();
    let front = running(&files, short_limits());
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    client.send(xml_header(4).replace("/echo", "/hold"));
    client.send("body");
    front.held.recv().unwrap();
    // Another connection goes through its whole idle time meanwhile, and so do all others' limits.
    let mut idle = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(idle.get("/who").status, 200);
    ends_by_the_limit(|| assert!(idle.is_closed()));
    front.release.add_permits(1);
    assert_eq!(client.answer().text(), "released");
    assert_eq!(client.post(b"and on").text(), "and on");
}

#[test]
fn a_header_without_end_gets_431_and_is_cut_whatever_came_before_it() {
    /// As `src/front/watch.rs` has it.
    const LONGEST_HEADER: usize = 16 * 1_024;
    let files = Files::new();
    let front = running(&files, relaxed_limits());
    let config = tls13(&files.authority, None);
    let padded = |length: usize| {
        format!(
            "GET /who HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(length)
        )
    };
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\n";
    let sized = format!("{post}Content-Length: 3\r\n\r\none");
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n");
    for before in ["", "GET /who HTTP/1.1\r\nHost: a\r\n\r\n", &sized, &chunked] {
        let client = || {
            let mut client = connect(front.address, &config).unwrap();
            if !before.is_empty() {
                client.send(before);
                assert_eq!(client.answer().header("connection"), None);
            }
            client
        };
        let mut honest = client();
        honest.send(padded(12_000));
        assert_eq!(honest.answer().status, 200, "{before}");
        // Cut within a line's value, within its name, and between two lines: what was sent is all read, so that the answer comes through.
        let begin = "GET /who HTTP/1.1\r\nHost: a\r\n";
        let rest = LONGEST_HEADER - begin.len();
        for (cut, header) in [
            ("value", format!("{begin}X: {}", "x".repeat(rest))),
            ("name", format!("{begin}{}", "x".repeat(rest))),
            (
                "lines",
                format!("{begin}X: {}\r\n", "x".repeat(rest - "X: \r\n".len())),
            ),
        ] {
            let mut endless = client();
            endless.send(header);
            assert_eq!(endless.answer().status, 431, "{cut}: {before}");
            assert!(endless.is_closed(), "{cut}: {before}");
        }
        let mut endless = client();
        // More than the server reads of it: the sending fails, or else the reading, or the answer comes.
        let _ = endless.stream.write_all(padded(120_000).as_bytes());
        assert!(
            endless
                .try_answer()
                .map_or(true, |answer| answer.status == 431),
            "{before}"
        );
    }
}

#[test]
fn a_connection_ends_with_a_chunked_body_that_nobody_read() {
    let files = Files::new();
    let front = running(&files, relaxed_limits());
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    client.send("POST /nobody HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (404, Some("close"))
    );
    let mut read = connect(front.address, &tls13(&files.authority, None)).unwrap();
    for _ in 0..2 {
        read.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
        assert_eq!(read.answer().text(), "x");
    }
}
