//! After a clock that was ahead: what was stamped by it gets a time that has been, with nobody else in the folder.
//!
//! A test that was communicated in the future gets now, and so do those after it, in their order, since rows ascend with time. Each keeps the key
//! of its day, by which it was sealed, is found, and recognises a repetition; the day stands in its row from then on. Codes and answers stay. Each
//! file changes in one transaction, the file of tests last, and what was done is not done again: a repair that was killed is repeated.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use sistema_ts_model::{CunState, Moment, Timestamp};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::trusted_time::{NotedTime, Reading, TrustedTime};
use sistema_ts_store::{ClockRepair, StoreError};

use super::access::{finish_merging, repair_archive};
use super::day::Day;
use super::epoch;
use super::failure::Failure;
use super::files::{Files, WriteMode};
use super::listing::last_row_before;
use super::noted_time::{read_noted, write_noted};
use super::options::EmbeddedOptions;
use super::rows::TestRow;
use super::schema;
use super::tenancy::Tenancy;

/// The day into whose file of access records an unfinished repair merges later ones.
const UNFINISHED: &str = "repair_day";

/// See [`Maintenance::repair_clock`](sistema_ts_store::Maintenance::repair_clock).
pub(super) fn repair_clock(
    options: &EmbeddedOptions,
    ring: &Path,
    now: Timestamp,
) -> Result<ClockRepair, StoreError> {
    let files = Files::new(&options.folder, options.vfs.clone());
    if !files.tests().exists() {
        // Nothing was stamped yet, but the ring may have been made by a clock that was ahead.
        let ring = KeyRing::repair(ring, now.rome_day())?;
        return Ok(ClockRepair {
            tests: 0,
            access_records: 0,
            others: 0,
            ring,
        });
    }
    let tenancy = Tenancy::enter(
        &files,
        &epoch::path_beside(ring),
        options.settings.maximum_batch_requests,
    )?;
    let repaired = repair_in(&tenancy.files, options, ring, now)?;
    tenancy.leave()?;
    Ok(repaired)
}

fn repair_in(
    files: &Files,
    options: &EmbeddedOptions,
    ring: &Path,
    now: Timestamp,
) -> Result<ClockRepair, Failure> {
    let ring_repair = KeyRing::repair(ring, now.rome_day())?;
    let keys = KeyRing::load(ring)?;
    let mode = WriteMode {
        exclusive: false,
        cache_kib: options.settings.cache_kibibytes,
    };
    let (tests, _) = files.open_writer(&files.tests(), mode)?;
    schema::prepare_tests(&tests)?;
    let unfinished = schema::read_number(&tests, UNFINISHED)?;
    if let Some(day) = unfinished.and_then(|day| i32::try_from(day).ok()) {
        finish_merging(files, Day(day))?;
    }
    schema::write_number(&tests, UNFINISHED, i64::from(Day::of(now).0))?;
    let access_records = repair_archive(files, now)?;
    let (restamped, others) = repair_tests(&tests, &keys, options, now)?;
    tests.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(ClockRepair {
        tests: restamped,
        access_records,
        others,
        ring: ring_repair,
    })
}

/// See [`Maintenance::confirm_clock`](sistema_ts_store::Maintenance::confirm_clock).
pub(super) fn confirm_clock(
    options: &EmbeddedOptions,
    ring: &Path,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let files = Files::new(&options.folder, options.vfs.clone());
    if !files.tests().exists() {
        return Err(StoreError::Unavailable {
            reason: "there is no store in the data folder".to_owned(),
        });
    }
    let tenancy = Tenancy::enter(
        &files,
        &epoch::path_beside(ring),
        options.settings.maximum_batch_requests,
    )?;
    let lag = confirm_in(&tenancy.files, options, now)?;
    tenancy.leave()?;
    Ok(lag)
}

fn confirm_in(files: &Files, options: &EmbeddedOptions, now: Timestamp) -> Result<i64, Failure> {
    let mode = WriteMode {
        exclusive: false,
        cache_kib: options.settings.cache_kibibytes,
    };
    let (tests, _) = files.open_writer(&files.tests(), mode)?;
    schema::prepare_tests(&tests)?;
    let reading = Reading {
        wall: now,
        monotonic: Duration::ZERO,
    };
    let mut time = TrustedTime::begin(read_noted(&tests)?, reading);
    let lag = time.lag_millis();
    time.confirm(reading);
    let transaction = tests.unchecked_transaction()?;
    write_noted(&tests, time.noted())?;
    transaction.commit()?;
    Ok(lag)
}

/// Puts the file of tests right, in one transaction.
fn repair_tests(
    tests: &Connection,
    keys: &KeyRing,
    options: &EmbeddedOptions,
    now: Timestamp,
) -> Result<(usize, usize), Failure> {
    let transaction = tests.unchecked_transaction()?;
    let mut others = end_claims(tests, options, now)?;
    others += restamp_cancellations(tests, now)?;
    for update in [
        "UPDATE sessions SET lapses_ms = ?1 + lapses_ms - opened_ms, opened_ms = ?1 WHERE opened_ms > ?1",
        "UPDATE guesses SET ends_ms = ?1 + ends_ms - window_ms, window_ms = ?1 WHERE window_ms > ?1",
    ] {
        others += tests.execute(update, [now.millis()])?;
    }
    tests.execute(
        "UPDATE meta SET number = ?1 WHERE name = 'expired_ms' AND number > ?1",
        [now.millis()],
    )?;
    let restamped = restamp_tests(tests, keys, now)?;
    if let Some(noted) = read_noted(tests)?
        && noted.wall > now
    {
        // Noted by the clock that was ahead: what a start would make of it, too.
        let noted = NotedTime {
            trusted: noted.trusted.min(now),
            wall: now,
            ..noted
        };
        write_noted(tests, noted.within_ranges())?;
    }
    tests.execute("DELETE FROM meta WHERE name = ?1", [UNFINISHED])?;
    transaction.commit()?;
    Ok((restamped, others))
}

/// Gives the rows that were inserted after `now` this time, the newest of all that may be.
fn restamp_tests(tests: &Connection, keys: &KeyRing, now: Timestamp) -> Result<usize, Failure> {
    let first = last_row_before(tests, now.plus_millis(1))? + 1;
    let today = Day::of(now);
    let mut update = tests.prepare(
        "UPDATE tests SET inserted_ms = ?2, accessed_before = ?3, key_day = ?4 WHERE row = ?1",
    )?;
    let mut select = tests.prepare(
        "SELECT row, inserted_ms, accessed_before, key_day FROM tests WHERE row > ?1 ORDER BY row LIMIT 1",
    )?;
    let (mut after, mut restamped) = (first - 1, 0);
    loop {
        let mut found = select.query([after])?;
        let Some(row) = found.next()? else { break };
        let (number, inserted_ms, accessed_before): (i64, i64, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let key_day = match row.get::<_, Option<i32>>(3)? {
            Some(day) => Day(day),
            None => Day::of(Timestamp::from_millis_clamped(inserted_ms)),
        };
        drop(found);
        // The request may have come when the clock was right again, while answers still had the time of the newest test.
        let accessed_ms = (inserted_ms - accessed_before).min(now.millis());
        let key_day = (key_day != today).then_some(key_day.0);
        update.execute((number, now.millis(), now.millis() - accessed_ms, key_day))?;
        (after, restamped) = (number, restamped + 1);
    }
    if restamped > 0 {
        // The rows of the other days stay, for the check values of their keys; what is forgotten by days is forgotten later for it.
        let check_value = keys.day(today.date())?.check_value();
        tests.execute(
            "INSERT INTO days (day, first_row, check_value) VALUES (?1, ?2, ?3)
             ON CONFLICT (day) DO UPDATE SET first_row = min(first_row, excluded.first_row)",
            (today.0, first, check_value),
        )?;
    }
    Ok(restamped)
}

/// Writes down what claims mean whose deadlines are in the future: whoever held them has ended with the server.
fn end_claims(
    tests: &Connection,
    options: &EmbeddedOptions,
    now: Timestamp,
) -> Result<usize, Failure> {
    let claims: Vec<(i64, i64)> = tests
        .prepare("SELECT row, due_ms FROM claims WHERE due_ms > ?1")?
        .query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut ended = 0;
    for (number, due_ms) in claims {
        let Some(row) = TestRow::read(tests, number)? else {
            continue;
        };
        let moment = Moment {
            now: Timestamp::from_millis_clamped(due_ms),
            clock_error_millis: options.clock_error_millis,
        };
        let life = row.life.catch_up(&row.origin(), moment).write;
        // One whose code ends before its deadline is none of the claim's any more.
        let Some(life) = life.filter(|life| life.state() != CunState::Expired) else {
            continue;
        };
        tests.execute(
            "UPDATE tests SET life = ?2 WHERE row = ?1",
            (number, life.encode()),
        )?;
        tests.execute("DELETE FROM claims WHERE row = ?1", [number])?;
        if life.state().is_over() {
            // An ASL's code that may have been delivered: the next opening completes the erasure that is noted here.
            tests.execute(
                "UPDATE tests SET contact = NULL, negative = NULL WHERE row = ?1",
                [number],
            )?;
            tests.execute("DELETE FROM sessions WHERE row = ?1", [number])?;
            tests.execute(
                "INSERT OR IGNORE INTO erasures (row, day) VALUES (?1, ?2)",
                (number, row.day().0),
            )?;
        }
        ended += 1;
    }
    Ok(ended)
}

/// Gives the receipts of cancellations after `now` this time; each keeps the day of its key.
fn restamp_cancellations(tests: &Connection, now: Timestamp) -> Result<usize, Failure> {
    let later: Vec<(Vec<u8>, i64)> = tests
        .prepare("SELECT key, at_ms FROM cancellations WHERE at_ms > ?1")?
        .query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (key, at_ms) in &later {
        let day = Day::of(Timestamp::from_millis_clamped(*at_ms));
        tests.execute(
            "UPDATE cancellations SET at_ms = ?2, key_day = ifnull(key_day, ?3) WHERE key = ?1",
            (key, now.millis(), day.0),
        )?;
    }
    Ok(later.len())
}
