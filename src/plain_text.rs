//! Text as people's programs write it: UTF-8, with or without a byte order mark before it.
//!
//! Editors and spreadsheets of other systems save as UTF-16 what looks like a text to whoever saved it. Nobody can see that in the text, so it
//! is told by name. No message repeats a part of the text.

/// What some programs put before a text in UTF-8. It is no part of the text.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why bytes are not a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// They are UTF-16, in either order of bytes.
    #[error("it is saved as UTF-16: save it as UTF-8")]
    Utf16,
    /// They are not UTF-8: some other character set, or no text at all.
    #[error("line {line} is not UTF-8: save it as UTF-8")]
    NotUtf8 {
        /// The first line that is not, counted from 1.
        line: usize,
    },
}

/// The text in `bytes`, without a byte order mark.
///
/// # Errors
/// [`NotText`].
pub fn text_of(bytes: &[u8]) -> Result<&str, NotText> {
    if is_utf_16(bytes) {
        return Err(NotText::Utf16);
    }
    std::str::from_utf8(without_byte_order_mark(bytes)).map_err(|error| {
        let mark = bytes.len() - without_byte_order_mark(bytes).len();
        let before = &bytes[..mark + error.valid_up_to()];
        NotText::NotUtf8 {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        }
    })
}

/// The bytes behind a byte order mark; all of them if there is none.
#[must_use]
pub fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// Whether a text that begins with these bytes is UTF-16: it has that encoding's mark, or its first character is ASCII in two bytes. A text in
/// UTF-8 has no zero bytes.
#[must_use]
pub fn is_utf_16(beginning: &[u8]) -> bool {
    match beginning {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

/// Whether a line holds nothing but what spreadsheets leave of an empty row: separators, quotation marks and blanks.
#[must_use]
pub fn is_empty_row(line: &[u8]) -> bool {
    line.iter()
        .all(|byte| byte.is_ascii_whitespace() || b";,\"".contains(byte))
}

/// The single value of a row, without the separators, quotation marks and blanks that spreadsheets put around it.
#[must_use]
pub fn single_value(row: &str) -> &str {
    row.trim_matches(|character: char| character.is_whitespace() || ";,\"".contains(character))
}

#[cfg(test)]
mod tests {
    //! A failure means that a text is refused for how a program saved it, or that a person is not told why.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(text_of("\u{feff}città".as_bytes()).unwrap(), "città");
        assert_eq!(text_of("città".as_bytes()).unwrap(), "città");
        assert_eq!(text_of(b"").unwrap(), "");
        // Only one: a second would be somebody's text.
        assert_eq!(
            text_of("\u{feff}\u{feff}a".as_bytes()).unwrap(),
            "\u{feff}a"
        );
    }

    #[test]
    fn utf_16_is_told_by_name_with_and_without_its_mark() {
        let encoded = |text: &str, big: bool| -> Vec<u8> {
            let order = |unit: u16| match big {
                true => unit.to_be_bytes(),
                false => unit.to_le_bytes(),
            };
            text.encode_utf16().flat_map(order).collect()
        };
        for text in [
            "\u{feff}[store]\r\n",
            "[store]\r\n",
            "RSSMRA80A01H501U",
            "\u{feff}è",
        ] {
            for big in [false, true] {
                assert_eq!(
                    text_of(&encoded(text, big)),
                    Err(NotText::Utf16),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn rows_without_a_value_are_empty() {
        for empty in [
            "",
            " ",
            "\t\t",
            "\r",
            ";;;",
            ",,,,",
            "; ;\t; ",
            "\"\";\"\"",
            "\t;,\"\" \r",
        ] {
            assert!(is_empty_row(empty.as_bytes()), "{empty:?}");
            assert_eq!(single_value(empty), "", "{empty:?}");
        }
        for row in ["0", ";;a;", "-", "\u{feff};;", "\u{0};"] {
            assert!(!is_empty_row(row.as_bytes()), "{row:?}");
        }
        for row in [
            "RSSMRA80A01H501U",
            "\"RSSMRA80A01H501U\";;",
            "\tRSSMRA80A01H501U,,\r",
            " ;RSSMRA80A01H501U",
        ] {
            assert_eq!(single_value(row), "RSSMRA80A01H501U", "{row:?}");
        }
        // A second value is no end of the first.
        assert_eq!(single_value("a;b;"), "a;b");
    }

    #[test]
    fn another_character_set_is_told_with_its_line() {
        assert_eq!(
            text_of(b"a\nb\r\ncitt\xe0\n"),
            Err(NotText::NotUtf8 { line: 3 })
        );
        assert_eq!(
            text_of(b"\xEF\xBB\xBFcitt\xe0"),
            Err(NotText::NotUtf8 { line: 1 })
        );
        assert_eq!(text_of(b"\x80"), Err(NotText::NotUtf8 { line: 1 }));
    }
}
