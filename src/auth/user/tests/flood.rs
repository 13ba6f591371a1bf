//! A failure here means that strangers who fail as often as they like keep a right user out.

use super::*;

/// So many tasks that guess, each its own names, until they are dropped.
struct Flood(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Flood {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Flood {
    /// Each guesser's user and source are what `who` makes of its number and of how often it has guessed.
    fn start(
        house: &Arc<House>,
        count: u64,
        who: impl Fn(u64, u64) -> (String, String) + Send + Copy + 'static,
    ) -> Self {
        let guesser = |number| {
            let house = Arc::clone(house);
            tokio::spawn(async move {
                for guess in 0.. {
                    let (user, source) = who(number, guess);
                    let password = format!("guess {guess} of {number}");
                    let outcome = house
                        .check_from(&user, &password, Some(PINCODE), &source)
                        .await;
                    assert!(outcome.is_err());
                    tokio::task::yield_now().await;
                }
            })
        };
        Flood((0..count).map(guesser).collect())
    }

    /// Waits until a hundred checks were made, so that the flood is at its height.
    async fn is_under_way(house: &House) {
        Self::has_had_checks(house, 100).await;
    }

    /// Waits until so many more checks were made.
    async fn has_had_checks(house: &House, checks: usize) {
        let before = house.hashes();
        let begun = Instant::now();
        while house.hashes() < before + checks {
            assert!(begun.elapsed() < Duration::from_secs(60), "no flood");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Signs in with the right pair of `mario`, never seen before, and says for how many checks of others it waited.
async fn first_sign_in(house: &House, source: &str) -> usize {
    let outcome = house
        .check_from("mario", PASSWORD, Some(PINCODE), source)
        .await;
    assert_eq!(outcome, Ok("mario".to_owned()));
    house.authenticator.shared.pool.waited_for()
}

const GUESSERS: u64 = 150;

/// The check that is being made when one comes, and some luck of those that come at the same moment.
const SLACK: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_unknown_users_from_one_network_costs_a_first_sign_in_a_few_checks() {
    let house = Arc::new(House::new().await);
    let _flood = Flood::start(&house, GUESSERS, |number, guess| {
        let source = format!("2001:db8:7:{:x}::1", (number * 977 + guess) % 65_536);
        (format!("unknown-{number}-{guess}"), source)
    });
    Flood::is_under_way(&house).await;
    let checks = first_sign_in(&house, "192.0.2.1").await;
    assert!(checks <= 4 + SLACK, "{checks}");
    // Remembered now: nothing is waited for.
    let hashed = house.authenticator.remembered_user(
        &credentials("mario", PASSWORD),
        Some(&PinCode::parse(PINCODE).unwrap()),
    );
    assert!(hashed.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_from_many_networks_costs_a_first_sign_in_a_turn_of_each_at_most() {
    let house = Arc::new(House::new().await);
    let _flood = Flood::start(&house, GUESSERS, |number, guess| {
        (
            format!("unknown-{number}-{guess}"),
            format!("2001:db8:{number:x}::1"),
        )
    });
    Flood::is_under_way(&house).await;
    let checks = first_sign_in(&house, "192.0.2.1").await;
    assert!(checks <= GUESSERS as usize + SLACK, "{checks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_the_same_address_a_flood_costs_a_first_sign_in_a_turn_of_each_name_at_most() {
    let house = Arc::new(House::new().await);
    let _flood = Flood::start(&house, GUESSERS, |number, guess| {
        (format!("unknown-{number}-{guess}"), "192.0.2.1".to_owned())
    });
    Flood::is_under_way(&house).await;
    for source in ["192.0.2.1", "::ffff:192.0.2.1"] {
        let checks = first_sign_in(&house, source).await;
        assert!(checks <= 2 * GUESSERS as usize + SLACK, "{checks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_knows_the_user_id_and_guesses_from_elsewhere_costs_it_a_few_checks() {
    let house = Arc::new(House::new().await);
    let _flood = Flood::start(&house, GUESSERS, |number, _| {
        ("mario".to_owned(), format!("2001:db8:7:{number:x}::1"))
    });
    Flood::is_under_way(&house).await;
    let checks = first_sign_in(&house, "192.0.2.1").await;
    assert!(checks <= 4 + SLACK, "{checks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_knows_the_user_id_and_guesses_behind_its_address_costs_it_a_turn_each() {
    let house = Arc::new(House::new().await);
    let _flood = Flood::start(&house, GUESSERS, |_, _| {
        ("mario".to_owned(), "192.0.2.1".to_owned())
    });
    Flood::is_under_way(&house).await;
    let checks = first_sign_in(&house, "192.0.2.1").await;
    assert!(checks <= 2 * GUESSERS as usize + SLACK, "{checks}");
}

#[tokio::test]
async fn a_pair_that_was_right_yesterday_is_checked_while_all_strangers_wait() {
    let house = House::with(AuthenticatorSettings {
        remember: Duration::ZERO,
        ..settings()
    })
    .await;
    house.right().await.unwrap();
    house
        .authenticator
        .shared
        .pool
        .rest(Duration::from_secs(3_600));
    let (user, source) = ("mario", "192.0.2.1");
    for _ in 0..3 {
        assert!(
            house
                .check_from(user, PASSWORD, Some(PINCODE), source)
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn twenty_five_failures_of_an_unknown_user_behind_an_address_do_not_slow_the_others_there() {
    let house = House::new().await;
    for guess in 0..25 {
        let password = format!("guess number {guess}");
        assert_eq!(
            house.check("nobody", &password, Some(PINCODE)).await,
            UNAUTHORIZED
        );
    }
    let shared = &house.authenticator.shared;
    let here = Source::of(Some("192.0.2.1".parse().unwrap()));
    for user in 0..11 {
        let name = shared.slowing.name(&format!("user {user}"));
        assert!(
            !shared.slowing.take(name, &here, Instant::now()).slowed,
            "{user}"
        );
    }
    let name = shared.slowing.name("nobody");
    assert!(shared.slowing.take(name, &here, Instant::now()).slowed);
}

#[tokio::test]
async fn right_pairs_count_as_no_failures() {
    let house = House::with(AuthenticatorSettings {
        remember: Duration::ZERO,
        ..settings()
    })
    .await;
    for number in 0..30 {
        let user = format!("user-{number}");
        house.add_user(&user, PASSWORD, PINCODE).await;
        assert!(house.check(&user, PASSWORD, Some(PINCODE)).await.is_ok());
    }
    let shared = &house.authenticator.shared;
    let here = Source::of(Some("192.0.2.1".parse().unwrap()));
    assert!(!shared.slowing.take(0, &here, Instant::now()).slowed);
}

#[tokio::test]
async fn a_full_waiting_room_refuses_the_newcomer_of_the_longest_backlog_and_takes_another() {
    let house = Arc::new(
        House::with(AuthenticatorSettings {
            hashing_queue: 4,
            ..settings()
        })
        .await,
    );
    house
        .authenticator
        .shared
        .pool
        .rest(Duration::from_secs(3_600));
    let waiting: Vec<_> = (0..4)
        .map(|number| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let user = format!("unknown-{number}");
                house.check(&user, PASSWORD, Some(PINCODE)).await
            })
        })
        .collect();
    while house.authenticator.shared.under_way.checks().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        house.check("unknown", PASSWORD, Some(PINCODE)).await,
        OVERLOADED
    );
    let mario = tokio::spawn({
        let house = Arc::clone(&house);
        async move {
            house
                .check_from("mario", PASSWORD, Some(PINCODE), "192.0.2.2")
                .await
        }
    });
    // One of the four had to leave for him.
    while !waiting.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::task::yield_now().await;
    }
    assert!(!mario.is_finished());
    mario.abort();
    for task in waiting {
        task.abort();
    }
}

#[tokio::test]
async fn who_comes_again_and_again_to_a_full_waiting_room_is_slowed_and_who_comes_once_is_not() {
    let house = Arc::new(
        House::with(AuthenticatorSettings {
            hashing_queue: 4,
            ..settings()
        })
        .await,
    );
    let shared = &house.authenticator.shared;
    shared.pool.rest(Duration::from_secs(3_600));
    let waiting: Vec<_> = (0..4)
        .map(|number| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let source = format!("2001:db8:{number}::1");
                let user = format!("waiting-{number}");
                house
                    .check_from(&user, PASSWORD, Some(PINCODE), &source)
                    .await
            })
        })
        .collect();
    while shared.under_way.checks().len() < 4 {
        tokio::task::yield_now().await;
    }
    let is_slowed = |address: &str| {
        let source = Source::of(Some(address.parse().unwrap()));
        let charge = shared.slowing.take(0, &source, Instant::now());
        shared.slowing.give_back(&charge);
        charge.slowed
    };
    let (once, again) = ("198.51.100.1", "192.0.2.1");
    for (source, times) in [(once, 1), (again, 20)] {
        for number in 0..times {
            let user = format!("unknown-{number}");
            let refused = house.check_from(&user, PASSWORD, Some(PINCODE), source);
            assert_eq!(refused.await, OVERLOADED);
        }
    }
    assert!(is_slowed(again));
    assert!(!is_slowed(once));
    for task in waiting {
        task.abort();
    }
}

/// How long right users wait with real hashes: printed, since it depends on the machine; what is asserted is that they are let in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_hashes_of_the_default_cost_right_users_are_let_in_within_the_longest_wait() {
    let cost = Argon2Cost {
        memory_kibibytes: 19 * 1_024,
        passes: 2,
    };
    let house = Arc::new(House::of_cost(cost, AuthenticatorSettings { cost, ..settings() }).await);
    let _flood = Flood::start(&house, GUESSERS, |number, guess| {
        let source = format!("2001:db8:7:{:x}::1", (number * 977 + guess) % 65_536);
        (format!("unknown-{number}-{guess}"), source)
    });
    Flood::has_had_checks(&house, 5).await;
    for round in 0..5 {
        let user = format!("right-{round}");
        house.add_user(&user, PASSWORD, PINCODE).await;
        let begun = Instant::now();
        let source = format!("192.0.2.{round}");
        let outcome = house
            .check_from(&user, PASSWORD, Some(PINCODE), &source)
            .await;
        eprintln!("{user}: {:?}", begun.elapsed());
        assert_eq!(outcome, Ok(user));
    }
}
