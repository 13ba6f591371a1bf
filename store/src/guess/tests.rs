//! A failure means that a count lasts for another time or to another number than its rule says, or that what is taken off it is not what was put
//! on it: guesses could be tried without end, or an honest operator would be shut out.
#![allow(clippy::unwrap_used)]

use super::*;

/// All that is counted, each with its window in hours.
const WINDOWS: [(Counted, i64); 6] = [
    (Counted::Operator, 1),
    (Counted::Caller, 1),
    (Counted::AslOtp, 1),
    (Counted::Code, 14 * 24),
    (Counted::OperatorOfCode, 14 * 24),
    (Counted::Forgiven, 14 * 24),
];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_795_503_600_000 + millis).unwrap()
}

fn counter(failures: u32) -> GuessCounter {
    GuessCounter {
        window_started: at(0),
        failures,
    }
}

#[test]
fn a_count_lasts_to_the_end_of_its_window_and_begins_anew_with_the_next_failure() {
    for (counted, hours) in WINDOWS {
        let window = hours * 3_600_000;
        let stored = counter(7);
        assert_eq!(counted.window_millis(), window, "{counted:?}");
        assert_eq!(stored.ends_at(counted), at(window), "{counted:?}");
        // Also before its beginning, which a clock that went back may show.
        for now in [-window, 0, 1, window - 1] {
            let as_of = GuessCounter::as_of(Some(stored), counted, at(now));
            assert_eq!(as_of, stored, "{counted:?} after {now} ms");
        }
        for now in [window, window + 1, 3 * window] {
            let as_of = GuessCounter::as_of(Some(stored), counted, at(now));
            let begun = GuessCounter {
                window_started: at(now),
                failures: 0,
            };
            assert_eq!(as_of, begun, "{counted:?} after {now} ms");
        }
        assert_eq!(GuessCounter::as_of(None, counted, at(0)), counter(0));
    }
}

#[test]
fn each_count_has_its_own_budget_and_what_is_no_failure_has_none() {
    let budgets = GuessBudgets {
        operator: 2,
        code: 3,
        caller: 5,
        operator_of_code: 7,
    };
    let of = |counted: Counted| counted.budget(budgets);
    assert_eq!(Counted::OF_A_GUESS.map(of), [2, 3, 5, 7]);
    assert_eq!(of(Counted::Forgiven), u32::MAX);
    assert_eq!(of(Counted::AslOtp), u32::MAX);
}

#[test]
fn a_failure_is_put_on_and_taken_off_within_the_bounds_of_the_number() {
    assert_eq!(counter(4).raised(), counter(5));
    assert_eq!(counter(4).lowered(), counter(3));
    assert_eq!(counter(0).lowered(), counter(0));
    assert_eq!(counter(u32::MAX).raised(), counter(u32::MAX));
}

#[test]
fn a_code_has_a_last_try_before_it_has_none() {
    for (left, tries) in [
        (0, CodeTries::None),
        (1, CodeTries::Last),
        (2, CodeTries::Some),
        (u32::MAX, CodeTries::Some),
    ] {
        assert_eq!(CodeTries::of(left), tries, "{left}");
    }
}

#[test]
fn a_guess_is_counted_unless_somebody_has_none_left_before_its_code_is_looked_at() {
    let until = at(0);
    let (operator_left, counted) = (1, true);
    let of = |code_tries| GuessAdmission::Counted {
        ticket: GuessTicket::of_number(1),
        operator_left,
        code_tries,
    };
    let admissions = [
        (of(CodeTries::Some), counted),
        (of(CodeTries::Last), counted),
        (of(CodeTries::None), counted),
        (GuessAdmission::OperatorExhausted { until }, !counted),
        (GuessAdmission::CallerExhausted { until }, !counted),
        (GuessAdmission::OperatorOfCodeExhausted, !counted),
    ];
    for (admission, counted) in admissions {
        assert_eq!(admission.is_counted(), counted, "{admission:?}");
    }
}
