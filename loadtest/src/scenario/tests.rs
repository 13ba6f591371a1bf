//! A failure: a scenario that says something which nobody reads, a mistake without its place, or a shipped scenario that cannot run.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

const GOOD: &str = r#"name = "example"
about = "An example."
objectives = ["submit.p99 <= 3 * idle.submit.p50"]

[[callers]]
name = "regions"
kind = "region"

[[stream]]
name = "submissions"
callers = "regions"
connections = 8
arrival = "poisson"
stages = [{ seconds = 10, per_second = 100 }, { seconds = 5, from_per_second = 100, to_per_second = 200 }]
mix = { submit = 9, cancel = 1 }
"#;

fn parse(text: &str) -> Result<Scenario, Mistake> {
    Scenario::parse(Path::new("example.toml"), text.to_owned())
}

/// The place of the mistake when `old` is `new` instead, and its reason.
fn mistake(old: &str, new: &str) -> ((usize, usize), String) {
    assert!(GOOD.contains(old), "{old}");
    let mistake = parse(&GOOD.replacen(old, new, 1)).unwrap_err();
    (mistake.place.unwrap(), mistake.reason)
}

#[test]
fn a_scenario_is_what_its_file_says() {
    let scenario = parse(GOOD).unwrap();
    assert_eq!(scenario.length(), Some(Duration::from_secs(15)));
    assert_eq!(scenario.positives, 1_400);
    assert_eq!(
        scenario.streams[0].mix,
        [(Step::Submit, 9.0), (Step::Cancel, 1.0)]
    );
    assert!(scenario.sends(Step::Cancel) && !scenario.sends(Step::List));
}

#[test]
fn a_name_leads_to_no_other_folder() {
    for name in ["../x", "/x", "a b", "", &"x".repeat(65)] {
        let text = GOOD.replacen("example", name, 1);
        let reason = parse(&text).unwrap_err().reason;
        assert!(reason.starts_with("name: "), "{name}: {reason}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_column() {
    let (place, reason) = mistake("connections = 8", "connections = 8\nconections = 9");
    assert_eq!(place, (13, 1));
    assert!(reason.contains("unknown field `conections`"), "{reason}");
    assert_eq!(
        mistake("seconds = 10,", "seconds = 10, secs = 1,").0,
        (14, 27)
    );
    assert_eq!(mistake("cancel = 1", "cancle = 1").0, (15, 21));
    assert_eq!(
        mistake("name = \"example\"", "nome = 1\nname = \"example\"").0,
        (1, 1)
    );
}

#[test]
fn a_wrong_value_is_refused_where_it_stands() {
    for (old, new, place, reason) in [
        (
            "[[stream]]",
            "[[stream]]\nname = \"c\"\ncallers = \"regions\"\nconnections = 1\narrival = \"closed\"\nrequests = 5\nmix = { cancel = 1, submit = 0 }\n\n[[stream]]",
            (9, 1),
            "needs seconds",
        ),
        (
            "callers = \"regions\"",
            "callers = \"region\"",
            (11, 11),
            "no [[callers]]",
        ),
        ("connections = 8", "connections = 0", (12, 15), "from 1 to"),
        (
            "per_second = 100 }",
            "per_second = -1 }",
            (14, 11),
            "a rate from 0",
        ),
        (
            "per_second = 100 }",
            "to_per_second = 1 }",
            (14, 11),
            "a stage has",
        ),
        ("cancel = 1", "verify = 1", (15, 7), "cannot send it"),
        ("submit = 9, ", "", (15, 7), "goes on from submit"),
        (
            "submit.p99 <=",
            "submit.p99 =",
            (3, 27),
            "expected one of <=",
        ),
        (
            "idle.submit.p50",
            "idle.cancel.p50",
            (3, 15),
            "not measured on the idle",
        ),
        ("submit.p99", "list.p99", (3, 15), "no stream sends it"),
        (
            "submit.p99",
            "stage.submissions.3.p99",
            (3, 15),
            "of which submissions has 2",
        ),
        (
            "submit.p99",
            "stage.none.1.p99",
            (3, 15),
            "of which none has 0",
        ),
        ("\"poisson\"", "\"closed\"", (14, 11), "no stages"),
        (
            "\"submissions\"",
            "\"of submissions\"",
            (9, 1),
            "letters, digits and dashes",
        ),
        (
            "[[stream]]",
            "[[stream]]\nname = \"submissions\"\ncallers = \"regions\"\nconnections = 1\narrival = \"closed\"\nrequests = 5\nmix = { submit = 1 }\n\n[[stream]]",
            (17, 1),
            "two streams are called submissions",
        ),
        (
            "\"poisson\"",
            "\"poisson\"\nrequests = 5",
            (14, 12),
            "of a closed loop alone",
        ),
    ] {
        let (found, said) = mistake(old, new);
        assert_eq!(found, place, "{new}: {said}");
        assert!(said.contains(reason), "{new}: {said}");
    }
}

#[test]
fn every_shipped_scenario_can_be_read_and_says_what_it_is_for() {
    for shipped in SHIPPED {
        let scenario = shipped
            .scenario()
            .unwrap_or_else(|mistake| panic!("{mistake}"));
        assert_eq!(scenario.name, shipped.name);
        assert!(scenario.about.ends_with('.'), "{}", shipped.name);
        assert!(
            !scenario.objectives.is_empty(),
            "{}: no objective",
            shipped.name
        );
    }
}

#[test]
fn a_name_that_is_neither_a_file_nor_shipped_says_where_to_look() {
    let mistake = Scenario::read(Path::new("no-such-scenario")).unwrap_err();
    assert!(
        mistake.to_string().contains("loadtest scenarios"),
        "{mistake}"
    );
}
