//! SIGTERM. Failure here means that an accepted submission is lost or left without its answer, that a later one is not told to come back or
//! has an effect all the same, that the server does not end in its time, or that it ends as if all were well when it cut somebody off.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Installation, Reply, Server, Session, Submission, fiscal_code, until};

const CONNECTIONS: usize = 16;
/// Requests that are half sent when the signal comes.
const HALF_SENT: usize = 4;

fn message(number: usize) -> Submission {
    let mut message = Submission::by_region().with_key(format!("number {number}"));
    message.fiscal_code = fiscal_code(number);
    message
}

fn assert_sent_away(reply: &Reply) {
    assert!(
        matches!(reply.comes_back_after(), Some(5..=15)),
        "{reply:?}"
    );
    assert_eq!(reply.0.header("connection"), Some("close"));
}

/// What was answered under which number: code and time.
type Answered = BTreeMap<usize, (String, String)>;

fn note(answered: &mut Answered, number: usize, reply: &Reply) {
    assert_eq!(reply.told(), (200, "0000"));
    let answer = (
        reply.transaction().to_owned(),
        reply.value("dataOra").to_owned(),
    );
    answered.insert(number, answer);
}

/// Every answered number is answered the same again, every refused one is new.
fn assert_known(installation: &Installation, answered: &Answered, refused: &[usize]) {
    let server = Server::start(installation);
    let mut session = Session::region(installation, &server, "010");
    for (&number, (cun, at)) in answered {
        let again = session.submit(&message(number));
        assert_eq!(
            (again.told(), again.findings()),
            ((200, "0001"), vec!["4001"])
        );
        assert_eq!(
            (again.transaction(), again.value("dataOra")),
            (&**cun, &**at)
        );
    }
    for &number in refused {
        assert_eq!(session.submit(&message(number)).told(), (200, "0000"));
    }
}

#[test]
fn what_was_accepted_is_answered_and_what_comes_later_is_sent_away() {
    let installation = Installation::new();
    let server = Server::start_with(
        &installation,
        &[
            ("LIMITS__DRAIN_NOTICE_SECONDS", "1"),
            ("LIMITS__DRAIN_TIMEOUT_SECONDS", "120"),
            ("LIMITS__BODY_TIMEOUT_SECONDS", "120"),
        ],
    );
    let region = || Session::region(&installation, &server, "010");
    let (mut idle, mut idle_user) = (region(), Session::user(&installation, &server));
    assert_eq!(idle.submit(&Submission::by_region()).told(), (200, "0000"));
    let by_structure = Submission::by_structure();
    assert_eq!(idle_user.submit(&by_structure).told(), (200, "0000"));

    let next = AtomicUsize::new(0);
    let number = || next.fetch_add(1, Ordering::Relaxed);
    // Accepted, since their heads are complete, and in flight until they are finished below: so the server cannot end before.
    let mut halves: Vec<_> = (0..HALF_SENT)
        .map(|_| {
            let (mut session, number) = (region(), number());
            let rest = session.begin(&message(number));
            (session, number, rest)
        })
        .collect();
    until("the halves are accepted", || {
        server.metric("sistema_ts_requests_in_flight", &[]) == HALF_SENT as f64
    });

    let answered = Mutex::new(Answered::new());
    let refused = Mutex::new(Vec::new());
    let sessions: Vec<_> = (0..CONNECTIONS).map(|_| region()).collect();
    std::thread::scope(|scope| {
        for mut session in sessions {
            let (answered, refused) = (&answered, &refused);
            scope.spawn(move || {
                loop {
                    let number = number();
                    let reply = session.submit(&message(number));
                    if reply.status() == 503 {
                        assert_sent_away(&reply);
                        assert!(session.client.is_closed());
                        refused.lock().unwrap().push(number);
                        return;
                    }
                    note(&mut answered.lock().unwrap(), number, &reply);
                }
            });
        }
        until("there is load", || answered.lock().unwrap().len() > 200);
        server.signal(libc::SIGTERM);
        let mut said = String::new();
        until("readiness says so", || {
            let ready = server.status("/health/ready");
            said = ready.text().to_owned();
            ready.status == 503
        });
        assert!(said.starts_with("server_stopping: "), "{said}");
        // Again, as some supervisors do.
        server.signal(libc::SIGTERM);
        until("every connection is told", || {
            refused.lock().unwrap().len() == CONNECTIONS
        });
    });
    server.signal(libc::SIGTERM);
    assert_eq!(server.status("/health/live").status, 200);
    let later = number();
    for reply in [
        idle.submit(&message(later)),
        idle_user.submit(&by_structure),
        region().submit(&message(later)),
        Session::user(&installation, &server).submit(&by_structure),
    ] {
        assert_sent_away(&reply);
    }
    let (mut answered, mut refused) = (
        answered.into_inner().unwrap(),
        refused.into_inner().unwrap(),
    );
    refused.push(later);
    for (session, number, rest) in &mut halves {
        note(&mut answered, *number, &session.finish(rest));
    }
    let (ended, output) = server.ended();
    assert!(ended.success());
    assert_eq!(output, "");
    assert_known(&installation, &answered, &refused);
}

#[test]
fn a_request_that_does_not_come_whole_is_told_and_holds_up_nobody() {
    let installation = Installation::new();
    let server = Server::start_with(
        &installation,
        &[
            ("LIMITS__DRAIN_TIMEOUT_SECONDS", "120"),
            ("LIMITS__BODY_TIMEOUT_SECONDS", "1"),
            ("LIMITS__HEADER_TIMEOUT_SECONDS", "60"),
            ("LIMITS__IDLE_TIMEOUT_SECONDS", "600"),
        ],
    );
    let region = || Session::region(&installation, &server, "010");
    let (mut idle, mut silent, mut half_head, mut half_body) =
        (region(), region(), region(), region());
    assert_eq!(idle.submit(&message(0)).told(), (200, "0000"));
    half_head.client.send("POST / HTTP/1.1\r\nHost: ");
    half_body.begin(&message(1));
    until("it is accepted", || {
        server.metric("sistema_ts_requests_in_flight", &[]) == 1.0
    });
    let began = Instant::now();
    server.signal(libc::SIGTERM);
    let late = half_body.client.answer();
    assert_eq!(
        (late.status, late.header("connection")),
        (408, Some("close"))
    );
    let (ended, _) = server.ended();
    assert!(ended.success());
    // The body's second, at most two for the connections to end, and patience with the machine.
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(idle.client.is_closed());
    assert!(silent.client.is_closed());
    // It may have been told that it was too late; nothing else.
    assert!(
        half_head
            .client
            .try_answer()
            .map_or(true, |answer| answer.status == 408)
    );
    assert_known(&installation, &Answered::new(), &[1]);
}

#[test]
fn what_does_not_end_in_its_time_is_cut_and_the_exit_status_says_so() {
    let installation = Installation::new();
    let server = Server::start_with(
        &installation,
        &[
            ("LIMITS__DRAIN_TIMEOUT_SECONDS", "1"),
            ("LIMITS__BODY_TIMEOUT_SECONDS", "120"),
        ],
    );
    let mut session = Session::region(&installation, &server, "010");
    session.begin(&message(0));
    until("it is accepted", || {
        server.metric("sistema_ts_requests_in_flight", &[]) == 1.0
    });
    let began = Instant::now();
    let (ended, _) = server.terminate();
    let took = began.elapsed();
    assert_eq!(ended.code(), Some(4));
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(20),
        "{took:?}"
    );
    // What came of its body is no message; it may have been told that.
    let heard = session.client.try_answer();
    assert!(
        heard.as_ref().map_or(true, |answer| answer.status == 400),
        "{heard:?}"
    );
    let log = installation.log();
    assert!(log.contains("1 requests did not end in time"), "{log}");
    assert_known(&installation, &Answered::new(), &[0]);
}
