//! What was decided of the receipt by claims, each guard switched off, and what lost against it.

use super::state::Step;
use super::{ANSWERED_ALONE, DECIDED, ENDS, ONE_ANSWER, Protocol, Receipts};
use crate::search::{Way, fails, holds};

fn steps(way: &Way<Receipts>) -> Vec<Step> {
    let (_, state) = way.last().unwrap();
    state.attempts.iter().map(|attempt| attempt.step).collect()
}

/// That two answers have been given at the end of the way.
fn two_answers(model: Receipts) {
    let way = fails(&model, ONE_ANSWER);
    let (_, state) = way.last().unwrap();
    assert_eq!(state.answers().count_ones(), 2);
}

#[test]
fn a_key_has_one_answer() {
    holds(&DECIDED);
}

/// Three attempts, by quorums.
const THREE: Receipts = Receipts {
    attempts: 3,
    by_quorums: true,
    ..DECIDED
};

#[test]
fn a_key_that_is_sent_three_times_has_one_answer() {
    holds(&THREE);
}

#[test]
fn without_the_first_look_a_key_that_is_sent_three_times_has_two_answers() {
    two_answers(Receipts {
        protocol: Protocol::LooksLast,
        ..THREE
    });
}

#[test]
fn without_the_second_look_a_key_has_two_answers() {
    two_answers(Receipts {
        protocol: Protocol::LooksFirst,
        ..DECIDED
    });
}

#[test]
fn with_the_second_look_beside_the_test_a_key_has_two_answers() {
    two_answers(Receipts {
        protocol: Protocol::LooksBesideTheTest,
        ..DECIDED
    });
}

#[test]
fn without_looking_for_tests_a_key_has_two_answers() {
    two_answers(Receipts {
        looks_for_tests: false,
        ..DECIDED
    });
}

#[test]
fn without_the_conditional_write_a_key_has_two_answers() {
    two_answers(Receipts {
        protocol: Protocol::DecidesAlone,
        ..DECIDED
    });
}

#[test]
fn without_marks_a_late_test_is_found_beside_the_answered_one() {
    let way = fails(
        &Receipts {
            voids: false,
            ..DECIDED
        },
        ANSWERED_ALONE,
    );
    let (_, state) = way.last().unwrap();
    assert!(state.decided.is_some());
}

#[test]
fn if_the_smallest_claim_counts_a_key_has_two_answers() {
    two_answers(Receipts {
        protocol: Protocol::SmallestCounts,
        ..DECIDED
    });
}

#[test]
fn if_one_waits_for_the_others_test_both_may_wait_forever() {
    let way = fails(
        &Receipts {
            protocol: Protocol::WaitsForTheOther,
            ..DECIDED
        },
        ENDS,
    );
    assert_eq!(steps(&way)[..2], [Step::Waits; 2]);
}

#[test]
fn a_deadline_in_place_of_the_second_look_does_while_clocks_run() {
    holds(&Receipts {
        protocol: Protocol::KeepsADeadline,
        ..DECIDED
    });
}

#[test]
fn a_deadline_in_place_of_the_second_look_fails_when_a_machine_stands_still() {
    two_answers(Receipts {
        protocol: Protocol::KeepsADeadline,
        pauses: true,
        ..DECIDED
    });
}
