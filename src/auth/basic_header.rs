//! The `Authorization` header of the Basic scheme (RFC 7617).

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::basic_refusal::BasicRefusal;

/// Longest encoded credentials that are looked at.
const LONGEST: usize = 1_024;

/// Padding may be missing: some clients leave it out, and it carries nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// User id and password as a request gave them. Never printed; zeroed on drop.
pub struct BasicCredentials {
    text: Zeroizing<String>,
    colon: usize,
}

impl BasicCredentials {
    /// Reads the value of an `Authorization` header, `None` if the request has none (a client that is not preemptive asks first
    /// without).
    ///
    /// # Errors
    /// [`BasicRefusal::Unauthorized`] if there is none, if it is of another scheme, or not well-formed UTF-8 of a user id, a
    /// colon and a password.
    pub fn parse(header: Option<&[u8]>) -> Result<Self, BasicRefusal> {
        Self::read(header.unwrap_or_default()).ok_or(BasicRefusal::Unauthorized)
    }

    fn read(header: &[u8]) -> Option<Self> {
        let (scheme, rest) = header.split_at_checked(5)?;
        let encoded = rest.trim_ascii();
        let separated = rest.first().is_some_and(u8::is_ascii_whitespace);
        if !scheme.eq_ignore_ascii_case(b"basic") || !separated || encoded.len() > LONGEST {
            return None;
        }
        // Room for all of it from the start: a buffer that grows would leave copies behind.
        let mut decoded = Zeroizing::new(Vec::with_capacity(LONGEST));
        BASE64.decode_vec(encoded, &mut decoded).ok()?;
        let text = std::str::from_utf8(&decoded).ok()?;
        let colon = text.find(':')?;
        if text.chars().any(char::is_control) {
            return None;
        }
        Some(BasicCredentials {
            text: Zeroizing::new(text.to_owned()),
            colon,
        })
    }

    /// The user id.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The password, for its check alone.
    pub(super) fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BasicCredentials(..)")
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a client of some toolkit is kept out, that garbage gets further than it should, or that a password
    //! is printed.
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(header: &str) -> Option<(String, String)> {
        let credentials = BasicCredentials::parse(Some(header.as_bytes())).ok()?;
        Some((
            credentials.user().to_owned(),
            credentials.password().to_owned(),
        ))
    }

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_padding_may_be_missing() {
        // "Aladdin:open sesame", the example of RFC 7617.
        let expected = pair("Aladdin", "open sesame");
        assert_eq!(parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), expected);
        assert_eq!(parse("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"), expected);
        assert_eq!(parse("BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ== "), expected);
    }

    #[test]
    fn a_password_may_hold_colons_and_be_utf_8() {
        // "test:123£", the other example of RFC 7617.
        assert_eq!(parse("Basic dGVzdDoxMjPCow=="), pair("test", "123£"));
        assert_eq!(parse("Basic YTpiOmM="), pair("a", "b:c"));
        assert_eq!(parse("Basic YTo="), pair("a", ""));
    }

    #[test]
    fn whatever_is_no_basic_header_is_refused_alike() {
        let long = format!("Basic {}", "QUFB".repeat(400));
        for header in [
            "",
            "Basic",
            "Basic ",
            "BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic Q!xh",
            // No colon; ISO-8859-1 instead of UTF-8; a line end inside.
            "Basic YWJj",
            "Basic dGVzdDoxMjOj",
            "Basic YTpiCmM=",
            &long,
        ] {
            let refusal = BasicCredentials::parse(Some(header.as_bytes())).unwrap_err();
            assert_eq!(refusal, BasicRefusal::Unauthorized, "{header}");
        }
        assert_eq!(
            BasicCredentials::parse(None).unwrap_err(),
            BasicRefusal::Unauthorized
        );
    }

    #[test]
    fn no_user_id_or_password_is_printed() {
        let credentials =
            BasicCredentials::parse(Some(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")).unwrap();
        assert_eq!(format!("{credentials:?}"), "BasicCredentials(..)");
    }
}
