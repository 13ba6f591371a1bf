//! Writes HTML that is well-formed XML as well: elements are closed by construction, and texts are escaped.

use std::fmt::Write as _;

/// A document, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// An element with what is put into it.
    pub fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.start(name, attributes);
        self.0.push('>');
        inside(self);
        // Writing to a String does not fail.
        let _ = write!(self.0, "</{name}>");
    }

    /// An element with a text.
    pub fn text_element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |markup| markup.text(text));
    }

    /// An element that has nothing in it by its kind.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.0.push_str("/>");
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // XML has no other controls; a command or a scenario may hold one all the same.
                control if control.is_control() && !"\n\t".contains(control) => {
                    self.0.push('\u{fffd}');
                }
                other => self.0.push(other),
            }
        }
    }

    /// What is markup already: the style sheet.
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub fn into_string(self) -> String {
        self.0
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let _ = write!(self.0, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.0, " {attribute}=\"");
            self.text(value);
            self.0.push('"');
        }
    }
}

/// A number to three significant digits, with blanks between thousands: `0.0421`, `4.12`, `94.2`, `12 345`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size == 0.0 || size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ if size >= 0.1 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let whole = grouped(whole);
    if rest.is_empty() {
        whole
    } else {
        format!("{whole}.{rest}")
    }
}

/// The same without zeros at the end, for the ticks of an axis.
pub(super) fn tick(value: f64) -> String {
    let text = number(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A count, with blanks between thousands.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            // A narrow blank that does not break.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    //! A failure: a text that is markup to its reader, or a number that says less or more than three digits.

    use super::*;

    #[test]
    fn texts_are_escaped_in_elements_and_attributes() {
        let mut markup = Markup::default();
        markup.element("p", &[("title", "a \"b\" & <c>")], |markup| {
            markup.text("1 < 2 & \u{1}");
            markup.empty("br", &[]);
        });
        assert_eq!(
            markup.into_string(),
            "<p title=\"a &quot;b&quot; &amp; &lt;c&gt;\">1 &lt; 2 &amp; \u{fffd}<br/></p>"
        );
    }

    #[test]
    fn numbers_have_three_digits_and_thousands_are_set_apart() {
        for (value, text) in [
            (0.0, "0"),
            (0.042_13, "0.0421"),
            (0.942, "0.942"),
            (4.123, "4.12"),
            (94.21, "94.2"),
            (942.4, "942"),
            (12_345.6, "12\u{202f}346"),
            (-1_234_567.0, "-1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (tick(0.5), tick(20.0), tick(100.0)),
            ("0.5".into(), "20".into(), "100".into())
        );
        assert_eq!(count(1_000), "1\u{202f}000");
    }
}
