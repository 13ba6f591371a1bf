//! Accepting a data folder as it is, on the operator's word: one from a backup, or one that has lost files.

use std::path::Path;

use rusqlite::Connection;
use sistema_ts_store::StoreError;

use super::epoch::{self, Epoch};
use super::examination::{self, Examined};
use super::files::{Files, WriteMode};
use super::inventory::{Contents, State};
use super::options::EmbeddedOptions;
use super::recovery;
use super::schema;
use super::stock::{self, COMMITS, GIVEN_ROW, PATIENTS_COMMITS, STORE};
use super::tenancy::{self, empty_logs};
use super::{failure::Failure, log};

/// Memory for pages of the file of tests, in KiB.
const CACHE_KIB: u32 = 4_096;

/// See [`Maintenance::examine`](sistema_ts_store::Maintenance::examine).
pub(super) fn examine(options: &EmbeddedOptions, ring: &Path) -> Result<Vec<String>, StoreError> {
    let files = Files::new(&options.folder, options.vfs.clone());
    let _lock = files.take()?;
    let epoch_path = epoch::path_beside(ring);
    let examined =
        examination::examine(&files, &epoch_path, options.settings.maximum_batch_requests)?;
    let mut findings = examined.findings;
    findings.extend(unreadable_newest_row(&files, options).map(|error| error.to_string()));
    Ok(findings)
}

/// Why one of the newest rows keeps a server from starting, if one does. A file that cannot be read at all is told by the examination.
fn unreadable_newest_row(files: &Files, options: &EmbeddedOptions) -> Option<StoreError> {
    let tests = stock::open(files, &files.tests()).ok()?;
    match recovery::late_indexes(&tests, options) {
        Err(Failure::Alone(error @ StoreError::Corrupt { .. })) => Some(error),
        _ => None,
    }
}

/// See [`Maintenance::accept`](sistema_ts_store::Maintenance::accept). Patients without a test stay until their day ends, and no number of a
/// row is given twice. A row that would keep the server from starting is told, and then nothing is accepted.
pub(super) fn accept(options: &EmbeddedOptions, ring: &Path) -> Result<Vec<String>, StoreError> {
    let files = Files::new(&options.folder, options.vfs.clone());
    let _lock = files.take()?;
    let epoch_path = epoch::path_beside(ring);
    let examined =
        examination::examine(&files, &epoch_path, options.settings.maximum_batch_requests)?;
    if let Some(error) = unreadable_newest_row(&files, options) {
        return Err(error);
    }
    if examined.findings.is_empty() {
        return Ok(Vec::new());
    }
    let store = match (&examined.inventory, examined.epoch) {
        (_, Some(epoch)) => epoch.store,
        (Some(inventory), None) => inventory.store,
        (None, None) => tenancy::random_number()?,
    };
    write_tests(&files, options, &examined, store)?;
    empty_logs(&files)?;
    let numbers = [
        examined.inventory.as_ref().map_or(0, |own| own.number),
        examined.epoch.map_or(0, |epoch| epoch.number),
    ];
    let number = numbers[0].max(numbers[1]) + 1;
    let contents = Contents {
        store,
        number,
        state: State::Stopped,
        files: stock::take(&files)?,
    };
    let unwritable = |error: std::io::Error| StoreError::Unavailable {
        reason: format!("what was accepted cannot be written down: {error}"),
    };
    contents.save(&files.inventory()).map_err(unwritable)?;
    let epoch = Epoch { store, number };
    epoch.save(&epoch_path).map_err(unwritable)?;
    Ok(examined.findings)
}

/// Writes into the file of tests what it is to know of the others, as they are. Makes the file if it is lost.
fn write_tests(
    files: &Files,
    options: &EmbeddedOptions,
    examined: &Examined,
    store: u64,
) -> Result<(), Failure> {
    let mode = WriteMode {
        exclusive: false,
        cache_kib: CACHE_KIB,
    };
    let (connection, _) = files.open_writer(&files.tests(), mode)?;
    schema::prepare_tests(&connection)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let written = recovery::late_indexes(&connection, options)
        .and_then(|_| write_meta(&connection, files, examined, store));
    connection.execute_batch(if written.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    })?;
    written?;
    log::empty(&connection)?;
    Ok(connection.close().map_err(|(_, error)| error)?)
}

fn write_meta(
    connection: &Connection,
    files: &Files,
    examined: &Examined,
    store: u64,
) -> Result<(), Failure> {
    schema::write_number(connection, STORE, store.cast_signed())?;
    schema::write_number(connection, GIVEN_ROW, examined.newest_row())?;
    let noted = examined
        .progress
        .as_ref()
        .map_or(0, |noted| noted.tests.commits);
    let own = schema::read_number(connection, COMMITS)?.unwrap_or(0);
    schema::write_number(connection, COMMITS, own.max(noted) + 1)?;
    connection.execute("DELETE FROM meta WHERE name LIKE 'patients %'", [])?;
    for day in files.patient_days()? {
        if let Some(facts) = stock::of_patients(files, day, i64::MAX)? {
            let name = format!("{PATIENTS_COMMITS}{}", day.0);
            schema::write_number(connection, &name, facts.commits)?;
        }
    }
    Ok(())
}
