//! The report of a run.
//!
//! A failure: a page that is not well-formed, that runs or loads anything, that leaves a number of the result out, or whose wording
//! does not fit the verdict; or a JSON that does not read as it was written.

#![allow(clippy::unwrap_used)]

mod sample;

use std::collections::BTreeSet;
use std::process::Command;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use sistema_ts_loadtest::report::{self, StageResult, Verdict, html};

use sample::result;

/// Elements and attributes of the page, and its texts.
struct Page {
    elements: Vec<(String, Vec<(String, String)>)>,
    texts: Vec<String>,
}

/// Reads it as XML, which is stricter than HTML: every element closed in its order, every text escaped.
fn read(page: &str) -> Page {
    let body = page.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let mut reader = Reader::from_str(body);
    let (mut elements, mut texts, mut depth) = (Vec::new(), vec![String::new()], 0);
    loop {
        let event = reader.read_event().unwrap();
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name().as_ref().to_owned();
                let attributes = element.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let value = attribute.value.to_string();
                    (attribute.key.as_ref().to_owned(), value)
                });
                elements.push((name, attributes.collect()));
                depth += i32::from(matches!(event, Event::Start(_)));
                texts.push(String::new());
            }
            Event::End(_) => {
                depth -= 1;
                texts.push(String::new());
            }
            Event::Text(text) => texts.last_mut().unwrap().push_str(text),
            Event::GeneralRef(name) => {
                let character = match &**name {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    other => panic!("&{other};"),
                };
                texts.last_mut().unwrap().push(character);
            }
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(depth, 0);
    texts.retain(|text| !text.is_empty());
    Page { elements, texts }
}

#[test]
fn a_page_is_well_formed_and_has_no_script_and_nothing_from_elsewhere() {
    let text = html(&result());
    let page = read(&text);
    for (name, attributes) in &page.elements {
        let forbidden = [
            "script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use",
        ];
        assert!(!forbidden.contains(&&**name), "{name}");
        for (attribute, value) in attributes {
            let loads = ["src", "href", "xlink:href", "srcset", "action", "data"];
            assert!(!loads.contains(&&**attribute), "{attribute}");
            assert!(!attribute.starts_with("on"), "{attribute}");
            assert!(!value.contains("url("), "{value}");
        }
    }
    let style = text
        .split_once("<style>")
        .unwrap()
        .1
        .split_once("</style>")
        .unwrap()
        .0;
    assert!(!style.contains("url(") && !style.contains("@import"));
    for media in ["prefers-color-scheme: dark", "@media print"] {
        assert!(style.contains(media), "{media}");
    }
    assert!(text.len() < 1_000_000);
}

/// Three significant digits, as a reader would write the number, without the blanks between thousands.
fn is_told(texts: &BTreeSet<&str>, words: &BTreeSet<String>, value: f64) -> bool {
    let decimals = (0..=4).map(|decimals| format!("{value:.decimals$}"));
    let told = |text: &String| {
        let digits = text.trim_start_matches(['0', '.']).replace('.', "");
        (digits.len() >= 3 || text.parse() == Ok(value) || value >= 100.0)
            && (texts.contains(&**text) || words.contains(text))
    };
    decimals.into_iter().any(|text| told(&text))
}

/// Every number in a value that is not part of a plot alone.
fn numbers(value: &Value, path: &str, found: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => found.push((path.to_owned(), number.as_f64().unwrap())),
        Value::Array(list) => {
            for (place, item) in list.iter().enumerate() {
                numbers(item, &format!("{path}[{place}]"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                numbers(field, &format!("{path}.{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_number_of_the_result_is_on_the_page() {
    let mut result = result();
    let page = html(&result).replace('\u{202f}', "");
    let page = read(&page);
    let texts: BTreeSet<&str> = page.texts.iter().map(|text| &**text).collect();
    let words: BTreeSet<String> = page
        .texts
        .iter()
        .flat_map(|text| {
            text.split(|character: char| character.is_whitespace() || character == ',')
        })
        .map(str::to_owned)
        .collect();
    // What a curve and a share are made of, and units that are told otherwise.
    for step in &mut result.steps {
        step.curve.clear();
    }
    let mut found = Vec::new();
    numbers(&serde_json::to_value(&result).unwrap(), "", &mut found);
    let mut looked_at = 0;
    for (path, value) in found {
        let value = match path.rsplit('.').next().unwrap() {
            "schema" => continue,
            "memory_kib" => value / 1024.0,
            "share" => value * 100.0,
            // Of handshakes and callers not every percentile is told.
            "p90" | "p999" | "p9999" | "mean" if path.starts_with(".handshakes") => continue,
            "count" | "p90" | "p9999" | "mean" if path.starts_with(".callers") => continue,
            _ => value,
        };
        let floor = if path.starts_with(".machine.memory") {
            value.floor()
        } else {
            value
        };
        assert!(is_told(&texts, &words, floor), "{path}: {value}");
        looked_at += 1;
    }
    assert!(looked_at > 900, "{looked_at}");
}

#[test]
fn every_text_of_the_result_is_on_the_page_as_it_is() {
    let result = result();
    let page = read(&html(&result));
    for text in [
        &result.scenario.title,
        &result.scenario.text,
        &result.command,
        &result.events[0].command,
        &result.method.remarks[0],
        &result.objectives[0].text,
        &result.truth.rules[3].says,
    ] {
        assert!(page.texts.contains(text), "{text}");
    }
    let example = &result.truth.rules[4].examples[0];
    assert!(page.texts.iter().any(|text| text.contains(&**example)));
}

#[test]
fn each_verdict_is_told_in_its_words_and_each_plot_has_its_lines() {
    for verdict in [
        Verdict::Kept,
        Verdict::ObjectiveMissed,
        Verdict::TruthViolated,
        Verdict::Invalid,
    ] {
        let mut result = result();
        result.verdict = verdict;
        let page = read(&html(&result));
        assert!(page.texts.iter().any(|text| text == verdict.words()));
    }
    let page = read(&html(&result()));
    let of_class = |wanted: &str| {
        let has = |(_, attributes): &&(String, Vec<(String, String)>)| {
            attributes
                .iter()
                .any(|(name, value)| name == "class" && value.starts_with(wanted))
        };
        page.elements.iter().filter(has).count()
    };
    assert_eq!(of_class("plot"), 8);
    // Rate 3, times 4, processor 2, memory 1, under way 1, lateness 1, distribution 3.
    assert_eq!((of_class("line"), of_class("area")), (15, 3));
    assert_eq!(of_class("band"), 7);
}

#[test]
fn of_nothing_no_times_are_told() {
    let mut result = result();
    result.stages = vec![StageResult {
        to_per_second: 7.0,
        from_per_second: 7.0,
        ..StageResult::default()
    }];
    let counts = "<td>0</td>".repeat(6);
    let times = "<td>–</td>".repeat(4);
    let row = format!("<td>7</td>{counts}{times}");
    assert!(html(&result).contains(&row));
}

#[test]
fn events_lie_over_what_is_drawn() {
    let page = html(&result());
    let drawings = page.split("<svg").skip(1);
    let with_events = drawings.filter_map(|drawing| {
        let drawing = drawing.split("</svg>").next()?;
        let event = drawing.find("\"band\"")?;
        let is_drawn = |class: &str| drawing.rfind(&format!("\"{class} "));
        Some((event, is_drawn("line").max(is_drawn("area"))?))
    });
    let places: Vec<_> = with_events.collect();
    assert!(places.len() >= 7);
    assert!(
        places.iter().all(|(event, drawn)| event > drawn),
        "{places:?}"
    );
}

#[test]
fn a_result_with_nothing_in_it_is_still_a_page() {
    let mut empty = result();
    empty.series.clear();
    empty.steps.clear();
    empty.callers.clear();
    empty.events.clear();
    empty.objectives.clear();
    empty.findings.clear();
    read(&html(&empty));
}

#[test]
fn a_run_of_a_day_makes_a_page_of_bounded_size() {
    let mut long = result();
    let minute = long.series.clone();
    long.series = (0..86_400_usize)
        .map(|second| {
            let mut copy = minute[second % 60].clone();
            copy.at = second as f64 + 1.0;
            copy
        })
        .collect();
    long.seconds = 86_400.0;
    let page = html(&long);
    assert!(page.len() < 1_000_000, "{}", page.len());
    read(&page);
}

#[test]
fn a_result_that_was_saved_reads_as_it_was_and_its_page_is_made_again_alike() {
    let folder = tempfile::tempdir().unwrap();
    let result = result();
    report::save(&result, folder.path()).unwrap();
    let json = folder.path().join(report::JSON);
    let read = report::read(&json).unwrap();
    assert!(read == result);
    let page = report::page_beside(&json);
    assert_eq!(page, folder.path().join(report::PAGE));
    let first = std::fs::read(&page).unwrap();
    std::fs::remove_file(&page).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("report")
        .arg(&json)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(std::fs::read(&page).unwrap() == first);
}

#[test]
fn what_is_no_result_of_this_version_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        report::read(&path).unwrap_err().to_string()
    };
    assert!(told("{\"schema\": 99}").contains("schema 99"));
    assert!(told("{\"schema\": 1}").contains("missing field"));
    assert!(told("no json").contains("not the result of a run"));
    assert!(report::read(&folder.path().join("nothing")).is_err());
}

/// Writes the page of the sample to a file, to be looked at: `REPORT_SAMPLE=/tmp/report.html cargo test … sample`.
#[test]
fn the_sample_can_be_written_to_be_looked_at() {
    let page = html(&result());
    if let Some(path) = std::env::var_os("REPORT_SAMPLE") {
        std::fs::write(path, &page).unwrap();
    }
    assert!(page.ends_with("</html>"));
}
