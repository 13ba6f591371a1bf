//! The guide for load testers is held to the program.
//!
//! A failure: the guide's tables are not those of the program, its scenario is not one, or it names a command or an option that the
//! program does not have. Its ten lines are run by `make test`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use sistema_ts_loadtest::ledger::Rule;
use sistema_ts_loadtest::report::Verdict;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/load-testing.md")
}

fn guide() -> String {
    fs::read_to_string(path()).unwrap()
}

fn loadtest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(arguments)
        .output()
        .unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = loadtest(arguments);
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What stands between two marks; with UPDATE_DOCUMENTATION=1 it is written anew first.
fn is_made_from_the_program(mark: &str, wanted: &str) {
    let guide = guide();
    let (begin, end) = (
        format!("<!-- {mark}: begin -->\n"),
        format!("<!-- {mark}: end -->"),
    );
    let (before, rest) = guide.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        fs::write(path(), format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "run `make docs`; {mark} should be:\n{wanted}"
    );
}

#[test]
fn the_tables_of_rules_and_scenarios_are_those_of_the_program() {
    let rows = Rule::ALL.map(|rule| format!("| `{}` | {} |\n", rule.name(), rule.says()));
    let table = format!("| rule | what must hold |\n|---|---|\n{}", rows.concat());
    is_made_from_the_program("rules", &table);
    let rows: String = printed(&["scenarios"])
        .lines()
        .map(|line| {
            let (name, about) = line.split_once(' ').unwrap();
            format!("| `{name}` | {} |\n", about.trim())
        })
        .collect();
    assert!(rows.lines().count() > 5, "{rows}");
    let table = format!("| scenario | what it is |\n|---|---|\n{rows}");
    is_made_from_the_program("scenarios", &table);
}

#[test]
fn the_scenario_of_the_guide_is_right() {
    let guide = guide();
    let scenario = guide
        .split_once("```toml\n")
        .unwrap()
        .1
        .split_once("```")
        .unwrap()
        .0;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    let output = loadtest(&["check", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn each_exit_status_of_the_guide_is_that_of_its_verdict() {
    let guide = guide();
    for verdict in [
        Verdict::Kept,
        Verdict::ObjectiveMissed,
        Verdict::TruthViolated,
        Verdict::Invalid,
    ] {
        let row = format!("| {} | {} |", verdict.exit_status(), verdict.words());
        assert!(guide.contains(&row), "{row}");
    }
}

#[test]
fn every_command_and_option_that_the_guide_names_is_one() {
    let guide = guide();
    let mut named = BTreeSet::new();
    for (place, _) in guide.match_indices("loadtest ") {
        let rest = &guide[place..];
        let end = rest.find(['`', '\n']).unwrap_or(rest.len());
        let is_command = place > 0 && matches!(guide.as_bytes()[place - 1], b'`' | b'\n');
        let Some(name) = rest[..end].split(' ').nth(1).filter(|_| is_command) else {
            continue;
        };
        let help = printed(&[name, "--help"]);
        for option in rest[..end].split(' ').filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "loadtest {name} {option}");
        }
        named.insert(name.to_owned());
    }
    let wanted = ["check", "prepare", "report", "run", "scenarios"].map(str::to_owned);
    assert_eq!(named, BTreeSet::from(wanted));
}
