//! What was decided of a code's life, and each guard switched off.

use super::{
    Action, CONFIRMED_IS_ERASED, Condition, Delivery, Kind, Lives, NOTHING_LATER, ONE_DELIVERS,
    REFUSED_IS_NOTHING, REQUESTS, Setting, Settles, State,
};
use crate::search::{Way, fails, holds};
use sistema_ts_model::CunState;

const UNLOCKS: [Kind; REQUESTS] = [
    Kind::Unlock(0),
    Kind::Unlock(1),
    Kind::Confirm,
    Kind::Absent,
];
const CONFIRMATIONS: [Kind; REQUESTS] =
    [Kind::Unlock(0), Kind::Confirm, Kind::Confirm, Kind::Absent];

/// What was decided.
fn decided(requests: [Kind; REQUESTS]) -> Lives {
    Lives {
        condition: Condition::TheTurn,
        settles: Settles::TheSameWrite,
        knows_its_turn: true,
        erases_again: true,
        requests,
        losses: 1,
        setting: Setting::new(),
    }
}

/// Whether a write was carried out after its request had given up waiting for it.
fn has_a_late_write(way: &Way<Lives>) -> bool {
    let gave_up = |action: &Action| matches!(action, Action::GivesUpWaiting(_));
    let first = way.iter().position(|(action, _)| gave_up(action)).unwrap();
    let late = |(action, _): &(Action, State)| matches!(action, Action::CarriedOut(..));
    way[first..].iter().any(late)
}

#[test]
fn two_sessions_and_a_confirmation_with_unknown_outcomes_keep_the_rules() {
    holds(&decided(UNLOCKS));
}

#[test]
fn a_session_and_a_confirmation_that_is_sent_twice_keep_the_rules() {
    holds(&decided(CONFIRMATIONS));
}

#[test]
fn without_a_condition_two_sessions_deliver() {
    let way = fails(
        &Lives {
            condition: Condition::Nothing,
            ..decided(UNLOCKS)
        },
        ONE_DELIVERS,
    );
    assert!(
        !way.iter()
            .any(|(action, _)| matches!(action, Action::GivesUpWaiting(_)))
    );
}

#[test]
fn on_the_condition_of_the_same_bytes_an_old_claim_comes_back() {
    let way = fails(
        &Lives {
            condition: Condition::TheBytes,
            ..decided(UNLOCKS)
        },
        NOTHING_LATER,
    );
    let refused = Action::Posts(0, Delivery::NotDelivered);
    let other = Action::Posts(1, Delivery::NotDelivered);
    assert!(
        way.iter()
            .any(|(action, _)| [refused, other].contains(action))
    );
    assert!(has_a_late_write(&way));
}

#[test]
fn a_serial_read_that_does_not_see_a_write_does_not_end_it() {
    let way = fails(
        &Lives {
            settles: Settles::SerialRead,
            ..decided(UNLOCKS)
        },
        REFUSED_IS_NOTHING,
    );
    assert!(has_a_late_write(&way));
}

#[test]
fn a_plain_read_does_not_even_see_what_has_taken_place() {
    let way = fails(
        &Lives {
            settles: Settles::PlainRead,
            ..decided(UNLOCKS)
        },
        REFUSED_IS_NOTHING,
    );
    let (last, _) = way.last().unwrap();
    assert!(
        matches!(last, Action::Settles(..) | Action::CarriedOut(..)),
        "{last:?}"
    );
}

#[test]
fn a_driver_that_repeats_a_write_has_its_own_success_refused() {
    let way = fails(
        &Lives {
            settles: Settles::ItsDriver,
            knows_its_turn: false,
            ..decided(UNLOCKS)
        },
        REFUSED_IS_NOTHING,
    );
    assert!(has_a_late_write(&way));
}

#[test]
fn a_driver_that_repeats_a_write_does_harm_even_if_the_turn_is_known() {
    let way = fails(
        &Lives {
            settles: Settles::ItsDriver,
            ..decided(UNLOCKS)
        },
        REFUSED_IS_NOTHING,
    );
    assert!(has_a_late_write(&way));
}

#[test]
fn a_confirmation_done_before_that_erases_nothing_answers_too_early() {
    let way = fails(
        &Lives {
            erases_again: false,
            ..decided(CONFIRMATIONS)
        },
        CONFIRMED_IS_ERASED,
    );
    let (_, state) = way.last().unwrap();
    assert!(!state.is_erased && state.row.life.state() == CunState::Consumed);
}
