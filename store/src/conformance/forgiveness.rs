//! Forgiving the failures that count against a code. A failure means that somebody gets more tries than allowed, or that a person whose code others have
//! used up stays refused.

use std::sync::Arc;

use sistema_ts_model::CUN_LIFE_MILLIS;

use super::World;
use super::contention::{insist, one_winner};
use super::guesses::{BUDGETS, admitted, code, fail, use_up, use_up_stays};
use super::races::{ROUNDS, at_once};
use crate::{FORGIVENESSES, Forgiveness, GUESS_WINDOW_MILLIS};

async fn forgive(world: &World, number: u64) -> Forgiveness {
    world.store().forgive_code(code(number)).await.unwrap()
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
    let before = admitted(&world, 1, 7).await;
    fail(&world, 2, 7).await;
    let forgiven = forgive(&world, 7).await;
    assert!(matches!(forgiven, Forgiveness::Forgiven { .. }));
    use_up(&world, 7, 2..4).await;
    before.give_back().await;
    use_up_stays(&world, 7).await;
}

pub async fn a_hundred_forgivenesses_at_once_are_one(world: World) {
    let world = Arc::new(world);
    for round in 0..ROUNDS {
        let number = u64::from(round);
        fail(&world, 1, number).await;
        let said = at_once(&world, move |world, _| async move {
            insist(|| world.store().forgive_code(code(number))).await
        })
        .await;
        one_winner("forgivenesses", &said, |said| {
            matches!(said, Forgiveness::Forgiven { .. })
        });
        world.clock.advance_millis(GUESS_WINDOW_MILLIS);
    }
}
