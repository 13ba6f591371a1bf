//! What was decided of counts of guesses, and each guard switched off.

use super::state::{Kind, REQUESTS, Step, Told, View};
use super::{Action, COUNTED_ONCE, Condition, Guesses, Settles, TOLD_IS_COUNTED, WITHIN_BUDGET};
use crate::search::{fails, holds};
use sistema_ts_store::GuessBudgets;

const THREE: [Kind; REQUESTS] = [Kind::Guess(0), Kind::Guess(0), Kind::Guess(1)];
const OF_ONE: [Kind; REQUESTS] = [Kind::Guess(0), Kind::Guess(0), Kind::Absent];
const OF_TWO: [Kind; REQUESTS] = [Kind::Guess(0), Kind::Guess(1), Kind::Absent];
const FORGIVEN: [Kind; REQUESTS] = [Kind::Guess(0), Kind::Guess(0), Kind::Forgive];

/// What was decided, where budgets are in the way: the code has one try, and so has an operator for it.
fn decided(requests: [Kind; REQUESTS]) -> Guesses {
    Guesses {
        condition: Condition::TurnAndRow,
        settles: Settles::TheSameWrite,
        waits: true,
        compares_windows: true,
        compares_forgiven: true,
        takes_off_refused: true,
        budgets: GuessBudgets {
            operator: 2,
            code: 1,
            caller: 2,
            operator_of_code: 1,
        },
        requests,
        passes_time: false,
        losses: 1,
    }
}

/// The same, where the budgets are enough for two.
fn enough(requests: [Kind; REQUESTS]) -> Guesses {
    Guesses {
        budgets: GuessBudgets {
            operator: 2,
            code: 2,
            caller: 2,
            operator_of_code: 2,
        },
        ..decided(requests)
    }
}

#[test]
fn three_guesses_of_two_operators_keep_the_rules() {
    holds(&Guesses {
        losses: 0,
        ..decided(THREE)
    });
}

#[test]
fn two_guesses_of_one_operator_of_which_a_write_is_not_answered_keep_the_rules() {
    holds(&decided(OF_ONE));
}

#[test]
fn guesses_of_two_operators_of_which_a_write_is_not_answered_keep_the_rules() {
    holds(&Guesses {
        budgets: GuessBudgets {
            caller: 1,
            ..decided(OF_TWO).budgets
        },
        ..decided(OF_TWO)
    });
}

#[test]
fn guesses_over_the_end_of_a_window_keep_the_rules() {
    holds(&Guesses {
        passes_time: true,
        losses: 0,
        ..decided(OF_ONE)
    });
}

#[test]
fn guesses_beside_a_forgiveness_keep_the_rules() {
    holds(&Guesses {
        losses: 0,
        ..enough(FORGIVEN)
    });
}

#[test]
fn a_guess_beside_a_forgiveness_of_which_a_write_is_not_answered_keeps_the_rules() {
    holds(&Guesses {
        passes_time: true,
        ..enough([Kind::Guess(0), Kind::Absent, Kind::Forgive])
    });
}

#[test]
fn without_the_turn_two_operators_share_the_last_try() {
    fails(
        &Guesses {
            condition: Condition::Row,
            ..decided(OF_TWO)
        },
        WITHIN_BUDGET,
    );
}

#[test]
fn without_the_condition_on_the_row_a_quorum_that_is_behind_loses_a_failure() {
    let way = fails(
        &Guesses {
            condition: Condition::Turn,
            ..enough(OF_ONE)
        },
        TOLD_IS_COUNTED,
    );
    let behind = |action: &Action| matches!(action, Action::Reads(_, View::RowsBehind));
    assert!(way.iter().any(|(action, _)| behind(action)));
}

#[test]
fn a_guess_that_is_looked_at_before_its_count_is_answered_is_not_counted() {
    fails(
        &Guesses {
            waits: false,
            ..decided(OF_ONE)
        },
        TOLD_IS_COUNTED,
    );
}

#[test]
fn an_unanswered_count_that_is_taken_for_done_is_not_counted() {
    fails(
        &Guesses {
            settles: Settles::NoMore,
            ..decided(OF_ONE)
        },
        TOLD_IS_COUNTED,
    );
}

#[test]
fn an_unanswered_count_that_is_written_anew_counts_twice() {
    fails(
        &Guesses {
            settles: Settles::AnotherWrite,
            ..decided(OF_ONE)
        },
        COUNTED_ONCE,
    );
}

#[test]
fn a_success_that_does_not_compare_windows_takes_a_later_failure_off() {
    let way = fails(
        &Guesses {
            compares_windows: false,
            passes_time: true,
            losses: 0,
            ..enough(OF_ONE)
        },
        TOLD_IS_COUNTED,
    );
    assert!(
        way.iter()
            .any(|(action, _)| *action == Action::AnHourPasses)
    );
}

#[test]
fn a_success_from_before_a_forgiveness_takes_a_later_failure_off() {
    let way = fails(
        &Guesses {
            compares_forgiven: false,
            losses: 0,
            ..enough(FORGIVEN)
        },
        TOLD_IS_COUNTED,
    );
    let (_, state) = way.last().unwrap();
    assert_eq!(state.requests[2].step, Step::Told(Told::Forgiven));
}

#[test]
fn a_guess_that_the_code_refuses_stays_counted_if_nobody_takes_it_off() {
    fails(
        &Guesses {
            takes_off_refused: false,
            ..decided(OF_ONE)
        },
        COUNTED_ONCE,
    );
}
