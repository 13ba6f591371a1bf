//! `sistema-ts admin operator import`: a file of operators, one codice fiscale a line.

use std::io::{self, BufRead, Read as _};
use std::path::Path;

use serde_json::json;
use sistema_ts_model::{Caller, CodiceFiscale, CodiceFiscaleOptions};
use sistema_ts_store::register::{Profiles, RegisterChange, RegisterError};
use zeroize::{Zeroize as _, Zeroizing};

use super::context::Context;
use crate::cli::error::{AdminError, CliError};
use crate::cli::person::open_file;
use crate::plain_text::{NotText, is_utf_16, single_value, without_byte_order_mark};

/// No line of the file is longer, in bytes.
const LONGEST_LINE: usize = 256;

/// What became of the lines.
#[derive(Default)]
struct Summary {
    added: u64,
    known: u64,
    wrong: u64,
    /// Rows without a value, as spreadsheets leave them.
    empty: u64,
}

/// Registers line by line, all with these profiles; those who are registered already stay as they are. A wrong line is told by its number,
/// never by what it holds, and skipped.
pub(super) async fn import(
    context: &Context,
    caller: Caller,
    profiles: Profiles,
    file: &Path,
) -> Result<(), CliError> {
    let mut lines = Lines::of(open_file(file)?);
    let mut summary = Summary::default();
    let failed = |reason| AdminError::Unreadable {
        what: file.display().to_string(),
        reason,
    };
    let mut stopped = None;
    while let Some((number, line)) = lines.next().map_err(failed)? {
        if line.is_some_and(|line| line.is_empty()) {
            summary.empty += 1;
            continue;
        }
        let parse = |line| CodiceFiscale::parse_spoken(line, CodiceFiscaleOptions::default());
        let fiscal_code = match line.map(parse) {
            Some(Ok(fiscal_code)) => fiscal_code,
            told => {
                summary.wrong += 1;
                match told {
                    Some(Err(error)) => eprintln!("line {number}: {error}"),
                    _ => eprintln!("line {number}: no codice fiscale"),
                }
                continue;
            }
        };
        let operator = RegisterChange::AddOperator {
            caller,
            fiscal_code,
            profiles,
        };
        match context.register.change(operator, context.act()).await {
            Ok(()) => summary.added += 1,
            Err(RegisterError::Exists(_)) => summary.known += 1,
            Err(reason) => {
                stopped = Some(AdminError::StoppedAt {
                    line: number,
                    reason,
                });
                break;
            }
        }
    }
    context.output.fields(&[
        ("registered", json!(summary.added)),
        ("registered_before", json!(summary.known)),
        ("wrong_lines", json!(summary.wrong)),
        ("empty_lines", json!(summary.empty)),
    ])?;
    match stopped {
        Some(error) => Err(error.into()),
        None if summary.wrong > 0 => Err(AdminError::WrongLines(summary.wrong).into()),
        None => Ok(()),
    }
}

/// The lines of a file, with their numbers, in a memory that does not grow with them.
struct Lines<S> {
    source: S,
    number: u64,
    line: Zeroizing<Vec<u8>>,
}

impl<S: BufRead> Lines<S> {
    fn of(source: S) -> Self {
        Lines {
            source,
            number: 0,
            line: Zeroizing::new(Vec::with_capacity(LONGEST_LINE + 1)),
        }
    }

    /// The value of the next, empty for an empty row; `None` in the place of a text that is too long or not UTF-8.
    fn next(&mut self) -> io::Result<Option<(u64, Option<&str>)>> {
        if !self.read()? {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = self.line.len() <= LONGEST_LINE || self.line.ends_with(b"\n");
        if !is_whole {
            self.skip_rest()?;
            return Ok(Some((self.number, None)));
        }
        let mut line = &self.line[..];
        if self.number == 1 {
            if is_utf_16(line) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, NotText::Utf16));
            }
            line = without_byte_order_mark(line);
        }
        let text = std::str::from_utf8(line).map(single_value);
        Ok(Some((self.number, text.ok())))
    }

    /// Reads a line, or as much of it as shows that it is too long; whether there was one.
    fn read(&mut self) -> io::Result<bool> {
        self.line.zeroize();
        let most = LONGEST_LINE as u64 + 1;
        let read = self.source.by_ref().take(most);
        Ok({ read }.read_until(b'\n', &mut self.line)? > 0)
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        while !self.line.ends_with(b"\n") && self.read()? {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a line of a file is taken for another, or that a file without an end of line fills the memory.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_keep_their_numbers_whatever_the_others_hold() {
        let long = "x".repeat(5 * LONGEST_LINE);
        let exact = "y".repeat(LONGEST_LINE);
        let mut file =
            format!("\u{feff}first\r\n;;;\n \t \n{long}\n\"fifth\";\n{exact}\n").into_bytes();
        file.extend(b"\xff\n eighth ");
        let mut lines = Lines::of(&file[..]);
        let mut read = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            read.push((number, line.map(str::to_owned)));
            assert!(lines.line.capacity() <= LONGEST_LINE + 1);
        }
        let expected = [
            (1, Some("first")),
            (2, Some("")),
            (3, Some("")),
            (4, None),
            (5, Some("fifth")),
            (6, Some(&*exact)),
            (7, None),
            (8, Some("eighth")),
        ];
        assert_eq!(
            read,
            expected.map(|(number, line)| (number, line.map(str::to_owned)))
        );
    }

    #[test]
    fn a_first_line_may_be_a_byte_order_mark_alone_and_utf_16_is_told() {
        let mut lines = Lines::of("\u{feff}\r\nsecond".as_bytes());
        assert_eq!(lines.next().unwrap(), Some((1, Some(""))));
        assert_eq!(lines.next().unwrap(), Some((2, Some("second"))));
        assert_eq!(lines.next().unwrap(), None);
        let utf_16: Vec<u8> = "first\r\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let told = Lines::of(&utf_16[..]).next().unwrap_err().to_string();
        assert!(told.contains("UTF-16"), "{told}");
    }
}
