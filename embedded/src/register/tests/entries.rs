//! What only the register's file shows. A failure here means that a fiscal code lies readable in it, that something of a person who was removed
//! stays in it, or that what is no register of ours is taken for one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sistema_ts_store::register::{
    NoJournal, Profiles, Register, RegisterChange, RegisterError, RegisterKey,
};
use sistema_ts_store::samples::fiscal_code;

use super::super::{EmbeddedRegister, REGISTER_FILE, RegisterOptions};
use super::{Place, act, add_region, make, new_user, region, user_id, with_structure};

fn add_operator() -> RegisterChange {
    RegisterChange::AddOperator {
        caller: region(),
        fiscal_code: fiscal_code(1),
        profiles: Profiles::NONE,
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
    let add_user = RegisterChange::AddUser(new_user("mario"));
    make(&register, [add_user, add_region(), add_operator()]).await;
    let person = fiscal_code(1);
    let person = person.expose();
    for entry in std::fs::read_dir(place.data()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(person.len())
            .any(|part| part == person.as_bytes());
        assert!(!found, "{}", path.display());
    }
    let printed = format!("{:?}", register.snapshot());
    assert!(!printed.contains(person) && !printed.contains("argon2id"));
}

#[tokio::test]
async fn nothing_of_people_who_were_removed_stays_in_the_file() {
    let place = Place::new();
    {
        let register = place.open();
        with_structure(&register).await;
        make(
            &register,
            [
                RegisterChange::AddUser(new_user("mario.rossi")),
                RegisterChange::RemoveUser {
                    user: user_id("mario.rossi"),
                },
                add_region(),
                add_operator(),
                RegisterChange::RemoveOperator {
                    caller: region(),
                    fiscal_code: fiscal_code(1),
                },
            ],
        )
        .await;
    }
    // Closed by the last connection, so that the log is in the file.
    let path = place.data().join(REGISTER_FILE);
    let bytes = std::fs::read(&path).unwrap();
    for left in ["mario.rossi", "$argon2id$test"] {
        let found = bytes
            .windows(left.len())
            .any(|part| part == left.as_bytes());
        assert!(!found, "{left} is still in the file");
    }
    let file = rusqlite::Connection::open(path).unwrap();
    let rows: i64 = file
        .query_row("SELECT count(*) FROM operators", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn what_is_refused_moves_the_register_no_step() {
    let place = Place::new();
    let register = place.open();
    make(&register, [add_region()]).await;
    let before = register.snapshot().generation();
    let refused = register.change(add_region(), act()).await;
    assert!(matches!(refused, Err(RegisterError::Exists(_))));
    for register in [register, place.open()] {
        assert_eq!(register.snapshot().generation(), before);
    }
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
