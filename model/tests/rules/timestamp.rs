//! Moments: their range, how they are written in Rome, and which day it is there.
//! A failure is a text or day that the time zone database would write otherwise, at any moment of the range.

use chrono::{DateTime, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Europe::Rome;
use proptest::prelude::*;
use sistema_ts_model::{Clock, ManualClock, SystemClock, Timestamp};

const MILLIS_PER_HOUR: i64 = 3_600_000;

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

fn in_rome(millis: i64) -> DateTime<chrono_tz::Tz> {
    DateTime::<Utc>::from_timestamp_millis(millis)
        .unwrap()
        .with_timezone(&Rome)
}

fn assert_is_written_right(millis: i64) {
    let expected = in_rome(millis);
    let timestamp = timestamp(millis);
    let text = expected.format("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
    assert_eq!(timestamp.to_string(), text);
    assert_eq!(timestamp.rome_text(), text.as_bytes());
    assert_eq!(timestamp.rome_day(), expected.date_naive(), "{text}");
    let start = Timestamp::start_of_rome_day(expected.date_naive());
    assert!(
        start <= timestamp && start.rome_day() == expected.date_naive(),
        "{text}"
    );
    if start > Timestamp::MIN {
        assert!(
            start.minus_millis(1).rome_day() < expected.date_naive(),
            "{text}"
        );
    }
}

/// Every hour of the range at which Rome's clocks are moved.
fn changes() -> Vec<i64> {
    let offset = |millis: i64| {
        Rome.offset_from_utc_datetime(&in_rome(millis).naive_utc())
            .fix()
            .local_minus_utc()
    };
    let mut before = offset(0);
    let mut changes = Vec::new();
    for start in (0..Timestamp::MAX.millis()).step_by(MILLIS_PER_HOUR as usize) {
        let now = offset(start);
        // The writer asks for the offset once an hour: within an hour it must not change.
        assert_eq!(
            offset(start + MILLIS_PER_HOUR - 1),
            now,
            "{}",
            timestamp(start)
        );
        assert_eq!(now % 60, 0);
        if now != before {
            changes.push(start);
        }
        before = now;
    }
    changes
}

proptest! {
    #[test]
    fn any_moment_is_written_as_the_time_zone_database_says(millis in 0..=Timestamp::MAX.millis()) {
        assert_is_written_right(millis);
    }

    #[test]
    fn a_moment_that_is_moved_stays_in_the_range(millis in 0..=Timestamp::MAX.millis(), by: i64) {
        let start = timestamp(millis);
        let clamped = |exact: i128| i64::try_from(exact.clamp(0, i128::from(Timestamp::MAX.millis()))).unwrap();
        let plus = start.plus_millis(by);
        prop_assert_eq!(plus.millis(), clamped(i128::from(millis) + i128::from(by)));
        prop_assert_eq!(start.minus_millis(by).millis(), clamped(i128::from(millis) - i128::from(by)));
        prop_assert_eq!(plus.millis_since(start), plus.millis() - millis);
        prop_assert_eq!(Timestamp::from_millis(by).is_some(), (0..=Timestamp::MAX.millis()).contains(&by));
    }
}

#[test]
fn moments_around_every_change_of_the_clocks_are_written_right() {
    let changes = changes();
    assert!(
        changes.len() > 2 * 129 - 2,
        "summer time in every year of the range: {}",
        changes.len()
    );
    for change in changes {
        for distance in [
            -2 * MILLIS_PER_HOUR - 1,
            -2 * MILLIS_PER_HOUR,
            -MILLIS_PER_HOUR,
            -1,
            0,
            1,
            MILLIS_PER_HOUR - 1,
            MILLIS_PER_HOUR,
            2 * MILLIS_PER_HOUR,
        ] {
            assert_is_written_right(change + distance);
        }
    }
}

#[test]
fn every_day_of_the_range_begins_and_ends_right() {
    let mut day = NaiveDate::from_ymd_opt(1970, 1, 2).unwrap();
    while day <= Timestamp::MAX.rome_day() {
        let start = Timestamp::start_of_rome_day(day);
        assert_eq!(
            (start.rome_day(), start.minus_millis(1).rome_day()),
            (day, day.pred_opt().unwrap())
        );
        assert_is_written_right(start.millis());
        day = day.succ_opt().unwrap();
    }
}

#[test]
fn known_moments_are_written_as_the_text_of_rome() {
    for (millis, text) in [
        (0, "1970-01-01T01:00:00.000+01:00"),
        (1_642_460_400_000, "2022-01-18T00:00:00.000+01:00"),
        // The last millisecond before the clocks go forward, and the next.
        (1_616_893_199_999, "2021-03-28T01:59:59.999+01:00"),
        (1_616_893_200_000, "2021-03-28T03:00:00.000+02:00"),
        // The hour that comes twice.
        (1_635_641_999_999, "2021-10-31T02:59:59.999+02:00"),
        (1_635_642_000_000, "2021-10-31T02:00:00.000+01:00"),
        // The last day of 400 years, and the next.
        (951_778_800_000, "2000-02-29T00:00:00.000+01:00"),
        (951_865_200_000, "2000-03-01T00:00:00.000+01:00"),
        (1_709_161_200_007, "2024-02-29T00:00:00.007+01:00"),
        (Timestamp::MAX.millis(), "2099-12-31T23:59:59.999+01:00"),
    ] {
        assert_eq!(timestamp(millis).to_string(), text);
        assert_eq!(
            format!("{:?}", timestamp(millis)),
            format!("Timestamp({text})")
        );
    }
}

#[test]
fn threads_that_write_other_hours_do_not_disturb_each_other() {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                // Summer and winter in turn, so that a wrong remembered offset shows.
                for step in 0..20_000_i64 {
                    let month = if (step + thread) % 2 == 0 {
                        1_642_460_400_000
                    } else {
                        1_658_095_200_000
                    };
                    let millis = month + step * 7_919;
                    let text = timestamp(millis).to_string();
                    let offset = if (step + thread) % 2 == 0 {
                        "+01:00"
                    } else {
                        "+02:00"
                    };
                    assert!(text.ends_with(offset), "{text}");
                }
            });
        }
    });
}

#[test]
fn outside_the_range_a_day_begins_at_its_ends() {
    let day = |year| NaiveDate::from_ymd_opt(year, 6, 1).unwrap();
    assert_eq!(Timestamp::start_of_rome_day(day(1969)), Timestamp::MIN);
    assert_eq!(Timestamp::start_of_rome_day(day(2100)), Timestamp::MAX);
    assert_eq!(Timestamp::start_of_rome_day(NaiveDate::MIN), Timestamp::MIN);
    assert_eq!(Timestamp::start_of_rome_day(NaiveDate::MAX), Timestamp::MAX);
}

#[test]
fn a_manual_clock_stands_still_until_it_is_set() {
    let clock = ManualClock::new(timestamp(1_000));
    let clone: std::sync::Arc<dyn Clock> = std::sync::Arc::new(clock.clone());
    assert_eq!(clone.now(), timestamp(1_000));
    clock.advance_millis(500);
    assert_eq!(clone.now(), timestamp(1_500));
    clock.advance_millis(-2_000);
    assert_eq!(clone.now(), Timestamp::MIN);
    clock.set(Timestamp::MAX);
    clock.advance_millis(i64::MAX);
    assert_eq!(clone.now(), Timestamp::MAX);
}

#[test]
fn the_system_clock_shows_the_present() {
    let before = Utc::now().timestamp_millis();
    let now = SystemClock.now().millis();
    assert!((before..=Utc::now().timestamp_millis()).contains(&now));
}
