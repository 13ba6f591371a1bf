//! A failure means that a test which sets its clock tests another moment than it says, or that time passes where none should.

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_model::{Clock, ManualClock, SystemClock, Timestamp};

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
fn time_that_passes_is_seen_by_both_clocks_of_a_manual_clock_and_of_its_clones() {
    let clock = ManualClock::new(Timestamp::from_millis_clamped(1_000));
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    clock.pass(Duration::from_millis(250));
    clock.pass(Duration::from_millis(50));
    assert_eq!(clock.now().millis(), 1_300);
    assert_eq!(clock.monotonic(), Duration::from_millis(300));
    // Through the shared clock as well, which is a `Clock` of its own kind.
    assert_eq!(Clock::now(&shared).millis(), 1_300);
    assert_eq!(Clock::monotonic(&shared), Duration::from_millis(300));
}

#[test]
fn the_monotonic_clock_of_the_machine_goes_forward() {
    let before = SystemClock.monotonic();
    // The machine's clock has a resolution: it may be read twice within one of its steps.
    while SystemClock.monotonic() <= before {}
}

#[test]
fn a_code_lives_fourteen_days_of_24_hours() {
    assert_eq!(sistema_ts_model::CUN_LIFE_MILLIS, 1_209_600_000);
}
