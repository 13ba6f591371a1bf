//! What a request says about its body: media type, charset, codings.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

/// The charsets a request may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Named UTF-8.
    Utf8,
    /// Named ISO-8859-1.
    Latin1,
    /// Named US-ASCII.
    Ascii,
    /// Not named: the byte order mark and the XML declaration decide.
    Unstated,
}

/// The names of the encodings that are read, as the IANA registers them, and as programs write them besides. Windows-1252 is none of
/// them: it has other characters where ISO-8859-1 has controls.
const NAMES: [(Charset, &[&str]); 3] = [
    (Charset::Utf8, &["utf-8", "utf8", "utf_8", "csutf8"]),
    (
        Charset::Latin1,
        &[
            "iso-8859-1",
            "iso_8859-1",
            "iso_8859-1:1987",
            "iso8859-1",
            "iso8859_1",
            "iso88591",
            "8859_1",
            "iso-ir-100",
            "latin1",
            "latin-1",
            "l1",
            "ibm819",
            "cp819",
            "csisolatin1",
        ],
    ),
    (
        Charset::Ascii,
        &[
            "us-ascii",
            "ascii",
            "iso646-us",
            "iso_646.irv:1991",
            "iso-ir-6",
            "ansi_x3.4-1968",
            "ansi_x3.4-1986",
            "us",
            "ibm367",
            "cp367",
            "csascii",
        ],
    ),
];

impl Charset {
    /// The encoding of this name, in either case; `None` for one that is not read. For `Content-Type` and XML declaration alike.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, names)| {
                names
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
            })
            .map(|&(charset, _)| charset)
    }
}

/// Why a body is not read. Status 415 for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// No `Content-Type`.
    #[error("Content-Type is missing: text/xml is required")]
    Missing,
    /// `Content-Type` more than once, or not readable.
    #[error("Content-Type cannot be read")]
    Malformed,
    /// SOAP 1.2's own type.
    #[error("SOAP 1.2 (application/soap+xml) is not spoken here: SOAP 1.1 with text/xml is")]
    Soap12,
    /// Attachments (MTOM, SwA).
    #[error("multipart messages (MTOM, attachments) are not accepted: text/xml is")]
    Multipart,
    /// Any other media type.
    #[error("this media type is not accepted: text/xml is")]
    NotXml,
    /// A charset other than UTF-8, ISO-8859-1 and US-ASCII.
    #[error("this charset is not accepted: UTF-8 and ISO-8859-1 are")]
    Charset,
    /// A `Content-Encoding` such as gzip.
    #[error("Content-Encoding is not accepted: send the body as it is")]
    Encoding,
}

/// Checks `Content-Type` and `Content-Encoding` of a SOAP 1.1 request and tells the charset named there.
///
/// # Errors
/// [`MediaTypeError`]: the request is to be refused with 415.
pub fn check_media_type(headers: &HeaderMap) -> Result<Charset, MediaTypeError> {
    let mut types = headers.get_all(CONTENT_TYPE);
    let content_type = types.next().ok_or(MediaTypeError::Missing)?;
    if types.next().is_some() {
        return Err(MediaTypeError::Malformed);
    }
    let charset = charset_of(content_type.as_bytes())?;
    let coded = |value: &HeaderValue| {
        !value.as_bytes().trim_ascii().is_empty()
            && !value
                .as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(b"identity")
    };
    if headers.get_all(CONTENT_ENCODING).any(coded) {
        return Err(MediaTypeError::Encoding);
    }
    Ok(charset)
}

/// Reads the value of a `Content-Type` header: `text/xml`, with or without a charset.
///
/// # Errors
/// [`MediaTypeError`], never `Missing` or `Encoding`.
pub fn charset_of(content_type: &[u8]) -> Result<Charset, MediaTypeError> {
    // What nearly everybody sends, without a parse.
    if content_type.eq_ignore_ascii_case(b"text/xml; charset=utf-8")
        || content_type.eq_ignore_ascii_case(b"text/xml;charset=utf-8")
    {
        return Ok(Charset::Utf8);
    }
    let (essence, mut parameters) = split_at_byte(content_type, b';');
    let essence = essence.trim_ascii();
    if !essence.eq_ignore_ascii_case(b"text/xml") {
        return Err(if essence.eq_ignore_ascii_case(b"application/soap+xml") {
            MediaTypeError::Soap12
        } else if essence.len() >= 10 && essence[..10].eq_ignore_ascii_case(b"multipart/") {
            MediaTypeError::Multipart
        } else {
            MediaTypeError::NotXml
        });
    }
    let mut charset = Charset::Unstated;
    while let Some(rest) = parameters {
        let (name, value, next) = parameter(rest)?;
        if name.eq_ignore_ascii_case(b"charset") {
            if charset != Charset::Unstated {
                return Err(MediaTypeError::Malformed);
            }
            charset = Charset::named(without_apostrophes(value)).ok_or(MediaTypeError::Charset)?;
        }
        parameters = next;
    }
    Ok(charset)
}

/// Reads one `name=value` up to its `;`: name, value without quotes, and what follows.
#[expect(clippy::type_complexity, reason = "three slices of the same header")]
fn parameter(text: &[u8]) -> Result<(&[u8], &[u8], Option<&[u8]>), MediaTypeError> {
    let equals = text.iter().position(|&byte| byte == b'=' || byte == b';');
    let Some(equals) = equals.filter(|&at| text[at] == b'=') else {
        // Nothing between two semicolons, or after the last: no harm.
        let (word, next) = split_at_byte(text, b';');
        return if word.trim_ascii().is_empty() {
            Ok((b"", b"", next))
        } else {
            Err(MediaTypeError::Malformed)
        };
    };
    let name = text[..equals].trim_ascii();
    let value = text[equals + 1..].trim_ascii_start();
    if let Some(quoted) = value.strip_prefix(b"\"") {
        let (inside, after) = split_at_byte(quoted, b'"');
        let after = after.ok_or(MediaTypeError::Malformed)?;
        let (blank, next) = split_at_byte(after, b';');
        if inside.contains(&b'\\') || !blank.trim_ascii().is_empty() {
            return Err(MediaTypeError::Malformed);
        }
        return Ok((name, inside, next));
    }
    let (word, next) = split_at_byte(value, b';');
    Ok((name, word.trim_ascii(), next))
}

/// A name that stands between apostrophes, without them: no quotes of HTTP, but some programs think so.
fn without_apostrophes(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"'")
        .and_then(|rest| rest.strip_suffix(b"'"))
        .unwrap_or(name)
}

fn split_at_byte(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means: a type real toolkits send is refused, or one we cannot read is let in.

    use super::*;

    #[test]
    fn the_media_types_that_toolkits_send_are_read_with_their_charset() {
        for (value, expected) in [
            ("text/xml; charset=utf-8", Ok(Charset::Utf8)),
            ("text/xml;charset=UTF-8", Ok(Charset::Utf8)),
            ("text/xml; charset=\"UTF-8\"", Ok(Charset::Utf8)),
            ("Text/XML ; Charset = utf-8 ", Ok(Charset::Utf8)),
            (
                "text/xml;charset=utf-8;action=\"urn:a;b=c\"",
                Ok(Charset::Utf8),
            ),
            ("text/xml; action=urn:x; charset=utf8;", Ok(Charset::Utf8)),
            ("text/xml", Ok(Charset::Unstated)),
            ("text/xml;", Ok(Charset::Unstated)),
            ("text/xml; charset=ISO-8859-1", Ok(Charset::Latin1)),
            ("text/xml; charset='utf-8'", Ok(Charset::Utf8)),
            ("text/xml; charset=\"ISO8859_1\"", Ok(Charset::Latin1)),
            ("text/xml; charset=Latin1", Ok(Charset::Latin1)),
            ("text/xml; charset=us-ascii", Ok(Charset::Ascii)),
            (
                "text/xml; charset=windows-1252",
                Err(MediaTypeError::Charset),
            ),
            ("text/xml; charset='utf-8", Err(MediaTypeError::Charset)),
            ("text/xml; charset=UTF-16", Err(MediaTypeError::Charset)),
            ("text/xml; charset=", Err(MediaTypeError::Charset)),
            (
                "text/xml; charset=utf-8; charset=utf-8",
                Err(MediaTypeError::Malformed),
            ),
            ("text/xml; charset=\"utf-8", Err(MediaTypeError::Malformed)),
            (
                "text/xml; charset=\"utf-8\"x",
                Err(MediaTypeError::Malformed),
            ),
            ("text/xml; charset", Err(MediaTypeError::Malformed)),
            ("text/xmlx", Err(MediaTypeError::NotXml)),
            ("application/xml", Err(MediaTypeError::NotXml)),
            (
                "application/x-www-form-urlencoded",
                Err(MediaTypeError::NotXml),
            ),
            (
                "application/soap+xml; charset=utf-8; action=\"x\"",
                Err(MediaTypeError::Soap12),
            ),
            (
                "multipart/related; type=\"application/xop+xml\"",
                Err(MediaTypeError::Multipart),
            ),
            ("", Err(MediaTypeError::NotXml)),
        ] {
            assert_eq!(charset_of(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn codings_and_doubled_types_are_refused() {
        let xml = HeaderValue::from_static("text/xml; charset=utf-8");
        let mut headers = HeaderMap::new();
        assert_eq!(check_media_type(&headers), Err(MediaTypeError::Missing));
        headers.append(CONTENT_TYPE, xml.clone());
        assert_eq!(check_media_type(&headers), Ok(Charset::Utf8));
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert_eq!(check_media_type(&headers), Ok(Charset::Utf8));
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(check_media_type(&headers), Err(MediaTypeError::Encoding));
        headers.append(CONTENT_TYPE, xml);
        assert_eq!(check_media_type(&headers), Err(MediaTypeError::Malformed));
    }

    #[test]
    fn every_name_of_an_encoding_is_read_in_either_case_and_means_one() {
        for (charset, names) in NAMES {
            for name in names {
                let upper = name.to_ascii_uppercase();
                assert_eq!(Charset::named(name.as_bytes()), Some(charset));
                assert_eq!(Charset::named(upper.as_bytes()), Some(charset));
                let header = format!("text/xml; charset=\"{upper}\"");
                assert_eq!(charset_of(header.as_bytes()), Ok(charset));
            }
        }
        for name in [
            "",
            "utf",
            "utf-7",
            "utf-16",
            "utf-8 ",
            "iso-8859-15",
            "cp1252",
        ] {
            assert_eq!(Charset::named(name.as_bytes()), None, "{name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_a_verdict(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = charset_of(&[b"text/xml;", &bytes[..]].concat());
        }
    }
}
