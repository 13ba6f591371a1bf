//! From the bytes of a body to its characters: byte order mark, XML declaration, charset.

use std::borrow::Cow;

use super::fault::{EncodingProblem, Malformed, Position, SoapFault};
use super::media_type::Charset;
use super::names::is_blank;

/// A body as characters, every one of them allowed in XML 1.0.
pub struct BodyText<'a> {
    text: Cow<'a, str>,
    /// Where the XML declaration ends.
    start: usize,
}

impl BodyText<'_> {
    /// The whole document, without byte order mark.
    pub(super) fn document(&self) -> &str {
        &self.text
    }

    /// Where the document begins behind its XML declaration.
    pub(super) fn start(&self) -> usize {
        self.start
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads the bytes of a body. `charset` is what the Content-Type says. Copies only what is in ISO-8859-1 and not ASCII.
///
/// # Errors
/// A fault if the charset, the byte order mark and the declaration disagree, if the bytes are not in that encoding, if a
/// character is not allowed in XML 1.0, or if the XML declaration is wrong.
pub fn body_text(body: &[u8], charset: Charset) -> Result<BodyText<'_>, SoapFault> {
    let (bytes, marked) = match body.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (rest, true),
        None => (body, false),
    };
    if bytes.starts_with(b"\xFE\xFF") || bytes.starts_with(b"\xFF\xFE") {
        // UTF-16.
        return Err(SoapFault::Encoding(EncodingProblem::Contradiction));
    }
    let declaration = read_declaration(bytes)?;
    let says = |encoding| charset == encoding || declaration.encoding == Some(encoding);
    let latin1 = says(Charset::Latin1);
    if latin1 && (marked || says(Charset::Utf8)) {
        return Err(SoapFault::Encoding(EncodingProblem::Contradiction));
    }
    let (has_forbidden, is_ascii) = survey(bytes);
    if has_forbidden && let Some(at) = bytes.iter().position(|&byte| is_forbidden_control(byte)) {
        return Err(forbidden_character(bytes, at));
    }
    if !is_ascii && says(Charset::Ascii) {
        return Err(SoapFault::Encoding(EncodingProblem::NotAscii));
    }
    let text = if is_ascii || !latin1 {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| SoapFault::Encoding(EncodingProblem::NotUtf8))?;
        Cow::Borrowed(text)
    } else {
        Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect())
    };
    if !is_ascii && !latin1 {
        for forbidden in ["\u{FFFE}", "\u{FFFF}"] {
            if let Some(at) = memchr::memmem::find(bytes, forbidden.as_bytes()) {
                return Err(forbidden_character(bytes, at));
            }
        }
    }
    Ok(BodyText {
        text,
        start: declaration.length,
    })
}

/// Bytes that are forbidden characters in either encoding; the others above ASCII are U+FFFE and U+FFFF alone.
const fn is_forbidden_control(byte: u8) -> bool {
    (byte < 0x20) & !is_blank(byte)
}

/// Whether there is a forbidden control character, and whether all is ASCII. Every byte is looked at without a branch, which
/// the compiler turns into many at once.
fn survey(bytes: &[u8]) -> (bool, bool) {
    let (forbidden, union) = bytes.iter().fold((0, 0), |(forbidden, union), &byte| {
        (
            forbidden | u8::from(is_forbidden_control(byte)),
            union | byte,
        )
    });
    (forbidden != 0, union < 0x80)
}

fn forbidden_character(bytes: &[u8], at: usize) -> SoapFault {
    let before = &bytes[..at];
    let line_start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |at| at + 1);
    SoapFault::Malformed {
        problem: Malformed::Character,
        position: Some(Position {
            line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..])
                .chars()
                .count()
                + 1,
        }),
    }
}

struct Declaration {
    length: usize,
    encoding: Option<Charset>,
}

/// Reads `<?xml version="1.0" encoding="…" standalone="…"?>`, if the document begins with it.
fn read_declaration(bytes: &[u8]) -> Result<Declaration, SoapFault> {
    let wrong = || SoapFault::Malformed {
        problem: Malformed::Declaration,
        position: Some(Position { line: 1, column: 1 }),
    };
    let begins = bytes.starts_with(b"<?xml") && bytes.get(5).is_some_and(|&byte| is_blank(byte));
    if !begins {
        return Ok(Declaration {
            length: 0,
            encoding: None,
        });
    }
    let end = memchr::memmem::find(bytes, b"?>").ok_or_else(wrong)?;
    let mut rest = &bytes[5..end];
    let version = read_pseudo_attribute(&mut rest, b"version")
        .ok_or_else(wrong)?
        .ok_or_else(wrong)?;
    if version != b"1.0" {
        return Err(SoapFault::XmlVersion);
    }
    let encoding = read_pseudo_attribute(&mut rest, b"encoding")
        .ok_or_else(wrong)?
        .map(|name| Charset::named(name).ok_or(SoapFault::Encoding(EncodingProblem::Unknown)))
        .transpose()?;
    match read_pseudo_attribute(&mut rest, b"standalone").ok_or_else(wrong)? {
        None | Some(b"yes" | b"no") => {}
        Some(_) => return Err(wrong()),
    }
    if !rest.iter().all(|&byte| is_blank(byte)) {
        return Err(wrong());
    }
    Ok(Declaration {
        length: end + 2,
        encoding,
    })
}

/// Reads ` name="value"` off the start of `rest`. `None`: malformed; `Some(None)`: something else comes next.
#[expect(
    clippy::option_option,
    reason = "three answers, told apart where it is called"
)]
fn read_pseudo_attribute<'a>(rest: &mut &'a [u8], name: &[u8]) -> Option<Option<&'a [u8]>> {
    let trimmed = rest.trim_ascii_start();
    let Some(after_name) = trimmed.strip_prefix(name) else {
        return Some(None);
    };
    if trimmed.len() == rest.len() {
        return None;
    }
    let after_equals = after_name.trim_ascii_start().strip_prefix(b"=")?;
    let quoted = after_equals.trim_ascii_start();
    let &quote = quoted
        .first()
        .filter(|&&byte| byte == b'"' || byte == b'\'')?;
    let value = &quoted[1..];
    let end = memchr::memchr(quote, value)?;
    *rest = &value[end + 1..];
    Some(Some(&value[..end]))
}

#[cfg(test)]
mod tests {
    //! Failure here means that a body is read in another encoding than it says, or that one which contradicts itself is read.
    use super::*;

    const UTF8: &[u8] = "<a>à</a>".as_bytes();
    const LATIN1: &[u8] = b"<a>\xE0</a>";

    fn read(parts: &[&[u8]], charset: Charset) -> Result<String, SoapFault> {
        body_text(&parts.concat(), charset).map(|body| body.text[body.start..].to_owned())
    }

    #[test]
    fn every_consistent_way_of_saying_the_encoding_is_read() {
        let utf8_declared = b"<?xml version='1.0' encoding=\"utf-8\" ?>";
        let latin1_declared = b"<?xml version=\"1.0\" encoding='iso-8859-1' standalone='no'?>";
        let none = b"<?xml\tversion = '1.0'\n?>";
        for (parts, charset) in [
            (&[UTF8][..], Charset::Unstated),
            (&[UTF8], Charset::Utf8),
            (&[BYTE_ORDER_MARK, UTF8], Charset::Unstated),
            (&[BYTE_ORDER_MARK, utf8_declared, UTF8], Charset::Utf8),
            (&[none, UTF8], Charset::Utf8),
            (&[LATIN1], Charset::Latin1),
            (&[none, LATIN1], Charset::Latin1),
            (&[latin1_declared, LATIN1], Charset::Latin1),
            (&[latin1_declared, LATIN1], Charset::Unstated),
        ] {
            assert_eq!(read(parts, charset).as_deref(), Ok("<a>à</a>"));
        }
    }

    #[test]
    fn every_alias_in_the_declaration_is_read() {
        for (name, body, charset) in [
            ("utf8", UTF8, Charset::Unstated),
            ("UTF8", UTF8, Charset::Utf8),
            ("latin1", LATIN1, Charset::Unstated),
            ("iso8859-1", LATIN1, Charset::Latin1),
            ("ISO8859_1", LATIN1, Charset::Unstated),
        ] {
            for quote in ['"', '\''] {
                let declaration = format!("<?xml version='1.0' encoding={quote}{name}{quote}?>");
                let text = read(&[declaration.as_bytes(), body], charset);
                assert_eq!(text.as_deref(), Ok("<a>à</a>"), "{declaration}");
            }
        }
    }

    #[test]
    fn ascii_goes_with_every_encoding_and_holds_nothing_else() {
        let declared = b"<?xml version='1.0' encoding='us-ascii'?>";
        for charset in [
            Charset::Ascii,
            Charset::Utf8,
            Charset::Latin1,
            Charset::Unstated,
        ] {
            let text = read(&[declared, b"<a>&#xe0;</a>"], charset);
            assert_eq!(text.as_deref(), Ok("<a>&#xe0;</a>"));
            for body in [UTF8, LATIN1] {
                assert_eq!(
                    read(&[declared, body], charset),
                    Err(SoapFault::Encoding(EncodingProblem::NotAscii))
                );
            }
        }
        assert_eq!(
            read(&[UTF8], Charset::Ascii),
            Err(SoapFault::Encoding(EncodingProblem::NotAscii))
        );
    }

    #[test]
    fn encodings_that_contradict_each_other_are_refused() {
        let utf8_declared = b"<?xml version='1.0' encoding='UTF-8'?>";
        let latin1_declared = b"<?xml version='1.0' encoding='ISO-8859-1'?>";
        for (parts, charset) in [
            (&[&utf8_declared[..], LATIN1][..], Charset::Latin1),
            (&[latin1_declared, UTF8], Charset::Utf8),
            (&[BYTE_ORDER_MARK, UTF8], Charset::Latin1),
            (&[BYTE_ORDER_MARK, latin1_declared, UTF8], Charset::Unstated),
            (&[b"\xFF\xFE<\0a\0/\0>\0"], Charset::Unstated),
        ] {
            assert_eq!(
                read(parts, charset),
                Err(SoapFault::Encoding(EncodingProblem::Contradiction))
            );
        }
        assert_eq!(
            read(&[LATIN1], Charset::Utf8),
            Err(SoapFault::Encoding(EncodingProblem::NotUtf8))
        );
        assert_eq!(
            read(
                &[b"<?xml version='1.0' encoding='UTF-16'?>", UTF8],
                Charset::Utf8
            ),
            Err(SoapFault::Encoding(EncodingProblem::Unknown))
        );
    }

    #[test]
    fn only_version_1_0_and_only_the_grammar_of_a_declaration() {
        assert_eq!(
            read(&[b"<?xml version='1.1'?>", UTF8], Charset::Utf8),
            Err(SoapFault::XmlVersion)
        );
        for declaration in [
            "<?xml ?>",
            "<?xml encoding='UTF-8'?>",
            "<?xml encoding='UTF-8' version='1.0'?>",
            "<?xml version='1.0'encoding='UTF-8'?>",
            "<?xml version='1.0' standalone='maybe'?>",
            "<?xml version='1.0' standalone='yes' encoding='UTF-8'?>",
            "<?xml version='1.0' other='x'?>",
            "<?xml version=1.0?>",
            "<?xml version='1.0\"?>",
            "<?xml version='1.0'>",
        ] {
            let fault = read(&[declaration.as_bytes(), UTF8], Charset::Utf8);
            assert!(
                matches!(
                    fault,
                    Err(SoapFault::Malformed {
                        problem: Malformed::Declaration,
                        ..
                    })
                ),
                "{declaration}: {fault:?}"
            );
        }
    }

    #[test]
    fn forbidden_characters_are_found_wherever_they_are() {
        for (body, column) in [
            ("<a>\u{1}</a>", 4),
            ("<a b='\u{FFFE}'/>", 7),
            ("<a>à\u{FFFF}</a>", 5),
            ("\0", 1),
        ] {
            assert_eq!(
                read(&[body.as_bytes()], Charset::Utf8),
                Err(SoapFault::Malformed {
                    problem: Malformed::Character,
                    position: Some(Position { line: 1, column })
                })
            );
        }
        // In ISO-8859-1 those bytes are three ordinary characters.
        assert_eq!(
            read(&["\u{FFFE}".as_bytes()], Charset::Latin1).as_deref(),
            Ok("ï¿¾")
        );
    }
}
