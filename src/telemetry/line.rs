//! One line of the log: bounded in length, and free of line breaks whatever a value holds.
//!
//! tracing's own formatters bound nothing: a value of 60 KB becomes a line of 60 KB, and in its text form a line break within a value begins a
//! new line, which a stranger could word like one of ours.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use chrono::{SecondsFormat, Utc};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::config::LogFormat;

/// Bytes of one value, of the message too; what is longer is cut, and ends with [`CUT`].
const LONGEST_VALUE: usize = 1_024;
/// Bytes of all values of a line together.
const LONGEST_LINE: usize = 4_096;
/// Fields of a line; further ones are left away.
const MOST_FIELDS: usize = 16;
/// What a value that was cut ends with.
const CUT: &str = "…";
/// The field that says how many lines of a kind were left out since the last one.
const LEFT_OUT: &str = "left_out";

enum Value {
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Number(f64),
    Bool(bool),
}

/// What a line says.
pub(super) struct Line {
    level: Level,
    target: &'static str,
    message: String,
    fields: Vec<(&'static str, Value)>,
    /// Bytes that values may still have.
    room: usize,
}

impl Line {
    pub(super) fn new(level: Level, target: &'static str) -> Line {
        Line {
            level,
            target,
            message: String::new(),
            fields: Vec::new(),
            room: LONGEST_LINE,
        }
    }

    pub(super) fn of_event(event: &Event<'_>) -> Line {
        let metadata = event.metadata();
        let mut line = Line::new(*metadata.level(), metadata.target());
        event.record(&mut line);
        line
    }

    pub(super) fn message(mut self, message: &dyn fmt::Display) -> Line {
        self.message = self.cut(format_args!("{message}"));
        self
    }

    pub(super) fn text(mut self, name: &'static str, text: &str) -> Line {
        let text = self.cut(format_args!("{text}"));
        self.add(name, Value::Text(text));
        self
    }

    pub(super) fn count(mut self, name: &'static str, count: u64) -> Line {
        self.add(name, Value::Unsigned(count));
        self
    }

    /// Adds to the number of lines that were left out before this one.
    pub(super) fn left_out(&mut self, more: u64) {
        if more == 0 {
            return;
        }
        for (name, value) in &mut self.fields {
            if let (LEFT_OUT, Value::Unsigned(count)) = (*name, value) {
                *count = count.saturating_add(more);
                return;
            }
        }
        self.add(LEFT_OUT, Value::Unsigned(more));
    }

    fn add(&mut self, name: &'static str, value: Value) {
        if self.fields.len() < MOST_FIELDS {
            self.fields.push((name, value));
        }
    }

    /// The beginning of a text. What lies beyond is not even formatted.
    fn cut(&mut self, text: fmt::Arguments<'_>) -> String {
        let limit = self.room.min(LONGEST_VALUE);
        let mut bounded = Bounded {
            text: String::new(),
            limit,
        };
        // Fails where the text is cut; a value whose own formatting fails is shown as far as it came.
        if bounded.write_fmt(text).is_err() {
            bounded.text.push_str(CUT);
        }
        self.room = self.room.saturating_sub(bounded.text.len());
        bounded.text
    }

    /// The line with its end.
    pub(super) fn render(&self, format: LogFormat) -> Vec<u8> {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut bytes = Vec::with_capacity(256);
        // Writing to a vector cannot fail, and every value can be written as JSON.
        let _ = match format {
            LogFormat::Json => self.render_json(&time, &mut bytes),
            LogFormat::Text => self.render_text(&time, &mut bytes),
        };
        bytes.push(b'\n');
        bytes
    }

    fn render_json(&self, time: &str, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        write!(
            bytes,
            "{{\"timestamp\":\"{time}\",\"level\":\"{}\"",
            self.level
        )?;
        write!(bytes, ",\"message\":")?;
        serde_json::to_writer(&mut *bytes, &self.message)?;
        for (name, value) in &self.fields {
            write!(bytes, ",\"{name}\":")?;
            match value {
                Value::Text(text) => serde_json::to_writer(&mut *bytes, text)?,
                Value::Unsigned(number) => write!(bytes, "{number}")?,
                Value::Signed(number) => write!(bytes, "{number}")?,
                Value::Number(number) => serde_json::to_writer(&mut *bytes, number)?,
                Value::Bool(value) => write!(bytes, "{value}")?,
            }
        }
        write!(bytes, ",\"target\":\"{}\"}}", self.target)
    }

    /// The message and its fields, without time and target.
    pub(super) fn for_a_person(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to a vector cannot fail.
        let _ = self.render_message(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn render_text(&self, time: &str, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let (level, target) = (self.level, self.target);
        write!(bytes, "{time} {level:>5} {target}: ")?;
        self.render_message(bytes)
    }

    fn render_message(&self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        write!(bytes, "{}", Plain(&self.message))?;
        for (name, value) in &self.fields {
            write!(bytes, " {name}=")?;
            match value {
                Value::Text(text) => write!(bytes, "{text:?}")?,
                Value::Unsigned(number) => write!(bytes, "{number}")?,
                Value::Signed(number) => write!(bytes, "{number}")?,
                Value::Number(number) => write!(bytes, "{number}")?,
                Value::Bool(value) => write!(bytes, "{value}")?,
            }
        }
        Ok(())
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = self.cut(format_args!("{value:?}"));
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field.name(), Value::Text(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.cut(format_args!("{value}"));
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field.name(), Value::Text(text));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), Value::Unsigned(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), Value::Signed(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), Value::Number(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), Value::Bool(value));
    }
}

/// Takes text up to a limit and refuses the rest, so that whoever formats it stops.
struct Bounded {
    text: String,
    limit: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        if part.len() <= room {
            self.text.push_str(part);
            return Ok(());
        }
        self.text.push_str(&part[..part.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

/// A message without control characters, so that it stays one line.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for symbol in self.0.chars() {
            if symbol.is_control() || matches!(symbol, '\u{2028}' | '\u{2029}') {
                write!(formatter, "{}", symbol.escape_default())?;
            } else {
                formatter.write_char(symbol)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that one line of the log can be as long as somebody likes, or that a value can pass for a line.
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rendered(line: &Line, format: LogFormat) -> String {
        String::from_utf8(line.render(format)).unwrap()
    }

    #[test]
    fn values_are_cut_one_by_one_and_together() {
        let long = "è".repeat(40_000);
        let mut line = Line::new(Level::WARN, "security").message(&long);
        for name in ["a", "b", "c", "d", "e", "f", "g"] {
            line = line.text(name, &long);
        }
        for count in 0..100 {
            line = line.count("n", count);
        }
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = rendered(&line, format);
            assert!(text.len() < LONGEST_LINE + 1_024, "{}", text.len());
            assert!(text.contains(CUT), "{text}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&rendered(&line, LogFormat::Json)).unwrap();
        let first = json["message"].as_str().unwrap();
        assert!(first.len() <= LONGEST_VALUE + CUT.len() && first.ends_with(CUT));
    }

    #[test]
    fn a_value_with_line_breaks_and_quotes_stays_within_its_line() {
        let forged = "x\n2026-11-27T00:00:00Z ERROR security: forged\r\u{1b}[31m\"\u{2028}";
        let line = Line::new(Level::INFO, "security")
            .message(&forged)
            .text("value", forged);
        for format in [LogFormat::Json, LogFormat::Text] {
            let text = rendered(&line, format);
            let (body, end) = text.split_at(text.len() - 1);
            assert_eq!(end, "\n");
            assert!(!body.chars().any(char::is_control), "{text:?}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&rendered(&line, LogFormat::Json)).unwrap();
        assert_eq!(json["value"], forged);
    }

    #[test]
    fn lines_left_out_are_added_to_what_the_line_says_of_them() {
        let mut line = Line::new(Level::INFO, "security").count(LEFT_OUT, 2);
        line.left_out(3);
        assert!(rendered(&line, LogFormat::Text).ends_with("left_out=5\n"));
        let mut line = Line::new(Level::INFO, "security");
        line.left_out(0);
        line.left_out(4);
        assert!(rendered(&line, LogFormat::Json).contains("\"left_out\":4"));
    }
}
