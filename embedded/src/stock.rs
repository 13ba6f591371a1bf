//! Which files a folder has and how far each of them is: read without changing any of them, not even a log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use aws_lc_rs::digest;
use rusqlite::{Connection, OptionalExtension};
use sistema_ts_model::Timestamp;
use sistema_ts_store::StoreError;

use super::day::Day;
use super::failure::Failure;
use super::files::Files;
use super::inventory::Entry;
use super::paths::name_of;
use super::paths::with_suffix;
use super::progress::{AccessCounts, TestsCounts};
use super::schema;

/// Memory for pages of one file, in KiB.
const CACHE_KIB: u32 = 256;
/// So many bytes of files are digested whole, the file of tests first and then the newest: within a part of a second.
const DIGESTED: u64 = 64 << 20;
const PIECE: usize = 1 << 16;

/// The name in `meta` of a file's number of commits.
pub(super) const COMMITS: &str = "commits";
/// The name in the `meta` of the file of tests of the store that it belongs to.
pub(super) const STORE: &str = "store";
/// The name in the `meta` of the file of tests of the most tests that one commit of any run so far may have had.
pub(super) const BATCH: &str = "batch";
/// How the numbers in the `meta` of the file of tests begin that say how many commits a day's file of patients had.
pub(super) const PATIENTS_COMMITS: &str = "patients ";

/// The name in `meta` of the newest row that was given before a restore.
pub(super) const GIVEN_ROW: &str = "given_row";

/// What there is of the file of tests.
#[derive(Clone, Debug, Default)]
pub(super) struct TestsFacts {
    pub(super) store: Option<u64>,
    /// The most tests that one commit of any run so far may have had; 0 if that was never noted.
    pub(super) batch: usize,
    pub(super) counts: TestsCounts,
    /// Commits of the days' files of patients when this file's last commit was made.
    pub(super) patients: BTreeMap<Day, i64>,
}

/// What there is of the file of tests. `None` if there is no file, or one that was just being made.
pub(super) fn of_tests(files: &Files) -> Result<Option<TestsFacts>, Failure> {
    let path = files.tests();
    if !path.exists() {
        return Ok(None);
    }
    let connection = open(files, &path)?;
    if !schema::check_tests(&connection)? {
        return Ok(None);
    }
    let store: Option<i64> = schema::read_number(&connection, STORE)?;
    let mut patients = BTreeMap::new();
    {
        let mut select = connection.prepare(
            "SELECT name, number FROM meta WHERE name LIKE 'patients %' AND number IS NOT NULL",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let day = name
                .strip_prefix(PATIENTS_COMMITS)
                .and_then(|day| day.parse().ok());
            patients.extend(day.map(Day).zip(Some(row.get::<_, i64>(1)?)));
        }
    }
    let (row, _) = newest_row(&connection)?;
    let batch = schema::read_number(&connection, BATCH)?.unwrap_or(0);
    Ok(Some(TestsFacts {
        store: store.map(i64::cast_unsigned),
        batch: usize::try_from(batch).unwrap_or(0),
        counts: TestsCounts {
            commits: schema::read_number(&connection, COMMITS)?.unwrap_or(0),
            row,
        },
        patients,
    }))
}

/// What there is of a day's file of patients: its commits, and the newest row.
pub(super) struct PatientsFacts {
    pub(super) commits: i64,
    pub(super) newest_row: i64,
    /// How many rows are above the one asked for.
    pub(super) above: usize,
}

/// What there is of a day's file of patients. `None` for one that was just being made.
pub(super) fn of_patients(
    files: &Files,
    day: Day,
    row: i64,
) -> Result<Option<PatientsFacts>, Failure> {
    let connection = open(files, &files.patients(day))?;
    if !schema::check_patients(&connection)? {
        return Ok(None);
    }
    let (above, newest): (i64, Option<i64>) = connection.query_row(
        "SELECT (SELECT count(*) FROM patients WHERE row > ?1), max(row) FROM patients",
        [row],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(Some(PatientsFacts {
        commits: schema::read_number(&connection, COMMITS)?.unwrap_or(0),
        newest_row: newest.unwrap_or(0),
        above: usize::try_from(above).unwrap_or(usize::MAX),
    }))
}

/// What there is of a day's file of access records. `None` for one that was just being made.
pub(super) fn of_access(files: &Files, day: Day) -> Result<Option<AccessCounts>, Failure> {
    let connection = open(files, &files.access(day))?;
    if !schema::check_access(&connection)? {
        return Ok(None);
    }
    Ok(Some(access_counts(&connection, day)?))
}

/// How far an open file of access records is.
pub(super) fn access_counts(connection: &Connection, day: Day) -> rusqlite::Result<AccessCounts> {
    let newest = |select| {
        connection
            .query_row(select, [], |row| row.get::<_, Option<i64>>(0))
            .optional()
            .map(|newest| newest.flatten().unwrap_or(0))
    };
    Ok(AccessCounts {
        day,
        record: newest("SELECT max(id) FROM records")?,
        row: newest("SELECT max(last_row) FROM submissions")?,
    })
}

/// The newest row that was ever given, and its time; they are kept when the row itself has expired.
pub(super) fn newest_row(tests: &Connection) -> Result<(i64, Timestamp), Failure> {
    let newest: Option<(i64, i64)> = tests
        .query_row(
            "SELECT row, inserted_ms FROM tests ORDER BY row DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let (row, millis) = match newest {
        Some(newest) => newest,
        None => (
            schema::read_number(tests, "expired_row")?.unwrap_or(0),
            schema::read_number(tests, "expired_ms")?.unwrap_or(0),
        ),
    };
    // What `sistema-ts restore` has accepted: rows that were given once, though their tests are lost.
    let row = row.max(schema::read_number(tests, GIVEN_ROW)?.unwrap_or(0));
    Ok((row, Timestamp::from_millis_clamped(millis)))
}

/// Opens a file so that nothing of it changes: not the file, and not its log when it is closed.
pub(super) fn open(files: &Files, path: &Path) -> Result<Connection, Failure> {
    if log_bytes(path) == 0 {
        return Ok(files.open_unchanging(path)?);
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        // SQLite would remove the log of a file that is cut to nothing.
        let what = "the file is empty beside a log that is not".to_owned();
        return Err(StoreError::Corrupt { what }.into());
    }
    Ok(files.as_visitor().open_reader(path, CACHE_KIB)?)
}

/// The bytes in a file's log.
pub(super) fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(with_suffix(path, "-wal")).map_or(0, |log| log.len())
}

/// The folder's files of tests, patients and access records with what is in each.
pub(super) fn take(files: &Files) -> Result<BTreeMap<String, Entry>, StoreError> {
    let unreadable = |error: std::io::Error| StoreError::Unavailable {
        reason: format!("the data folder cannot be read: {error}"),
    };
    let mut stock = BTreeMap::new();
    let mut budget = DIGESTED;
    if let Some(facts) = of_tests(files)? {
        let counts = [facts.counts.commits, facts.counts.row];
        let entry = entry(&files.tests(), counts, &mut budget).map_err(unreadable)?;
        stock.insert(name_of(&files.tests()), entry);
    }
    let patients = files.patient_days().map_err(unreadable)?;
    for day in patients.into_iter().rev() {
        // One that was just being made, when the disk was full for example, is there as well.
        let facts = of_patients(files, day, i64::MAX)?;
        let path = files.patients(day);
        let counts = [facts.map_or(0, |facts| facts.commits), 0];
        let entry = entry(&path, counts, &mut budget).map_err(unreadable)?;
        stock.insert(name_of(&path), entry);
    }
    let access = files.access_days().map_err(unreadable)?;
    for day in access.into_iter().rev() {
        let facts = of_access(files, day)?.unwrap_or_default();
        let path = files.access(day);
        let entry = entry(&path, [facts.record, facts.row], &mut budget).map_err(unreadable)?;
        stock.insert(name_of(&path), entry);
    }
    Ok(stock)
}

fn entry(path: &Path, counts: [i64; 2], budget: &mut u64) -> std::io::Result<Entry> {
    let bytes = std::fs::metadata(path)?.len();
    let digest = if bytes <= *budget {
        *budget -= bytes;
        Some(digest_of(path)?)
    } else {
        *budget = 0;
        None
    };
    Ok(Entry {
        counts,
        bytes: Some(bytes),
        digest,
    })
}

/// SHA-256 of a file, in hexadecimal digits.
pub(super) fn digest_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => context.update(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let digest = context.finish();
    Ok(digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
