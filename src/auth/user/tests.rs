//! A failure here means that somebody gets in who must not, that guessing is cheaper or freer than stated, that the server tells
//! which part of a pair was wrong (by its answer or by its work), or that a busy structure is locked out by its own requests.
#![allow(clippy::unwrap_used)]

mod remembered;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use sistema_ts_model::{
    CodiceFiscale, ManualClock, Service, StructureDescription, StructureId, Timestamp,
};
use sistema_ts_store::embedded::register::{EmbeddedRegister, REGISTER_FILE, RegisterOptions};
use sistema_ts_store::register::{LockoutPolicy, NewUser, Profiles, Register, RegisterKey, UserId};
use tempfile::TempDir;

use super::super::{
    Argon2Cost, AuthenticatorSettings, BasicCredentials, BasicRefusal, BudgetSettings,
    CredentialHasher, Password,
};
use super::*;

const PASSWORD: &str = "a good password";
const PINCODE: &str = "0123456789";
const COST: Argon2Cost = Argon2Cost {
    memory_kibibytes: 64,
    passes: 1,
};
const THRESHOLD: u32 = 5;

fn settings() -> AuthenticatorSettings {
    AuthenticatorSettings {
        cost: COST,
        hashing_threads: 1,
        hashing_queue: 1_000,
        remember: Duration::from_secs(300),
        lockout: LockoutPolicy {
            threshold: THRESHOLD,
            window_millis: 3_600_000,
            lockout_millis: 900_000,
        },
        budget: BudgetSettings {
            burst: 100_000,
            per_minute: 1,
        },
    }
}

/// A register with the user `mario`, and an authenticator in front of it.
struct House {
    folder: TempDir,
    register: Arc<EmbeddedRegister>,
    clock: ManualClock,
    authenticator: Arc<Authenticator>,
    hasher: CredentialHasher,
}

impl House {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: AuthenticatorSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(RegisterKey::create(&folder.path().join("key")).unwrap());
        let data = folder.path().join("data");
        EmbeddedRegister::create(&data, &key).unwrap();
        let options = RegisterOptions {
            queue: 1_000,
            ..RegisterOptions::default()
        };
        let register = Arc::new(EmbeddedRegister::open(&data, Arc::clone(&key), options).unwrap());
        let clock = ManualClock::new(Timestamp::from_millis_clamped(1_780_000_000_000));
        let authenticator = Authenticator::new(
            Arc::clone(&register) as Arc<dyn Register>,
            &key,
            Arc::new(clock.clone()),
            settings,
        )
        .unwrap();
        let hasher = CredentialHasher::new(&key, COST).unwrap();
        let house = House {
            folder,
            register,
            clock,
            authenticator: Arc::new(authenticator),
            hasher,
        };
        let description = StructureDescription::parse("Ospedale di prova").unwrap();
        let now = house.now();
        house
            .register
            .add_structure(structure(), &description, now)
            .await
            .unwrap();
        house.add_user("mario", PASSWORD, PINCODE).await;
        house
    }

    fn now(&self) -> Timestamp {
        self.authenticator.now()
    }

    async fn add_user(&self, id: &str, password: &str, pincode: &str) {
        let user = NewUser {
            id: UserId::parse(id).unwrap(),
            structure: structure(),
            fiscal_code: CodiceFiscale::parse("RSSMRA80A01H501U").unwrap(),
            credential: self.hash(password, pincode),
            expires_at: None,
            profiles: Profiles::NONE.with(Service::SubmitTest),
        };
        self.register.add_user(user, self.now()).await.unwrap();
    }

    fn hash(&self, password: &str, pincode: &str) -> sistema_ts_store::register::CredentialHash {
        let password = Password::parse(password).unwrap();
        self.hasher
            .hash(&password, &PinCode::parse(pincode).unwrap())
            .unwrap()
    }

    async fn check(
        &self,
        user: &str,
        password: &str,
        pincode: Option<&str>,
    ) -> Result<String, BasicRefusal> {
        self.check_from(user, password, pincode, "192.0.2.1").await
    }

    async fn check_from(
        &self,
        user: &str,
        password: &str,
        pincode: Option<&str>,
        source: &str,
    ) -> Result<String, BasicRefusal> {
        let pincode = pincode.map(|pincode| PinCode::parse(pincode).unwrap());
        let source = Some(source.parse().unwrap());
        let user = self
            .authenticator
            .user(&credentials(user, password), pincode.as_ref(), source)
            .await?;
        Ok(user.id.to_string())
    }

    async fn right(&self) -> Result<String, BasicRefusal> {
        self.check("mario", PASSWORD, Some(PINCODE)).await
    }

    fn hashes(&self) -> usize {
        self.authenticator.shared.pool.hashed.load(Ordering::SeqCst)
    }

    /// All attempts counted, checked or refused, of one user, or of those who are not registered.
    fn counted(&self, user: &str) -> u32 {
        let file = rusqlite::Connection::open(self.folder.path().join("data").join(REGISTER_FILE))
            .unwrap();
        file.query_row(
            "SELECT coalesce(sum(failures + refused), 0) FROM attempts WHERE user_id = ?1",
            [user],
            |row| row.get(0),
        )
        .unwrap()
    }
}

fn structure() -> StructureId {
    StructureId::parse("010-101-000123").unwrap()
}

fn mario() -> UserId {
    UserId::parse("mario").unwrap()
}

fn credentials(user: &str, password: &str) -> BasicCredentials {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    BasicCredentials::parse(Some(format!("Basic {encoded}").as_bytes())).unwrap()
}

const UNAUTHORIZED: Result<String, BasicRefusal> = Err(BasicRefusal::Unauthorized);
const OVERLOADED: Result<String, BasicRefusal> = Err(BasicRefusal::Overloaded);

#[tokio::test]
async fn the_right_pair_is_let_in_and_leaves_no_failure() {
    let house = House::new().await;
    assert_eq!(house.right().await, Ok("mario".to_owned()));
    assert_eq!((house.hashes(), house.counted("mario")), (1, 0));
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_and_the_work_are_the_same() {
    let house = House::new().await;
    for id in ["disabled", "expired", "locked"] {
        house.add_user(id, PASSWORD, PINCODE).await;
    }
    let id = |id: &str| UserId::parse(id).unwrap();
    house
        .register
        .set_user_enabled(&id("disabled"), false)
        .await
        .unwrap();
    house
        .register
        .set_user_expiry(&id("expired"), Some(house.now()))
        .await
        .unwrap();
    for _ in 0..THRESHOLD {
        let policy = settings().lockout;
        house
            .register
            .begin_attempt(Some(&id("locked")), policy, house.now())
            .await
            .unwrap();
    }
    for (user, password, pincode, counted_for) in [
        ("nobody", PASSWORD, Some(PINCODE), ""),
        ("no such user", PASSWORD, Some(PINCODE), ""),
        ("mario", "a wrong password", Some(PINCODE), "mario"),
        ("mario", PASSWORD, Some("0123456780"), "mario"),
        ("mario", PASSWORD, None, "mario"),
        ("mario", "", None, "mario"),
        ("disabled", PASSWORD, Some(PINCODE), "disabled"),
        ("expired", PASSWORD, Some(PINCODE), "expired"),
        ("locked", PASSWORD, Some(PINCODE), "locked"),
    ] {
        let (hashes, counted) = (house.hashes(), house.counted(counted_for));
        assert_eq!(
            house.check(user, password, pincode).await,
            UNAUTHORIZED,
            "{user}"
        );
        assert_eq!(house.hashes(), hashes + 1, "hashes for {user}");
        assert_eq!(
            house.counted(counted_for),
            counted + 1,
            "attempts of {user}"
        );
    }
}

#[tokio::test]
async fn a_disabled_structure_takes_its_users_with_it_even_when_remembered() {
    let house = House::new().await;
    house.right().await.unwrap();
    house
        .register
        .set_structure_enabled(structure(), false)
        .await
        .unwrap();
    assert_eq!(house.right().await, UNAUTHORIZED);
    house
        .register
        .set_structure_enabled(structure(), true)
        .await
        .unwrap();
    assert!(house.right().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_guesses_at_once_get_no_more_tries_than_one_after_another() {
    let house = Arc::new(House::new().await);
    house.right().await.unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                house
                    .check("mario", &format!("guess number {index}"), Some(PINCODE))
                    .await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), UNAUTHORIZED);
    }
    let counter = house.register.attempts(&mario()).await.unwrap().unwrap();
    assert_eq!(
        (counter.failures, counter.refused),
        (THRESHOLD, 100 - THRESHOLD)
    );
    assert_eq!(house.hashes(), 101, "the refused ones did the work, too");
    assert_eq!(
        house.right().await,
        UNAUTHORIZED,
        "locked, although the pair was remembered"
    );
    house.clock.advance_millis(900_000);
    assert_eq!(house.right().await, Ok("mario".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_right_pair_a_hundred_times_at_once_is_one_hash_and_no_lockout() {
    let house = Arc::new(House::new().await);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.right().await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok("mario".to_owned()));
    }
    assert_eq!((house.hashes(), house.counted("mario")), (1, 0));
}

#[tokio::test]
async fn a_source_that_spent_its_budget_waits_and_the_others_do_not() {
    let house = House::with(AuthenticatorSettings {
        budget: BudgetSettings {
            burst: 3,
            per_minute: 1,
        },
        ..settings()
    })
    .await;
    for index in 0..3 {
        let guess = format!("guess number {index}");
        assert_eq!(
            house.check("nobody", &guess, Some(PINCODE)).await,
            UNAUTHORIZED
        );
    }
    let (hashes, counted) = (house.hashes(), house.counted(""));
    assert_eq!(
        house.check("nobody", "one more guess", Some(PINCODE)).await,
        OVERLOADED
    );
    assert_eq!(house.right().await, OVERLOADED);
    assert_eq!(
        (house.hashes(), house.counted("")),
        (hashes, counted),
        "refused before any work"
    );
    assert!(
        house
            .check_from("mario", PASSWORD, Some(PINCODE), "192.0.2.2")
            .await
            .is_ok()
    );
    // A remembered pair needs no budget.
    assert!(house.right().await.is_ok());
}

#[tokio::test]
async fn right_pairs_do_not_spend_the_budget() {
    let house = House::with(AuthenticatorSettings {
        remember: Duration::ZERO,
        budget: BudgetSettings {
            burst: 1,
            per_minute: 1,
        },
        ..settings()
    })
    .await;
    for _ in 0..5 {
        assert!(house.right().await.is_ok());
    }
}

#[tokio::test]
async fn a_full_queue_refuses_before_any_effect() {
    let house = House::with(AuthenticatorSettings {
        hashing_queue: 1,
        ..settings()
    })
    .await;
    let pool = &house.authenticator.shared.pool;
    let held = [pool.reserve().unwrap(), pool.reserve().unwrap()];
    assert_eq!(house.right().await, OVERLOADED);
    assert_eq!((house.hashes(), house.counted("mario")), (0, 0));
    drop(held);
    assert!(house.right().await.is_ok());
}

#[tokio::test]
async fn a_caller_that_hangs_up_has_made_its_attempt_all_the_same() {
    let house = House::new().await;
    let pincode = PinCode::parse(PINCODE).unwrap();
    let given = credentials("mario", "a wrong password");
    tokio::select! {
        biased;
        outcome = house.authenticator.user(&given, Some(&pincode), None) => panic!("too fast: {outcome:?}"),
        () = std::future::ready(()) => {}
    }
    let start = Instant::now();
    while !house.authenticator.shared.under_way.checks().is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the check never ends"
        );
        tokio::task::yield_now().await;
    }
    assert_eq!((house.hashes(), house.counted("mario")), (1, 1));
}

#[tokio::test]
async fn a_damaged_hash_lets_nobody_in() {
    let house = House::new().await;
    let damaged = sistema_ts_store::register::CredentialHash::new("damaged");
    house
        .register
        .set_user_credential(&mario(), damaged, None, house.now())
        .await
        .unwrap();
    assert_eq!(house.right().await, Err(BasicRefusal::Unavailable));
}
