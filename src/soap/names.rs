//! Names, characters and references of XML 1.0 (fifth edition) and of Namespaces in XML 1.0.

use std::borrow::Cow;

use super::fault::Malformed;

/// A name split at its colon; the prefix is empty if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QualifiedName<'a> {
    pub prefix: &'a str,
    pub local: &'a str,
}

const START: u8 = 1;
const INSIDE: u8 = 2;
const COLON: u8 = 3;
const OTHER: u8 = 4;

/// The class of each byte in a name: 0 ends it.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => START,
            b'0'..=b'9' | b'-' | b'.' => INSIDE,
            b':' => COLON,
            0x80.. => OTHER,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Whether a byte is white space in XML.
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether all of a text is white space.
pub(super) fn is_all_blank(text: &str) -> bool {
    text.bytes().all(is_blank)
}

/// Reads the qualified name at the start of `text`; what follows it is the caller's to judge.
pub(super) fn read_name(text: &str) -> Result<(QualifiedName<'_>, usize), Malformed> {
    let bytes = text.as_bytes();
    let mut colon = None;
    let mut at = 0;
    let mut expects_start = true;
    while let Some(&byte) = bytes.get(at) {
        match CLASSES[byte as usize] {
            START => at += 1,
            INSIDE if !expects_start => at += 1,
            COLON if colon.is_none() && !expects_start => {
                colon = Some(at);
                at += 1;
                expects_start = true;
                continue;
            }
            OTHER => {
                // `at` is on a boundary: only whole characters were passed.
                let character = text[at..].chars().next().ok_or(Malformed::Syntax)?;
                if !is_name_character(character, expects_start) {
                    return Err(Malformed::Syntax);
                }
                at += character.len_utf8();
            }
            0 => break,
            _ => return Err(Malformed::Syntax),
        }
        expects_start = false;
    }
    if expects_start {
        return Err(Malformed::Syntax);
    }
    let name = match colon {
        Some(colon) => QualifiedName {
            prefix: &text[..colon],
            local: &text[colon + 1..at],
        },
        None => QualifiedName {
            prefix: "",
            local: &text[..at],
        },
    };
    Ok((name, at))
}

/// The characters above ASCII that a name may hold, at its start or inside.
fn is_name_character(character: char, at_start: bool) -> bool {
    let start = matches!(character,
        '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}');
    start
        || !at_start
            && matches!(character, '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether XML 1.0 allows a character in a document.
pub(super) const fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The character that a reference stands for; `name` is what lies between `&` and `;`.
pub(super) fn resolve_reference(name: &str) -> Result<char, Malformed> {
    match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => {}
    }
    let number = name.strip_prefix('#').ok_or(Malformed::Reference)?;
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    if digits.is_empty() {
        return Err(Malformed::Reference);
    }
    let mut value = 0_u32;
    for digit in digits.chars() {
        let digit = digit.to_digit(radix).ok_or(Malformed::Reference)?;
        value = value
            .checked_mul(radix)
            .and_then(|value| value.checked_add(digit))
            .ok_or(Malformed::Reference)?;
    }
    char::from_u32(value)
        .filter(|&character| is_character(character))
        .ok_or(Malformed::Reference)
}

/// The value of an attribute: white space becomes blanks, references are resolved; `<` is refused.
pub(super) fn attribute_value(raw: &str) -> Result<Cow<'_, str>, Malformed> {
    let special = |byte: u8| matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r');
    if !raw.bytes().any(special) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(special) {
        value.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'<' => return Err(Malformed::Syntax),
            b'&' => {
                let reference = &rest[at + 1..];
                let end = reference.find(';').ok_or(Malformed::Reference)?;
                value.push(resolve_reference(&reference[..end])?);
                rest = &reference[end + 1..];
            }
            // A line end of two characters is one.
            b'\r' if rest.as_bytes().get(at + 1) == Some(&b'\n') => rest = &rest[at + 1..],
            _ => {
                value.push(' ');
                rest = &rest[at + 1..];
            }
        }
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

#[cfg(test)]
mod tests {
    //! Failure here means that a name, reference or attribute value is read otherwise than XML 1.0 says.
    use super::*;

    #[test]
    fn a_name_ends_before_the_first_character_that_no_name_may_hold() {
        for (text, prefix, local, length) in [
            ("a", "", "a", 1),
            ("a:b c", "a", "b", 3),
            ("_x-1.y>", "", "_x-1.y", 6),
            ("città=", "", "città", 6),
            ("à:é/", "à", "é", 5),
        ] {
            assert_eq!(
                read_name(text),
                Ok((QualifiedName { prefix, local }, length))
            );
        }
        for text in [
            "", " a", "1a", "-a", ":a", "a:", "a:1", "a:b:c", "\u{B7}a", "a\u{D7}",
        ] {
            assert_eq!(read_name(text), Err(Malformed::Syntax), "{text:?}");
        }
    }

    #[test]
    fn references_stand_for_allowed_characters_only() {
        for (name, character) in [
            ("amp", '&'),
            ("apos", '\''),
            ("#65", 'A'),
            ("#x1F600", '\u{1F600}'),
            ("#00009", '\t'),
        ] {
            assert_eq!(resolve_reference(name), Ok(character));
        }
        for name in [
            "",
            "#",
            "#x",
            "nbsp",
            "AMP",
            "#X41",
            "#0",
            "#8",
            "#xD800",
            "#xFFFE",
            "#x110000",
            "#4294967361",
            "#-1",
            "#+65",
            " amp",
            "amp ",
            "#6 5",
        ] {
            assert_eq!(
                resolve_reference(name),
                Err(Malformed::Reference),
                "{name:?}"
            );
        }
    }

    #[test]
    fn attribute_values_are_normalized() {
        assert_eq!(attribute_value("urn:a").as_deref(), Ok("urn:a"));
        assert_eq!(
            attribute_value("a\tb\r\nc\rd\ne").as_deref(),
            Ok("a b c d e")
        );
        assert_eq!(attribute_value("&#10;&lt;&#x20;").as_deref(), Ok("\n< "));
        assert_eq!(attribute_value("a<b"), Err(Malformed::Syntax));
        assert_eq!(attribute_value("a&b"), Err(Malformed::Reference));
        assert_eq!(attribute_value("a&b;"), Err(Malformed::Reference));
    }
}
