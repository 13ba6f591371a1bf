//! The register of health cards in SQLite: one file, sorted by the keyed hash of the person, replaced whole by each import.
//!
//! | file | |
//! |---|---|
//! | `cards.db` | the register; readers notice by themselves that it was replaced |
//! | `cards-import.db` | an import at work: sorted runs, and how far it has come |
//! | `cards-new.db` | the runs being merged, renamed to `cards.db` when it is whole |
//! | `cards-added-<name>.db` | which cards of `cards.db` were added under this name: what takes them out again |

mod additions;
mod import;
mod reader;
#[cfg(test)]
mod test_place;

pub use self::additions::{additions, remove_addition};
pub use self::import::EmbeddedCardImport;
pub use self::reader::EmbeddedCardRegister;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use rusqlite::{Connection, OpenFlags};

use sistema_ts_store::cards::CardError;

/// "STSc".
const APPLICATION: i32 = 0x5354_5363;
const VERSION: i32 = 1;

/// `from_day` and `to_day` count from 1970-01-01, both included.
const TABLES: &str = "
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

struct Paths {
    register: PathBuf,
    import: PathBuf,
    new: PathBuf,
    lock: PathBuf,
    folder: PathBuf,
}

impl Paths {
    fn in_folder(folder: &Path) -> Self {
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
fn day_number(date: NaiveDate) -> i64 {
    date.to_epoch_days().into()
}

fn failed(error: rusqlite::Error) -> CardError {
    // SQLite's texts name tables and files, never values.
    CardError::Unavailable(error.to_string())
}

fn io_failed(error: std::io::Error) -> CardError {
    CardError::Unavailable(error.to_string())
}

/// Opens a file of ours that nobody changes any more.
fn open_whole(path: &Path) -> Result<Connection, CardError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(failed)
}

/// Opens a file of ours; makes it where `create` says so.
fn open(path: &Path, create: bool) -> Result<Connection, CardError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")
        .map_err(failed)?;
    Ok(connection)
}
