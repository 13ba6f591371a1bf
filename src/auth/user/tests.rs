//! A failure here means that somebody gets in who must not, that guessing is cheaper than stated, that the server tells which part
//! of a pair was wrong (by its answer or by its work), or that anybody but the administrator keeps a right user out.
#![allow(clippy::unwrap_used)]

mod flood;
mod remembered;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use sistema_ts_model::{ManualClock, StructureDescription, StructureId, Timestamp};
use sistema_ts_store::register::{
    Act, Actor, NewUser, NoJournal, Profiles, Register, RegisterChange, RegisterKey, UserId,
};
use sistema_ts_store::samples;
use tempfile::TempDir;

use super::super::{
    Argon2Cost, AuthenticatorSettings, BasicCredentials, BasicRefusal, CredentialHasher,
    FailureRate, Password, SlowingSettings,
};
use super::*;
use crate::backend::Archives;

const PASSWORD: &str = "a good password";
const PINCODE: &str = "0123456789";
const COST: Argon2Cost = Argon2Cost {
    memory_kibibytes: 64,
    passes: 1,
};

fn settings() -> AuthenticatorSettings {
    AuthenticatorSettings {
        cost: COST,
        hashing_threads: 1,
        hashing_queue: 1_000,
        longest_wait: Duration::from_secs(300),
        remember: Duration::from_secs(300),
        slowing: SlowingSettings {
            user: FailureRate {
                burst: 5,
                per_minute: 1,
            },
            source: FailureRate {
                burst: 20,
                per_minute: 1,
            },
        },
    }
}

fn act() -> Act {
    Act {
        by: Actor::Command {
            user: 0,
            login: None,
        },
        at: Timestamp::from_millis_clamped(1_780_000_000_000),
    }
}

/// A register with the user `mario`, and an authenticator in front of it.
struct House {
    _folder: TempDir,
    register: Arc<dyn Register>,
    clock: ManualClock,
    authenticator: Arc<Authenticator>,
    hasher: CredentialHasher,
}

impl House {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: AuthenticatorSettings) -> Self {
        Self::of_cost(COST, settings).await
    }

    /// Whose credentials have hashes of this cost.
    async fn of_cost(cost: Argon2Cost, settings: AuthenticatorSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(RegisterKey::create(&folder.path().join("key")).unwrap());
        let data = folder.path().join("data");
        let archives = Archives::in_folder(&data, &folder.path().join("day-keys"));
        archives.create_register(&key).unwrap();
        let register = archives
            .register(Arc::clone(&key), Arc::new(NoJournal), None)
            .unwrap();
        let clock = ManualClock::new(Timestamp::from_millis_clamped(1_780_000_000_000));
        let authenticator = Authenticator::new(
            Arc::clone(&register),
            &key,
            Arc::new(clock.clone()),
            settings,
        )
        .unwrap();
        let hasher = CredentialHasher::new(&key, cost).unwrap();
        let house = House {
            _folder: folder,
            register,
            clock,
            authenticator: Arc::new(authenticator),
            hasher,
        };
        let description = StructureDescription::parse("Ospedale di prova").unwrap();
        house
            .register
            .change(
                RegisterChange::AddStructure {
                    id: structure(),
                    description,
                },
                act(),
            )
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
            credential: self.hash(password, pincode),
            ..samples::new_user(UserId::parse(id).unwrap(), structure())
        };
        self.register
            .change(RegisterChange::AddUser(user), act())
            .await
            .unwrap();
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
        self.authenticator.shared.pool.hashed()
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
async fn whatever_is_wrong_the_answer_and_the_work_are_the_same() {
    let house = House::new().await;
    for id in ["disabled", "expired"] {
        house.add_user(id, PASSWORD, PINCODE).await;
    }
    let id = |id: &str| UserId::parse(id).unwrap();
    house
        .register
        .change(
            RegisterChange::SetUserEnabled {
                user: id("disabled"),
                enabled: false,
            },
            act(),
        )
        .await
        .unwrap();
    house
        .register
        .change(
            RegisterChange::SetUserExpiry {
                user: id("expired"),
                expires_at: Some(house.now()),
            },
            act(),
        )
        .await
        .unwrap();
    for (user, password, pincode) in [
        ("nobody", PASSWORD, Some(PINCODE)),
        ("no such user", PASSWORD, Some(PINCODE)),
        ("mario", "a wrong password", Some(PINCODE)),
        ("mario", PASSWORD, Some("0123456780")),
        ("mario", PASSWORD, None),
        ("mario", "", None),
        ("disabled", PASSWORD, Some(PINCODE)),
        ("expired", PASSWORD, Some(PINCODE)),
    ] {
        let hashes = house.hashes();
        let outcome = house.check(user, password, pincode).await;
        assert_eq!(outcome, UNAUTHORIZED, "{user}");
        assert_eq!(house.hashes(), hashes + 1, "hashes for {user}");
        assert!(
            house
                .authenticator
                .remembered_user(
                    &credentials(user, password),
                    pincode.map(|text| PinCode::parse(text).unwrap()).as_ref()
                )
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_disabled_structure_takes_its_users_with_it_even_when_remembered() {
    let house = House::new().await;
    house.right().await.unwrap();
    house
        .register
        .change(
            RegisterChange::SetStructureEnabled {
                id: structure(),
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
            RegisterChange::SetStructureEnabled {
                id: structure(),
                enabled: true,
            },
            act(),
        )
        .await
        .unwrap();
    assert!(house.right().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_right_pair_a_hundred_times_at_once_is_one_hash() {
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
    assert_eq!(house.hashes(), 1);
}

#[tokio::test]
async fn a_check_whose_caller_hung_up_is_not_begun_and_leaves_no_trace() {
    let house = House::new().await;
    let pincode = PinCode::parse(PINCODE).unwrap();
    let given = credentials("mario", "a wrong password");
    // The lane rests, so that the check waits.
    house
        .authenticator
        .shared
        .pool
        .rest(Duration::from_secs(3_600));
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
    assert_eq!(house.hashes(), 0);
    let shared = &house.authenticator.shared;
    let name = shared.slowing.name("mario");
    let charges = (0..5).map(|_| shared.slowing.take(name, &Source::of(None), Instant::now()));
    assert!(
        charges.into_iter().all(|charge| !charge.slowed),
        "no failure was counted"
    );
}

#[tokio::test]
async fn nobody_waits_for_longer_than_the_longest_wait() {
    let house = House::with(AuthenticatorSettings {
        longest_wait: Duration::from_millis(20),
        ..settings()
    })
    .await;
    house
        .authenticator
        .shared
        .pool
        .rest(Duration::from_secs(3_600));
    assert_eq!(house.right().await, OVERLOADED);
    assert!(house.authenticator.shared.under_way.checks().is_empty());
    assert_eq!(house.hashes(), 0);
}

#[tokio::test]
async fn a_damaged_hash_lets_nobody_in() {
    let house = House::new().await;
    let damaged = sistema_ts_store::register::CredentialHash::new("damaged");
    house
        .register
        .change(
            RegisterChange::SetUserCredential {
                user: mario(),
                credential: damaged,
                expires_at: None,
            },
            act(),
        )
        .await
        .unwrap();
    assert_eq!(house.right().await, Err(BasicRefusal::Unavailable));
}
