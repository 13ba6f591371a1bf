//! Whole runs of scenarios, over mutual TLS, against the server in memory: what a wrong one does is in the verdict, and a right one that is killed
//! and frozen meanwhile is found true.

use std::collections::BTreeSet;

use sistema_ts_loadtest::ledger::Rule;
use sistema_ts_loadtest::report::{RunResult, Verdict};
use sistema_ts_loadtest::run::{RunPlan, run};
use sistema_ts_loadtest::scenario::Scenario;

use super::broken;
use super::server::Fault;
use super::wire::{FROZEN, Wire};

/// So many requests of the regions that a listing has several pages.
const CLOSED: &str = "arrival = \"closed\"\nrequests = 2600\n";
/// At a rate, for as long as events need.
const OPEN: &str = "arrival = \"constant\"\nstages = [{ seconds = 4, per_second = 250 }]\n";

/// A run of everything that regions and call centres do, and these events. No time is judged.
fn measured(wire: &Wire, arrival: &str, events: &[String]) -> RunResult {
    let text = format!(
        "name = \"over-tls\"\nabout = \"Everything.\"\nanswer_limit_seconds = 60\npositive_percent = 30\n\n\
         [[callers]]\nname = \"regions\"\nkind = \"region\"\nexclusive = true\n\n\
         [[callers]]\nname = \"call-centers\"\nkind = \"call-center\"\n\n\
         [[stream]]\nname = \"regions\"\ncallers = \"regions\"\nconnections = 6\n{arrival}\
         mix = {{ submit = 84, submit-without-key = 4, replay = 8, cancel = 3, list = 1 }}\n\n\
         [[stream]]\nname = \"desk\"\ncallers = \"call-centers\"\nconnections = 2\narrival = \"constant\"\n\
         stages = [{{ seconds = 2, per_second = 60 }}]\nmix = {{ verify = 4, unlock = 4, confirm = 2, annul = 1 }}\n\n{}\
         [validity]\nlateness_p99_milliseconds = 60000\ndriver_cpu_percent = 1000\nceiling_percent = 1000\nsent_percent = 1\n\n\
         [truth]\nread_back_percent = 2\n",
        events.concat()
    );
    run(RunPlan {
        scenario: Scenario::parse("over-tls".as_ref(), text).unwrap(),
        environment: wire.environment(),
        folder: wire.folder.path().join("results"),
        seed: None,
        confirmed_host: None,
        ceiling: false,
        progress: false,
        command: "a test".into(),
    })
    .unwrap()
}

/// A run against a wrong server: it must be caught by this rule.
fn caught_by(fault: Fault, rule: Rule) {
    let wire = Wire::start(fault);
    let kill = [wire.event(0.6, "kill", ""), wire.event(0.8, "start", "")];
    let events: &[String] = match fault {
        Fault::AnswersBeforeItIsDurable => &kill,
        _ => &[],
    };
    let result = measured(&wire, CLOSED, events);
    assert_eq!(result.verdict, Verdict::TruthViolated, "{fault:?}");
    let broken = broken(&result.truth);
    assert!(broken.contains(rule.name()), "{fault:?}: {broken:?}");
}

fn judged(result: &RunResult, rule: Rule) -> u64 {
    let named = |found: &&sistema_ts_loadtest::report::RuleResult| found.name == rule.name();
    result.truth.rules.iter().find(named).unwrap().of
}

#[test]
fn a_right_server_that_is_killed_and_frozen_and_changes_its_callers_is_found_true() {
    let wire = Wire::start(Fault::None);
    let events = [
        wire.event(0.5, "kill", ""),
        wire.event(0.7, "start", ""),
        wire.event(1.2, "freeze", ""),
        wire.event(2.0, "kill", ""),
        wire.event(2.1, "start", ""),
        wire.event(
            0.3,
            "revoke 010",
            "revokes = \"010\"\nknown_after_seconds = 0",
        ),
        wire.event(
            1.0,
            "admit 010",
            "admits = \"010\"\nknown_after_seconds = 0",
        ),
        wire.event(
            2.4,
            "renew 020",
            "renews = \"020\"\nknown_after_seconds = 0",
        ),
    ];
    let result = measured(&wire, OPEN, &events);
    assert_eq!(
        broken(&result.truth),
        BTreeSet::new(),
        "{:#?}",
        result.truth.rules
    );
    assert_eq!(result.verdict, Verdict::Kept, "{:#?}", result.validity);
    assert!(!result.failures.is_empty(), "no connection was cut");
    assert!(
        result.events.iter().all(|event| event.ok),
        "{:#?}",
        result.events
    );
    let longest = result.steps.iter().map(|step| step.response.max);
    let longest = longest.fold(0.0, f64::max);
    // A request was due within 4 ms after it stood still.
    assert!(longest >= 0.9 * FROZEN.as_secs_f64() * 1e3, "{longest} ms");
    for rule in [
        Rule::CunOnce,
        Rule::KeyFirstAnswer,
        Rule::ListedOnce,
        Rule::ListedInOrder,
        Rule::OneOrder,
        Rule::RevokedRefused,
        Rule::AdmittedServed,
    ] {
        assert!(judged(&result, rule) > 0, "{rule:?}");
    }
}

#[test]
fn a_revoked_certificate_that_is_served_on_an_open_connection_is_caught() {
    let wire = Wire::start(Fault::ServesTheRevokedOnOpenConnections);
    let revoke = wire.event(
        0.3,
        "revoke 010",
        "revokes = \"010\"\nknown_after_seconds = 0",
    );
    let result = measured(&wire, OPEN, &[revoke]);
    assert_eq!(result.verdict, Verdict::TruthViolated);
    assert_eq!(
        broken(&result.truth),
        BTreeSet::from([Rule::RevokedRefused.name()])
    );
}

#[test]
fn an_answer_before_it_is_durable_is_caught_over_tls() {
    caught_by(Fault::AnswersBeforeItIsDurable, Rule::ListedOnce);
}

#[test]
fn a_code_that_comes_now_and_then_again_is_caught_over_tls() {
    caught_by(Fault::RepeatsACun, Rule::CunOnce);
}

#[test]
fn a_test_that_is_in_no_listing_is_caught_over_tls() {
    caught_by(Fault::MissesATest, Rule::ListedOnce);
}

#[test]
fn tests_out_of_order_at_the_boundary_of_a_page_are_caught_over_tls() {
    caught_by(Fault::SwapsAtAPage, Rule::ListedInOrder);
}

#[test]
fn a_503_that_had_an_effect_is_caught_over_tls() {
    caught_by(Fault::BusyWithEffect, Rule::RefusedWithoutEffect);
}

#[test]
fn another_callers_code_for_a_repeated_key_is_caught_over_tls() {
    caught_by(Fault::AnswersAnothersReceipt, Rule::KeyFirstAnswer);
}
