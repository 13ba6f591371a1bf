//! Escaping of text on its way out.

/// Appends character data: markup characters as entities, and what XML 1.0 cannot carry as U+FFFD.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let replacement: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            // A literal carriage return would be read back as a line feed.
            b'\r' => b"&#13;",
            b'\t' | b'\n' => continue,
            0..0x20 => "\u{FFFD}".as_bytes(),
            // U+FFFE and U+FFFF: the only other characters of a str that XML 1.0 forbids.
            0xBE | 0xBF if index >= 2 && bytes[index - 2..index] == [0xEF, 0xBF] => {
                out.extend_from_slice(&bytes[done..index - 2]);
                out.extend_from_slice("\u{FFFD}".as_bytes());
                done = index + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..index]);
        out.extend_from_slice(replacement);
        done = index + 1;
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Appends the value of an attribute that stands in double quotes.
pub(super) fn push_attribute(out: &mut Vec<u8>, value: &str) {
    let mut parts = value.split('"');
    // A split always yields at least one part.
    push_text(out, parts.next().unwrap_or_default());
    for part in parts {
        out.extend_from_slice(b"&quot;");
        push_text(out, part);
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means that a value could break out of its element, or change on its way.
    use super::*;

    fn text(value: &str) -> String {
        let mut out = Vec::new();
        push_text(&mut out, value);
        String::from_utf8(out).expect("escaping keeps UTF-8")
    }

    #[test]
    fn markup_is_escaped_and_the_rest_is_kept() {
        assert_eq!(text("a<b>&c\"'"), "a&lt;b&gt;&amp;c\"'");
        assert_eq!(text("]]>"), "]]&gt;");
        assert_eq!(text("à\u{1F600}\t\n"), "à\u{1F600}\t\n");
        assert_eq!(text("\r"), "&#13;");
        assert_eq!(text(""), "");
    }

    #[test]
    fn characters_outside_xml_are_replaced() {
        assert_eq!(text("a\0b\u{1F}"), "a\u{FFFD}b\u{FFFD}");
        assert_eq!(text("\u{FFFE}x\u{FFFF}"), "\u{FFFD}x\u{FFFD}");
        assert_eq!(text("\u{FFBF}\u{FFFD}"), "\u{FFBF}\u{FFFD}");
    }

    #[test]
    fn no_value_ends_the_attribute_in_which_it_stands() {
        let mut out = Vec::new();
        push_attribute(&mut out, "a\"b\"<");
        assert_eq!(out, b"a&quot;b&quot;&lt;");
    }
}
