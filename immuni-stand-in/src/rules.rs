//! From a request to the answer of the backend.

use chrono::{Duration, NaiveDate};
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
    /// 200, to whoever asks for `/`.
    Alive,
    /// Another status, of something that is not the backend.
    Other(u16),
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
            Self::Alive => 200,
            Self::Other(status) => status,
        }
    }

    /// The body, to the letter; empty for 204.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::Authorised | Self::Unavailable | Self::Alive | Self::Other(_) => "",
            Self::AlreadyAuthorised => {
                r#"{"error_code": 1400, "message": "OTP already authorized."}"#
            }
            Self::NotCompliant => {
                r#"{"error_code": 1001, "message": "Request not compliant with the defined schema."}"#
            }
            // Whatever goes wrong apart from the above, it says no more.
            Self::NotJson | Self::NotFound | Self::MethodNotAllowed | Self::Failed => {
                r#"{"error_code": 1000, "message": "An unknown error occurred."}"#
            }
        }
    }
}

/// The code of a request that the backend would accept, or what it answers instead. Its checks are in its order: JSON, object, type of content,
/// fields.
///
/// # Errors
/// [`Answer::NotCompliant`] or [`Answer::NotJson`].
pub fn code_of(content_type: Option<&str>, body: &[u8], today: NaiveDate) -> Result<Otp, Answer> {
    // It reads no body at all as `null`.
    let json = match body {
        [] => Value::Null,
        body => serde_json::from_slice(body).map_err(|_| Answer::NotJson)?,
    };
    // To the letter but for the case of letters, blank included.
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let is_json = ["application/json", "application/json; charset=utf-8"].contains(&&*content_type);
    let fields = json
        .as_object()
        .filter(|_| is_json)
        .ok_or(Answer::NotCompliant)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (Some(otp), Some(date), 2) = (text("otp"), text("symptoms_started_on"), fields.len())
    else {
        return Err(Answer::NotCompliant);
    };
    let otp = Otp::parse(otp).map_err(|_| Answer::NotCompliant)?;
    let date = read_date(date).ok_or(Answer::NotCompliant)?;
    if date > today || today - date > Duration::days(OLDEST_DAYS) {
        return Err(Answer::NotCompliant);
    }
    Ok(otp)
}

/// A date as the backend's `%Y-%m-%d` reads it: month and day may lack their leading zero.
fn read_date(text: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else {
        return None;
    };
    let number = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        let is_number =
            lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().ok()).flatten()
    };
    NaiveDate::from_ymd_opt(
        i32::try_from(number(year, 4..=4)?).ok()?,
        number(month, 1..=2)?,
        number(day, 1..=2)?,
    )
}
