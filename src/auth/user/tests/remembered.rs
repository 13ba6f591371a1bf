//! A failure here means that a pair that was right once is hashed at every request, or lets somebody in for longer than it may.

use super::*;

impl House {
    /// Gives the user another password and pincode.
    async fn give_new_credential(&self) {
        let new = self.hash("a new password", "9876543210");
        self.register
            .change(
                RegisterChange::SetUserCredential {
                    user: mario(),
                    credential: new,
                    expires_at: None,
                },
                act(),
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_right_pair_is_remembered_and_a_wrong_one_always_pays() {
    let house = House::new().await;
    for _ in 0..10 {
        house.right().await.unwrap();
    }
    assert_eq!(house.hashes(), 1);
    for _ in 0..3 {
        assert_eq!(
            house
                .check("mario", "a wrong password", Some(PINCODE))
                .await,
            UNAUTHORIZED
        );
    }
    assert_eq!(house.hashes(), 4);
    house.right().await.unwrap();
    assert_eq!(
        house.hashes(),
        4,
        "another's mistakes cost the user nothing"
    );
}

#[tokio::test]
async fn nothing_is_remembered_when_the_setting_says_so() {
    let house = House::with(AuthenticatorSettings {
        remember: Duration::ZERO,
        ..settings()
    })
    .await;
    house.right().await.unwrap();
    house.right().await.unwrap();
    assert_eq!(house.hashes(), 2);
}

#[tokio::test]
async fn a_change_of_the_user_ends_what_was_remembered() {
    let house = House::new().await;
    house.right().await.unwrap();
    house
        .register
        .change(
            RegisterChange::SetUserProfiles {
                user: mario(),
                profiles: Profiles::NONE,
            },
            act(),
        )
        .await
        .unwrap();
    house.right().await.unwrap();
    assert_eq!(house.hashes(), 2);
    house
        .register
        .change(
            RegisterChange::SetUserEnabled {
                user: mario(),
                enabled: false,
            },
            act(),
        )
        .await
        .unwrap();
    assert_eq!(house.right().await, UNAUTHORIZED);
    house
        .register
        .change(
            RegisterChange::SetUserEnabled {
                user: mario(),
                enabled: true,
            },
            act(),
        )
        .await
        .unwrap();
    house.right().await.unwrap();
    house.give_new_credential().await;
    assert_eq!(house.right().await, UNAUTHORIZED);
    assert!(
        house
            .check("mario", "a new password", Some("9876543210"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_expiry_is_noticed_while_the_pair_is_remembered() {
    let house = House::new().await;
    let end = house.now().plus_millis(1_000);
    house
        .register
        .change(
            RegisterChange::SetUserExpiry {
                user: mario(),
                expires_at: Some(end),
            },
            act(),
        )
        .await
        .unwrap();
    house.right().await.unwrap();
    house.clock.advance_millis(1_000);
    assert_eq!(house.right().await, UNAUTHORIZED);
}

/// The entry of `mario`, whose right pair was checked just now, and that pair's MAC.
async fn remembered(house: &House) -> (Arc<RegisteredUser>, PairMac) {
    house.right().await.unwrap();
    let user = Arc::clone(house.register.snapshot().user("mario").unwrap());
    let pincode = PinCode::parse(PINCODE).unwrap();
    let given = credentials("mario", PASSWORD);
    let mac = house
        .authenticator
        .shared
        .under_way
        .mac(&given, Some(&pincode));
    (user, mac)
}

#[tokio::test]
async fn what_is_remembered_ends_after_its_last_use_and_after_twelve_hours_in_any_case() {
    let house = House::new().await;
    let (user, mac) = remembered(&house).await;
    let shared = &house.authenticator.shared;
    let begun = Instant::now();
    let lets_in = |seconds| {
        let now = begun + Duration::from_secs(seconds);
        shared.remembered.lets_in(&user, &mac, now)
    };
    assert!(!shared.remembered.lets_in(&user, &[0; 32], begun));
    // Each use renews it.
    assert!(lets_in(299) && lets_in(598) && lets_in(897));
    assert!(!lets_in(1_198));
    let (user, mac) = remembered(&house).await;
    let lets_in = |seconds| {
        let now = begun + Duration::from_secs(seconds);
        shared.remembered.lets_in(&user, &mac, now)
    };
    let hours = 12 * 3_600;
    assert!((1..hours / 290).all(|use_| lets_in(use_ * 290)));
    assert!(!lets_in(hours + 1));
    assert!(
        shared.remembered.was_right(&user.id, &mac),
        "it still comes first"
    );
}

#[tokio::test]
async fn a_pair_that_is_not_right_any_more_comes_first_once_at_most() {
    let house = House::new().await;
    let (user, mac) = remembered(&house).await;
    house.give_new_credential().await;
    let remembered = &house.authenticator.shared.remembered;
    assert!(remembered.was_right(&user.id, &mac));
    assert_eq!(house.right().await, UNAUTHORIZED);
    assert!(!remembered.was_right(&user.id, &mac));
}

#[tokio::test]
async fn strangers_never_fill_the_table_of_what_was_right() {
    let house = House::new().await;
    house.right().await.unwrap();
    for guess in 0..200 {
        let user = if guess % 2 == 0 {
            "mario".to_owned()
        } else {
            format!("nobody-{guess}")
        };
        let password = format!("guess number {guess}");
        assert_eq!(
            house.check(&user, &password, Some(PINCODE)).await,
            UNAUTHORIZED
        );
    }
    assert_eq!(house.authenticator.shared.remembered.len(), 1);
    assert_eq!(
        (house.right().await, house.hashes()),
        (Ok("mario".to_owned()), 201)
    );
}
