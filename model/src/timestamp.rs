//! Moments to the millisecond, and how they are written in Rome.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, Offset, TimeZone};
use chrono_tz::Europe::Rome;

const MILLIS_PER_MINUTE: i64 = 60 * 1_000;
const MILLIS_PER_HOUR: i64 = 60 * MILLIS_PER_MINUTE;
/// Milliseconds of a day of 24 hours.
pub const MILLIS_PER_DAY: i64 = 24 * MILLIS_PER_HOUR;

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z, from [`Timestamp::MIN`] to [`Timestamp::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z
    pub const MIN: Self = Self(0);

    /// 2099-12-31T22:59:59.999Z, the last millisecond of the century in Rome.
    pub const MAX: Self = Self(4_102_441_199_999);

    /// The moment so many milliseconds after 1970-01-01T00:00:00Z; `None` outside [`MIN`](Timestamp::MIN) to
    /// [`MAX`](Timestamp::MAX).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis >= Self::MIN.0 && millis <= Self::MAX.0 {
            Some(Self(millis))
        } else {
            None
        }
    }

    /// The same, with what lies outside brought to the nearer end.
    #[must_use]
    pub const fn from_millis_clamped(millis: i64) -> Self {
        if millis < Self::MIN.0 {
            Self::MIN
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// So many milliseconds later; stops at [`MAX`](Timestamp::MAX) and [`MIN`](Timestamp::MIN).
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis_clamped(self.0.saturating_add(millis))
    }

    /// So many milliseconds earlier; stops at [`MIN`](Timestamp::MIN) and [`MAX`](Timestamp::MAX).
    #[must_use]
    pub const fn minus_millis(self, millis: i64) -> Self {
        Self::from_millis_clamped(self.0.saturating_sub(millis))
    }

    /// How many milliseconds have passed since `earlier`; negative if it is the later one.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The day that it is in Rome.
    #[must_use]
    pub fn rome_day(self) -> NaiveDate {
        let days = self.rome_local_millis() / MILLIS_PER_DAY;
        // Timestamps end with the century: some 47,000 days.
        NaiveDate::from_epoch_days(days as i32).expect("within the century")
    }

    /// The first moment of a day in Rome, brought into the range of timestamps.
    #[must_use]
    pub fn start_of_rome_day(day: NaiveDate) -> Self {
        // Where the clocks once went forward at midnight the day began an hour later.
        let start = (0..24)
            .filter_map(|hour| day.and_hms_opt(hour, 0, 0))
            .find_map(|local| Rome.from_local_datetime(&local).earliest());
        start.map_or(Self::MIN, |start| {
            Self::from_millis_clamped(start.timestamp_millis())
        })
    }

    /// The `xs:dateTime` with milliseconds and Rome's offset, `2026-11-24T07:02:31.123+01:00`: 29 bytes of ASCII.
    #[must_use]
    pub fn rome_text(self) -> [u8; 29] {
        let local = self.rome_local_millis();
        let offset_minutes = (local - self.0) / MILLIS_PER_MINUTE;
        let (year, month, day) = civil_date(local / MILLIS_PER_DAY);
        let time = local % MILLIS_PER_DAY;

        let mut text = *b"0000-00-00T00:00:00.000+00:00";
        put_pair(&mut text, 0, year / 100);
        put_pair(&mut text, 2, year % 100);
        put_pair(&mut text, 5, month);
        put_pair(&mut text, 8, day);
        put_pair(&mut text, 11, time / MILLIS_PER_HOUR);
        put_pair(&mut text, 14, time / MILLIS_PER_MINUTE % 60);
        put_pair(&mut text, 17, time / 1_000 % 60);
        text[20] = digit(time / 100 % 10);
        put_pair(&mut text, 21, time % 100);
        put_pair(&mut text, 24, offset_minutes / 60);
        put_pair(&mut text, 27, offset_minutes % 60);
        text
    }

    /// What a clock on a wall in Rome shows, as milliseconds since it showed 1970-01-01T00:00.
    fn rome_local_millis(self) -> i64 {
        self.0 + rome_offset_minutes(self.0 / MILLIS_PER_HOUR) * MILLIS_PER_MINUTE
    }
}

/// Rome's offset during one hour of UTC, counted from 1970. Since 1970 its offset has changed only at full hours of UTC
/// (a test goes through all changes of the time zone database).
///
/// Nearly every call asks for the present hour, so the last answer is remembered: hour and minutes in one word, which
/// threads may overwrite with each other's right answers.
fn rome_offset_minutes(hour: i64) -> i64 {
    static LAST: AtomicU64 = AtomicU64::new(u64::MAX);

    let last = LAST.load(Ordering::Relaxed);
    if last >> 16 == hour as u64 {
        return (last & 0xFFFF) as i64;
    }
    let start_of_hour = DateTime::from_timestamp_millis(hour * MILLIS_PER_HOUR).unwrap_or_default();
    let offset = Rome
        .offset_from_utc_datetime(&start_of_hour.naive_utc())
        .fix()
        .local_minus_utc()
        / 60;
    LAST.store((hour as u64) << 16 | offset as u64, Ordering::Relaxed);
    i64::from(offset)
}

/// Year, month and day of a number of days since 1970-01-01, not negative (Hinnant, "chrono-compatible low-level date
/// algorithms": years begin in March, so that the leap day is their last).
fn civil_date(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let shifted = days + 719_468;
    let era = shifted / DAYS_PER_ERA;
    let day_of_era = shifted % DAYS_PER_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Writes two digits of a number from 0 to 99.
fn put_pair(text: &mut [u8; 29], start: usize, value: i64) {
    text[start] = digit(value / 10);
    text[start + 1] = digit(value % 10);
}

/// The ASCII digit of a number from 0 to 9.
fn digit(value: i64) -> u8 {
    b'0' + value as u8
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digits and punctuation, all ASCII.
        formatter.pad(std::str::from_utf8(&self.rome_text()).expect("ASCII"))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Timestamp({self})")
    }
}
