//! `sistema-ts code check` and `sistema-ts code complete`, as the real binary does them.
//! A failure is a wrong verdict, kind or exit status, output whose lines and columns do not match the codes given one by
//! one, a code that cannot be got back from its column, memory that grows with the input, or a panic.

#![allow(clippy::unwrap_used)]

mod complete;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Output, Stdio};

use proptest::prelude::*;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sistema-ts"));
    command
        .arg("code")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A line of `code check`.
#[derive(Debug, PartialEq)]
struct Verdict {
    /// With its escapes undone.
    code: Vec<u8>,
    kind: String,
    is_valid: bool,
    reason: String,
}

fn verdicts(output: &Output) -> Vec<Verdict> {
    let out = text(&output.stdout);
    assert!(out.is_empty() || out.ends_with('\n'));
    assert_eq!(text(&output.stderr), "");
    let verdicts: Vec<Verdict> = out
        .split_terminator('\n')
        .map(|line| {
            assert!(
                !line
                    .chars()
                    .any(|character| character.is_control() && character != '\t'),
                "{line:?}"
            );
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 4, "{line:?}");
            let is_valid = columns[2] == "valid";
            assert!(is_valid || columns[2] == "invalid", "{line:?}");
            assert_eq!(columns[3].is_empty(), is_valid, "{line:?}");
            Verdict {
                code: unescaped(columns[0]),
                kind: columns[1].to_owned(),
                is_valid,
                reason: columns[3].to_owned(),
            }
        })
        .collect();
    let expected = if verdicts.iter().all(|verdict| verdict.is_valid) {
        0
    } else {
        1
    };
    assert_eq!(output.status.code(), Some(expected));
    verdicts
}

/// What the first column says, its escapes undone.
fn unescaped(column: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = column;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        if character != '\\' {
            bytes.extend_from_slice(&rest.as_bytes()[..length]);
        } else {
            length = 2;
            match rest.as_bytes()[1] {
                b't' => bytes.push(b'\t'),
                b'r' => bytes.push(b'\r'),
                b'n' => bytes.push(b'\n'),
                b'0' => bytes.push(0),
                b'\\' => bytes.push(b'\\'),
                b'x' => {
                    length = 4;
                    bytes.push(u8::from_str_radix(&rest[2..4], 16).unwrap());
                }
                b'u' => {
                    let end = rest.find('}').unwrap();
                    length = end + 1;
                    let number = u32::from_str_radix(&rest[3..end], 16).unwrap();
                    bytes.extend_from_slice(char::from_u32(number).unwrap().to_string().as_bytes());
                }
                other => panic!("escape {other} in {column}"),
            }
        }
        rest = &rest[length..];
    }
    bytes
}

fn kinds_and_verdicts(output: &Output) -> Vec<(String, String, bool)> {
    verdicts(output)
        .into_iter()
        .map(|verdict| {
            (
                text(&verdict.code).to_owned(),
                verdict.kind,
                verdict.is_valid,
            )
        })
        .collect()
}

fn is(code: &str, kind: &str, is_valid: bool) -> (String, String, bool) {
    (code.to_owned(), kind.to_owned(), is_valid)
}

#[test]
fn a_dictated_code_is_read_as_the_call_centre_reads_it_if_that_is_asked_for() {
    for (given, kind, is_valid) in [
        ("cun 9k2r.ay8u_uq", "cun", true),
        ("\u{feff}CUN\u{2013}9K2R\u{a0}AY8U\u{200b}UQ", "cun", true),
        ("9k2r-ay8u-uq", "otp", true),
        ("rssmra 85t10 a562s", "codice-fiscale", true),
        ("9K2R AY8U UA", "otp", false),
        ("9K2R,AY8U,UQ", "unknown", false),
        // Cyrillic.
        ("9К2R AY8U UQ", "otp", false),
    ] {
        let spoken = verdicts(&run(&["check", "--spoken", given]));
        assert_eq!(
            (&*spoken[0].kind, spoken[0].is_valid),
            (kind, is_valid),
            "{given:?}"
        );
        assert_eq!(spoken[0].code, given.as_bytes(), "{given:?}");
        assert!(!verdicts(&run(&["check", given]))[0].is_valid, "{given:?}");
    }
    let told = verdicts(&run(&["check", "--spoken", "9К2R AY8U UQ"]));
    assert!(
        told[0]
            .reason
            .contains("symbol 2 is a letter or digit of another alphabet")
    );
}

#[test]
fn an_input_saved_as_utf_16_is_told_by_name() {
    let input: Vec<u8> = "\u{feff}9K2RAY8UUQ\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let output = run_with_input(&["check"], &input);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("saved as UTF-16: save it as UTF-8"));
}

#[test]
fn the_kind_is_told_by_prefix_and_length() {
    let cases = [
        is("CUN-9K2RAY8UUQ", "cun", true),
        is("CUN-9K2RAY8UUA", "cun", false),
        is("CUN-", "cun", false),
        is("cun-9K2RAY8UUQ", "cun", false),
        // Sixteen characters, but a CUN by its beginning.
        is("CUN-9K2RAY8UUQQQ", "cun", false),
        is("9K2RAY8UUQ", "otp", true),
        is("9k2ray8uuq", "otp", false),
        is("9K2R0Y8UUQ", "otp", false),
        is("ＡＡＡＡＡＡＡＡＡQ", "otp", false),
        is("RSSMRA85T10A562S", "codice-fiscale", true),
        is("RSSMRA85T10A56NH", "codice-fiscale", true),
        is("RSSMRA85T10A562T", "codice-fiscale", false),
        is("00743110157", "codice-fiscale", true),
        is("00743110158", "codice-fiscale", false),
        is("STP0101234567890", "codice-fiscale", false),
        is("9K2RAY8UU", "unknown", false),
        is("", "unknown", false),
        is("RSSMRA85T10A562SS", "unknown", false),
    ];
    let codes: Vec<&str> = cases.iter().map(|(code, ..)| code.as_str()).collect();
    let arguments: Vec<&str> = ["check"].into_iter().chain(codes.iter().copied()).collect();
    assert_eq!(kinds_and_verdicts(&run(&arguments)), cases);
    let lines = codes.join("\n") + "\n";
    assert_eq!(
        kinds_and_verdicts(&run_with_input(&["check"], lines.as_bytes())),
        cases
    );
}

#[test]
fn a_valid_code_and_an_invalid_one_to_the_letter() {
    let output = run(&["check", "CUN-9K2RAY8UUQ"]);
    assert_eq!(text(&output.stdout), "CUN-9K2RAY8UUQ\tcun\tvalid\t\n");
    assert_eq!(output.status.code(), Some(0));
    let output = run(&["check", "9K2R0Y8UUQ"]);
    let expected = "9K2R0Y8UUQ\totp\tinvalid\tsymbol 5 is not one of AEFHIJKLQRSUWXYZ123456789\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_code_is_judged_as_the_kind_that_is_asked_for() {
    for (kind, code, is_valid) in [
        ("cun", "9K2RAY8UUQ", true),
        ("cun", "CUN-9K2RAY8UUQ", true),
        ("cun", "9K2RAY8UUA", false),
        ("cun", "RSSMRA85T10A562S", false),
        ("otp", "9K2RAY8UUQ", true),
        ("otp", "CUN-9K2RAY8UUQ", false),
        ("otp", "", false),
        ("codice-fiscale", "RSSMRA85T10A562S", true),
        ("codice-fiscale", "9K2RAY8UUQ", false),
        ("codice-fiscale", "CUN-9K2RAY8UUQQQ", false),
    ] {
        assert_eq!(
            kinds_and_verdicts(&run(&["check", "--kind", kind, code])),
            [is(code, kind, is_valid)]
        );
    }
    let stp = "STP0101234567890";
    let accepted = run(&["check", "--accept-stp-eni", stp, "--kind", "codice-fiscale"]);
    assert_eq!(
        kinds_and_verdicts(&accepted),
        [is(stp, "codice-fiscale", true)]
    );
}

#[test]
fn immunis_vectors_are_judged_like_immuni_does() {
    let vectors = include_str!("../../model/tests/data/immuni-vectors.csv");
    let mut kinds_seen = 0;
    for kind in ["otp", "cun"] {
        let rows: Vec<(&str, bool)> = vectors
            .lines()
            .filter_map(|line| line.strip_prefix(kind)?.strip_prefix(','))
            .map(|row| row.split_once(',').unwrap())
            .map(|(code, rest)| (code, rest.starts_with("true")))
            .collect();
        assert!(rows.len() > 50);
        let input: String = rows
            .iter()
            .map(|(code, _)| code.replace("\\u0000", "\0") + "\n")
            .collect();
        let verdicts = verdicts(&run_with_input(
            &["check", "--kind", kind],
            input.as_bytes(),
        ));
        assert_eq!(verdicts.len(), rows.len());
        for (verdict, (code, valid)) in verdicts.iter().zip(rows) {
            // With --kind cun the prefix is allowed; that row is of the ten symbols alone.
            let valid = valid || kind == "cun" && code == "CUN-9K2RAY8UUQ";
            assert_eq!(verdict.is_valid, valid, "{kind} {code}");
        }
        kinds_seen += 1;
    }
    assert_eq!(kinds_seen, 2);
}

#[test]
fn lines_end_with_lf_or_cr_lf_or_with_the_input() {
    let expected = [
        is("9K2RAY8UUQ", "otp", true),
        is("", "unknown", false),
        is("59FU36KR46", "otp", true),
    ];
    for input in [
        "9K2RAY8UUQ\n\n59FU36KR46\n",
        "9K2RAY8UUQ\r\n\r\n59FU36KR46\r\n",
        "9K2RAY8UUQ\n\n59FU36KR46",
        "\u{feff}9K2RAY8UUQ\n\n59FU36KR46",
    ] {
        assert_eq!(
            kinds_and_verdicts(&run_with_input(&["check"], input.as_bytes())),
            expected,
            "{input:?}"
        );
    }
    assert_eq!(verdicts(&run_with_input(&["check"], b"")), []);
    assert_eq!(
        kinds_and_verdicts(&run_with_input(&["check"], b"\n")),
        [is("", "unknown", false)]
    );
}

#[test]
fn a_long_code_is_cut_within_no_character() {
    let cut = |input: &str| {
        let output = run_with_input(&["check"], input.as_bytes());
        let mut verdicts = verdicts(&output);
        assert_eq!(verdicts.len(), 2, "the line after it is read");
        assert!(!verdicts[0].is_valid && verdicts[1].is_valid);
        text(&verdicts.remove(0).code).to_owned()
    };
    let after = "\n9K2RAY8UUQ\n";
    assert_eq!(cut(&("A".repeat(256) + after)), "A".repeat(256));
    assert_eq!(cut(&("A".repeat(256) + "\r" + after)), "A".repeat(256));
    assert_eq!(cut(&("A".repeat(257) + after)), "A".repeat(256) + "…");
    assert_eq!(cut(&("A".repeat(100_000) + after)), "A".repeat(256) + "…");
    assert_eq!(
        cut(&("\u{feff}".to_owned() + &"A".repeat(257) + after)),
        "A".repeat(256) + "…"
    );
    for ascii in 250..=256 {
        let input = "A".repeat(ascii) + "😷😷";
        let shown = cut(&(input.clone() + after));
        let kept = shown.strip_suffix('…').unwrap();
        assert!(
            input.starts_with(kept) && (253..=256).contains(&kept.len()),
            "{shown}"
        );
    }
}

/// A line of 300 MB within 200 MB of address space.
#[test]
fn memory_does_not_grow_with_a_line() {
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -v 200000 && exec \"$0\" code check"])
        .arg(env!("CARGO_BIN_EXE_sistema-ts"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let megabyte = vec![b'A'; 1_000_000];
    for _ in 0..300 {
        stdin.write_all(&megabyte).unwrap();
    }
    stdin.write_all(b"\n9K2RAY8UUQ\n").unwrap();
    drop(stdin);
    let verdicts = verdicts(&child.wait_with_output().unwrap());
    assert_eq!(
        verdicts
            .iter()
            .map(|verdict| verdict.is_valid)
            .collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn each_line_is_answered_before_the_next_is_given() {
    let mut child = command(&["check"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        stdin.write_all(b"9K2RAY8UUQ\n").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "9K2RAY8UUQ\totp\tvalid\t\n");
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn assert_failed_with(status: ExitStatus, stderr: &[u8], expected: &str) {
    assert_eq!(status.code(), Some(2));
    assert!(
        text(stderr).starts_with(expected) && !text(stderr).contains("panicked"),
        "{}",
        text(stderr)
    );
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    for (subcommand, code) in [("check", "9K2RAY8UUQ\n"), ("complete", "59FU36KR4\n")] {
        let mut child = command(&[subcommand])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut first = [0; 5];
        stdin.write_all(code.as_bytes()).unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        // Until it has gone, and our own pipe breaks.
        while stdin.write_all(code.as_bytes()).is_ok() {}
        let mut stderr = Vec::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_end(&mut stderr)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert_eq!(text(&stderr), "");
    }
}

#[test]
fn what_cannot_be_read_or_written_is_a_failure() {
    let output = command(&["check", "9K2RAY8UUQ"])
        .stdout(File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_failed_with(
        output.status,
        &output.stderr,
        "sistema-ts: standard output: ",
    );
    let folder = tempfile::tempdir().unwrap();
    let output = command(&["check"])
        .stdin(File::open(folder.path()).unwrap())
        .output()
        .unwrap();
    assert_failed_with(
        output.status,
        &output.stderr,
        "sistema-ts: standard input: ",
    );
    assert_eq!(
        run(&["check", "--kind", "iban", "9K2RAY8UUQ"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn the_help_is_the_pinned_one() {
    for (subcommand, pinned) in [
        ("check", include_str!("../data/help-code-check.txt")),
        ("complete", include_str!("../data/help-code-complete.txt")),
    ] {
        let output = run(&[subcommand, "--help"]);
        assert_eq!(text(&output.stdout), pinned);
        assert_eq!(output.status.code(), Some(0));
    }
}

/// Lines of up to 60 bytes (which is below what is cut), any bytes but a line's end.
fn hostile_lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let any_bytes = prop::collection::vec(
        any::<u8>().prop_filter("no line end", |byte| *byte != b'\n'),
        0..60,
    );
    let any_text =
        "\\PC{0,15}|[A-Z0-9]{10}|CUN-[A-Z1-9]{10}|[A-Z\\t\\\\'\"\\x1b\u{202e}\u{85}\u{2028}]{0,12}";
    let line = prop_oneof![any_bytes, any_text.prop_map(String::into_bytes)];
    prop::collection::vec(
        line.prop_filter("no CR at the end", |line| line.last() != Some(&b'\r')),
        1..200,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_line_has_its_verdict_and_comes_back(lines in hostile_lines()) {
        // The first line may begin with a byte order mark, which is taken off: give it none.
        let input: Vec<u8> = [&b"first"[..]].into_iter().chain(lines.iter().map(Vec::as_slice)).flat_map(|line| [line, b"\n"].concat()).collect();
        let verdicts = verdicts(&run_with_input(&["check"], &input));
        prop_assert_eq!(verdicts.len(), lines.len() + 1);
        for (verdict, line) in verdicts.iter().skip(1).zip(&lines) {
            prop_assert_eq!(&verdict.code, line);
        }
    }
}
