//! The glossary keeps up with the code.
//! A failure is a name in a column "in the code" that no source has, or an element, value or service of the code that the
//! glossary does not have.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sistema_ts::soap::description::{Content, Element};
use sistema_ts::soap::messages;
use sistema_ts_model::{AuthenticationKind, Service, TestKind, TestResult, Verdict};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn glossary() -> String {
    fs::read_to_string(root().join("docs/glossary.md")).unwrap()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Every word of every source file of the workspace but these tests.
fn words_of_the_sources() -> BTreeSet<String> {
    fn visit(folder: &Path, words: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, words);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                let is_part = |character: char| character.is_alphanumeric() || character == '_';
                words.extend(
                    source
                        .split(|character| !is_part(character))
                        .map(str::to_owned),
                );
            }
        }
    }
    let mut words = BTreeSet::new();
    for folder in [
        "src",
        "model/src",
        "store/src",
        "embedded/src",
        "actors/src",
    ] {
        visit(&root().join(folder), &mut words);
    }
    words
}

#[test]
fn every_name_in_the_code_exists() {
    let sources = words_of_the_sources();
    let mut column = None;
    let mut checked = 0;
    for line in glossary().lines() {
        let cells: Vec<&str> = line.split('|').collect();
        let header = cells
            .iter()
            .position(|cell| cell.contains("in the code") || cell.contains("in code"));
        if header.is_some() || !line.starts_with('|') {
            column = header;
        } else if let Some(column) = column {
            for name in quoted(cells[column]) {
                assert!(sources.contains(name), "{name}: {line}");
                checked += 1;
            }
        }
    }
    assert!(checked > 80, "{checked}");
}

fn collect_names(elements: &[Element], names: &mut BTreeSet<&'static str>) {
    for element in elements {
        names.insert(element.name);
        if let Content::Structure(structure) = element.content {
            collect_names(structure.elements, names);
        }
    }
}

#[test]
fn every_element_value_and_service_has_its_line() {
    let mut names = BTreeSet::new();
    for (_, request, answer) in messages::ALL {
        collect_names(request.elements, &mut names);
        collect_names(answer.elements, &mut names);
    }
    assert!(names.len() > 40, "{}", names.len());
    names.extend(Service::ALL.map(Service::name));
    names.extend(AuthenticationKind::ALL.map(AuthenticationKind::as_str));
    names.extend(Verdict::ALL.map(Verdict::code));
    names.extend([
        TestResult::Positive.as_str(),
        TestResult::Negative.as_str(),
        TestKind::Molecular.as_str(),
    ]);

    let glossary = glossary();
    // The first column of every table.
    let lines: BTreeSet<&str> = glossary
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next())
        .flat_map(quoted)
        .collect();
    let missing: Vec<_> = names.iter().filter(|name| !lines.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
