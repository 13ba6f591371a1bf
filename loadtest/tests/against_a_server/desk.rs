//! Verifications and unlocks in an open loop.
//!
//! A failure: a request that is not what was ordered, an outcome counted as another, a server's stall that the latencies hide, an
//! unlock without the session of its own verification, or a run that goes on when the server is gone.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sistema_ts_loadtest::{LoadtestError, Operators, Pace, Positives, unlock, verify};
use sistema_ts_model::{CodiceFiscale, Otp};

use super::pairs;
use super::server::{Reply, Server, cun};

fn pace(per_second: f64, requests: u64) -> Pace {
    Pace {
        per_second,
        requests,
        connections: 4,
        answer_limit: Duration::from_secs(10),
        server_pid: None,
    }
}

/// Writes `count` made-up positives and two operators.
fn write_people(server: &Server, count: u64) -> (PathBuf, PathBuf) {
    let (positives, operators) = (server.path("positives"), server.path("operators"));
    let lines: String = (0..count)
        .map(|number| format!("{};{:08};ZZZQQQ\n", cun(number), number + 7))
        .collect();
    std::fs::write(&positives, lines).unwrap();
    let valid = |code: &String| CodiceFiscale::parse(code).is_ok();
    let lines: String = ["ZZZQQQ80A01A001", "ZZZQQQ81A01A001"]
        .map(|code| {
            let mut candidates = ('A'..='Z').map(|letter| format!("{code}{letter}"));
            candidates.find(valid).unwrap() + "\n"
        })
        .concat();
    std::fs::write(&operators, lines).unwrap();
    (positives, operators)
}

fn people(server: &Server, count: u64) -> (Positives, Operators) {
    let (positives, operators) = write_people(server, count);
    (
        Positives::read(&positives).unwrap(),
        Operators::read(&operators).unwrap(),
    )
}

fn verified(number: u64) -> Reply {
    Reply::Body(format!(
        "<a><esito>0000</esito><idVerificaTampone>session-{number}</idVerificaTampone></a>"
    ))
}

fn value<'r>(request: &'r str, name: &str) -> &'r str {
    let (_, rest) = request.split_once(&format!("<urn:{name}>")).unwrap();
    rest.split_once('<').unwrap().0
}

#[test]
fn positives_are_verified_in_turn_by_operators_in_turn() {
    let server = Server::start(0, Arc::new(verified));
    let (positives, operators) = people(&server, 3);
    let mut pace = pace(500.0, 20);
    pace.connections = 1;
    let report = verify(&server.target("client"), &pace, &positives, &operators).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!((report.sent, report.unsent, report.unanswered), (20, 0, 0));
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 20);
    let mut seen_operators = HashSet::new();
    for (index, request) in requests.iter().enumerate() {
        let number = index as u64 % 3;
        assert!(request.starts_with("POST /soap/v1/verificaPositivita HTTP/1.1\r\n"));
        assert_eq!(value(request, "tipoAutenticazione"), "2F");
        assert_eq!(value(request, "cun"), cun(number));
        assert_eq!(
            value(request, "numeroTesseraSanitaria"),
            format!("{:08}", number + 7)
        );
        seen_operators.insert(value(request, "codiceFiscaleOperatore").to_owned());
    }
    assert_eq!(seen_operators.len(), 2);
}

#[test]
fn a_stall_is_seen_by_every_request_that_should_have_left_meanwhile() {
    let stalled = Mutex::new(());
    let server = Server::start(
        0,
        Arc::new(move |number| {
            let _held = stalled.lock().unwrap();
            if number == 50 {
                // The stall itself, for all connections, since the others wait for the lock.
                std::thread::sleep(Duration::from_millis(600));
            }
            verified(number)
        }),
    );
    let (positives, operators) = people(&server, 3);
    // 300 requests in 1.5 s, of which 120 in the stall; a closed loop of four connections would show four.
    let pace = pace(200.0, 300);
    let report = verify(&server.target("client"), &pace, &positives, &operators).unwrap();
    assert!(report.passed(), "{report}");
    assert!(report.latency_ms.p90 > 200.0, "{report}");
    assert!(report.latency_ms.max > 550.0, "{report}");
    assert!(report.seconds > 1.4, "{report}");
}

#[test]
fn refusals_and_lost_answers_are_counted_by_kind() {
    let server = Server::start(
        0,
        Arc::new(|number| match number {
            1 => Reply::Refuse(&["3001"]),
            2 => Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
            3 => Reply::Cut,
            _ => verified(number),
        }),
    );
    let (positives, operators) = people(&server, 1);
    let report = verify(
        &server.target("client"),
        &pace(500.0, 10),
        &positives,
        &operators,
    )
    .unwrap();
    assert!(!report.passed());
    assert_eq!((report.sent, report.unsent, report.unanswered), (10, 0, 1));
    assert_eq!(
        pairs(&report.outcomes),
        [("0000", 7), ("9999", 1), ("HTTP 503", 1)]
    );
    assert_eq!(report.findings.get("3001"), Some(&1));
    assert_eq!(report.failures.get("closed by the server"), Some(&1));
}

#[test]
fn a_connection_that_the_server_closes_is_opened_again_when_it_is_needed() {
    const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 26\r\n\r\n<a><esito>0000</esito></a>";
    let server = Server::start(
        0,
        Arc::new(|number| {
            if number.is_multiple_of(3) {
                Reply::Raw(LAST)
            } else {
                verified(number)
            }
        }),
    );
    let (positives, operators) = people(&server, 1);
    let report = verify(
        &server.target("client"),
        &pace(300.0, 60),
        &positives,
        &operators,
    )
    .unwrap();
    assert!(report.passed() && report.failures.is_empty(), "{report}");
    assert_eq!((report.sent, report.unanswered), (60, 0));
}

#[test]
fn a_connection_closed_with_a_word_while_idle_is_no_failure() {
    // Each answer is followed by one that nobody asked for, as of a server that gives an idle connection up.
    const TWO: &str =
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(
        0,
        Arc::new(|number| Reply::BodyAndLater(format!("<a><esito>0000</esito>{number}</a>"), TWO)),
    );
    let (positives, operators) = people(&server, 1);
    // A connection that was free last is the next to be used: by then the word must be there, however busy this machine is.
    let pace = pace(5.0, 10);
    let report = verify(&server.target("client"), &pace, &positives, &operators).unwrap();
    assert!(report.passed() && report.failures.is_empty(), "{report}");
}

#[test]
fn an_answer_that_does_not_come_is_given_up_and_what_waits_behind_it_too() {
    let server = Server::start(0, Arc::new(|_| Reply::Silence));
    let (positives, operators) = people(&server, 1);
    let mut pace = pace(1000.0, 6);
    pace.answer_limit = Duration::from_millis(300);
    let report = verify(&server.target("client"), &pace, &positives, &operators).unwrap();
    assert!(!report.passed());
    // Four connections carry four; the others' time is over before one is free again.
    assert_eq!((report.sent, report.unsent, report.unanswered), (4, 2, 4));
}

#[test]
fn a_server_that_dies_ends_the_run() {
    // The port closes after the fourth connection; from the 50th request on, every connection is cut.
    let server = Server::start(
        4,
        Arc::new(|number| {
            if number < 50 {
                verified(number)
            } else {
                Reply::Cut
            }
        }),
    );
    let (positives, operators) = people(&server, 1);
    let began = Instant::now();
    let pace = pace(500.0, 1_000_000);
    let report = verify(&server.target("client"), &pace, &positives, &operators).unwrap();
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(report.outcomes.get("0000"), Some(&49));
    assert_eq!(report.sent + report.unsent, 1_000_000);
}

#[test]
fn every_unlock_has_the_session_of_its_verification_and_a_code_of_its_own() {
    let server = Server::start(
        0,
        Arc::new(|number| {
            if number <= 20 {
                verified(number)
            } else {
                Reply::Body("<a><esito>0000</esito></a>".into())
            }
        }),
    );
    let (positives, operators) = people(&server, 20);
    let started = server.path("started");
    let mut pace = pace(500.0, 1_000);
    pace.connections = 1;
    let report = unlock(
        &server.target("client"),
        &pace,
        &positives,
        &operators,
        1,
        Some(&started),
    )
    .unwrap();
    assert!(report.passed(), "{report}");
    // No more than there are positives.
    assert_eq!((report.requests, report.sent), (20, 20));
    assert!(started.exists());
    let requests = server.requests.lock().unwrap();
    let (verifications, unlocks) = requests.split_at(20);
    let mut codes = HashSet::new();
    for (index, (verification, unlock)) in verifications.iter().zip(unlocks).enumerate() {
        assert!(unlock.starts_with("POST /soap/v1/sbloccoCodiceImmuni HTTP/1.1\r\n"));
        assert_eq!(
            value(unlock, "idVerificaTampone"),
            format!("session-{}", index + 1)
        );
        let operator = |request| value(request, "codiceFiscaleOperatore").to_owned();
        assert_eq!(operator(unlock), operator(verification));
        let code = value(unlock, "codiceOtp");
        Otp::parse(code).unwrap();
        codes.insert(code.to_owned());
    }
    assert_eq!(codes.len(), 20);
}

#[test]
fn nothing_is_unlocked_unless_all_could_be_verified() {
    let server = Server::start(
        0,
        Arc::new(|number| {
            if number == 3 {
                Reply::Refuse(&["3001"])
            } else {
                verified(number)
            }
        }),
    );
    let (positives, operators) = people(&server, 5);
    let target = server.target("client");
    let result = unlock(&target, &pace(500.0, 5), &positives, &operators, 1, None);
    assert!(matches!(result, Err(LoadtestError::Usage(_))), "{result:?}");
    assert_eq!(server.requests.lock().unwrap().len(), 5);
}

#[test]
fn a_wrong_line_is_told_by_its_number_and_not_by_what_it_holds() {
    let server = Server::start(0, Arc::new(verified));
    let path = server.path("lines");
    std::fs::write(&path, format!("{};12345678\nsecret;12345678\n", cun(1))).unwrap();
    let Err(error) = Positives::read(&path) else {
        panic!("it was read");
    };
    let text = error.to_string();
    assert!(
        text.contains("line 2") && !text.contains("secret"),
        "{text}"
    );
    std::fs::write(&path, "").unwrap();
    assert!(Operators::read(&path).is_err());
}

#[test]
fn the_command_keeps_or_misses_its_objective_by_its_status() {
    let server = Server::start(0, Arc::new(verified));
    let (positives, operators) = write_people(&server, 2);
    let verify = |objective: &str| {
        server
            .client_command("verify")
            .args(["--rate", "100", "--duration", "1", "--p99", objective])
            .arg("--positives")
            .arg(&positives)
            .arg("--operators")
            .arg(&operators)
            .output()
            .unwrap()
    };
    let output = verify("9000");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("due 100, sent 100"), "{text}");
    let report = server.report();
    assert_eq!(report["outcomes"]["0000"], 100);
    assert!(report["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
    let output = verify("0.000001");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("MISSED"));
}

#[test]
fn people_have_the_cards_that_a_run_of_the_same_seed_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let status = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["people", "--count", "50", "--seed", "4"])
        .arg("--cards")
        .arg(path("cards"))
        .arg("--fiscal-codes")
        .arg(path("codes"))
        .status()
        .unwrap();
    assert!(status.success());
    let cards = std::fs::read_to_string(path("cards")).unwrap();
    let codes = std::fs::read_to_string(path("codes")).unwrap();
    let mut cards = cards.lines();
    assert_eq!(
        cards.next(),
        Some("codice_fiscale;numero_tessera;valida_dal;valida_al")
    );
    let people: Vec<_> = cards.map(|line| line.split(';').next().unwrap()).collect();
    assert_eq!(people, codes.lines().collect::<Vec<_>>());
    assert_eq!(people.len(), 50);
}
