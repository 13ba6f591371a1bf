//! Opening the register's file: its settings, its migrations, and whether its key is ours.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, ffi};

use sistema_ts_store::register::{RegisterError, RegisterKey};

/// The migrations, each applied once and never changed afterwards; the n-th leads to version n.
const MIGRATIONS: [&str; 5] = [
    include_str!("0001.sql"),
    include_str!("0002.sql"),
    include_str!("0003.sql"),
    include_str!("0004.sql"),
    include_str!("0005.sql"),
];

/// How long a write waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Turns SQLite's errors into ours. Their texts name tables and columns, never values.
pub(super) fn failed(error: rusqlite::Error) -> RegisterError {
    match error.sqlite_error_code() {
        Some(ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase) => {
            RegisterError::Corrupt("its file")
        }
        _ => RegisterError::Unavailable(error.to_string()),
    }
}

/// Makes the file of a new register.
pub(super) fn create(file: &Path, key: &RegisterKey) -> Result<(), RegisterError> {
    let log = beside(file, LOG);
    if !file.exists() && log.exists() {
        return Err(RegisterError::Unavailable(format!(
            "{} is there without its file: it belongs to a register that was removed, and would be taken for part of the new one. \
             Put the removed file back, or put this one away as well",
            log.display()
        )));
    }
    // The file must not be there: whoever makes it first makes the register.
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        // It holds hashes of passwords: nobody else reads it. SQLite gives its other files the same mode.
        .mode(0o600)
        .open(file)
        .map_err(|reason| match reason.kind() {
            std::io::ErrorKind::AlreadyExists => RegisterError::AlreadyMade(folder_of(file)),
            _ => RegisterError::Unavailable(format!("{}: {reason}", file.display())),
        })?;
    let mut connection = connect(file)?;
    migrate(&mut connection)?;
    connection
        .execute(
            "INSERT INTO register (only_row, generation, key_check) VALUES (1, 1, ?1)",
            [key.check_value()],
        )
        .map_err(failed)?;
    Ok(())
}

/// Opens the file of an existing register, brings it to the last version and checks the key.
pub(super) fn open(file: &Path, key: &RegisterKey) -> Result<Connection, RegisterError> {
    if !file.exists() {
        return Err(RegisterError::NotFound(folder_of(file)));
    }
    let mut connection = connect(file)?;
    migrate(&mut connection)?;
    let check = connection
        .query_row("SELECT key_check FROM register", [], |row| {
            row.get::<_, [u8; 16]>(0)
        })
        .optional()
        .map_err(failed)?;
    match check {
        Some(check) if check == key.check_value() => Ok(connection),
        Some(_) => Err(RegisterError::WrongKey),
        None => Err(RegisterError::Corrupt(
            "it was never finished: remove its file and make it again",
        )),
    }
}

/// Closes a connection whose file or log was replaced. Where another process has begun a new log, SQLite must not do what the last connection to a
/// file does: it would remove that log by its name, and with it what stands in it.
pub(super) fn close(connection: Option<Connection>, log_is_anothers: bool) {
    if let (Some(connection), true) = (&connection, log_is_anothers) {
        let set = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if let Err(error) = set {
            tracing::error!(%error, "a replaced register is closed as if it were the last");
        }
    }
    drop(connection);
}

/// Whether every page and every index of the file is sound.
pub(super) fn check_integrity(connection: &Connection) -> Result<(), RegisterError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(RegisterError::Corrupt("its file"))
    }
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).to_owned()
}

/// What SQLite adds to a file's name for its log.
pub(super) const LOG: &str = "-wal";
/// The same for the map of the log, by which processes find its pages and keep out of each other's way.
pub(super) const MAP: &str = "-shm";

/// A file that SQLite keeps beside another.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn connect(file: &Path) -> Result<Connection, RegisterError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; \
             PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), RegisterError> {
    let known = MIGRATIONS.len() as i64;
    // Checked before the write lock is asked for: at most openings there is nothing to do.
    if version(connection)? == known {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let found = version(&transaction)?;
    if found > known {
        return Err(RegisterError::TooNew { found, known });
    }
    for (index, migration) in MIGRATIONS
        .iter()
        .enumerate()
        .skip(usize::try_from(found).unwrap_or(0))
    {
        transaction.execute_batch(migration).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", index as i64 + 1)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

fn version(connection: &Connection) -> Result<i64, RegisterError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    //! A failure means that a register which an earlier version of the program has written is lost to this one.
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use sistema_ts_model::{Caller, Service, StructureId};
    use sistema_ts_store::register::{RegisterSnapshot, UserId, Workplace};
    use sistema_ts_store::samples::fiscal_code;

    use super::super::place::Place;
    use super::super::read::Reader;
    use super::*;

    /// What each version of the program could have registered: the statements of the first version, and those that came with a later one.
    const ENTRIES: [&str; 3] = [
        "INSERT INTO callers VALUES ('R010', 'Piemonte', 1, 5);
         INSERT INTO certificates VALUES (x'0707070707070707070707070707070707070707070707070707070707070707', 'R010', 9, 6);
         INSERT INTO structures VALUES ('010-101-000123', 'Ospedale', 1, 5, 3);",
        "INSERT INTO networks VALUES ('R010', '192.0.2.0/24', 5);",
        "UPDATE register SET operators_removed_at = 4;",
    ];

    #[test]
    fn a_register_of_each_earlier_version_is_brought_to_the_last_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        let person = fiscal_code(1);
        let (user, caller) = (
            UserId::parse("mario.rossi").unwrap(),
            Caller::from_key("R010").unwrap(),
        );
        for earlier in 1..MIGRATIONS.len() {
            let file = folder.path().join(format!("{earlier}.db"));
            let old = Connection::open(&file).unwrap();
            for migration in &MIGRATIONS[..earlier] {
                old.execute_batch(migration).unwrap();
            }
            old.pragma_update(None, "user_version", earlier as i64)
                .unwrap();
            old.execute(
                "INSERT INTO register (only_row, generation, key_check) VALUES (1, 7, ?1)",
                [key.check_value()],
            )
            .unwrap();
            for entries in ENTRIES.iter().take(earlier) {
                old.execute_batch(entries).unwrap();
            }
            old.execute(
                "INSERT INTO users VALUES ('mario.rossi', '010-101-000123', ?1, 'hash', 6, NULL, 'invioEsecuzioneTest', 0, 5, 4)",
                [key.seal_user(&user, &person).unwrap()],
            )
            .unwrap();
            if earlier >= 2 {
                old.execute(
                    "INSERT INTO operators VALUES ('R010', ?1, ?2, 'elencoTestEffettuati', 1, 5, 6)",
                    rusqlite::params![
                        key.person(&caller, &person),
                        key.seal_operator(&caller, &person).unwrap()
                    ],
                )
                .unwrap();
            }
            drop(old);

            let place = Place::of(file);
            let mut reader = Reader::open(&place, Arc::new(key_again(&folder))).unwrap();
            let snapshot = reader.newer(&RegisterSnapshot::default()).unwrap().unwrap();
            assert_eq!(snapshot.generation(), 7);
            let found = snapshot.user("mario.rossi").unwrap();
            let structure = StructureId::parse("010-101-000123").unwrap();
            assert_eq!(found.workplace, Workplace::Structure(structure));
            assert_eq!(
                (&found.fiscal_code, found.credential.expose(), found.enabled),
                (&person, "hash", false)
            );
            assert_eq!((found.version, found.expires_at), (4, None));
            assert!(found.profiles.contains(Service::Submission));
            assert!(snapshot.structure(&structure).unwrap().enabled);
            assert_eq!(snapshot.caller(&caller).unwrap().certificates.len(), 1);
            let has = earlier >= 2;
            assert_eq!(snapshot.networks(&caller).len(), usize::from(has));
            assert_eq!(snapshot.operator(&caller, &person).is_some(), has);
            assert!(snapshot.administrators(&caller).is_empty());
        }
    }

    fn key_again(folder: &tempfile::TempDir) -> RegisterKey {
        RegisterKey::load(&folder.path().join("key")).unwrap()
    }
}
