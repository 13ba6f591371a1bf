//! The files of a register of cards: their names, how they are opened, written, put in place and removed.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use rusqlite::{Connection, OpenFlags, params};
use sistema_ts_model::Timestamp;
use sistema_ts_store::cards::{CardError, HASH_LENGTH};

use crate::paths::{remove_if_there, with_suffix};

/// "STSc".
pub(super) const APPLICATION: i32 = 0x5354_5363;
pub(super) const VERSION: i32 = 1;

/// `from_day` and `to_day` count from 1970-01-01, both included.
pub(super) const TABLES: &str = "
    CREATE TABLE cards (
        person BLOB NOT NULL,
        card BLOB NOT NULL,
        from_day INTEGER NOT NULL,
        to_day INTEGER NOT NULL,
        PRIMARY KEY (person, card, from_day, to_day)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE about (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        key_check BLOB NOT NULL,
        cards INTEGER NOT NULL,
        imported_ms INTEGER NOT NULL
    ) STRICT;
";

pub(super) struct Paths {
    pub(super) register: PathBuf,
    pub(super) import: PathBuf,
    pub(super) new: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) folder: PathBuf,
}

impl Paths {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            register: folder.join("cards.db"),
            import: folder.join("cards-import.db"),
            new: folder.join("cards-new.db"),
            lock: folder.join("cards.lock"),
            folder: folder.to_owned(),
        }
    }
}

/// A date as it stands in `from_day` and `to_day`.
pub(super) fn day_number(date: NaiveDate) -> i64 {
    date.to_epoch_days().into()
}

pub(super) fn failed(error: rusqlite::Error) -> CardError {
    // SQLite's texts name tables and files, never values.
    CardError::Unavailable(error.to_string())
}

pub(super) fn io_failed(error: std::io::Error) -> CardError {
    CardError::Unavailable(error.to_string())
}

/// Opens a file of ours that nobody changes any more.
pub(super) fn open_whole(path: &Path) -> Result<Connection, CardError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(failed)
}

/// Opens a file of ours; makes it where `create` says so.
pub(super) fn open(path: &Path, create: bool) -> Result<Connection, CardError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")
        .map_err(failed)?;
    Ok(connection)
}

/// A card as it is stored: person, card, first and last day.
pub(super) type Entry = ([u8; HASH_LENGTH], [u8; HASH_LENGTH], i64, i64);

/// All cards of a register in its order.
pub(super) const ALL_CARDS: &str =
    "SELECT person, card, from_day, to_day FROM cards ORDER BY person, card, from_day, to_day";

/// Takes a card if it is not there; answers whether it was new.
pub(super) type Insert<'i> = dyn FnMut(&Entry) -> Result<bool, CardError> + 'i;

/// Makes the file of a register, in one transaction; `fill` gives its cards in their order. Answers how many it has.
pub(super) fn write_register(
    path: &Path,
    key_check: &[u8; HASH_LENGTH],
    imported_at: Timestamp,
    fill: impl FnOnce(&mut Insert<'_>) -> Result<(), CardError>,
) -> Result<u64, CardError> {
    let mut target = open(path, true)?;
    target
        .execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = {APPLICATION}; \
             PRAGMA user_version = {VERSION}; {TABLES}"
        ))
        .map_err(failed)?;
    let transaction = target.transaction().map_err(failed)?;
    let mut cards = 0_u64;
    {
        let mut insert = transaction
            .prepare("INSERT OR IGNORE INTO cards (person, card, from_day, to_day) VALUES (?1, ?2, ?3, ?4)")
            .map_err(failed)?;
        fill(&mut |(person, card, from, to)| {
            let inserted = insert
                .execute(params![person, card, from, to])
                .map_err(failed)?;
            cards += inserted as u64;
            Ok(inserted > 0)
        })?;
    }
    transaction
        .execute(
            "INSERT INTO about (only_row, key_check, cards, imported_ms) VALUES (1, ?1, ?2, ?3)",
            params![key_check, cards.cast_signed(), imported_at.millis()],
        )
        .map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(cards)
}

/// Gives a new file its name: it is on disk before it takes the name, and the name before anybody is told.
pub(super) fn put_in_place(new: &Path, place: &Path) -> Result<(), CardError> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(new).map_err(io_failed)?;
    std::fs::rename(new, place).map_err(io_failed)?;
    match place.parent() {
        Some(folder) => sync(folder).map_err(io_failed),
        None => Ok(()),
    }
}

/// Takes the lock that one import, addition or removal holds at a time.
pub(super) fn lock(paths: &Paths) -> Result<File, CardError> {
    let lock = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&paths.lock)
        .map_err(io_failed)?;
    lock.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => CardError::ImportUnderWay,
        std::fs::TryLockError::Error(reason) => io_failed(reason),
    })?;
    Ok(lock)
}

pub(super) fn next(rows: &mut rusqlite::Rows<'_>) -> Result<Option<Entry>, CardError> {
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    read().map(Some).map_err(failed)
}

/// Removes a file of ours with its log, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), CardError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&with_suffix(path, suffix)).map_err(io_failed)?;
    }
    Ok(())
}
