//! A failure here means that a pair that was right once is hashed at every request, or lets somebody in for longer than it may.

use super::*;

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
        "another's mistakes below the threshold cost the user nothing"
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
        .set_user_profiles(&mario(), Profiles::NONE)
        .await
        .unwrap();
    house.right().await.unwrap();
    assert_eq!(house.hashes(), 2);
    house
        .register
        .set_user_enabled(&mario(), false)
        .await
        .unwrap();
    assert_eq!(house.right().await, UNAUTHORIZED);
    house
        .register
        .set_user_enabled(&mario(), true)
        .await
        .unwrap();
    house.right().await.unwrap();
    let new = house.hash("a new password", "9876543210");
    house
        .register
        .set_user_credential(&mario(), new, None, house.now())
        .await
        .unwrap();
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
        .set_user_expiry(&mario(), Some(end))
        .await
        .unwrap();
    house.right().await.unwrap();
    house.clock.advance_millis(1_000);
    assert_eq!(house.right().await, UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_remembered_ends_on_time() {
    let house = House::new().await;
    house.right().await.unwrap();
    let user = Arc::clone(house.register.snapshot().user("mario").unwrap());
    let shared = &house.authenticator.shared;
    let pincode = PinCode::parse(PINCODE).unwrap();
    let mac = shared
        .under_way
        .mac(&credentials("mario", PASSWORD), Some(&pincode));
    let now = Instant::now();
    assert!(shared.remembered.knows(&user, &mac, now));
    assert!(
        !shared
            .remembered
            .knows(&user, &mac, now + Duration::from_secs(301))
    );
    assert!(!shared.remembered.knows(&user, &[0; 32], now));
}
