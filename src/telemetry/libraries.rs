//! What becomes of what libraries log.
//!
//! Their texts quote what strangers send (rustls warns of a server name that it cannot read by showing it, whole), and they know no budget. So no
//! text of a library is even formatted, with one exception; what they say from WARN on is counted by library and level, and at `debug` a line
//! says where in the library it was said.
//!
//! The exception is `actix_server`, which knows sockets, threads and the system's errors, and nothing of what a connection carries.

use std::fmt;

use tracing::Level;
use tracing::field::{Field, Visit};

use super::budget::LogBudget;
use super::line::Line;

/// The target of these lines.
const TARGET: &str = "sistema_ts::libraries";
/// Libraries whose text is let through.
const WITH_TEXT: &[&str] = &["actix_server"];

static BUDGET: LogBudget = LogBudget::new("library");

/// Something that a library said.
pub(super) struct Said<'a> {
    /// The module path of who said it.
    pub(super) target: &'a str,
    pub(super) level: Level,
    /// File within the library's source, and line.
    pub(super) place: (Option<&'static str>, Option<u32>),
    /// Writes the text.
    pub(super) text: &'a dyn fmt::Display,
}

impl Said<'_> {
    /// Counts it; a line for the log, if there is to be one.
    pub(super) fn line(&self, debug: bool) -> Option<Line> {
        let library = self.target.split("::").next().unwrap_or_default();
        metrics::counter!(
            "sistema_ts_log_library_events_total",
            "library" => library.to_owned(),
            "level" => self.level.as_str()
        )
        .increment(1);
        let with_text = WITH_TEXT.contains(&library);
        if !(with_text || debug) {
            return None;
        }
        let left_out = BUDGET.take_for(&library)?;
        let (file, line) = self.place;
        // The path of the file on the machine where the program was built is nobody's business.
        let file = file
            .and_then(|file| file.rsplit_once("/src/"))
            .map_or("", |(_, file)| file);
        let said = if with_text {
            Line::new(self.level, TARGET).message(&self.text)
        } else {
            Line::new(Level::DEBUG, TARGET)
                .message(&"a library said something; its text is left out")
                .text("library_level", self.level.as_str())
        };
        let said = said
            .text("library", library)
            .text("place", &format!("{file}:{}", line.unwrap_or_default()))
            .count("left_out", left_out);
        Some(said)
    }
}

/// The message of an event.
#[derive(Default)]
pub(super) struct Message(String);

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Shows the message of an event, which is looked for only where its text is wanted.
pub(super) struct MessageOf<'a, 'e>(pub(super) &'a tracing::Event<'e>);

impl fmt::Display for MessageOf<'_, '_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = Message::default();
        self.0.record(&mut message);
        message.fmt(formatter)
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that the text of a library, which may quote a stranger, gets into the log.
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::LogFormat;

    /// Fails when it is formatted.
    struct Untouchable;

    impl fmt::Display for Untouchable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("a library's text was formatted");
        }
    }

    fn said<'a>(target: &'a str, text: &'a dyn fmt::Display) -> Said<'a> {
        Said {
            target,
            level: Level::WARN,
            place: (
                Some("/somewhere/registry/rustls-0.23/src/msgs/handshake.rs"),
                Some(348),
            ),
            text,
        }
    }

    #[test]
    fn a_librarys_text_is_not_even_formatted_at_any_level() {
        for target in [
            "rustls::msgs::handshake",
            "actix_http::h1",
            "hyper",
            "actix_server_like",
            "",
        ] {
            assert!(said(target, &Untouchable).line(false).is_none());
            let line = said(target, &Untouchable).line(true).unwrap();
            let text = String::from_utf8(line.render(LogFormat::Json)).unwrap();
            assert!(
                text.contains("msgs/handshake.rs:348") && !text.contains("somewhere"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_the_listener_says_of_its_sockets_is_let_through_within_a_budget() {
        let lines: Vec<_> = (0..100)
            .filter_map(|_| said("actix_server::accept", &"too many open files").line(false))
            .collect();
        assert!((1..=10).contains(&lines.len()), "{}", lines.len());
        let text = String::from_utf8(lines[0].render(LogFormat::Text)).unwrap();
        assert!(text.contains("too many open files"), "{text}");
    }
}
