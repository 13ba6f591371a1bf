//! Dates without a time of day: of a swab, of first symptoms, of an interval.

use chrono::{Days, NaiveDate};

use crate::DATE_WINDOW_DAYS;

/// What is wrong with a date. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// It is not written `YYYY-MM-DD`, with or without a zone.
    #[error("it must be written YYYY-MM-DD")]
    Form,
    /// There is no such day, or the zone is none.
    #[error("there is no such date")]
    Calendar,
    /// It lies before the window.
    #[error("it is more than 180 days ago")]
    TooOld,
    /// It lies after today.
    #[error("it is in the future")]
    Future,
}

/// Reads an `xs:date` with a year of four digits, not `0000`: `2026-11-24`, or with a zone, `2026-11-24Z`,
/// `2026-11-24+01:00`, which must be right (up to 14:00) and is then ignored: the sender means the day that it wrote.
pub fn parse_date(value: &str) -> Result<NaiveDate, DateError> {
    let bytes = value.as_bytes();
    let (date, zone) = bytes.split_first_chunk::<10>().ok_or(DateError::Form)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else {
        return Err(DateError::Form);
    };
    let year = u32::from(pair(y1, y2)?) * 100 + u32::from(pair(y3, y4)?);
    let month = pair(m1, m2)?;
    let day = pair(d1, d2)?;
    check_zone(zone)?;
    if year == 0 {
        return Err(DateError::Calendar);
    }
    // Four digits fit.
    NaiveDate::from_ymd_opt(year as i32, u32::from(month), u32::from(day))
        .ok_or(DateError::Calendar)
}

fn check_zone(zone: &[u8]) -> Result<(), DateError> {
    match *zone {
        [] | [b'Z'] => Ok(()),
        [b'+' | b'-', h1, h2, b':', m1, m2] => match (pair(h1, h2)?, pair(m1, m2)?) {
            (0..=13, 0..=59) | (14, 0) => Ok(()),
            _ => Err(DateError::Calendar),
        },
        _ => Err(DateError::Form),
    }
}

/// The value of two ASCII digits.
fn pair(tens: u8, units: u8) -> Result<u8, DateError> {
    if tens.is_ascii_digit() && units.is_ascii_digit() {
        Ok((tens - b'0') * 10 + (units - b'0'))
    } else {
        Err(DateError::Form)
    }
}

/// The days that a swab date or a symptom date may have: from [`DATE_WINDOW_DAYS`] days ago to today, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateWindow {
    /// Today, in Rome.
    pub today: NaiveDate,
}

impl DateWindow {
    /// The first day of the window.
    #[must_use]
    pub fn earliest(self) -> NaiveDate {
        self.today
            .checked_sub_days(Days::new(u64::from(DATE_WINDOW_DAYS)))
            .unwrap_or(NaiveDate::MIN)
    }

    /// Whether `date` lies in the window, else on which side of it.
    pub fn check(self, date: NaiveDate) -> Result<(), DateError> {
        if date > self.today {
            Err(DateError::Future)
        } else if date < self.earliest() {
            Err(DateError::TooOld)
        } else {
            Ok(())
        }
    }
}
