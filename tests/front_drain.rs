//! Shutting down and overload: what was accepted is finished, what comes later is told so.
//!
//! Failure here means: an accepted request is lost, a later one is served or left without an answer, or the front does
//! not end.

#![allow(clippy::unwrap_used, missing_docs)]

mod front_support;

use std::time::{Duration, Instant};

use front_support::client::{Answer, connect, plain, tls13, xml_header};
use front_support::pki::Files;
use front_support::{Running, listener, relaxed_limits};
use sistema_ts::front::FrontLimits;
use sistema_ts::front::ListenerKind::{MutualTls, PlainLoopback};

fn assert_sent_away(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("connection")),
        (503, Some("close"))
    );
    let seconds: u16 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((5..=15).contains(&seconds));
}

#[test]
fn accepted_requests_are_finished_and_later_ones_get_503() {
    let files = Files::new();
    let mut front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let config = tls13(&files.authority, None);
    let mut accepted: Vec<_> = (0..4)
        .map(|_| connect(front.address, &config).unwrap())
        .collect();
    for client in &mut accepted {
        client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        front.held.recv().unwrap();
    }
    let mut open = connect(front.address, &config).unwrap();
    assert_eq!(open.get("/who").status, 200);
    let mut half = connect(front.address, &config).unwrap();
    half.send("POST /echo HTTP/1.1\r\nHost: a\r\n");
    let mut idle = connect(front.address, &config).unwrap();
    assert_eq!(idle.get("/who").status, 200);
    assert_eq!(front.shutdown.requests_in_flight(), 4);

    front.shutdown.drain();
    assert!(front.shutdown.is_draining());

    assert_sent_away(&open.get("/who"));
    assert!(open.is_closed());
    assert_sent_away(&connect(front.address, &config).unwrap().get("/who"));
    // With a body on the way, too.
    assert_sent_away(&connect(front.address, &config).unwrap().post(b"<soap/>"));
    half.send("Content-Type: text/xml\r\nContent-Length: 2\r\n\r\nab");
    assert_sent_away(&half.answer());
    // A request pipelined behind an accepted one is a later one.
    accepted[0].send(xml_header(2));
    accepted[0].send("ab");

    front.release.add_permits(4);
    for client in &mut accepted {
        assert_eq!(client.answer().text(), "released");
    }
    let report = front.ended();
    assert_eq!(report.cut_requests, 0);
    assert!(idle.is_closed());
    assert!(
        std::net::TcpStream::connect(front.address).is_err(),
        "somebody still listens"
    );
}

#[test]
fn an_idle_front_ends_at_once() {
    let files = Files::new();
    let mut front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let mut idle = connect(front.address, &tls13(&files.authority, None)).unwrap();
    assert_eq!(idle.get("/who").status, 200);
    front.shutdown.drain();
    assert_eq!(front.ended().cut_requests, 0);
    assert!(idle.is_closed());
}

#[test]
fn a_request_that_does_not_end_is_cut_and_told() {
    let files = Files::new();
    let limits = FrontLimits {
        drain: Duration::from_millis(300),
        ..relaxed_limits()
    };
    let mut front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let mut stuck = connect(front.address, &tls13(&files.authority, None)).unwrap();
    stuck.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    front.held.recv().unwrap();
    front.shutdown.drain();
    assert_eq!(front.ended().cut_requests, 1);
    assert!(stuck.try_answer().is_err());
}

#[test]
fn an_answer_being_sent_is_sent_to_its_end() {
    let files = Files::new();
    let mut front = Running::start(listener(MutualTls, Some(files.tls())), relaxed_limits());
    let mut client = connect(front.address, &tls13(&files.authority, None)).unwrap();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    while front.shutdown.requests_in_flight() == 0 {
        std::thread::yield_now();
    }
    front.shutdown.drain();
    assert_eq!(client.answer().body.len(), 32 * 1024 * 1024);
    assert_eq!(front.ended().cut_requests, 0);
}

#[test]
fn the_loopback_listener_answers_during_a_drain() {
    let files = Files::new();
    let listeners = vec![
        listener(MutualTls, Some(files.tls())),
        listener(PlainLoopback, None),
    ];
    let front = Running::start_all(listeners, relaxed_limits());
    let mut accepted = connect(front.address, &tls13(&files.authority, None)).unwrap();
    accepted.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    front.held.recv().unwrap();
    front.shutdown.drain();
    assert_eq!(plain(front.listeners[1].address).get("/who").status, 200);
    front.release.add_permits(1);
    assert_eq!(accepted.answer().text(), "released");
}

#[test]
fn above_the_bound_requests_are_refused_and_connections_kept() {
    let files = Files::new();
    let limits = FrontLimits {
        max_requests: 2,
        ..relaxed_limits()
    };
    let front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let config = tls13(&files.authority, None);
    let mut holding: Vec<_> = (0..2)
        .map(|_| connect(front.address, &config).unwrap())
        .collect();
    for client in &mut holding {
        client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        front.held.recv().unwrap();
    }
    let mut refused = connect(front.address, &config).unwrap();
    for _ in 0..3 {
        let answer = refused.post(&vec![b'x'; 30_000]);
        assert_eq!((answer.status, answer.header("connection")), (503, None));
        let seconds: u16 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds));
    }
    front.release.add_permits(2);
    for client in &mut holding {
        assert_eq!(client.answer().text(), "released");
    }
    assert_eq!(refused.post(b"now").text(), "now");
}

#[test]
fn refusals_beyond_their_rate_wait_for_their_turn() {
    let files = Files::new();
    let limits = FrontLimits {
        max_requests: 1,
        refusals_per_second: 10,
        ..relaxed_limits()
    };
    let front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let config = tls13(&files.authority, None);
    let mut holding = connect(front.address, &config).unwrap();
    holding.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    front.held.recv().unwrap();
    let mut refused = connect(front.address, &config).unwrap();
    let started = Instant::now();
    for _ in 0..6 {
        assert_eq!(refused.post(b"again, at once").status, 503);
    }
    // The first leaves at once, the five after it a tenth of a second apart.
    assert!(
        started.elapsed() > Duration::from_millis(490),
        "{:?}",
        started.elapsed()
    );
    front.release.add_permits(1);
    assert_eq!(holding.answer().text(), "released");
    assert_eq!(refused.post(b"now").text(), "now");
}

#[test]
fn refusals_that_wait_for_their_turn_take_no_place_of_a_request() {
    let files = Files::new();
    let limits = FrontLimits {
        max_requests: 2,
        refusals_per_second: 1,
        ..relaxed_limits()
    };
    let front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let config = tls13(&files.authority, None);
    let mut flood: Vec<_> = (0..4)
        .map(|_| connect(front.address, &config).unwrap())
        .collect();
    // The first refusal leaves at once, the others wait for up to a second.
    assert_eq!(flood[0].get("/busy").status, 503);
    front.held.recv().unwrap();
    for client in &mut flood[1..] {
        client.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
        front.held.recv().unwrap();
    }
    let mut other = connect(front.address, &config).unwrap();
    assert_eq!(other.get("/who").status, 200);
    for client in &mut flood[1..] {
        assert_eq!(client.answer().status, 503);
    }
}

#[test]
fn strangers_whose_bodies_never_come_leave_places_to_callers_with_certificates() {
    let files = Files::new();
    let limits = FrontLimits {
        max_requests: 8,
        ..relaxed_limits()
    };
    let front = Running::start(listener(MutualTls, Some(files.tls())), limits);
    let stranger = tls13(&files.authority, None);
    let mut silent: Vec<_> = (0..8)
        .map(|_| connect(front.address, &stranger).unwrap())
        .collect();
    for client in &mut silent {
        client.send(xml_header(4));
    }
    // Six of them have a place; to the others it is said that there is none once what they have to say has come.
    let mut refused = connect(front.address, &stranger).unwrap();
    while refused.post(b"body").status != 503 {}
    let identity = files.authority.client("Regione", "010", "Nome", 7);
    let known = tls13(&files.authority, Some(&identity));
    let mut known = connect(front.address, &known).unwrap();
    for _ in 0..3 {
        assert_eq!(known.post(b"body").text(), "body");
    }
}
