//! What is posted: an OTP and the date of the first symptoms, in memory only.

use std::fmt;

use chrono::NaiveDate;
use sistema_ts_model::Otp;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What an operator sends to the Immuni backend: the code that the person reads from the app, and the date of the first symptoms (for a
/// person without symptoms, of the swab). Prints as `OtpPost(..)` and is overwritten with zeros when dropped.
pub struct OtpPost {
    otp: Otp,
    /// Days of the Common Era: a number can be overwritten, a date of `chrono` cannot.
    symptoms_started_on: Zeroizing<i32>,
}

impl OtpPost {
    /// The two, already checked by the services' rules.
    #[must_use]
    pub fn new(otp: Otp, symptoms_started_on: NaiveDate) -> Self {
        use chrono::Datelike as _;
        Self {
            otp,
            symptoms_started_on: Zeroizing::new(symptoms_started_on.num_days_from_ce()),
        }
    }

    /// The body of the post: `{"otp":"…","symptoms_started_on":"YYYY-MM-DD"}`. The backend runs in UTC and refuses its tomorrow, which is
    /// today in Italy for an hour or two after midnight: a date after `today` is sent as `today`.
    #[must_use]
    pub fn body(&self, today: NaiveDate) -> PostBody {
        use std::io::Write as _;
        let date = NaiveDate::from_num_days_from_ce_opt(*self.symptoms_started_on)
            .map_or(today, |date| date.min(today));
        // Large enough from the start: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(PostBody::CAPACITY));
        bytes.extend_from_slice(b"{\"otp\":\"");
        bytes.extend_from_slice(self.otp.expose().as_bytes());
        write!(
            bytes,
            "\",\"symptoms_started_on\":\"{}\"}}",
            date.format("%Y-%m-%d")
        )
        .expect("a vector takes what is written to it");
        debug_assert!(bytes.len() <= PostBody::CAPACITY);
        PostBody(bytes)
    }
}

impl fmt::Debug for OtpPost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OtpPost(..)")
    }
}

// Both fields are.
impl ZeroizeOnDrop for OtpPost {}

/// The bytes of a post. Prints as `PostBody(..)` and is overwritten with zeros when dropped.
#[derive(Clone)]
pub struct PostBody(Zeroizing<Vec<u8>>);

impl PostBody {
    const CAPACITY: usize = 64;

    /// The JSON text, for the connection to the Immuni backend alone.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for PostBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Zeroize for PostBody {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for PostBody {}

impl fmt::Debug for PostBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PostBody(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    //! A failure means that the backend would be sent something else than the document says, or that a person's code could be printed.
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn post(date: &str) -> OtpPost {
        // The first nine symbols with their check symbol.
        let otp = format!(
            "AAAAAAAAA{}",
            sistema_ts_model::check_symbol(b"AAAAAAAAA").unwrap() as char
        );
        OtpPost::new(Otp::parse(&otp).unwrap(), day(date))
    }

    #[test]
    fn the_body_is_the_documented_json() {
        let body = post("2020-06-01").body(day("2020-06-10"));
        let text = std::str::from_utf8(body.expose()).unwrap();
        assert!(text.starts_with(r#"{"otp":"AAAAAAAAA"#), "{text}");
        assert!(
            text.ends_with(r#"","symptoms_started_on":"2020-06-01"}"#),
            "{text}"
        );
        assert!(body.expose().len() <= PostBody::CAPACITY);
    }

    #[test]
    fn tomorrow_of_the_backend_is_sent_as_its_today() {
        let body = post("2020-06-11").body(day("2020-06-10"));
        let text = std::str::from_utf8(body.expose()).unwrap();
        assert!(text.contains("2020-06-10"), "{text}");
    }

    #[test]
    fn neither_prints_what_it_holds() {
        let post = post("2020-06-01");
        let body = post.body(day("2020-06-10"));
        assert_eq!(format!("{post:?} {body:?}"), "OtpPost(..) PostBody(..)");
    }
}
