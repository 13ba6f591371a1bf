//! A day of Rome, as files and keys are kept by.

use chrono::NaiveDate;
use sistema_ts_model::Timestamp;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(pub(super) i32);

impl Day {
    /// The day that it was in Rome.
    pub(super) fn of(moment: Timestamp) -> Day {
        Day::of_date(moment.rome_day())
    }

    pub(super) fn of_date(date: NaiveDate) -> Day {
        Day(date.to_epoch_days())
    }

    /// The date.
    pub(super) fn date(self) -> NaiveDate {
        // Days are made from dates, or read from rows that this store wrote; out of range is a damaged row's, and shows as 1970.
        NaiveDate::from_epoch_days(self.0).unwrap_or_default()
    }
}
