//! Counting guesses. A failure means that somebody gets more tries than allowed, stays without any for longer, or learns from a count
//! whether a code exists.

use std::sync::Arc;

use sistema_ts_model::{CUN_LIFE_MILLIS, CodiceFiscale, Cun, SessionId};

use super::World;
use super::races::{ROUNDS, at_once};
use super::world::{call_center, operator};
use crate::{
    AslOtpAdmission, CountAslOtp, FORGIVENESSES, Forgiveness, GUESS_WINDOW_MILLIS, Guess,
    GuessAdmission, GuessBudgets, GuessTicket, OpenOutcome,
};

const BUDGETS: GuessBudgets = GuessBudgets {
    operator: 6,
    code: 4,
    caller: 9,
    operator_of_code: 3,
};

fn guess(who: CodiceFiscale, cun: Cun) -> Guess {
    Guess {
        operator: who,
        caller: call_center("cc1"),
        cun,
        budgets: BUDGETS,
    }
}

fn code(number: u64) -> Cun {
    Cun::from_number(number).unwrap()
}

async fn begin(world: &World, who: u32, number: u64) -> GuessAdmission {
    let guess = guess(operator(who), code(number));
    world.store().begin_guess(guess).await.unwrap()
}

/// A guess that is admitted and fails; what the operator has left.
async fn fail(world: &World, who: u32, number: u64) -> u32 {
    let (ticket, operator_left) = admitted(world, who, number).await;
    world.store().fail_guess(&ticket).await.unwrap();
    operator_left
}

/// A guess that is admitted and under way; what the operator has left, should it fail.
async fn admitted(world: &World, who: u32, number: u64) -> (GuessTicket, u32) {
    match begin(world, who, number).await {
        GuessAdmission::Admitted {
            ticket,
            operator_left,
            ..
        } => (ticket, operator_left),
        other => panic!("a guess within the budgets was not admitted: {other:?}"),
    }
}

pub async fn an_operator_has_its_budget_and_no_more(world: World) {
    world.stand_still();
    for left in (0..BUDGETS.operator).rev() {
        let told = fail(&world, 1, u64::from(left)).await;
        assert_eq!(told, left);
    }
    let until = world.now().plus_millis(GUESS_WINDOW_MILLIS);
    assert_eq!(
        begin(&world, 1, 90).await,
        GuessAdmission::OperatorExhausted { until }
    );
    // Another operator has its own.
    fail(&world, 2, 91).await;
    world.clock.advance_millis(GUESS_WINDOW_MILLIS - 1);
    assert!(matches!(
        begin(&world, 1, 90).await,
        GuessAdmission::OperatorExhausted { .. }
    ));
    world.clock.advance_millis(1);
    assert_eq!(fail(&world, 1, 90).await, BUDGETS.operator - 1);
}

pub async fn a_code_has_its_budget_whoever_asks_and_for_its_life(world: World) {
    let known = world.issued(1).await.number();
    for number in [known, (known + 1) % 1_000_000] {
        // Two operators of two windows: the code's count goes on.
        for who in [1, 2, 1, 2] {
            fail(&world, who, number).await;
        }
        let exhausted = begin(&world, 1, number).await;
        assert!(
            matches!(exhausted, GuessAdmission::CodeExhausted { .. }),
            "{exhausted:?}"
        );
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
        let again = begin(&world, 3, number).await;
        let GuessAdmission::CodeExhausted { operator_left, .. } = again else {
            panic!("{again:?}");
        };
        assert_eq!(operator_left, BUDGETS.operator - 1);
    }
    world.clock.advance_millis(CUN_LIFE_MILLIS);
    fail(&world, 1, known).await;
}

pub async fn a_caller_has_its_budget_over_all_operators(world: World) {
    for number in 0..BUDGETS.caller {
        fail(&world, number, u64::from(number)).await;
    }
    assert!(matches!(
        begin(&world, 90, 90).await,
        GuessAdmission::CallerExhausted { .. }
    ));
    let other = Guess {
        caller: call_center("cc2"),
        ..guess(operator(90), code(90))
    };
    assert!(matches!(
        world.store().begin_guess(other).await.unwrap(),
        GuessAdmission::Admitted { .. }
    ));
}

pub async fn a_success_is_taken_off_every_count(world: World) {
    for _ in 0..20 {
        let (ticket, left) = admitted(&world, 1, 7).await;
        assert_eq!(left, BUDGETS.operator - 1);
        world.store().return_guess(&ticket).await.unwrap();
    }
    // One that comes back after its window takes nothing off the next.
    let (late, _) = admitted(&world, 1, 7).await;
    world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    fail(&world, 1, 8).await;
    world.store().return_guess(&late).await.unwrap();
    assert_eq!(fail(&world, 1, 9).await, BUDGETS.operator - 2);
}

pub async fn a_guess_counts_while_it_is_under_way_and_is_kept_once_if_it_fails(world: World) {
    let mut under_way = Vec::new();
    for left in (0..BUDGETS.operator).rev() {
        let (ticket, told) = admitted(&world, 1, u64::from(left)).await;
        assert_eq!(told, left);
        under_way.push(ticket);
    }
    let exhausted =
        |said: &GuessAdmission| matches!(said, GuessAdmission::OperatorExhausted { .. });
    assert!(exhausted(&begin(&world, 1, 90).await));
    // The first half fails, the other could not be checked.
    let kept = BUDGETS.operator / 2;
    for ticket in under_way.drain(..kept as usize) {
        world.store().fail_guess(&ticket).await.unwrap();
        assert!(exhausted(&begin(&world, 1, 90).await));
    }
    for ticket in under_way {
        world.store().return_guess(&ticket).await.unwrap();
    }
    let world = world.reopen().await;
    assert_eq!(fail(&world, 1, 90).await, BUDGETS.operator - kept - 1);
}

pub async fn a_guess_whose_session_does_not_open_has_failed(world: World) {
    let (cun, _) = world.record(world.negative(1).await).await;
    for left in (0..BUDGETS.operator_of_code).rev() {
        let guess = guess(operator(1), cun);
        let GuessAdmission::Admitted { ticket, .. } =
            world.store().begin_guess(guess).await.unwrap()
        else {
            panic!("{left} are left");
        };
        let session = world.opening(cun, SessionId::random());
        let outcome = world.store().finish_verification(session, &ticket).await;
        assert!(
            matches!(outcome, Ok(OpenOutcome::Refused(_))),
            "{outcome:?}"
        );
    }
    let world = world.reopen().await;
    assert_eq!(
        begin(&world, 1, cun.number()).await,
        GuessAdmission::OperatorOfCodeExhausted
    );
}

pub async fn counts_outlive_a_restart_and_a_sweep(world: World) {
    for who in [1, 1, 1, 2] {
        fail(&world, who, 7).await;
    }
    let world = world.reopen().await;
    while world.sweep(100).await.more {}
    assert_eq!(
        begin(&world, 1, 7).await,
        GuessAdmission::OperatorOfCodeExhausted
    );
    assert!(matches!(
        begin(&world, 2, 7).await,
        GuessAdmission::CodeExhausted { .. }
    ));
}

pub async fn one_operator_alone_does_not_use_a_code_up(world: World) {
    let known = world.issued(1).await.number();
    // Alike for a code that exists and one that does not.
    for number in [known, (known + 1) % 1_000_000] {
        for _ in 0..BUDGETS.operator_of_code {
            fail(&world, 1, number).await;
        }
        for _ in 0..20 {
            assert_eq!(
                begin(&world, 1, number).await,
                GuessAdmission::OperatorOfCodeExhausted
            );
        }
        // The same person at another call centre is the same operator.
        let elsewhere = Guess {
            caller: call_center("cc2"),
            ..guess(operator(1), code(number))
        };
        assert_eq!(
            world.store().begin_guess(elsewhere).await.unwrap(),
            GuessAdmission::OperatorOfCodeExhausted
        );
        // Nothing of it was counted: another operator has the code's last try, and is told that it is.
        let last = begin(&world, 2, number).await;
        let GuessAdmission::Admitted {
            ticket,
            uses_code_up: true,
            ..
        } = last
        else {
            panic!("{last:?}");
        };
        // One that succeeds uses nothing up.
        world.store().return_guess(&ticket).await.unwrap();
        let again = begin(&world, 2, number).await;
        assert!(
            matches!(
                again,
                GuessAdmission::Admitted {
                    uses_code_up: true,
                    ..
                }
            ),
            "{again:?}"
        );
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
        // An hour gives the operator nothing for this code, and all for another.
        assert_eq!(
            begin(&world, 1, number).await,
            GuessAdmission::OperatorOfCodeExhausted
        );
        fail(&world, 1, number + 10).await;
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    }
    world.clock.advance_millis(CUN_LIFE_MILLIS);
    fail(&world, 1, known).await;
}

pub async fn a_guess_that_could_not_be_checked_costs_nothing_even_of_a_code_without_tries(
    world: World,
) {
    use_up(&world, 7, 1..3).await;
    for _ in 0..20 {
        let exhausted = begin(&world, 3, 7).await;
        let GuessAdmission::CodeExhausted {
            ticket,
            operator_left,
        } = exhausted
        else {
            panic!("{exhausted:?}");
        };
        assert_eq!(operator_left, BUDGETS.operator - 1);
        world.store().return_guess(&ticket).await.unwrap();
    }
    // Neither did it give the code a try back.
    use_up_stays(&world, 7).await;
}

pub async fn a_hundred_guesses_at_once_get_exactly_the_budget(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let number = u64::from(round);
        // By one operator in the even rounds, by as many as there are in the odd ones.
        let said = at_once(&world, move |world, index| async move {
            let who = if round % 2 == 0 { 1 } else { index };
            begin(&world, who as u32, number).await
        })
        .await;
        let admitted = |last: bool| {
            said.iter()
                .filter(|said| matches!(said, GuessAdmission::Admitted { uses_code_up, .. } if *uses_code_up == last))
                .count() as u32
        };
        if round % 2 == 0 {
            assert_eq!((admitted(false), admitted(true)), (3, 0));
        } else {
            assert_eq!((admitted(false), admitted(true)), (BUDGETS.code - 1, 1));
        }
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    }
}

async fn forgive(world: &World, number: u64) -> Forgiveness {
    world.store().forgive_code(code(number)).await.unwrap()
}

/// Uses a code's tries up, by operators whom nobody else is.
async fn use_up(world: &World, number: u64, operators: std::ops::Range<u32>) {
    for who in operators.cycle().take(BUDGETS.code as usize) {
        fail(world, who, number).await;
    }
    let last = begin(world, 99, number).await;
    assert!(
        matches!(last, GuessAdmission::CodeExhausted { .. }),
        "{last:?}"
    );
}

pub async fn a_forgiven_code_has_all_its_tries_again_twice_in_its_life(world: World) {
    let known = world.issued(1).await.number();
    for number in [known, (known + 1) % 1_000_000] {
        assert_eq!(forgive(&world, number).await, Forgiveness::NothingCounted);
        for left in (0..FORGIVENESSES).rev() {
            use_up(&world, number, 1..3).await;
            let failures = BUDGETS.code;
            assert_eq!(
                forgive(&world, number).await,
                Forgiveness::Forgiven { failures, left }
            );
            assert_eq!(forgive(&world, number).await, Forgiveness::NothingCounted);
            world.clock.advance_millis(GUESS_WINDOW_MILLIS);
        }
        use_up(&world, number, 3..5).await;
        assert_eq!(forgive(&world, number).await, Forgiveness::NoneLeft);
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
        use_up_stays(&world, number).await;
    }
    // A life later everything is as if nothing had been.
    world.clock.advance_millis(CUN_LIFE_MILLIS);
    use_up(&world, known, 1..3).await;
    assert!(matches!(
        forgive(&world, known).await,
        Forgiveness::Forgiven { .. }
    ));
}

async fn use_up_stays(world: &World, number: u64) {
    let exhausted = begin(world, 1, number).await;
    assert!(
        matches!(exhausted, GuessAdmission::CodeExhausted { .. }),
        "{exhausted:?}"
    );
}

pub async fn forgiving_a_code_forgives_no_operator_and_outlives_a_restart(world: World) {
    for _ in 0..BUDGETS.operator_of_code {
        fail(&world, 1, 7).await;
    }
    forgive(&world, 7).await;
    let world = world.reopen().await;
    assert_eq!(
        fail(&world, 1, 7).await,
        BUDGETS.operator - BUDGETS.operator_of_code - 1
    );
    assert_eq!(fail(&world, 2, 7).await, BUDGETS.operator - 1);
}

pub async fn a_guess_from_before_a_forgiveness_takes_nothing_off_the_new_count(world: World) {
    let (before, _) = admitted(&world, 1, 7).await;
    fail(&world, 2, 7).await;
    let forgiven = forgive(&world, 7).await;
    assert!(matches!(forgiven, Forgiveness::Forgiven { .. }));
    use_up(&world, 7, 2..4).await;
    world.store().return_guess(&before).await.unwrap();
    use_up_stays(&world, 7).await;
}

pub async fn a_hundred_forgivenesses_at_once_are_one(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let number = u64::from(round);
        fail(&world, 1, number).await;
        let said = at_once(&world, move |world, _| async move {
            forgive(&world, number).await
        })
        .await;
        let forgiven = said
            .iter()
            .filter(|said| matches!(said, Forgiveness::Forgiven { .. }))
            .count();
        assert_eq!(forgiven, 1);
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    }
}

async fn count_asl_otp(world: &World, who: u32) -> AslOtpAdmission {
    let wish = CountAslOtp {
        operator: operator(who),
        per_hour: 5,
    };
    world.store().count_asl_otp(wish).await.unwrap()
}

pub async fn an_operator_sends_so_many_codes_for_an_asl_an_hour(world: World) {
    world.stand_still();
    // Failed verifications are another count.
    fail(&world, 1, 7).await;
    for _ in 0..5 {
        assert_eq!(count_asl_otp(&world, 1).await, AslOtpAdmission::Admitted);
    }
    let until = world.now().plus_millis(GUESS_WINDOW_MILLIS);
    let world = world.reopen().await;
    while world.sweep(100).await.more {}
    let exhausted = AslOtpAdmission::Exhausted { until };
    for _ in 0..20 {
        assert_eq!(count_asl_otp(&world, 1).await, exhausted);
    }
    assert_eq!(count_asl_otp(&world, 2).await, AslOtpAdmission::Admitted);
    fail(&world, 1, 8).await;
    world.clock.advance_millis(GUESS_WINDOW_MILLIS - 1);
    assert_eq!(count_asl_otp(&world, 1).await, exhausted);
    world.clock.advance_millis(1);
    let world = Arc::new(world);
    let said = at_once(
        &world,
        |world, _| async move { count_asl_otp(&world, 1).await },
    )
    .await;
    let admitted = |said: &&AslOtpAdmission| **said == AslOtpAdmission::Admitted;
    assert_eq!(said.iter().filter(admitted).count(), 5);
}
