//! A failure here means that a disabled caller stays in, a change is lost between two processes, or a fiscal code lies readable in
//! the file.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sistema_ts_model::{
    Caller, CodiceFiscale, RegionCode, Service, StructureDescription, StructureId,
};
use sistema_ts_store::register::{
    CertificateHolder, CredentialHash, Fingerprint, NoJournal, Profiles, Register, RegisterChange,
    RegisterError, RegisterKey, Workplace,
};

use super::super::{EmbeddedRegister, REGISTER_FILE, RegisterOptions};
use super::{
    FISCAL_CODE, Place, act, add_region, certify, make, new_user, now, region, structure, user_id,
    with_structure,
};

/// Waits until a condition holds, at most ten seconds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "in vain: {what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_registered_is_found_after_reopening() {
    let place = Place::new();
    let fingerprint = Fingerprint([7; 32]);
    {
        let register = place.open();
        make(&register, [add_region()]).await;
        make(&register, [certify(fingerprint)]).await;
        with_structure(&register).await;
        make(
            &register,
            [RegisterChange::AddUser(new_user(
                "mario.rossi",
                FISCAL_CODE,
            ))],
        )
        .await;
        assert!(
            register.snapshot().user("mario.rossi").is_some(),
            "its own change is in the snapshot at once"
        );
    }
    let snapshot = place.open().snapshot();
    let caller = snapshot.caller_of_certificate(&fingerprint).unwrap();
    assert_eq!((caller.caller, caller.enabled), (region(), true));
    assert!(snapshot.structure(&structure()).unwrap().enabled);
    let user = snapshot.user("mario.rossi").unwrap();
    assert_eq!(user.fiscal_code.expose(), FISCAL_CODE);
    assert_eq!(user.workplace, Workplace::Structure(structure()));
    assert!(
        user.profiles.contains(Service::Submission) && !user.profiles.contains(Service::Listing)
    );
}

#[tokio::test]
async fn a_running_server_sees_what_another_process_changes() {
    let place = Place::new();
    let server = place.open_watching();
    let command = place.open();
    let (one, two) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
    make(&command, [add_region()]).await;
    make(&command, [certify(one)]).await;
    make(&command, [certify(two)]).await;
    until("both certificates", || {
        let snapshot = server.snapshot();
        [one, two]
            .iter()
            .all(|fingerprint| snapshot.caller_of_certificate(fingerprint).is_some())
    })
    .await;
    make(
        &command,
        [RegisterChange::RemoveCertificate {
            holder: CertificateHolder::Caller(region()),
            fingerprint: one,
        }],
    )
    .await;
    until("one certificate gone", || {
        server.snapshot().caller_of_certificate(&one).is_none()
    })
    .await;
    make(
        &command,
        [RegisterChange::SetCallerEnabled {
            caller: region(),
            enabled: false,
        }],
    )
    .await;
    until("the region disabled", || {
        !server
            .snapshot()
            .caller_of_certificate(&two)
            .unwrap()
            .enabled
    })
    .await;
    with_structure(&command).await;
    make(
        &command,
        [RegisterChange::AddUser(new_user(
            "mario.rossi",
            FISCAL_CODE,
        ))],
    )
    .await;
    until("the user", || {
        server.snapshot().user("mario.rossi").is_some()
    })
    .await;
    make(
        &command,
        [RegisterChange::SetUserEnabled {
            user: user_id("mario.rossi"),
            enabled: false,
        }],
    )
    .await;
    until("the user disabled", || {
        !server.snapshot().user("mario.rossi").unwrap().enabled
    })
    .await;
}

#[tokio::test]
async fn a_refresh_sees_another_process_without_polling() {
    let place = Place::new();
    let (server, command) = (place.open(), place.open());
    make(&command, [add_region()]).await;
    assert!(server.snapshot().caller(&region()).is_none());
    server.refresh().await.unwrap();
    assert!(server.snapshot().caller(&region()).is_some());
}

#[tokio::test]
async fn a_changed_user_has_a_new_version_and_the_others_keep_theirs() {
    let place = Place::new();
    let register = place.open();
    with_structure(&register).await;
    for id in ["mario", "luigi"] {
        make(
            &register,
            [RegisterChange::AddUser(new_user(id, FISCAL_CODE))],
        )
        .await;
    }
    let before = register.snapshot();
    let mario = user_id("mario");
    make(
        &register,
        [RegisterChange::SetUserCredential {
            user: mario.clone(),
            credential: CredentialHash::new("other"),
            expires_at: Some(now()),
        }],
    )
    .await;
    let after = register.snapshot();
    assert!(after.user("mario").unwrap().version > before.user("mario").unwrap().version);
    assert_eq!(
        after.user("luigi").unwrap().version,
        before.user("luigi").unwrap().version
    );
    assert!(after.user("mario").unwrap().is_expired(now()));
    make(
        &register,
        [RegisterChange::SetUserExpiry {
            user: mario,
            expires_at: None,
        }],
    )
    .await;
    assert!(!register.snapshot().user("mario").unwrap().is_expired(now()));
}

#[tokio::test]
async fn doubles_and_unknown_names_are_refused_by_name() {
    let place = Place::new();
    let register = place.open();
    let other = Caller::Region(RegionCode::parse("020").unwrap());
    make(&register, [add_region()]).await;
    make(
        &register,
        [RegisterChange::AddCaller {
            caller: other,
            name: "Valle d'Aosta".to_owned(),
        }],
    )
    .await;
    let fingerprint = Fingerprint([9; 32]);
    make(&register, [certify(fingerprint)]).await;
    let text = |result: Result<(), RegisterError>| result.unwrap_err().to_string();
    assert_eq!(
        text(register.change(add_region(), act()).await),
        "region 010 is registered already"
    );
    assert_eq!(
        text(
            register
                .change(
                    RegisterChange::AddCertificate {
                        holder: CertificateHolder::Caller(other),
                        fingerprint,
                        not_after: now()
                    },
                    act()
                )
                .await
        ),
        "the certificate is registered already, for region 010"
    );
    assert_eq!(
        text(
            register
                .change(
                    RegisterChange::RemoveCertificate {
                        holder: CertificateHolder::Caller(other),
                        fingerprint
                    },
                    act()
                )
                .await
        ),
        "the certificate of region 020 is not registered"
    );
    assert_eq!(
        text(
            register
                .change(
                    RegisterChange::AddUser(new_user("mario", FISCAL_CODE)),
                    act()
                )
                .await
        ),
        "structure 010-101-000123 is not registered"
    );
    assert_eq!(
        text(
            register
                .change(
                    RegisterChange::SetUserEnabled {
                        user: user_id("mario"),
                        enabled: true
                    },
                    act()
                )
                .await
        ),
        "user mario is not registered"
    );
    with_structure(&register).await;
    make(
        &register,
        [RegisterChange::AddUser(new_user("mario", FISCAL_CODE))],
    )
    .await;
    assert_eq!(
        text(
            register
                .change(
                    RegisterChange::AddUser(new_user("mario", FISCAL_CODE)),
                    act()
                )
                .await
        ),
        "user mario is registered already"
    );
}

#[tokio::test]
async fn a_region_has_three_listing_operators_at_most_counted_as_people() {
    let place = Place::new();
    let register = place.open();
    with_structure(&register).await;
    let listing = Profiles::NONE.with(Service::Listing);
    let codes = [
        "RSSMRA80A01H501U",
        "VRDLGU75B02F205P",
        "BNCNNA85C43L219X",
        "NREGNN70D04A944T",
    ];
    let codes = codes.map(|code| {
        // The last letter is replaced by the one that fits.
        ('A'..='Z')
            .map(|letter| format!("{}{letter}", &code[..15]))
            .find(|code| CodiceFiscale::parse(code).is_ok())
            .unwrap()
    });
    for (index, code) in codes.iter().take(3).enumerate() {
        let mut user = new_user(&format!("user{index}"), code);
        user.profiles = listing;
        make(&register, [RegisterChange::AddUser(user)]).await;
    }
    // The same person under another user id is no fourth.
    let mut again = new_user("user0bis", &codes[0]);
    again.profiles = listing;
    make(&register, [RegisterChange::AddUser(again)]).await;
    make(
        &register,
        [RegisterChange::AddUser(new_user("user3", &codes[3]))],
    )
    .await;
    let refused = register
        .change(
            RegisterChange::SetUserProfiles {
                user: user_id("user3"),
                profiles: listing,
            },
            act(),
        )
        .await;
    assert!(matches!(
        refused,
        Err(RegisterError::TooManyListingOperators(_))
    ));
    assert!(
        !register
            .snapshot()
            .user("user3")
            .unwrap()
            .profiles
            .contains(Service::Listing)
    );
    let mut fourth = new_user("user4", &codes[3]);
    fourth.profiles = listing;
    assert!(
        register
            .change(RegisterChange::AddUser(fourth), act())
            .await
            .is_err()
    );
    assert!(register.snapshot().user("user4").is_none());
    make(
        &register,
        [RegisterChange::SetUserProfiles {
            user: user_id("user1"),
            profiles: Profiles::NONE,
        }],
    )
    .await;
    make(
        &register,
        [RegisterChange::SetUserProfiles {
            user: user_id("user3"),
            profiles: listing,
        }],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_of_two_processes_at_once_are_all_kept() {
    let place = Place::new();
    let registers = [
        Arc::new(place.open_watching()),
        Arc::new(place.open_watching()),
    ];
    let tasks: Vec<_> = (0..60)
        .map(|index: u32| {
            let register = Arc::clone(&registers[(index % 2) as usize]);
            tokio::spawn(async move {
                let id = StructureId::parse(&format!("010-101-{index:06}")).unwrap();
                let description = StructureDescription::parse("Struttura di prova").unwrap();
                register
                    .change(RegisterChange::AddStructure { id, description }, act())
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    for register in &registers {
        until("all structures in each snapshot", || {
            register.snapshot().structures().len() == 60
        })
        .await;
    }
}

#[tokio::test]
async fn another_key_or_no_register_or_a_later_version_is_refused() {
    let place = Place::new();
    let open = |folder: &Path, key: &Arc<RegisterKey>| {
        let (key, journal) = (Arc::clone(key), Arc::new(NoJournal));
        EmbeddedRegister::open(folder, key, journal, RegisterOptions::default()).map(|_| ())
    };
    let other = Arc::new(RegisterKey::create(&place.folder.path().join("other")).unwrap());
    assert!(matches!(
        open(&place.data(), &other),
        Err(RegisterError::WrongKey)
    ));
    let empty = place.folder.path().join("empty");
    assert!(matches!(
        open(&empty, &place.key),
        Err(RegisterError::NotFound(_))
    ));
    assert!(!empty.exists(), "looking for a register makes none");
    let again = EmbeddedRegister::create(&place.data(), &place.key);
    assert!(matches!(again, Err(RegisterError::AlreadyMade(_))));
    let file = rusqlite::Connection::open(place.data().join(REGISTER_FILE)).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    assert!(matches!(
        open(&place.data(), &place.key),
        Err(RegisterError::TooNew { found: 99, .. })
    ));
}

#[tokio::test]
async fn no_file_of_the_register_holds_a_fiscal_code() {
    let place = Place::new();
    let register = place.open();
    with_structure(&register).await;
    make(
        &register,
        [RegisterChange::AddUser(new_user("mario", FISCAL_CODE))],
    )
    .await;
    for entry in std::fs::read_dir(place.data()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(FISCAL_CODE.len())
            .any(|part| part == FISCAL_CODE.as_bytes());
        assert!(!found, "{}", path.display());
    }
    let printed = format!("{:?}", register.snapshot());
    assert!(!printed.contains(FISCAL_CODE) && !printed.contains("argon2id"));
}

#[tokio::test]
async fn a_register_whose_thread_has_died_is_not_current() {
    let place = Place::new();
    let register = place.open_watching();
    assert!(register.is_current());
    let asked = register.on_writer(|_| panic!("a defect, on purpose")).await;
    assert!(matches!(asked, Err(RegisterError::Unavailable(_))));
    // The answer may come while the thread still unwinds.
    let deadline = Instant::now() + Duration::from_secs(30);
    while register.is_current() {
        assert!(Instant::now() < deadline, "still said to be current");
        std::thread::yield_now();
    }
}
