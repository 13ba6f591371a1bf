//! Scenarios against the ordered server: what is measured is what it did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sistema_ts_loadtest::report::{RunResult, StepResult, Verdict};
use sistema_ts_loadtest::run::{RunPlan, run};
use sistema_ts_loadtest::scenario::Scenario;

use crate::server::{Reply, Server, accepted};

/// An environment of one region at this server.
fn environment(server: &Server) -> std::path::PathBuf {
    let path = server.path("environment.toml");
    let text = format!(
        "[server]\nmutual_tls_url = \"{}\"\nauthority_file = \"ca.pem\"\n\n[[region]]\ncode = \"010\"\n\
         certificate_file = \"client.pem\"\nprivate_key_file = \"client.key\"\nstructure = \"010-101-000123\"\n",
        server.url()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// A scenario of submissions alone; nothing is judged that a busy machine could break.
fn scenario(stream: &str, objectives: &str) -> Scenario {
    let text = format!(
        "name = \"test\"\nabout = \"A test.\"\nobjectives = [{objectives}]\nanswer_limit_seconds = 60\n\n\
         [[callers]]\nname = \"regions\"\nkind = \"region\"\n\n[[stream]]\nname = \"one\"\ncallers = \"regions\"\n{stream}\n\
         [validity]\nlateness_p99_milliseconds = 60000\ndriver_cpu_percent = 1000\nceiling_percent = 1000\nsent_percent = 1\n\n\
         [truth]\nread_back_percent = 0\nsweep = false\n"
    );
    Scenario::parse(std::path::Path::new("test"), text).unwrap()
}

fn plan(server: &Server, scenario: Scenario) -> RunPlan {
    RunPlan {
        scenario,
        environment: environment(server),
        folder: server.path("results"),
        seed: None,
        confirmed_host: None,
        ceiling: false,
        progress: false,
        command: "a test".into(),
    }
}

fn measure(server: &Server, scenario: Scenario) -> RunResult {
    run(plan(server, scenario)).unwrap()
}

fn submit(result: &RunResult) -> &StepResult {
    let step = result.steps.iter().find(|step| step.step == "submit");
    step.unwrap()
}

fn counts(step: &StepResult) -> Vec<(&str, u64)> {
    let outcomes = step.outcomes.iter();
    outcomes
        .map(|outcome| (outcome.outcome.as_str(), outcome.count))
        .collect()
}

/// The share of a second's arrivals that is due before a quantile of all is reached, on paper: of 12,000 requests in six seconds 2,000 wait
/// for a server that stands still for one, and one in a hundred of all waits longest.
#[test]
fn a_server_that_stands_still_for_a_second_is_seen_to_by_what_was_due_meanwhile() {
    let freezes_at = 5_000;
    let gate = Arc::new(std::sync::RwLock::new(()));
    let server = Server::start(
        0,
        Arc::new(move |number| {
            if number == freezes_at {
                let _closed = gate.write().unwrap();
                std::thread::sleep(Duration::from_secs(1));
            } else {
                drop(gate.read().unwrap());
            }
            Reply::Accept(number)
        }),
    );
    let stream = "connections = 32\narrival = \"constant\"\nstages = [{ seconds = 6, per_second = 2000 }]\nmix = { submit = 1 }\n";
    let result = measure(&server, scenario(stream, "\"submit.count == 12000\""));
    let step = submit(&result);
    assert_eq!(counts(step), [("0000", 12_000)]);
    // Whatever else the machine did: nothing that was due in that second and then waited is missing. On a machine of its own the
    // quantile is 942 ms; a busy one only adds.
    let p99 = step.response.p99;
    assert!(p99 > 0.97 * 942.0, "p99 {p99} ms");
    // The service of a request says nothing of it: but 32 had left when the server stood still.
    assert!(step.response.p90 >= step.service.p90);
    assert_eq!(result.verdict, Verdict::Kept);
}

/// The same on paper: of 5,000 requests in ten seconds 200 come in one of two stalls of 200 ms, and the last fifty of all wait for more than
/// three quarters of one.
#[test]
fn stalls_of_200_ms_every_5_seconds_are_seen_at_p99_and_miss_an_objective_that_they_break() {
    let first = std::sync::OnceLock::new();
    let stall = Duration::from_millis(200);
    let server = Server::start(
        0,
        Arc::new(move |number| {
            let began = *first.get_or_init(Instant::now);
            let since = (began.elapsed() + Duration::from_millis(2_500)).as_millis() % 5_000;
            let into = Duration::from_millis(since as u64);
            std::thread::sleep(stall.saturating_sub(into));
            Reply::Accept(number)
        }),
    );
    let stream = "connections = 32\narrival = \"constant\"\nstages = [{ seconds = 10, per_second = 500 }]\nmix = { submit = 1 }\n";
    let result = measure(&server, scenario(stream, "\"submit.p99 <= 100 ms\""));
    let step = submit(&result);
    assert_eq!(counts(step), [("0000", 5_000)]);
    assert!(
        step.response.p99 > 0.97 * 150.0,
        "p99 {} ms",
        step.response.p99
    );
    assert_eq!(result.verdict, Verdict::ObjectiveMissed);
}

#[test]
fn every_outcome_is_counted_with_its_words_and_an_objective_that_is_missed_is_the_verdict() {
    let server = Server::start(
        0,
        Arc::new(|number| match number % 5 {
            0 => Reply::Refuse(&["2103"]),
            1 => Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
            2 => Reply::Cut,
            3 => Reply::AcceptAndClose(number),
            _ => Reply::AcceptChunked(number),
        }),
    );
    let stream = "connections = 4\narrival = \"closed\"\nrequests = 100\nmix = { submit = 1 }\n";
    let result = measure(&server, scenario(stream, "\"submit[0000].share >= 50 %\""));
    let step = submit(&result);
    assert_eq!(
        counts(step),
        [("0000", 40), ("9999", 20), ("503", 20), ("lost", 20)]
    );
    assert_eq!((step.due, step.sent, step.unanswered), (100, 100, 20));
    assert_eq!(result.verdict, Verdict::ObjectiveMissed);
    assert_eq!(result.objectives[0].measured, Some(40.0));
    assert_eq!(result.findings.get("2103"), Some(&20));
    assert_eq!(result.failures.get("closed by the server"), Some(&20));
    assert_eq!(
        (
            result.truth.done,
            result.truth.refused,
            result.truth.unknown
        ),
        (40, 40, 20)
    );
}

#[test]
fn a_cun_that_comes_again_violates_the_truth_whatever_the_objectives_say() {
    let server = Server::start(0, Arc::new(|number| Reply::Accept(number % 50 + 1)));
    let stream =
        "connections = 2\narrival = \"closed\"\nrequests = 60\nmix = { submit-without-key = 1 }\n";
    let result = measure(&server, scenario(stream, "\"all[0000].share == 1\""));
    assert!(result.objectives[0].kept);
    assert_eq!(result.verdict, Verdict::TruthViolated);
}

#[test]
fn a_step_that_has_nothing_to_go_on_from_is_counted_as_starved_and_never_sent() {
    let server = Server::start(0, Arc::new(|_| Reply::Refuse(&["2103"])));
    let stream = "connections = 2\narrival = \"constant\"\nstages = [{ seconds = 0.4, per_second = 100 }]\nmix = { submit = 1, cancel = 1 }\n";
    let result = measure(&server, scenario(stream, "\"cancel.starved >= 1\""));
    let cancel = result.steps.iter().find(|step| step.step == "cancel");
    let cancel = cancel.unwrap();
    assert_eq!((cancel.due, cancel.sent), (0, 0));
    assert_eq!(submit(&result).due + cancel.starved, 40);
    assert_eq!(result.verdict, Verdict::Kept, "{:?}", result.objectives);
}

#[test]
fn stages_are_told_apart_and_the_rate_from_which_a_server_does_less() {
    let server = Server::start(
        0,
        Arc::new(|number| match number {
            // Of the first 60 that are due, each is answered.
            0..=60 => Reply::Accept(number),
            _ => Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        }),
    );
    let stream = "connections = 1\narrival = \"constant\"\n\
        stages = [{ seconds = 1, per_second = 20 }, { seconds = 1, per_second = 40 }, { seconds = 1, per_second = 80 }]\nmix = { submit = 1 }\n";
    let result = measure(&server, scenario(stream, "\"submit[0000].count == 60\""));
    let told: Vec<_> = result
        .stages
        .iter()
        .map(|stage| {
            (
                stage.to_per_second,
                stage.due,
                stage.done,
                stage.turned_away,
            )
        })
        .collect();
    assert_eq!(
        told,
        [(20.0, 20, 20, 0), (40.0, 40, 40, 0), (80.0, 80, 0, 80)]
    );
    let page = sistema_ts_loadtest::report::html(&result);
    assert!(page.contains("<h2>Stages</h2>"), "no stages");
    // At the last stage at the latest, or before it on a busy machine.
    assert!(page.contains("The latency bends between "), "no bend");
}

#[test]
fn what_could_not_leave_in_time_is_counted_and_was_never_sent() {
    let server = Server::start(0, Arc::new(|_| Reply::Silence));
    let stream = "connections = 1\narrival = \"constant\"\nstages = [{ seconds = 0.2, per_second = 100 }]\nmix = { submit = 1 }\n";
    let mut scenario = scenario(stream, "\"submit[unsent].count >= 1\"");
    scenario.answer_limit = Duration::from_millis(500);
    let result = measure(&server, scenario);
    let step = submit(&result);
    let arrived = server.requests.lock().unwrap().len() as u64;
    assert_eq!(
        (step.due, step.sent, step.unanswered),
        (20, arrived, arrived)
    );
    assert_eq!(step.sent + step.unsent, 20);
    // What never left is nothing that the server could have done.
    assert_eq!((result.truth.unknown, result.truth.refused), (arrived, 0));
}

#[test]
fn another_host_is_not_called_unless_its_name_is_repeated() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    let stream = "connections = 1\narrival = \"closed\"\nrequests = 1\nmix = { submit = 1 }\n";
    let mut plan = plan(&server, scenario(stream, "\"submit.count == 1\""));
    // A network for documentation: nobody is there, and nothing is sent.
    let text = std::fs::read_to_string(&plan.environment).unwrap();
    std::fs::write(&plan.environment, text.replace("localhost", "192.0.2.1")).unwrap();
    plan.confirmed_host = Some("another".into());
    let refused = run(plan).unwrap_err().to_string();
    assert!(refused.contains("--host 192.0.2.1"), "{refused}");
    // A name that is nobody's is refused for what it is, and not because it leads nowhere.
    let plan = RunPlan {
        environment: environment(&server),
        ..self::plan(&server, scenario(stream, "\"submit.count == 1\""))
    };
    std::fs::write(
        &plan.environment,
        text.replace("localhost", "staging.invalid"),
    )
    .unwrap();
    let refused = run(plan).unwrap_err().to_string();
    assert!(refused.contains("--host staging.invalid"), "{refused}");
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn what_a_shipped_scenario_needs_and_the_environment_has_not_is_said() {
    let server = Server::start(0, Arc::new(Reply::Accept));
    let mut plan = plan(
        &server,
        Scenario::read(std::path::Path::new("dead-backend")).unwrap(),
    );
    let missing = run(plan).unwrap_err().to_string();
    assert!(missing.contains("[[call-center]]"), "{missing}");
    plan = self::plan(
        &server,
        Scenario::read(std::path::Path::new("mixed")).unwrap(),
    );
    let missing = run(plan).unwrap_err().to_string();
    assert!(missing.contains("needs its operator"), "{missing}");
}

#[test]
fn nobody_there_is_said_at_once_and_a_stranger_is_not_let_in() {
    let stream = "connections = 1\narrival = \"closed\"\nrequests = 3\nmix = { submit = 1 }\n";
    let server = Server::start(0, Arc::new(Reply::Accept));
    let mut plan = plan(&server, scenario(stream, "\"submit[0000].count == 3\""));
    let text = std::fs::read_to_string(&plan.environment).unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port().to_string();
    drop(closed);
    std::fs::write(
        &plan.environment,
        text.replace(&server.address.port().to_string(), &port),
    )
    .unwrap();
    let refused = run(plan).unwrap_err().to_string();
    assert!(refused.contains("cannot be reached"), "{refused}");

    plan = self::plan(&server, scenario(stream, "\"submit[0000].count == 3\""));
    plan.folder = server.path("stranger");
    std::fs::write(&plan.environment, text.replace("client.", "stranger.")).unwrap();
    // With TLS 1.3 the client has shaken hands before it learns that its certificate is refused: at the start, or at once after.
    match run(plan) {
        Err(error) => assert!(
            error.to_string().starts_with("only 0 of 1 connections"),
            "{error}"
        ),
        Ok(result) => {
            assert_eq!(result.verdict, Verdict::ObjectiveMissed);
            assert!(!result.failures.is_empty());
        }
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

#[test]
fn a_server_that_says_why_it_closes_an_idle_connection_has_failed_nothing() {
    let later = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(
        0,
        Arc::new(move |number| Reply::BodyAndLater(accepted(number), later)),
    );
    let stream = "connections = 1\narrival = \"constant\"\nstages = [{ seconds = 4, per_second = 0.5 }]\nmix = { submit = 1 }\n";
    let result = measure(&server, scenario(stream, "\"submit[0000].count == 2\""));
    assert_eq!(
        counts(submit(&result)),
        [("0000", 2)],
        "{:?}",
        result.failures
    );
}
