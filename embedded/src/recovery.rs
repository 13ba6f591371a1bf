//! What an opening finds and puts right: orphans swept, erasures completed, the late indexes filled up to the newest row.

use aws_lc_rs::{hmac, rand};
use rusqlite::{Connection, OptionalExtension};
use sistema_ts_model::Timestamp;
use sistema_ts_store::StoreError;
use sistema_ts_store::keys::{KeyError, KeyRing, oldest_live_day};

use super::day::Day;
use super::erasing::Erasing;
use super::failure::Failure;
use super::index::IndexWriter;
use super::options::EmbeddedOptions;
use super::patients::Patients;
use super::rows;
use super::schema;
use super::stock::{BATCH, STORE};
use super::tenancy::Tenancy;
use super::writer::WriterStart;

/// The name in `meta` of the newest row that was given before a restore.
pub(super) const GIVEN_ROW: &str = "given_row";

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
    let (completed, erasing) = complete_erasures(tests, &mut patients)?;
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
    let mut codes = IndexWriter::open(tests, "codes", options.codes)?;
    let mut receipts = IndexWriter::open(tests, "receipts", options.receipts)?;
    restore(tests, &mut codes, &mut receipts)?;
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

/// The days after that of `newest` that have rows: a repair of the clock gave these an earlier time.
pub(super) fn days_after(tests: &Connection, newest: Timestamp) -> Result<Vec<Day>, Failure> {
    let mut select = tests.prepare("SELECT day FROM days WHERE day > ?1")?;
    let days = select.query_map([Day::of(newest).0], |row| row.get(0).map(Day))?;
    Ok(days.collect::<Result<_, _>>()?)
}

/// Every live day's key must be the one that its data were written with.
fn check_keys(tests: &Connection, keys: &KeyRing, now: Timestamp) -> Result<(), Failure> {
    let oldest = Day::of_date(oldest_live_day(now));
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

/// Erases what a transition wanted erased before a crash, as far as a full disk has room for it. The writer forgets the intents.
fn complete_erasures(
    tests: &Connection,
    patients: &mut Patients,
) -> Result<(usize, Erasing), Failure> {
    let intents: Vec<(Day, i64)> = {
        let mut select = tests.prepare("SELECT day, row FROM erasures")?;
        let rows = select.query_map([], |row| Ok((Day(row.get(0)?), row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    let mut erasing = Erasing::default();
    match erasing.erase(patients, intents) {
        Err(failure) if !failure.is_full() => return Err(failure),
        _ => {}
    }
    let completed = erasing.done().len();
    let forgotten = erasing.done().iter().try_for_each(|row| {
        tests
            .prepare_cached("DELETE FROM erasures WHERE row = ?1")?
            .execute([row])
            .map(drop)
    });
    match forgotten.map_err(Failure::from) {
        Ok(()) => erasing.forgotten(),
        // The writer forgets them when there is room.
        Err(failure) if failure.is_full() => {}
        Err(failure) => return Err(failure),
    }
    Ok((completed, erasing))
}

/// Inserts the newest rows, which were in memory only, into the late indexes anew.
fn restore(
    tests: &Connection,
    codes: &mut IndexWriter,
    receipts: &mut IndexWriter,
) -> Result<(), Failure> {
    let (codes_through, receipts_through) = (
        codes.covered_through() as i64,
        receipts.covered_through() as i64,
    );
    let mut select =
        tests.prepare("SELECT row, cun, receipt FROM tests WHERE row > ?1 ORDER BY row")?;
    let mut rows = select.query([codes_through.min(receipts_through)])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if number > codes_through {
            let cun = rows::decode_cun(row.get(1)?)?;
            codes.restore(rows::cun_key(&cun.digest()), number as u64)?;
        }
        if number > receipts_through
            && let Some(receipt) = row.get::<_, Option<[u8; rows::RECEIPT_LEN]>>(2)?
        {
            receipts.restore(rows::first_eight(&receipt), number as u64)?;
        }
    }
    Ok(())
}

/// The key of the hashes of receipts, made at the first opening.
pub(super) fn receipt_hash_key(tests: &Connection) -> Result<hmac::Key, Failure> {
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
            let mut bytes = vec![0; 32];
            rand::fill(&mut bytes).map_err(|_| StoreError::KeyMissing(KeyError::Crypto))?;
            tests.execute(
                "INSERT INTO meta (name, bytes) VALUES ('receipt_hash_key', ?1)",
                [&bytes],
            )?;
            bytes
        }
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}
