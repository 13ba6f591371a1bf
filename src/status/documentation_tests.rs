//! `docs/conditions.md` is made from the catalogue. A failure means that the two disagree: run the test with `UPDATE_DOCUMENTATION=1` in the
//! environment to write the page again.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use sistema_ts_model::{Condition, ConditionSeverity};

const HEAD: &str = "\
# Conditions

*For whoever runs the server. The tables are made from `model/src/condition.rs`; the test that compares them writes them anew.*

A condition holds for a time and wants somebody to know. While it holds, `/health/ready` has a line for it (`name: text`, or `name (whose): text`), the gauge
`sistema_ts_condition{name=\"…\"}` is 1, else 0, and the log gets one warning when it begins and one line when it ends. The server looks every ten
seconds, and whenever `/health/ready` is asked. Names do not change.
";

fn heading(severity: ConditionSeverity) -> (&'static str, &'static str) {
    match severity {
        ConditionSeverity::StopsEveryService => (
            "What stops every service",
            "`/health/ready` answers 503: send requests elsewhere.",
        ),
        ConditionSeverity::StopsOneService => (
            "What stops one service, or one caller",
            "`/health/ready` answers 200, since the rest is served.",
        ),
        ConditionSeverity::Announces => (
            "What is to be done in time",
            "`/health/ready` answers 200; everything is served.",
        ),
    }
}

fn render() -> String {
    let mut page = HEAD.to_owned();
    for severity in [
        ConditionSeverity::StopsEveryService,
        ConditionSeverity::StopsOneService,
        ConditionSeverity::Announces,
    ] {
        let holds = |condition: &&Condition| condition.severity() == severity;
        if !Condition::ALL.iter().any(|condition| holds(&condition)) {
            continue;
        }
        let (title, text) = heading(severity);
        write!(
            page,
            "\n## {title}\n\n{text}\n\n| name | what it means | what to do |\n|---|---|---|\n"
        )
        .unwrap();
        for condition in Condition::ALL.iter().filter(holds) {
            let (name, meaning) = (condition.name(), condition.meaning());
            writeln!(page, "| `{name}` | {meaning} | {} |", condition.advice()).unwrap();
        }
    }
    page
}

#[test]
fn the_documentation_of_conditions_says_what_the_catalogue_says() {
    let expected = render();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conditions.md");
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        std::fs::write(&page, &expected).unwrap();
    }
    assert!(
        std::fs::read_to_string(&page).unwrap() == expected,
        "docs/conditions.md is out of date: run `make docs`"
    );
}
