//! From a request to the answer of the backend.

use chrono::{Duration, NaiveDate, Utc};
use serde_json::Value;
use sistema_ts_model::Otp;

/// How far back symptoms may lie, in days.
const OLDEST_DAYS: i64 = 180;

/// The answers of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 204.
    Authorised,
    /// 409, error code 1400.
    AlreadyAuthorised,
    /// 400, error code 1001.
    NotCompliant,
    /// 400, error code 1000.
    NotJson,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 500.
    Failed,
    /// 503, of a proxy in front.
    Unavailable,
}

impl Answer {
    /// The status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Authorised => 204,
            Self::AlreadyAuthorised => 409,
            Self::NotCompliant | Self::NotJson => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Failed => 500,
            Self::Unavailable => 503,
        }
    }

    /// The body, to the letter; empty for 204.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::Authorised | Self::Unavailable => "",
            Self::AlreadyAuthorised => {
                r#"{"error_code": 1400, "message": "OTP already authorized."}"#
            }
            Self::NotCompliant => {
                r#"{"error_code": 1001, "message": "Request not compliant with the defined schema."}"#
            }
            Self::NotJson => {
                r#"{"error_code": 1000, "message": "Failed when parsing body as json"}"#
            }
            Self::NotFound => r#"{"error_code": 1000, "message": "Requested URL not found"}"#,
            Self::MethodNotAllowed => {
                r#"{"error_code": 1000, "message": "Method not allowed for this URL"}"#
            }
            Self::Failed => r#"{"error_code": 1000, "message": "Internal Server Error"}"#,
        }
    }
}

/// The code of a request that the backend would accept, or what it answers instead.
///
/// # Errors
/// [`Answer::NotCompliant`] or [`Answer::NotJson`].
pub fn code_of(content_type: Option<&str>, body: &[u8]) -> Result<Otp, Answer> {
    // To the letter, blank included.
    if !matches!(
        content_type,
        Some("application/json" | "application/json; charset=utf-8")
    ) {
        return Err(Answer::NotCompliant);
    }
    let json: Value = serde_json::from_slice(body).map_err(|_| Answer::NotJson)?;
    let fields = json.as_object().ok_or(Answer::NotCompliant)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (Some(otp), Some(date), 2) = (text("otp"), text("symptoms_started_on"), fields.len())
    else {
        return Err(Answer::NotCompliant);
    };
    let otp = Otp::parse(otp).map_err(|_| Answer::NotCompliant)?;
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").map_err(|_| Answer::NotCompliant)?;
    let today = Utc::now().date_naive();
    if date > today || date < today - Duration::days(OLDEST_DAYS) {
        return Err(Answer::NotCompliant);
    }
    Ok(otp)
}
