//! A failure: a trusted time past the wall clock; one that a clock which is wrong for less than a day of running takes more than an hour past the
//! truth; a lag that is never made up although the clocks keep pace; one made up before.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use sistema_ts_model::Timestamp;

use super::{AT_ONCE_MILLIS, HOUR_MILLIS, NotedTime, PROOF_MILLIS, Reading, TrustedTime};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * HOUR_MILLIS;
/// 2026-11-27, about four in the afternoon.
const START: i64 = 1_795_791_600_000;

/// A machine whose clock shows the truth and an error, and whose server is read each minute.
struct Machine {
    truth: i64,
    monotonic: i64,
    error: i64,
    time: TrustedTime,
}

impl Machine {
    fn new() -> Machine {
        let mut machine = Machine {
            truth: START,
            monotonic: 0,
            error: 0,
            time: TrustedTime::begin(None, reading(START, 0)),
        };
        machine.check();
        machine
    }

    fn reading(&self) -> Reading {
        reading(self.truth + self.error, self.monotonic)
    }

    fn run(&mut self, millis: i64) {
        let mut left = millis;
        while left > 0 {
            let step = left.min(MINUTE);
            self.truth += step;
            self.monotonic += step;
            self.time.observe(self.reading());
            self.check();
            left -= step;
        }
    }

    /// Stops the server and starts it again so much later, with another error of the clock.
    fn restart(&mut self, off: i64, error: i64) {
        self.truth += off;
        self.error = error;
        self.monotonic = 0;
        self.time = TrustedTime::begin(Some(self.time.noted()), self.reading());
        self.check();
    }

    fn check(&mut self) {
        let noted = self.time.noted();
        assert!(
            noted.trusted <= noted.wall,
            "past the wall clock: {noted:?}"
        );
        assert_eq!(noted, noted.within_ranges(), "out of range");
    }

    fn trusted(&self) -> i64 {
        self.time.horizon().time().millis()
    }

    fn lag(&self) -> i64 {
        self.time.lag_millis()
    }
}

fn reading(wall: i64, monotonic: i64) -> Reading {
    Reading {
        wall: Timestamp::from_millis_clamped(wall),
        monotonic: Duration::from_millis(monotonic.unsigned_abs()),
    }
}

#[test]
fn with_right_clocks_it_is_the_wall_clock_over_pauses_of_minutes_too() {
    let mut machine = Machine::new();
    for _ in 0..10 {
        machine.run(3 * DAY);
        assert_eq!(machine.trusted(), machine.truth);
        machine.restart(4 * MINUTE, 0);
        assert_eq!(machine.trusted(), machine.truth);
    }
}

#[test]
fn a_clock_that_is_ahead_for_less_than_a_day_moves_it_nowhere() {
    for ahead in [2 * HOUR_MILLIS, 20 * DAY, 400 * DAY] {
        for at_a_start in [true, false] {
            let mut machine = Machine::new();
            machine.run(DAY / 2);
            if at_a_start {
                machine.restart(MINUTE, ahead);
            } else {
                machine.error = ahead;
            }
            machine.run(DAY - HOUR_MILLIS);
            assert!(machine.trusted() <= machine.truth);
            assert!(machine.lag() >= ahead);
            if at_a_start {
                machine.restart(MINUTE, 0);
            } else {
                machine.error = 0;
            }
            machine.run(MINUTE);
            assert_eq!(machine.trusted(), machine.truth);
        }
    }
}

#[test]
fn after_weeks_off_a_day_of_running_makes_the_lag_up() {
    let mut machine = Machine::new();
    machine.restart(42 * DAY, 0);
    assert_eq!(machine.lag(), 42 * DAY);
    machine.run(DAY - MINUTE);
    assert_eq!(machine.lag(), 42 * DAY);
    machine.run(MINUTE);
    assert_eq!(machine.lag(), 0);
}

#[test]
fn the_day_may_be_made_of_several_starts_and_each_pause_is_proved_by_a_day() {
    let mut machine = Machine::new();
    machine.restart(42 * DAY, 0);
    for _ in 0..3 {
        machine.run(8 * HOUR_MILLIS);
        machine.restart(16 * HOUR_MILLIS, 0);
    }
    // The six weeks are made up; the pauses since then follow.
    assert_eq!(machine.lag(), 3 * 16 * HOUR_MILLIS);
    for _ in 0..30 {
        machine.run(8 * HOUR_MILLIS);
        machine.restart(16 * HOUR_MILLIS, 0);
        assert!(machine.lag() <= 6 * DAY, "{}", machine.lag());
    }
}

#[test]
fn what_a_proof_does_not_know_is_not_made_up_with_it() {
    let mut machine = Machine::new();
    machine.restart(42 * DAY, 0);
    machine.run(DAY - HOUR_MILLIS);
    // The real pause is nearly proved when the server starts again under a clock that is far ahead.
    machine.restart(MINUTE, 400 * DAY);
    machine.run(2 * HOUR_MILLIS);
    assert!(machine.trusted() <= machine.truth);
    assert!(machine.lag() >= 400 * DAY);
}

#[test]
fn a_clock_that_does_not_keep_pace_proves_nothing() {
    let mut machine = Machine::new();
    machine.error = 20 * DAY;
    for _ in 0..50 {
        machine.run(HOUR_MILLIS);
        machine.error += 10_000;
    }
    assert!(machine.trusted() <= machine.truth);
}

#[test]
fn a_pace_is_kept_within_a_second_and_a_five_hundredth_of_what_has_passed() {
    for (off, kept) in [(2_000, 500_000), (2_001, 0), (-2_000, 500_000), (-2_001, 0)] {
        let mut time = TrustedTime::begin(None, reading(START, 0));
        time.observe(reading(START + 500_000 + off, 500_000));
        assert_eq!(time.noted().pace_millis, kept, "{off}");
        assert_eq!(time.proof_left_millis(), PROOF_MILLIS - kept, "{off}");
    }
}

#[test]
fn a_start_keeps_what_is_proved_of_the_pace_unless_the_clock_went_back() {
    let noted = NotedTime {
        pace_millis: HOUR_MILLIS,
        ..NotedTime::at(Timestamp::from_millis_clamped(START))
    };
    let pace_after_a_start_at = |wall| {
        let time = TrustedTime::begin(Some(noted), reading(wall, 0));
        time.noted().pace_millis
    };
    assert_eq!(pace_after_a_start_at(START), HOUR_MILLIS);
    assert_eq!(pace_after_a_start_at(START - 1), 0);
}

#[test]
fn many_small_steps_make_no_large_one() {
    let mut machine = Machine::new();
    for _ in 0..500 {
        machine.error += 50 * MINUTE;
        machine.run(MINUTE);
    }
    assert!(machine.trusted() <= machine.truth + AT_ONCE_MILLIS);
    let mut machine = Machine::new();
    for _ in 0..500 {
        machine.restart(0, machine.error + 50 * MINUTE);
    }
    assert!(machine.trusted() <= machine.truth + AT_ONCE_MILLIS);
}

#[test]
fn a_clock_that_is_behind_takes_it_along_and_a_day_brings_it_back() {
    for behind in [HOUR_MILLIS, 20 * DAY, 400 * DAY] {
        let mut machine = Machine::new();
        machine.error = -behind;
        machine.run(2 * DAY);
        assert_eq!(machine.trusted(), machine.truth - behind);
        machine.error = 0;
        machine.run(MINUTE);
        assert_eq!(machine.lag(), behind);
        machine.run(DAY);
        assert_eq!(machine.lag(), 0);
    }
}

#[test]
fn an_installation_made_under_a_clock_that_is_ahead_is_right_when_the_clock_is() {
    let mut machine = Machine::new();
    machine.restart(0, 20 * DAY);
    machine.time = TrustedTime::begin(None, machine.reading());
    machine.run(HOUR_MILLIS);
    machine.restart(MINUTE, 0);
    assert_eq!(machine.trusted(), machine.truth);
}

#[test]
fn the_operators_word_ends_the_lag() {
    let mut machine = Machine::new();
    machine.restart(42 * DAY, 0);
    machine.time.confirm(machine.reading());
    assert_eq!(machine.lag(), 0);
    assert_eq!(machine.trusted(), machine.truth);
}

#[test]
fn no_number_on_the_disk_makes_a_lag_up() {
    for number in [i64::MIN, -1, PROOF_MILLIS, i64::MAX] {
        let noted = NotedTime {
            trusted: Timestamp::from_millis_clamped(START),
            wall: Timestamp::from_millis_clamped(START),
            waiting_millis: number,
            pace_millis: number,
            made_up_millis: number,
        };
        let time = TrustedTime::begin(Some(noted), reading(START + 20 * DAY, 0));
        assert_eq!(time.horizon().time().millis(), START);
    }
}

/// What happens to a machine: how long it runs, how long it is off then, and what its clock does.
#[derive(Clone, Debug)]
enum Event {
    Run(i64),
    Off(i64),
    Wrong(i64),
    WrongStart(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1_i64..30 * HOUR_MILLIS).prop_map(Event::Run),
        (0_i64..30 * DAY).prop_map(Event::Off),
        (-500_i64..500).prop_map(|days| Event::Wrong(days * DAY)),
        (-30_i64..30).prop_map(|hours| Event::Wrong(hours * HOUR_MILLIS)),
        (-500_i64..500).prop_map(|days| Event::WrongStart(days * DAY)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The clock is wrong for less than a day of running each time, in any number of ways, and right again in between for as short as it likes.
    #[test]
    fn no_error_that_lasts_less_than_a_day_destroys_more_than_an_hour_early(
        events in prop::collection::vec((event(), 1_i64..20 * HOUR_MILLIS), 1..12)
    ) {
        let mut machine = Machine::new();
        for (event, wrong_for) in events {
            match event {
                Event::Run(millis) => machine.run(millis),
                Event::Off(millis) => machine.restart(millis, 0),
                Event::Wrong(error) => {
                    machine.error = error;
                    machine.run(wrong_for);
                    machine.error = 0;
                    machine.run(1);
                }
                Event::WrongStart(error) => {
                    machine.restart(MINUTE, error);
                    machine.run(wrong_for);
                    machine.restart(MINUTE, 0);
                }
            }
            prop_assert!(machine.trusted() <= machine.truth + AT_ONCE_MILLIS);
        }
        // And what is right is believed in the end: each of two pauses by a day.
        machine.run(2 * DAY + HOUR_MILLIS);
        prop_assert_eq!(machine.lag(), 0);
    }
}
