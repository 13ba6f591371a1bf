//! Dates as they stand on the wire, and the window in which they must lie.
//! A failure is a day read as another, a text accepted that is no date, or a day judged on the wrong side of the window.

use chrono::{Datelike, Days, NaiveDate};
use proptest::prelude::*;
use sistema_ts_model::{DateError, DateWindow, parse_date};

fn date(text: &str) -> NaiveDate {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
}

fn day() -> impl Strategy<Value = NaiveDate> {
    (1..=3_652_059_i32).prop_map(|days| NaiveDate::from_num_days_from_ce_opt(days).unwrap())
}

proptest! {
    #[test]
    fn a_day_is_read_with_any_zone(day in day(), zone in "|Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00") {
        prop_assert_eq!(parse_date(&format!("{}{zone}", day.format("%Y-%m-%d"))), Ok(day));
    }

    #[test]
    fn digits_in_the_right_places_are_a_day_exactly_if_the_calendar_has_it(year in 0..=9999_i32, month in 0..=99_u32, day in 0..=99_u32) {
        let expected = if year == 0 { None } else { NaiveDate::from_ymd_opt(year, month, day) };
        prop_assert_eq!(parse_date(&format!("{year:04}-{month:02}-{day:02}")), expected.ok_or(DateError::Calendar));
    }

    #[test]
    fn no_other_text_is_a_date(text in "\\PC{0,20}|[0-9Z:+.T-]{0,20}") {
        if let Ok(day) = parse_date(&text) {
            prop_assert!(text.starts_with(&day.format("%Y-%m-%d").to_string()));
            prop_assert!(matches!(text.len(), 10 | 11 | 16));
        }
    }

    #[test]
    fn the_window_has_181_days(today in (2020..2100_i32, 1..=366_u32), back in -400..=400_i64) {
        let today = NaiveDate::from_yo_opt(today.0, today.1.min(365)).unwrap();
        let window = DateWindow { today };
        let day = if back >= 0 {
            today - Days::new(back.unsigned_abs())
        } else {
            today + Days::new(back.unsigned_abs())
        };
        let expected = match back {
            ..0 => Err(DateError::Future),
            0..=180 => Ok(()),
            _ => Err(DateError::TooOld),
        };
        prop_assert_eq!(window.check(day), expected);
    }
}

#[test]
fn the_window_holds_today_and_the_day_180_days_before_and_not_the_days_beside_them() {
    let window = DateWindow {
        today: date("2021-06-30"),
    };
    for (day, expected) in [
        ("2021-07-01", Err(DateError::Future)),
        ("2021-06-30", Ok(())),
        ("2021-01-01", Ok(())),
        ("2020-12-31", Err(DateError::TooOld)),
    ] {
        assert_eq!(window.check(date(day)), expected, "{day}");
    }
}

#[test]
fn a_29th_of_february_is_a_day_in_leap_years_alone() {
    for (text, is_day) in [
        ("2020-02-29", true),
        ("2021-02-29", false),
        ("2000-02-29", true),
        ("1900-02-29", false),
        ("2024-02-30", false),
        ("2100-02-29", false),
    ] {
        let expected = if is_day {
            Ok(date(text))
        } else {
            Err(DateError::Calendar)
        };
        assert_eq!(parse_date(text), expected, "{text}");
    }
    // 180 days before a day after a leap day, and before the same day of another year.
    assert_eq!(
        DateWindow {
            today: date("2024-08-27")
        }
        .earliest(),
        date("2024-02-29")
    );
    assert_eq!(
        DateWindow {
            today: date("2023-08-27")
        }
        .earliest(),
        date("2023-02-28")
    );
}

#[test]
fn every_mistake_in_a_date_has_its_error() {
    for text in [
        "",
        "2026",
        "2026-11",
        "2026-11-2",
        "2026-1-24",
        "26-11-24",
        "24-11-2026",
        "24/11/2026",
        "2026/11/24",
        "20261124",
        "2026-11-24 ",
        " 2026-11-24",
        "2026-11-24z",
        "2026-11-24T10:00:00",
        "2026-11-24+0100",
        "2026-11-24+1:00",
        "2026-11-24+01:00Z",
        "-2026-11-24",
        "12026-11-24",
        "２０２６-11-24",
        "2026-11-2４",
        "+026-11-24",
        "2026-11-24Z\0",
    ] {
        assert_eq!(parse_date(text), Err(DateError::Form), "{text:?}");
    }
    for text in [
        "2026-00-24",
        "2026-13-01",
        "2026-11-00",
        "2026-11-31",
        "0000-01-01",
        "2026-11-24+14:01",
        "2026-11-24-15:00",
        "2026-11-24+01:60",
    ] {
        assert_eq!(parse_date(text), Err(DateError::Calendar), "{text:?}");
    }
    assert_eq!(parse_date("0001-01-01").map(|day| day.year()), Ok(1));
}
