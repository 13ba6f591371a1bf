//! The rules, against a server in memory that is right or wrong in one way.
//!
//! A failure: a wrong server passes, it is caught by a rule that has nothing to do with its fault alone, or a right one that is
//! killed, loses answers and is busy now and then is called wrong.

#![allow(clippy::unwrap_used)]

mod load;
mod over_tls;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use sistema_ts_loadtest::ledger::{Books, Intent, Kind, Ledger, Rule};
use sistema_ts_loadtest::report::Truth;

use load::judged;
use server::Fault;

/// The rules that were broken.
fn broken(truth: &Truth) -> BTreeSet<&str> {
    let broken = truth.rules.iter().filter(|rule| rule.violations > 0);
    broken.map(|rule| &*rule.name).collect()
}

fn run(fault: Fault, with_keys: bool) -> Truth {
    let folder = tempfile::tempdir().unwrap();
    judged(fault, with_keys, folder.path())
}

/// Runs against a wrong server, with keys: it must be caught by this rule.
fn caught_by(fault: Fault, rule: Rule) {
    let truth = run(fault, true);
    assert!(
        broken(&truth).contains(rule.name()),
        "{fault:?}: {:#?}",
        truth.rules
    );
}

#[test]
fn a_right_server_passes_though_it_is_killed_and_loses_answers_and_each_rule_has_something_to_judge()
 {
    for with_keys in [true, false] {
        let truth = run(Fault::None, with_keys);
        assert!(broken(&truth).is_empty(), "{:#?}", truth.rules);
        assert!(truth.done > 1_000 && truth.refused > 100 && truth.unknown > 20);
        let of_keys = [
            Rule::KeyFirstAnswer,
            Rule::KeyOtherContent,
            Rule::RefusedWithoutEffect,
        ];
        for (rule, result) in Rule::ALL.into_iter().zip(&truth.rules) {
            let has_cases = with_keys || !of_keys.contains(&rule);
            assert_eq!(result.of > 0, has_cases, "{result:?}");
        }
    }
}

#[test]
fn an_answer_before_it_was_durable_is_caught_after_a_kill() {
    caught_by(Fault::AnswersBeforeItIsDurable, Rule::ListedOnce);
    caught_by(Fault::AnswersBeforeItIsDurable, Rule::KeyFirstAnswer);
    let broken_without_keys = run(Fault::AnswersBeforeItIsDurable, false);
    assert!(broken(&broken_without_keys).contains(Rule::ListedOnce.name()));
}

#[test]
fn a_code_that_comes_again_is_caught() {
    caught_by(Fault::RepeatsACun, Rule::CunOnce);
}

#[test]
fn a_test_that_is_in_no_listing_is_caught() {
    caught_by(Fault::MissesATest, Rule::ListedOnce);
}

#[test]
fn tests_that_are_exchanged_at_the_boundary_of_a_page_are_caught_though_their_day_is_the_same() {
    let truth = run(Fault::SwapsAtAPage, true);
    assert_eq!(broken(&truth), BTreeSet::from([Rule::ListedInOrder.name()]));
}

#[test]
fn a_test_that_stands_on_two_pages_is_caught() {
    caught_by(Fault::RepeatsAtAPage, Rule::ListedOnce);
}

#[test]
fn a_503_that_had_an_effect_is_caught_with_keys_and_without() {
    caught_by(Fault::BusyWithEffect, Rule::RefusedWithoutEffect);
    let without_keys = run(Fault::BusyWithEffect, false);
    assert!(broken(&without_keys).contains(Rule::OnlyWhatWasSent.name()));
}

#[test]
fn the_receipt_of_another_caller_is_caught() {
    caught_by(Fault::AnswersAnothersReceipt, Rule::KeyFirstAnswer);
}

#[test]
fn a_key_that_is_forgotten_is_caught() {
    caught_by(Fault::ForgetsKeys, Rule::KeyFirstAnswer);
}

#[test]
fn a_key_with_other_content_that_is_answered_is_caught() {
    caught_by(Fault::TakesOtherContent, Rule::KeyOtherContent);
}

#[test]
fn a_revoked_caller_that_is_served_on_is_caught() {
    caught_by(Fault::ServesTheRevoked, Rule::RevokedRefused);
}

#[test]
fn a_caller_that_is_admitted_again_and_refused_on_is_caught() {
    let truth = run(Fault::RefusesTheAdmitted, true);
    assert_eq!(
        broken(&truth),
        BTreeSet::from([Rule::AdmittedServed.name()])
    );
}

#[test]
fn a_test_that_is_there_by_half_is_caught() {
    let without_keys = run(Fault::HalfThere, false);
    assert_eq!(
        broken(&without_keys),
        BTreeSet::from([Rule::UnknownWholeOrNot.name()])
    );
    caught_by(Fault::HalfThere, Rule::ListedOnce);
}

#[test]
fn a_cancelled_test_that_is_listed_is_caught() {
    let truth = run(Fault::ListsTheCancelled, true);
    assert_eq!(broken(&truth), BTreeSet::from([Rule::CancelledGone.name()]));
}

#[test]
fn a_listing_with_another_result_is_caught() {
    caught_by(Fault::ListsAnotherResult, Rule::ListedAsAnswered);
}

#[test]
fn a_second_session_that_unlocks_is_caught() {
    caught_by(Fault::UnlocksTwice, Rule::OneUnlock);
    caught_by(Fault::UnlocksTwice, Rule::OneOrder);
}

#[test]
fn a_fourth_delivery_is_caught() {
    caught_by(Fault::DeliversFour, Rule::ThreeDeliveries);
    caught_by(Fault::DeliversFour, Rule::OneOrder);
}

#[test]
fn a_confirmed_code_that_is_verified_is_caught() {
    caught_by(Fault::VerifiesTheConfirmed, Rule::ConfirmedGone);
}

#[test]
fn unlocks_that_a_kill_lost_are_caught() {
    caught_by(Fault::LosesUnlocks, Rule::OneOrder);
}

const LEDGER_OF_A_CHILD: &str = "LEDGER_OF_A_CHILD";
const OF_A_CHILD: &str = "every_request_that_left_stands_in_the_file_of_a_harness_that_was_killed";

/// Writes intents, and tells each that may leave, until it is killed.
fn write_until_killed(path: &OsStr) {
    let mut ledger = Ledger::create(Path::new(path)).unwrap();
    for person in 0..u32::MAX {
        let intent = Intent {
            person,
            ..Intent::new(Kind::Submit, 1)
        };
        let id = ledger.intend(&intent, Instant::now()).unwrap();
        if writeln!(std::io::stdout(), "left {}", id.0).is_err() {
            return;
        }
    }
}

#[test]
fn every_request_that_left_stands_in_the_file_of_a_harness_that_was_killed() {
    if let Some(path) = std::env::var_os(LEDGER_OF_A_CHILD) {
        return write_until_killed(&path);
    }
    let folder = tempfile::tempdir().unwrap();
    for kill_after in [1, 500, 70_000] {
        let path = folder.path().join(format!("ledger-{kill_after}"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", OF_A_CHILD, "--nocapture"])
            .env(LEDGER_OF_A_CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut left = 0_u64;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || {
            let told = |line: &String| line.starts_with("left ");
            lines.by_ref().map(Result::unwrap).find(told)
        };
        while left < kill_after {
            next().expect("it goes on until it is killed");
            left += 1;
        }
        child.kill().unwrap();
        // What it had told before it died, but for a line that is cut off.
        while next().is_some() {
            left += 1;
        }
        child.wait().unwrap();
        let books = Books::open(&path).unwrap();
        let mut persons = 0_u32;
        for entry in books.entries().unwrap().map(Result::unwrap) {
            assert_eq!(entry.intent.person, persons);
            persons += 1;
        }
        assert!(u64::from(persons) + 1 >= left, "{persons} of {left}");
    }
}
