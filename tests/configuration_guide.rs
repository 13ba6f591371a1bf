//! `docs/configuration.md` is made from `sistema-ts.sample.toml`. A failure means that the two disagree: run the test with
//! `UPDATE_DOCUMENTATION=1` in the environment to write the guide again.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "\
# Configuration

*For whoever runs the server. The tables are made from `sistema-ts.sample.toml` by `tests/configuration_guide.rs`.*

The server and its command line read one TOML file, named by `--configuration FILE` or by the environment variable
`SISTEMA_TS_CONFIGURATION`. Start from a copy of `sistema-ts.sample.toml`, which shows every key with its default.

- **The file** is TOML in UTF-8, with or without a byte order mark.
- **Environment.** `SISTEMA_TS_<SECTION>__<KEY>`, in capitals, goes over the file:
  `SISTEMA_TS_STORE__DATA_FOLDER=/var/lib/sistema-ts`. A list is written with commas between or as a TOML array. A variable that is empty sets an
  empty value. Only a name with two underscores is one of these: others that begin with `SISTEMA_TS_` are not looked at, since Kubernetes gives
  every container `SISTEMA_TS_PORT`, `SISTEMA_TS_SERVICE_HOST` and the like beside a service named `sistema-ts`.
- **Unknown sections and keys are refused**, in the file and among these variables.
- **Bounds are hard** and checked at start. All faults of file, environment and bounds are told at once, each with its key, and
  what cannot be read with its line or variable as well; no message repeats a value. A file that is no TOML hides the keys behind the mistake until it is mended.
- **Relative paths** are taken from the folder of the file.
- **Units** are part of each key's name.
";

fn render(sample: &str) -> String {
    let mut guide = HEAD.to_owned();
    let mut comment = String::new();
    for line in sample.lines() {
        if let Some(text) = line.strip_prefix('#') {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(text.trim());
        } else if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            write!(guide, "\n## `[{section}]`\n\n").unwrap();
            if !comment.is_empty() {
                write!(guide, "{comment}\n\n").unwrap();
            }
            guide.push_str("| key | default | meaning |\n|---|---|---|\n");
            comment.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            writeln!(guide, "| `{key}` | `{value}` | {comment} |").unwrap();
            comment.clear();
        } else {
            comment.clear();
        }
    }
    guide
}

#[test]
fn the_guide_says_what_the_sample_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let expected = render(&std::fs::read_to_string(root.join("sistema-ts.sample.toml")).unwrap());
    let guide = root.join("docs/configuration.md");
    if std::env::var_os("UPDATE_DOCUMENTATION").is_some() {
        std::fs::write(&guide, &expected).unwrap();
    }
    assert!(
        std::fs::read_to_string(&guide).unwrap() == expected,
        "docs/configuration.md is out of date: run `make docs`"
    );
}
