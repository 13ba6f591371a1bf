//! What an opening finds and puts right: orphans swept, erasures completed, the late indexes filled up to the newest row.

use aws_lc_rs::rand;
use rusqlite::{Connection, OptionalExtension};
use sistema_ts_model::Timestamp;
use sistema_ts_store::keys::{KeyError, KeyRing, oldest_live_day};
use sistema_ts_store::{Pseudonyms, StoreError};

use super::day::Day;
use super::erasing::Erasing;
use super::failure::Failure;
use super::index::IndexWriter;
use super::noted_time::read_noted;
use super::options::EmbeddedOptions;
use super::patients::Patients;
use super::progress::TestsNote;
use super::rows;
use super::schema;
use super::stock::{BATCH, STORE, newest_row};
use super::tenancy::Tenancy;

/// What the writer begins with.
pub(super) struct WriterStart {
    pub(super) codes: IndexWriter,
    pub(super) receipts: IndexWriter,
    pub(super) patients: Patients,
    pub(super) last_row: i64,
    pub(super) last_inserted: Timestamp,
    /// Erasures that a full disk has put off.
    pub(super) erasing: Erasing,
    /// Whether a full disk has put off the sweep.
    pub(super) unswept: bool,
    /// Commits of the file of tests so far.
    pub(super) commits: i64,
    /// Notes them.
    pub(super) note: TestsNote,
}

/// Opens the parts of the writer on the file of tests and completes what a crash has left half done.
pub(super) fn recover(
    tests: &Connection,
    tenancy: &Tenancy,
    options: &EmbeddedOptions,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<WriterStart, Failure> {
    own(tests, tenancy)?;
    note_batch(tests, options.settings.maximum_batch_requests)?;
    let (last_row, last_inserted) = newest_row(tests)?;
    // By a clock that is behind, days would have to be there whose keys are gone as they should be.
    check_keys(tests, keys, now.max(last_inserted))?;
    let mut patients = Patients::new(tenancy.files.clone())?;
    // A full disk keeps nobody from reading what there is: what it puts off the writer does as soon as there is room.
    let (swept, unswept) = match patients.sweep_above(last_row, Day::of(last_inserted)) {
        Err(failure) if failure.is_full() => (0, true),
        swept => (swept?, false),
    };
    let (completed, erasing) = Erasing::complete(tests, &mut patients)?;
    if swept + completed > 0 {
        tracing::info!(
            swept,
            completed,
            "recovered: patients without a test swept, erasures completed"
        );
    }
    if unswept || erasing.unfinished() > 0 {
        tracing::warn!(
            unswept,
            erasures = erasing.unfinished(),
            "the disk is full: what the last end left half done is completed when there is room"
        );
    }
    let (codes, receipts) = late_indexes(tests, options)?;
    Ok(WriterStart {
        codes,
        receipts,
        patients,
        last_row,
        last_inserted,
        erasing,
        unswept,
        commits: tenancy.commits,
        note: tenancy.progress.tests_note()?,
    })
}

/// Writes into the file of tests, the first time, whose it is, and lists it.
fn own(tests: &Connection, tenancy: &Tenancy) -> Result<(), Failure> {
    if schema::read_number(tests, STORE)?.is_none() {
        schema::write_number(tests, STORE, tenancy.store.cast_signed())?;
    }
    Ok(tenancy.files.list(&tenancy.files.tests())?)
}

/// Notes how many tests one commit of this run may have, before the first one, if no run before had as many: a start after a crash may find so many
/// patients without their tests, whatever the configuration says by then.
fn note_batch(tests: &Connection, batch: usize) -> Result<(), Failure> {
    let batch = i64::try_from(batch).unwrap_or(i64::MAX);
    if schema::read_number(tests, BATCH)?.is_none_or(|noted| noted < batch) {
        schema::write_number(tests, BATCH, batch)?;
    }
    Ok(())
}

/// The days after that of `newest` that have rows: a repair of the clock gave these an earlier time.
pub(super) fn days_after(tests: &Connection, newest: Timestamp) -> Result<Vec<Day>, Failure> {
    let mut select = tests.prepare("SELECT day FROM days WHERE day > ?1")?;
    let days = select.query_map([Day::of(newest).0], |row| row.get(0).map(Day))?;
    Ok(days.collect::<Result<_, _>>()?)
}

/// Every live day's key must be the one that its data were written with. A day counts as live by the trusted time, by which its key is
/// destroyed, if a clock that went back says otherwise.
fn check_keys(tests: &Connection, keys: &KeyRing, now: Timestamp) -> Result<(), Failure> {
    let trusted = read_noted(tests)?.map(|noted| noted.trusted);
    let oldest = Day::of_date(oldest_live_day(
        trusted.map_or(now, |trusted| now.max(trusted)),
    ));
    let mut select = tests.prepare("SELECT day, check_value FROM days WHERE day >= ?1")?;
    let days = select.query_map([oldest.0], |row| {
        Ok((Day(row.get(0)?), row.get::<_, [u8; 16]>(1)?))
    })?;
    for day in days {
        let (day, check_value) = day?;
        if keys.day(day.date())?.check_value() != check_value {
            return Err(KeyError::Differs { day: day.date() }.into());
        }
    }
    Ok(())
}

/// Opens the late indexes of codes and of receipts, and inserts the newest rows, which were in memory only, anew.
///
/// # Errors
///
/// [`StoreError::Corrupt`] names a row of those that cannot be read. Without them the store would not know its newest codes, and does not start.
pub(super) fn late_indexes(
    tests: &Connection,
    options: &EmbeddedOptions,
) -> Result<(IndexWriter, IndexWriter), Failure> {
    let mut codes = IndexWriter::open(tests, "codes", options.codes)?;
    let mut receipts = IndexWriter::open(tests, "receipts", options.receipts)?;
    let (codes_through, receipts_through) = (
        codes.covered_through() as i64,
        receipts.covered_through() as i64,
    );
    let mut select =
        tests.prepare("SELECT row, cun, receipt FROM tests WHERE row > ?1 ORDER BY row")?;
    let mut rows = select.query([codes_through.min(receipts_through)])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let damaged = |column: &str| {
            rows::corrupt(&format!(
                "`{column}` of row {number} in tests.db, one of the newest tests, without which nothing starts: of the folder put back a copy in \
                 which it is whole (docs/administration.md, \"When it does not start\")"
            ))
        };
        if number > codes_through {
            let cun: i64 = row.get(1).map_err(|_| damaged("cun"))?;
            let cun = rows::decode_cun(cun).map_err(|_| damaged("cun"))?;
            codes.restore(rows::cun_key(&cun.digest()), number as u64)?;
        }
        if number > receipts_through {
            let receipt: Option<[u8; rows::RECEIPT_LEN]> =
                row.get(2).map_err(|_| damaged("receipt"))?;
            if let Some(receipt) = receipt {
                receipts.restore(rows::first_eight(&receipt), number as u64)?;
            }
        }
    }
    Ok((codes, receipts))
}

/// The pseudonyms of requests and of what guesses count, whose key is made at the first opening.
pub(super) fn pseudonyms(tests: &Connection) -> Result<Pseudonyms, Failure> {
    let stored: Option<Vec<u8>> = tests
        .query_row(
            "SELECT bytes FROM meta WHERE name = 'receipt_hash_key'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let bytes = match stored {
        Some(bytes) => bytes,
        None => {
            let mut bytes = vec![0; Pseudonyms::KEY_LENGTH];
            rand::fill(&mut bytes).map_err(|_| StoreError::KeyMissing(KeyError::Crypto))?;
            tests.execute(
                "INSERT INTO meta (name, bytes) VALUES ('receipt_hash_key', ?1)",
                [&bytes],
            )?;
            bytes
        }
    };
    Ok(Pseudonyms::under(&bytes))
}
