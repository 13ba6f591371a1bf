//! The guides are held to the program.
//! A failure is a guide that names an outcome, a metric, a key of the configuration, a command or an option that the program does not have: people
//! would look for it in vain, or write a program for it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sistema_ts::config::Configuration;
use sistema_ts_model::Outcome;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every document for people, with its name.
fn guides() -> Vec<(String, String)> {
    let documents = fs::read_dir(root().join("docs")).unwrap();
    let mut files: Vec<PathBuf> = documents.map(|entry| entry.unwrap().path()).collect();
    files.push(root().join("README.md"));
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.iter().map(read).collect()
}

/// What stands between backticks outside the blocks of programs, each in one line.
fn quoted(guide: &str) -> Vec<String> {
    let mut is_program = false;
    let mut prose = String::new();
    for line in guide.lines() {
        if line.trim_start().starts_with("```") {
            is_program = !is_program;
        } else if !is_program {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    // Nothing is quoted over the end of a paragraph.
    prose
        .split("\n\n")
        .flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn every_outcome_and_fault_that_a_guide_names_is_in_the_catalogue() {
    // The page that is made from the catalogue of outcomes and from all faults.
    let catalogue = fs::read_to_string(root().join("docs/esiti.md")).unwrap();
    let known: BTreeSet<String> = quoted(&catalogue).into_iter().collect();
    let is_outcome = |outcome: &Outcome| known.contains(outcome.code());
    assert!(Outcome::ALL.iter().all(is_outcome));
    let mut named = 0;
    for (name, guide) in guides() {
        // The tables of the configuration have numbers of four digits, and no outcomes.
        if ["esiti.md", "configuration.md"].contains(&&*name) {
            continue;
        }
        for code in quoted(&guide) {
            let is_code = code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_digit());
            if is_code {
                assert!(known.contains(&code), "{name}: `{code}` is no outcome");
                named += 1;
            }
        }
    }
    assert!(named > 40, "{named}");
}

/// The text of every source of the server.
fn sources() -> String {
    fn visit(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    for folder in [
        "src",
        "model/src",
        "store/src",
        "embedded/src",
        "cql/src",
        "actors/src",
    ] {
        visit(&root().join(folder), &mut text);
    }
    text
}

#[test]
fn every_metric_that_a_guide_names_is_counted_somewhere() {
    let sources = sources();
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut named = BTreeSet::new();
    for (name, guide) in guides() {
        for word in guide.split(|character| !is_part(character)) {
            // The program's crates and folders are no metrics.
            let is_metric = word.strip_prefix("sistema_ts_").is_some_and(|rest| {
                !["store", "embedded", "model", "actors", "loadtest"].contains(&rest)
            });
            if is_metric {
                assert!(
                    sources.contains(&format!("\"{word}\"")),
                    "{name}: {word} is no metric"
                );
                named.insert(word.to_owned());
            }
        }
    }
    assert!(named.len() > 5, "{named:?}");
}

#[test]
fn every_line_of_the_log_that_a_guide_quotes_stands_in_a_source() {
    // A text that goes on in the next line of a source is one text.
    let sources = sources();
    let sources: Vec<&str> = sources.split_whitespace().collect();
    let sources = sources.join(" ").replace("\\ ", "");
    let mut quotes = 0;
    for (name, guide) in guides() {
        for text in quoted(&guide) {
            let words: Vec<&str> = text.split(' ').collect();
            let is_prose = words.len() >= 4
                && words.iter().all(|word| {
                    word.bytes()
                        .all(|byte| byte.is_ascii_alphabetic() || b"',:;".contains(&byte))
                });
            if is_prose {
                assert!(
                    sources.contains(&*text),
                    "{name}: `{text}` stands in no source"
                );
                quotes += 1;
            }
        }
    }
    assert!(quotes > 10, "{quotes}");
}

#[test]
fn every_key_of_the_configuration_that_a_guide_names_is_one() {
    let defaults = toml::Table::try_from(Configuration::default()).unwrap();
    let mut named = 0;
    for (name, guide) in guides() {
        for text in quoted(&guide) {
            // `section.key`, or `[section] key`.
            let pair = text
                .split_once('.')
                .or_else(|| text.strip_prefix('[')?.split_once("] "));
            let Some((section, key)) = pair else { continue };
            let Some(section) = defaults.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            let is_key = key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"0123456789_".contains(&byte));
            // `register.db` and its like are files.
            if is_key && !["db", "sock"].contains(&key) {
                assert!(section.contains_key(key), "{name}: `{text}` is no key");
                named += 1;
            }
        }
    }
    assert!(named > 5, "{named}");
}

fn help_of(commands: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sistema-ts"))
        .args(commands)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{commands:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands that a help names.
fn subcommands(help: &str) -> Vec<String> {
    help.split_once("\nCommands:\n")
        .map(|(_, rest)| rest.lines().take_while(|line| line.starts_with("  ")))
        .into_iter()
        .flatten()
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Every command, as words with blanks between, and every option of any of them.
fn commands_and_options() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut commands = BTreeSet::new();
    let mut options = BTreeSet::new();
    let mut waiting = vec![String::new()];
    while let Some(command) = waiting.pop() {
        let words: Vec<&str> = command.split_whitespace().collect();
        let help = help_of(&words);
        for word in
            help.split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
        {
            if word.starts_with("--") && word.len() > 2 {
                options.insert(word.to_owned());
            }
        }
        for name in subcommands(&help) {
            waiting.push(format!("{command} {name}").trim().to_owned());
        }
        commands.insert(command);
    }
    (commands, options)
}

#[test]
fn every_command_and_option_that_the_administrators_guide_names_exists() {
    let (commands, options) = commands_and_options();
    assert!(
        commands.len() > 40 && commands.contains("admin user add"),
        "{commands:?}"
    );
    let guide = fs::read_to_string(root().join("docs/administration.md")).unwrap();
    // Programs of other houses are shown there, too.
    let ours = |line: &str| line.contains("sistema-ts") || line.starts_with("  ");
    let lines = guide
        .lines()
        .filter(|line| !line.starts_with("openssl") && (ours(line) || !line.contains("docker")));
    for line in lines {
        for word in
            line.split(|character: char| !character.is_ascii_alphanumeric() && character != '-')
        {
            let is_option = word.starts_with("--")
                && word.len() > 2
                && word.as_bytes().get(2).is_some_and(u8::is_ascii_lowercase);
            if is_option && !line.contains("cargo") {
                assert!(options.contains(word), "{word} is no option: {line}");
            }
        }
    }
    // A command is what follows the program's name, up to what is a value or an option.
    let mut named = BTreeSet::new();
    for (_, rest) in guide
        .match_indices("sistema-ts ")
        .map(|(at, name)| guide.split_at(at + name.len()))
    {
        let words =
            rest.split(|character: char| character.is_whitespace() || "`,;:)".contains(character));
        let mut command = String::new();
        for word in words {
            let longer = format!("{command} {word}").trim().to_owned();
            if !commands.contains(&longer) {
                break;
            }
            command = longer;
        }
        let next = rest.split_whitespace().next().unwrap_or_default();
        let looks_like_one = next
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if looks_like_one && !next.is_empty() && !["is", "has"].contains(&next) {
            assert!(!command.is_empty(), "sistema-ts {next} is no command");
        }
        named.insert(command);
    }
    assert!(named.len() > 25, "{named:?}");
}
