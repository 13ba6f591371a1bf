//! Counting guesses. A failure means that somebody gets more tries than allowed, stays without any for longer, or learns from a count
//! whether a code exists.

use std::sync::Arc;

use sistema_ts_model::{CUN_LIFE_MILLIS, CodiceFiscale, Cun, SessionId};

use super::World;
use super::contention::{ask_once, assert_first};
use super::races::{ROUNDS, at_once};
use super::world::{call_center, operator};
use crate::{
    AslOtpAdmission, CodeTries, CountAslOtp, GUESS_WINDOW_MILLIS, Guess, GuessAdmission,
    GuessBudgets, GuessTicket, OpenOutcome, Store,
};

pub(super) const BUDGETS: GuessBudgets = GuessBudgets {
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

pub(super) fn code(number: u64) -> Cun {
    Cun::from_number(number).unwrap()
}

async fn begin_at(store: &dyn Store, who: u32, number: u64) -> GuessAdmission {
    let guess = guess(operator(who), code(number));
    store.begin_guess(guess).await.unwrap()
}

async fn begin(world: &World, who: u32, number: u64) -> GuessAdmission {
    begin_at(&**world.store(), who, number).await
}

fn is_code_exhausted(said: &GuessAdmission) -> bool {
    let none = CodeTries::None;
    matches!(said, GuessAdmission::Counted { code_tries, .. } if *code_tries == none)
}

/// A guess that was admitted, and the server at which it ends.
pub(super) struct UnderWay {
    store: Arc<dyn Store>,
    ticket: GuessTicket,
    /// What the operator has left, should it fail.
    operator_left: u32,
}

impl UnderWay {
    async fn begin(store: &Arc<dyn Store>, who: u32, number: u64) -> Self {
        match begin_at(&**store, who, number).await {
            GuessAdmission::Counted {
                ticket,
                operator_left,
                code_tries: CodeTries::Some | CodeTries::Last,
            } => Self {
                store: Arc::clone(store),
                ticket,
                operator_left,
            },
            other => panic!("a guess within the budgets was not admitted: {other:?}"),
        }
    }

    async fn fail(self) {
        self.store.fail_guess(&self.ticket).await.unwrap();
    }

    pub(super) async fn give_back(self) {
        self.store.return_guess(&self.ticket).await.unwrap();
    }
}

/// A guess that is admitted and fails; what the operator has left.
pub(super) async fn fail(world: &World, who: u32, number: u64) -> u32 {
    let guess = admitted(world, who, number).await;
    let left = guess.operator_left;
    guess.fail().await;
    left
}

/// A guess that is admitted and under way.
pub(super) async fn admitted(world: &World, who: u32, number: u64) -> UnderWay {
    UnderWay::begin(world.store(), who, number).await
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
        assert!(is_code_exhausted(&exhausted), "{exhausted:?}");
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
        let again = begin(&world, 3, number).await;
        let GuessAdmission::Counted {
            operator_left,
            code_tries: CodeTries::None,
            ..
        } = again
        else {
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
    let said = world.store().begin_guess(other).await.unwrap();
    assert!(said.is_counted(), "{said:?}");
}

pub async fn a_success_is_taken_off_every_count(world: World) {
    for _ in 0..20 {
        let guess = admitted(&world, 1, 7).await;
        assert_eq!(guess.operator_left, BUDGETS.operator - 1);
        guess.give_back().await;
    }
    // One that comes back after its window takes nothing off the next.
    let late = admitted(&world, 1, 7).await;
    world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    fail(&world, 1, 8).await;
    late.give_back().await;
    assert_eq!(fail(&world, 1, 9).await, BUDGETS.operator - 2);
}

pub async fn a_guess_counts_while_it_is_under_way_and_is_kept_once_if_it_fails(world: World) {
    let mut under_way = Vec::new();
    for left in (0..BUDGETS.operator).rev() {
        let guess = admitted(&world, 1, u64::from(left)).await;
        assert_eq!(guess.operator_left, left);
        under_way.push(guess);
    }
    let exhausted =
        |said: &GuessAdmission| matches!(said, GuessAdmission::OperatorExhausted { .. });
    assert!(exhausted(&begin(&world, 1, 90).await));
    // The first half fails, the other could not be checked.
    let kept = BUDGETS.operator / 2;
    for guess in under_way.drain(..kept as usize) {
        guess.fail().await;
        assert!(exhausted(&begin(&world, 1, 90).await));
    }
    for guess in under_way {
        guess.give_back().await;
    }
    let world = world.reopen().await;
    assert_eq!(fail(&world, 1, 90).await, BUDGETS.operator - kept - 1);
}

pub async fn a_guess_under_way_at_one_server_counts_at_the_other(world: World) {
    let [one, other] = world.both();
    let mut under_way = Vec::new();
    for (server, left) in [&one, &other]
        .into_iter()
        .cycle()
        .zip((0..BUDGETS.operator).rev())
    {
        let guess = UnderWay::begin(server, 1, u64::from(left)).await;
        assert_eq!(
            guess.operator_left, left,
            "a guess is not counted at the other server"
        );
        under_way.push(guess);
    }
    let refused_by_both = async || {
        for server in [&one, &other] {
            let said = begin_at(&**server, 1, 90).await;
            let is_refused = matches!(said, GuessAdmission::OperatorExhausted { .. });
            assert!(is_refused, "what is under way is not counted: {said:?}");
        }
    };
    refused_by_both().await;
    for guess in under_way.drain(1..) {
        guess.fail().await;
    }
    refused_by_both().await;
    // The one that succeeded is the only one left, for either.
    for guess in under_way {
        guess.give_back().await;
    }
    UnderWay::begin(&other, 1, 90).await.fail().await;
    refused_by_both().await;
}

/// The clocks of the two servers are as far apart as they may be.
pub async fn guesses_by_two_clocks_are_counted_in_one_window(world: World) {
    world.stand_still();
    let [one, other] = world.both();
    let error = world.clock_error();
    for (ahead, who) in [(0, 1), (1, 2)] {
        world.put_ahead(ahead, error);
        let began = world.now();
        for (server, left) in [&one, &other]
            .into_iter()
            .cycle()
            .zip((0..BUDGETS.operator).rev())
        {
            let guess = UnderWay::begin(server, who, u64::from(left)).await;
            assert_eq!(
                guess.operator_left, left,
                "a guess is not counted at the other server"
            );
            guess.fail().await;
        }
        for after in [0, GUESS_WINDOW_MILLIS - error - 1] {
            world.clock.set(began.plus_millis(after));
            for server in [&one, &other] {
                let said = begin_at(&**server, who, 90).await;
                let is_refused = matches!(said, GuessAdmission::OperatorExhausted { .. });
                assert!(is_refused, "{after} ms after the first: {said:?}");
            }
        }
        world
            .clock
            .set(began.plus_millis(GUESS_WINDOW_MILLIS + error));
        for server in [&one, &other] {
            UnderWay::begin(server, who, 90).await.fail().await;
        }
    }
}

pub async fn a_guess_whose_session_does_not_open_has_failed(world: World) {
    let (cun, _) = world.record(world.negative(1).await).await;
    for left in (0..BUDGETS.operator_of_code).rev() {
        let guess = admitted(&world, 1, cun.number()).await;
        assert!(guess.operator_left >= left);
        let session = world.opening(cun, SessionId::random());
        let outcome = guess
            .store
            .finish_verification(session, &guess.ticket)
            .await;
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
    assert!(is_code_exhausted(&begin(&world, 2, 7).await));
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
        let store = Arc::clone(world.store());
        let last = begin_at(&*store, 2, number).await;
        let GuessAdmission::Counted {
            ticket,
            code_tries: CodeTries::Last,
            ..
        } = last
        else {
            panic!("{last:?}");
        };
        // One that succeeds uses nothing up.
        store.return_guess(&ticket).await.unwrap();
        let again = begin(&world, 2, number).await;
        assert!(
            matches!(
                again,
                GuessAdmission::Counted {
                    code_tries: CodeTries::Last,
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
        let store = world.store();
        let exhausted = begin_at(&**store, 3, 7).await;
        let GuessAdmission::Counted {
            ticket,
            operator_left,
            code_tries: CodeTries::None,
        } = exhausted
        else {
            panic!("{exhausted:?}");
        };
        assert_eq!(operator_left, BUDGETS.operator - 1);
        store.return_guess(&ticket).await.unwrap();
    }
    // Neither did it give the code a try back.
    use_up_stays(&world, 7).await;
}

pub async fn a_hundred_guesses_at_once_get_exactly_the_budget(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let number = u64::from(round);
        // By one operator in the even rounds, by as many as there are in the odd ones.
        let (by_one, budget) = match round % 2 {
            0 => (true, BUDGETS.operator_of_code),
            _ => (false, BUDGETS.code),
        };
        let said = at_once(&world, move |world, index| async move {
            let who = if by_one { 1 } else { index as u32 };
            let guess = guess(operator(who), code(number));
            ask_once(|| world.store().begin_guess(guess.clone())).await
        })
        .await;
        let has = |tries: &[CodeTries]| {
            let tries = tries.to_vec();
            move |said: &GuessAdmission| matches!(said, GuessAdmission::Counted { code_tries, .. } if tries.contains(code_tries))
        };
        let may_succeed = has(&[CodeTries::Some, CodeTries::Last]);
        assert_first("guesses", &said, budget as usize, may_succeed);
        let last = has(&[CodeTries::Last]);
        assert_first("last guesses", &said, usize::from(!by_one), last);
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    }
}

/// Uses a code's tries up, by operators whom nobody else is.
pub(super) async fn use_up(world: &World, number: u64, operators: std::ops::Range<u32>) {
    for who in operators.cycle().take(BUDGETS.code as usize) {
        fail(world, who, number).await;
    }
    let last = begin(world, 99, number).await;
    assert!(is_code_exhausted(&last), "{last:?}");
}

pub(super) async fn use_up_stays(world: &World, number: u64) {
    let exhausted = begin(world, 1, number).await;
    assert!(is_code_exhausted(&exhausted), "{exhausted:?}");
}

fn asl_otp(who: u32) -> CountAslOtp {
    CountAslOtp {
        operator: operator(who),
        per_hour: 5,
    }
}

async fn count_asl_otp(world: &World, who: u32) -> AslOtpAdmission {
    world.store().count_asl_otp(asl_otp(who)).await.unwrap()
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
    let said = at_once(&world, |world, _| async move {
        ask_once(|| world.store().count_asl_otp(asl_otp(1))).await
    })
    .await;
    assert_first("codes of an ASL", &said, 5, |said| {
        *said == AslOtpAdmission::Admitted
    });
}
