//! What is posted: a one-time code with the first day of symptoms, and the body in which it goes to the backend.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate};
use sistema_ts_model::{Otp, Timestamp};
use zeroize::Zeroizing;

/// What is posted: the app's code, and the first day of symptoms. Overwritten when dropped; `Debug` shows nothing.
pub struct OtpPost {
    otp: Otp,
    /// In days since 1 January of the year 1, which can be overwritten.
    symptoms_started_on: Zeroizing<i32>,
}

impl OtpPost {
    /// A post.
    #[must_use]
    pub fn new(otp: Otp, symptoms_started_on: NaiveDate) -> Self {
        Self {
            otp,
            symptoms_started_on: Zeroizing::new(symptoms_started_on.num_days_from_ce()),
        }
    }
}

impl fmt::Debug for OtpPost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OtpPost(..)")
    }
}

/// The body of a post, overwritten when the last copy of this handle is dropped. `Debug` shows nothing.
#[derive(Clone)]
pub struct OtpBody(std::sync::Arc<Zeroizing<Vec<u8>>>);

impl OtpBody {
    /// `{"otp":…,"symptoms_started_on":…}`. The backend takes no day after its own today, which is UTC's: just after midnight in Rome that is
    /// the day before.
    pub(super) fn new(post: &OtpPost, now: Timestamp) -> Self {
        let utc_today = DateTime::from_timestamp_millis(now.millis())
            .map_or(i32::MAX, |now| now.date_naive().num_days_from_ce());
        let day = (*post.symptoms_started_on).min(utc_today);
        let date = NaiveDate::from_num_days_from_ce_opt(day).unwrap_or_default();
        let date = Zeroizing::new(date.to_string());
        // Room for all of it, so that no copy is left behind by growing.
        let mut body = Zeroizing::new(Vec::with_capacity(80));
        for part in [
            r#"{"otp":""#,
            post.otp.expose(),
            r#"","symptoms_started_on":""#,
            &date,
            r#""}"#,
        ] {
            body.extend_from_slice(part.as_bytes());
        }
        Self(std::sync::Arc::new(body))
    }

    /// The bytes to send.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for OtpBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for OtpBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OtpBody(..)")
    }
}
