//! A failure means that a test which sets its clock tests another moment than it says, or that time passes where none should.

use std::time::Duration;

use sistema_ts_model::{Clock as _, ManualClock, Timestamp};

#[test]
fn a_clock_that_is_set_shows_it_everywhere_and_no_time_passes() {
    let at = |millis: i64| Timestamp::from_millis_clamped(1_795_503_600_000 + millis);
    let clock = ManualClock::new(at(0));
    let clone = clock.clone();
    for millis in [5_000, -5_000, 0] {
        clock.set(at(millis));
        assert_eq!((clock.now(), clone.now()), (at(millis), at(millis)));
        assert_eq!(clone.monotonic(), Duration::ZERO);
    }
    clone.advance_millis(-7);
    assert_eq!(clock.now(), at(-7));
    assert_eq!(clock.monotonic(), Duration::ZERO);
}

#[test]
fn a_code_lives_fourteen_days_of_24_hours() {
    assert_eq!(sistema_ts_model::CUN_LIFE_MILLIS, 1_209_600_000);
}
