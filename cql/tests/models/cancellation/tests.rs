//! What was decided of a cancellation with a key, and each guard switched off.

use super::state::{Kind, REQUESTS, State, Step, Told};
use super::{
    Action, BY_THIS_KEY, Binding, Cancellations, DONE_IS_ERASED, ONE_ANSWER, ONE_CONTENT, Refusal,
    Setting,
};
use crate::search::{Way, fails, holds};

const COPY: Kind = Kind::Cancel {
    content: 0,
    code: 0,
};
/// About another code.
const OTHER: Kind = Kind::Cancel {
    content: 1,
    code: 1,
};
/// Of other content, about the same code.
const OTHER_OF_CODE: Kind = Kind::Cancel {
    content: 1,
    code: 0,
};
const ALL: [Kind; REQUESTS] = [COPY, COPY, OTHER, Kind::Unlock];

/// What was decided.
fn decided(requests: [Kind; REQUESTS]) -> Cancellations {
    Cancellations {
        refusal: Refusal::KeepsTheKey,
        binding: Binding::First,
        turn_follows: true,
        looks_at_unanswered: true,
        answers_once: true,
        erases_again: true,
        erases_first: true,
        requests,
        losses: 1,
        setting: Setting::new(),
    }
}

/// Searches for the way to two contents that are done, and answers it.
fn two_contents(model: Cancellations) -> Way<Cancellations> {
    let way = fails(&model, ONE_CONTENT);
    assert_eq!(last(&way).contents, 0b11);
    way
}

fn last(way: &Way<Cancellations>) -> &State {
    &way.last().unwrap().1
}

/// How many of these happen on the way.
fn count(way: &Way<Cancellations>, is_one: fn(&Action) -> bool) -> usize {
    way.iter().filter(|(action, _)| is_one(action)).count()
}

#[test]
fn two_copies_another_message_and_an_unlock_keep_the_rules() {
    holds(&decided(ALL));
}

#[test]
fn another_message_about_the_same_code_keeps_the_rules() {
    holds(&Cancellations {
        losses: 0,
        ..decided([COPY, COPY, OTHER_OF_CODE, Kind::Unlock])
    });
}

#[test]
fn copies_of_which_two_writes_are_not_answered_keep_the_rules() {
    holds(&Cancellations {
        losses: 2,
        ..decided([COPY, COPY, OTHER, Kind::Absent])
    });
}

#[test]
fn a_refusal_that_frees_the_key_lets_another_content_be_done_beside_a_copy() {
    let way = two_contents(Cancellations {
        refusal: Refusal::FreesTheKey,
        losses: 0,
        ..decided(ALL)
    });
    // No write is lost and no server dies for it: the unlock that refuses the one copy has ended before the other looks.
    assert_eq!(
        count(&way, |it| matches!(it, Action::IsRefusedByBackend(_))),
        1
    );
}

#[test]
fn a_refusal_that_frees_its_own_binding_alone_does_so_too() {
    two_contents(Cancellations {
        refusal: Refusal::FreesItsBinding,
        losses: 0,
        ..decided(ALL)
    });
}

#[test]
fn a_key_that_is_bound_with_the_answer_lets_two_contents_be_done() {
    let way = two_contents(Cancellations {
        binding: Binding::WithTheAnswer,
        ..decided(ALL)
    });
    assert_eq!(*last(&way).receipt.now(), None);
}

#[test]
fn a_key_that_is_bound_without_a_condition_lets_two_contents_be_done() {
    two_contents(Cancellations {
        binding: Binding::FirstAndPlainly,
        ..decided(ALL)
    });
}

#[test]
fn an_unanswered_binding_that_is_taken_for_done_lets_two_contents_be_done() {
    let way = two_contents(Cancellations {
        looks_at_unanswered: false,
        ..decided(ALL)
    });
    assert_eq!(count(&way, |it| matches!(it, Action::GivesUpWaiting(_))), 1);
}

#[test]
fn a_turn_that_is_drawn_has_a_copy_told_that_another_has_cancelled() {
    let way = fails(
        &Cancellations {
            turn_follows: false,
            ..decided(ALL)
        },
        BY_THIS_KEY,
    );
    assert_eq!(last(&way).contents, 0b01);
}

#[test]
fn without_the_condition_that_there_is_no_answer_a_copy_changes_it() {
    let way = fails(
        &Cancellations {
            answers_once: false,
            ..decided(ALL)
        },
        ONE_ANSWER,
    );
    let answered = matches!(last(&way).requests[0], Step::Told(Told::Done { .. }))
        || matches!(last(&way).requests[1], Step::Told(Told::Done { .. }));
    assert!(answered);
}

#[test]
fn a_copy_that_finds_the_code_cancelled_and_erases_nothing_answers_too_early() {
    let way = fails(
        &Cancellations {
            erases_again: false,
            ..decided(ALL)
        },
        DONE_IS_ERASED,
    );
    assert!(!last(&way).is_erased[0]);
}

#[test]
fn a_receipt_that_is_answered_before_the_erasure_answers_too_early() {
    fails(
        &Cancellations {
            erases_first: false,
            ..decided(ALL)
        },
        DONE_IS_ERASED,
    );
}
