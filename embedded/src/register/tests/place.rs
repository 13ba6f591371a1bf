//! The register's file removed or replaced under a server. A failure means that what an administrator does then has no effect on the running
//! server, or that nobody is told.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sistema_ts_store::register::RegisterError;

use super::*;
use crate::register::schema::{LOG, MAP, beside};

impl Place {
    fn file(&self) -> PathBuf {
        self.data().join(super::super::REGISTER_FILE)
    }

    /// The file and the two beside it.
    fn files(&self) -> [PathBuf; 3] {
        [
            self.file(),
            beside(&self.file(), LOG),
            beside(&self.file(), MAP),
        ]
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        std::thread::yield_now();
    }
}

fn is_enabled(register: &EmbeddedRegister) -> bool {
    let snapshot = register.snapshot();
    snapshot
        .callers()
        .iter()
        .any(|caller| caller.caller == region() && caller.enabled)
}

/// A register with one enabled region, watched.
async fn with_region(place: &Place) -> EmbeddedRegister {
    let register = place.open_watching();
    make(
        &register,
        [RegisterChange::AddCaller {
            caller: region(),
            name: "Prova".to_owned(),
        }],
    )
    .await;
    assert!(is_enabled(&register) && register.is_in_place());
    // On a busy machine the last look may be too long ago to be relied on.
    until("the register has been looked at", || register.is_current());
    register
}

/// Disables the region as a command does, and waits until the server's register has seen it.
async fn disable_by(command: &EmbeddedRegister, register: &EmbeddedRegister) {
    make(
        command,
        [RegisterChange::SetCallerEnabled {
            caller: region(),
            enabled: false,
        }],
    )
    .await;
    until("the region is disabled", || !is_enabled(register));
}

#[tokio::test]
async fn what_is_changed_in_a_copy_that_took_the_files_place_is_seen() {
    let place = Place::new();
    let register = with_region(&place).await;
    // All of it, as from a backup, so that the copy is whole by itself.
    let copy = place.folder.path().join("copy.db");
    rusqlite::Connection::open(place.file())
        .unwrap()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    for file in &place.files()[1..] {
        fs::remove_file(file).unwrap();
    }
    fs::rename(copy, place.file()).unwrap();
    let command = place.open();
    disable_by(&command, &register).await;
    until("the server is ready again", || {
        register.is_current() && register.is_in_place()
    });
    // The other way round as well.
    make(
        &register,
        [RegisterChange::SetCallerEnabled {
            caller: region(),
            enabled: true,
        }],
    )
    .await;
    command.refresh().await.unwrap();
    assert!(is_enabled(&command));
}

#[tokio::test]
async fn a_copy_moved_over_the_file_alone_is_read_with_the_log_that_commands_read() {
    let place = Place::new();
    let register = with_region(&place).await;
    let copy = place.folder.path().join("copy.db");
    fs::copy(place.file(), &copy).unwrap();
    fs::rename(copy, place.file()).unwrap();
    disable_by(&place.open(), &register).await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_until_it_is_back() {
    let place = Place::new();
    let register = with_region(&place).await;
    let aside = place.folder.path().join("aside.db");
    fs::rename(place.file(), &aside).unwrap();
    until("its absence is noticed", || {
        !register.is_in_place() && !register.is_current()
    });
    let refused = register
        .change(
            RegisterChange::SetCallerEnabled {
                caller: region(),
                enabled: false,
            },
            act(),
        )
        .await;
    assert!(
        matches!(refused, Err(RegisterError::Unavailable(_))),
        "{refused:?}"
    );
    fs::rename(&aside, place.file()).unwrap();
    until("its return is noticed", || {
        register.is_in_place() && register.is_current()
    });
    disable_by(&place.open(), &register).await;
}

#[tokio::test]
async fn a_log_that_was_removed_is_missed_and_nothing_of_it_is_lost() {
    for which in [1..2, 2..3, 1..3] {
        let place = Place::new();
        let register = with_region(&place).await;
        for file in &place.files()[which] {
            fs::remove_file(file).unwrap();
        }
        until("the file is opened again", || {
            place.files().iter().all(|file| file.exists())
                && register.is_current()
                && register.is_in_place()
        });
        assert!(is_enabled(&register));
        let command = place.open();
        assert!(is_enabled(&command), "the change is in the file now");
        disable_by(&command, &register).await;
    }
}

#[tokio::test]
async fn another_register_and_what_is_none_are_not_served_from() {
    let other = Place::new();
    let not_a_register = other.folder.path().join("text");
    fs::write(&not_a_register, "not a register ".repeat(1_000)).unwrap();
    for wrong in [other.file(), not_a_register] {
        let place = Place::new();
        let register = with_region(&place).await;
        // All of it in its file, whose log goes with it: a log that stays would be taken for the other file's.
        let connection = rusqlite::Connection::open(place.file()).unwrap();
        until("nobody reads the log and it is empty", || {
            let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
            connection.query_row(truncate, [], |row| row.get::<_, i64>(0)) == Ok(0)
        });
        drop(connection);
        let aside = place.folder.path().join("aside.db");
        fs::rename(place.file(), &aside).unwrap();
        for file in &place.files()[1..] {
            // The register may have closed them meanwhile.
            let _ = fs::remove_file(file);
        }
        fs::rename(&wrong, place.file()).unwrap();
        until("it is noticed", || {
            !register.is_in_place() && !register.is_current()
        });
        fs::rename(&aside, place.file()).unwrap();
        until("the right one is taken again", || {
            register.is_in_place() && register.is_current()
        });
        assert!(is_enabled(&register));
    }
}

#[tokio::test]
async fn a_new_register_is_not_made_beside_the_log_of_a_removed_one() {
    let place = Place::new();
    let register = with_region(&place).await;
    fs::remove_file(place.file()).unwrap();
    let made = EmbeddedRegister::create(&place.data(), &place.key);
    assert!(
        matches!(made, Err(RegisterError::Unavailable(_))),
        "{made:?}"
    );
    assert!(!place.file().exists());
    drop(register);
}
