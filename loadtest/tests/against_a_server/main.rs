//! Runs against a small TLS server that does what a test orders.
//!
//! A failure: a request that arrives wrong or twice, an answer counted as something else, a lost one not counted, a run that does
//! not end when its server is gone, or a result that claims more than was answered.

#![allow(clippy::unwrap_used)]

mod commands;
mod desk;
mod listing;
mod scenario;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use server::{Reply, Server};
use sistema_ts_loadtest::{Credentials, LoadtestError, Report, Settings, Submission, submit};
use sistema_ts_model::{CardDigits, Clock as _, Cun, StructureId, StructureReference, SystemClock};

fn settings(server: &Server, requests: u64, connections: usize) -> Settings {
    settings_as(server, "client", requests, connections)
}

fn settings_as(server: &Server, client: &str, requests: u64, connections: usize) -> Settings {
    Settings {
        target: server.target(client),
        submission: Submission {
            credentials: Credentials::Certificate,
            structure: StructureReference::Identifier(
                StructureId::parse("010-101-000123").unwrap(),
            ),
            positive_percent: 14,
            receipt_keys: true,
            today: SystemClock.now().rome_day(),
            seed: 3,
        },
        connections,
        requests,
        duration: None,
        answer_limit: Duration::from_secs(20),
        window: 100,
        server_pid: None,
        settle: Duration::ZERO,
        answers: None,
        positives: None,
        mark_start: None,
    }
}

fn run(settings: &Settings) -> Report {
    submit(settings).unwrap()
}

fn pairs(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let pairs = counts.iter();
    pairs.map(|(kind, count)| (kind.as_str(), *count)).collect()
}

fn only(counts: &BTreeMap<String, u64>) -> (&str, u64) {
    assert_eq!(counts.len(), 1, "{counts:?}");
    pairs(counts)[0]
}

#[test]
fn every_request_arrives_once_and_every_cun_is_written_down() {
    let server = Server::start(
        0,
        Arc::new(|number| match number % 3 {
            0 => Reply::AcceptChunked(number),
            1 => Reply::AcceptAndClose(number),
            _ => Reply::Accept(number),
        }),
    );
    let mut settings = settings(&server, 250, 8);
    settings.answers = Some(server.path("answers"));
    settings.server_pid = Some(std::process::id());
    settings.positives = Some((server.path("positives"), 5));
    settings.mark_start = Some(server.path("started"));
    let report = run(&settings);

    assert!(
        report.all_accepted() && server.path("started").exists(),
        "{report}"
    );
    assert_eq!(
        (report.sent, report.whole.answered, report.unanswered),
        (250, 250, 0)
    );
    assert_eq!(only(&report.outcomes), ("0000", 250));
    assert!(report.failures.is_empty(), "{report}");
    let sizes: Vec<_> = report
        .windows
        .iter()
        .map(|window| window.answered)
        .collect();
    assert_eq!(sizes, [100, 100, 50]);
    assert!(report.whole.latency_us.p50 > 0.0 && report.whole.client_cpu_us.unwrap() > 0.0);
    assert!(report.whole.server_cpu_us.is_some() && report.server_memory_kib.is_some());

    let requests = server.requests.lock().unwrap();
    let distinct: HashSet<_> = requests.iter().collect();
    assert_eq!((requests.len(), distinct.len()), (250, 250));
    let positives = requests
        .iter()
        .filter(|text| text.contains("esitoTest>P<"))
        .count();

    let answers = std::fs::read_to_string(server.path("answers")).unwrap();
    let mut cuns = HashSet::new();
    let mut written_positives = 0;
    for line in answers.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        assert!(
            cuns.insert(Cun::parse(fields[0]).unwrap().number()),
            "{line}"
        );
        written_positives += usize::from(fields[1] == "P");
        assert!(
            requests.iter().any(|request| request.contains(fields[2])),
            "{line}"
        );
    }
    assert_eq!(cuns, (1..=250).collect());
    assert_eq!(written_positives, positives);

    let lines = std::fs::read_to_string(server.path("positives")).unwrap();
    assert_eq!(lines.lines().count(), 5);
    for line in lines.lines() {
        let [cun, digits, person] = line.split(';').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert!(answers.contains(&format!("{cun}\tP\t")), "{line}");
        CardDigits::parse(digits).unwrap();
        // The answer with this CUN was to a positive of this person.
        let key = answers.lines().find(|answer| answer.starts_with(cun));
        let key = key.unwrap().split('\t').next_back().unwrap();
        let request = requests.iter().find(|request| request.contains(key));
        assert!(request.unwrap().contains(person), "{line}");
    }
}

#[test]
fn refusals_faults_and_wrong_answers_are_counted_by_kind() {
    let server = Server::start(
        0,
        Arc::new(|number| match number {
            1 => Reply::Refuse(&["2001", "2002"]),
            2 => Reply::Refuse(&["2001"]),
            3 => Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
            4 => Reply::Raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n<a><esito>0000</esito></a>\r\n",
            ),
            5 => Reply::Raw("garbage\r\n\r\n"),
            6 => Reply::Cut,
            _ => Reply::Accept(7),
        }),
    );
    let report = run(&settings(&server, 9, 1));
    assert!(!report.all_accepted());
    assert_eq!(
        (report.sent, report.whole.accepted, report.unanswered),
        (9, 3, 2)
    );
    // The same CUN three times.
    assert_eq!(report.duplicate_cuns, 2);
    let expected = [
        ("0000", 3),
        ("0000 without a valid CUN", 1),
        ("9999", 2),
        ("HTTP 503", 1),
    ];
    assert_eq!(pairs(&report.outcomes), expected);
    assert_eq!(pairs(&report.findings), [("2001", 2), ("2002", 1)]);
    assert_eq!(
        pairs(&report.failures),
        [("closed by the server", 1), ("not an HTTP/1 answer", 1)]
    );
}

#[test]
fn a_server_that_dies_ends_the_run() {
    // The port closes after the fourth connection; from the 50th request on, every connection is cut.
    let server = Server::start(
        4,
        Arc::new(|number| {
            if number < 50 {
                Reply::Accept(number)
            } else {
                Reply::Cut
            }
        }),
    );
    let began = Instant::now();
    let report = run(&settings(&server, 1_000_000, 4));
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "it went on for {:?}",
        began.elapsed()
    );
    assert!(!report.all_accepted());
    assert_eq!(
        (report.whole.accepted, report.unanswered, report.sent),
        (49, 4, 53)
    );
}

#[test]
fn an_answer_that_does_not_come_is_given_up() {
    let server = Server::start(
        0,
        Arc::new(|number| {
            if number == 5 {
                Reply::Silence
            } else {
                Reply::Accept(number)
            }
        }),
    );
    let mut settings = settings(&server, 10, 1);
    settings.answer_limit = Duration::from_millis(300);
    let report = run(&settings);
    assert_eq!((report.whole.accepted, report.unanswered), (9, 1));
    assert_eq!(
        only(&report.failures),
        ("no answer within the time limit", 1)
    );
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    let mut settings = settings(&server, u64::MAX / 2, 2);
    settings.duration = Some(Duration::from_millis(200));
    let report = run(&settings);
    assert!(report.all_accepted(), "{report}");
    assert!(report.whole.seconds < 10.0, "{report}");
}

#[test]
fn a_stranger_is_not_let_in() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    // With TLS 1.3 the client has shaken hands before it learns that its certificate is refused: at the start, or at once after.
    match submit(&settings_as(&server, "stranger", 3, 1)) {
        Err(LoadtestError::Connect { opened: 0, .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(report) => {
            assert!(
                !report.all_accepted() && !report.failures.is_empty(),
                "{report}"
            );
        }
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn nobody_there_is_said_at_once() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    let mut settings = settings(&server, 3, 1);
    settings.target.address = {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap()
    };
    let error = submit(&settings).unwrap_err();
    assert!(
        matches!(
            error,
            LoadtestError::Connect {
                opened: 0,
                wanted: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_command_prints_a_table_writes_its_report_and_says_by_its_status_how_it_went() {
    let server = Server::start(
        0,
        Arc::new(|number| {
            if number == 30 {
                Reply::Refuse(&["2001"])
            } else {
                Reply::Accept(number)
            }
        }),
    );
    let command = |requests: &str| {
        server
            .client_command("submit")
            .args(["--connections", "4", "--structure", "010-101-000123"])
            .args(["--requests", requests])
            .output()
            .unwrap()
    };
    let output = command("20");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("sent 20, accepted 20, unanswered 0"),
        "{text}"
    );
    let report = server.report();
    assert_eq!(report["whole"]["accepted"], 20);
    assert_eq!(report["outcomes"]["0000"], 20);
    assert_eq!(command("20").status.code(), Some(1), "one was refused");
}

#[test]
fn a_structure_sends_by_basic_and_needs_its_secrets_in_the_environment() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    let mut command = server.command("submit");
    command
        .args(["--user", "anna", "--structure", "010-101-000123"])
        .args(["--requests", "5"])
        .env_remove("LOADTEST_PASSWORD")
        .env_remove("LOADTEST_PINCODE");
    let without = command.output().unwrap();
    assert_eq!(without.status.code(), Some(2));
    assert!(
        String::from_utf8(without.stderr)
            .unwrap()
            .contains("LOADTEST_P")
    );
    let with = command
        .env("LOADTEST_PASSWORD", "s3gret")
        .env("LOADTEST_PINCODE", "0123456789")
        .output()
        .unwrap();
    assert_eq!(with.status.code(), Some(0), "{with:?}");
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 5);
    assert!(requests[0].contains("Authorization: Basic YW5uYTpzM2dyZXQ=\r\n"));
}
