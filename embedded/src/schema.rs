//! The tables of the file of tests and of a day's file of patients.

use rusqlite::{Connection, OptionalExtension};
use sistema_ts_store::StoreError;

use super::dictionary;
use super::failure::Failure;

/// What makes a file of tests of each version one of the next; a file of a version that is not known is refused rather than guessed at.
const TESTS_STEPS: [&str; 5] = [
    TESTS,
    GUESSES,
    SEALED_SESSIONS,
    KEY_DAYS,
    NORMALIZED_STRUCTURES,
];

/// The same for a day's file of patients.
const PATIENTS_STEPS: [&str; 1] = [PATIENTS];

/// The same for a day's file of access records.
const ACCESS_STEPS: [&str; 2] = [ACCESS, MERGED];

/// Written to each file's `application_id`, so that a stranger's file is recognised: "STS1".
const APPLICATION: i32 = 0x5354_5331;

/// The file of tests.
///
/// `tests` has no index: rows are numbered in the order of `inserted_ms`, and the late index finds them by code and by receipt.
/// `swab_day` counts from 1970-01-01. `flags`: 1 positive, 2 answered with warnings. `accessed_before` is how many milliseconds
/// before `inserted_ms` the request came. `negative` is a negative's MAC of code and fiscal code, `receipt` the hash of the
/// request's key and the MAC of its content, `life` what happened since.
const TESTS: &str = "
    CREATE TABLE tests (
        row INTEGER PRIMARY KEY,
        cun INTEGER NOT NULL,
        inserted_ms INTEGER NOT NULL,
        caller INTEGER NOT NULL,
        region INTEGER NOT NULL,
        structure INTEGER NOT NULL,
        swab_day INTEGER NOT NULL,
        flags INTEGER NOT NULL,
        accessed_before INTEGER NOT NULL,
        contact BLOB,
        negative BLOB,
        receipt BLOB,
        life BLOB
    ) STRICT;
    CREATE TABLE callers (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE structures (id INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE days (day INTEGER PRIMARY KEY, first_row INTEGER NOT NULL, check_value BLOB NOT NULL) STRICT;
    CREATE TABLE sessions (
        digest BLOB PRIMARY KEY,
        row INTEGER NOT NULL,
        operator TEXT NOT NULL,
        caller INTEGER NOT NULL,
        opened_ms INTEGER NOT NULL,
        lapses_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_row ON sessions (row);
    CREATE TABLE claims (row INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE erasures (row INTEGER PRIMARY KEY, day INTEGER NOT NULL) STRICT;
    CREATE TABLE cancellations (
        key BLOB PRIMARY KEY,
        content BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        transaction_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER, bytes BLOB) STRICT, WITHOUT ROWID;
";

/// Counts of failed verifications, under a keyed hash of what is counted.
const GUESSES: &str = "
    CREATE TABLE guesses (
        key BLOB PRIMARY KEY,
        window_ms INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        ends_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX guesses_by_end ON guesses (ends_ms);
";

/// Sessions with what §3.4 names, the operator sealed under the day key of the code. Those of before named their operators in clear: they end here,
/// within their half hour, and are verified again; what they unlocked stays as it is.
const SEALED_SESSIONS: &str = "
    DROP TABLE sessions;
    CREATE TABLE sessions (
        digest BLOB PRIMARY KEY,
        row INTEGER NOT NULL,
        operator BLOB NOT NULL,
        caller INTEGER NOT NULL,
        region INTEGER NOT NULL,
        swab_day INTEGER NOT NULL,
        opened_ms INTEGER NOT NULL,
        lapses_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_row ON sessions (row);
";

/// The day whose key a row was sealed and hashed under, and whose patients' file it belongs to, where that is not the day of its time: a repair
/// of the clock has given it another time.
const KEY_DAYS: &str = "
    ALTER TABLE tests ADD COLUMN key_day INTEGER;
    ALTER TABLE cancellations ADD COLUMN key_day INTEGER;
";

/// Beside a description that is not in Unicode's NFC, its NFC: a listing asks for all that have the same.
const NORMALIZED_STRUCTURES: &str = "
    ALTER TABLE structures ADD COLUMN normalized TEXT;
    CREATE INDEX structures_by_normalized ON structures (normalized) WHERE normalized IS NOT NULL;
";

/// One day's file of patients: of each positive the sealed fiscal code, and its lookup tag, which enters `tags` late, in sorted
/// batches: `tagged_through` says how far.
const PATIENTS: &str = "
    CREATE TABLE patients (row INTEGER PRIMARY KEY, cun INTEGER NOT NULL, sealed BLOB NOT NULL, tag BLOB NOT NULL) STRICT;
    CREATE TABLE tags (tag BLOB NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (tag, row)) STRICT, WITHOUT ROWID;
    CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER) STRICT, WITHOUT ROWID;
";

/// One day's file of access records: single ones, and submissions in chunks as they were copied from the tests.
const ACCESS: &str = "
    CREATE TABLE records (
        id INTEGER PRIMARY KEY,
        accessed_ms INTEGER NOT NULL,
        service TEXT NOT NULL,
        caller TEXT NOT NULL,
        operator TEXT,
        transaction_id TEXT NOT NULL,
        outcome TEXT NOT NULL,
        errors TEXT NOT NULL,
        structure TEXT,
        authentication TEXT,
        ended_ms INTEGER,
        session TEXT,
        cun TEXT,
        confirmation TEXT,
        options TEXT,
        client_address TEXT
    ) STRICT;
    CREATE TABLE submissions (last_row INTEGER PRIMARY KEY, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, entries BLOB NOT NULL)
        STRICT;
";

/// The days whose files a repair of the clock has merged into this one and not removed yet.
const MERGED: &str = "
    CREATE TABLE merged (day INTEGER PRIMARY KEY) STRICT;
";

/// Whether a file of tests has its tables: not, if it was just being made. Changes nothing; an older version will do.
pub(super) fn check_tests(connection: &Connection) -> Result<bool, Failure> {
    check(connection, "tests", "tests", TESTS_STEPS.len())
}

/// The same for a day's file of patients.
pub(super) fn check_patients(connection: &Connection) -> Result<bool, Failure> {
    check(connection, "patients", "patients", PATIENTS_STEPS.len())
}

/// The same for a day's file of access records.
pub(super) fn check_access(connection: &Connection) -> Result<bool, Failure> {
    check(connection, "access records", "records", ACCESS_STEPS.len())
}

fn check(connection: &Connection, what: &str, table: &str, newest: usize) -> Result<bool, Failure> {
    let found = version(connection)?;
    let is_of_this_kind: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
        [table],
        |row| row.get(0),
    )?;
    match found {
        Version::Ours(_) if !is_of_this_kind => Err(strange(what, APPLICATION)),
        Version::None => Ok(false),
        Version::Ours(version) if version <= newest => Ok(true),
        Version::Ours(version) => Err(newer(what, version, newest)),
        Version::Strange(application) => Err(strange(what, application)),
    }
}

/// What a file says of its own making.
enum Version {
    /// It is empty.
    None,
    Ours(usize),
    /// The number of another application.
    Strange(i32),
}

fn version(connection: &Connection) -> rusqlite::Result<Version> {
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    Ok(match (application, usize::try_from(version)) {
        (0, Ok(0)) => Version::None,
        (APPLICATION, Ok(version)) if version > 0 => Version::Ours(version),
        _ => Version::Strange(application),
    })
}

fn newer(what: &str, version: usize, newest: usize) -> Failure {
    Failure::Alone(StoreError::NewerProgram {
        what: format!(
            "the file of {what} is of version {version}, this program knows up to {newest}"
        ),
    })
}

fn strange(what: &str, application: i32) -> Failure {
    Failure::Alone(StoreError::Corrupt {
        what: format!(
            "the file of {what} is not one of this program's, or damaged (application {application:#x})"
        ),
    })
}

/// Makes the tables of the file of tests, or checks that they are of this version.
pub(super) fn prepare_tests(connection: &Connection) -> Result<(), Failure> {
    prepare(connection, "tests", &TESTS_STEPS)?;
    Ok(dictionary::normalize(connection)?)
}

/// Makes the file of tests as an earlier version of this program has left it.
#[cfg(test)]
pub(super) fn make_tests_of_version(connection: &Connection, version: usize) {
    prepare(connection, "tests", &TESTS_STEPS[..version]).expect("an empty file takes its tables");
}

/// The same for a day's file of patients.
pub(super) fn prepare_patients(connection: &Connection) -> Result<(), Failure> {
    prepare(connection, "patients", &PATIENTS_STEPS)
}

/// The same for a day's file of access records.
pub(super) fn prepare_access(connection: &Connection) -> Result<(), Failure> {
    prepare(connection, "access records", &ACCESS_STEPS)
}

/// Takes a file to its newest version, in one transaction; the n-th step leads to version n.
fn prepare(connection: &Connection, what: &str, steps: &[&str]) -> Result<(), Failure> {
    let newest = steps.len();
    let done = match version(connection)? {
        Version::None => 0,
        Version::Ours(version) => version,
        Version::Strange(application) => return Err(strange(what, application)),
    };
    match steps.get(done..) {
        Some([]) => Ok(()),
        Some(missing) => {
            let tables = missing.concat();
            let script = format!(
                "BEGIN IMMEDIATE; {tables} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {newest}; COMMIT;"
            );
            Ok(connection.execute_batch(&script)?)
        }
        None => Err(newer(what, done, newest)),
    }
}

/// A number from a file's `meta`.
pub(super) fn read_number(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT number FROM meta WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// Writes a number to a file's `meta`.
pub(super) fn write_number(
    connection: &Connection,
    name: &str,
    number: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO meta (name, number) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET number = excluded.number")?
        .execute((name, number))?;
    Ok(())
}
