//! Importing cards: sorted runs, each committed with the place reached, then one merge, then a rename. An import that was interrupted goes on
//! from its last run; what a server sees is always the last one that was completed.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use sistema_ts_model::Timestamp;
use sistema_ts_store::cards::{
    AdditionError, AdditionName, CardEntry, CardError, CardImport, CardKey, HASH_LENGTH,
    ImportProgress,
};
use sistema_ts_store::register::RegisterKey;

use super::additions;
use super::{APPLICATION, Paths, TABLES, VERSION, day_number, failed, io_failed, open, open_whole};
use crate::paths::{remove_if_there, with_suffix};

/// Entries of one run: what is sorted in memory, some 50 MB.
const RUN_ENTRIES: usize = 1_000_000;

/// `to_day` of a card without an end.
const NO_END: i64 = i64::MAX;

/// An import at work; one at a time.
pub struct EmbeddedCardImport {
    pub(super) paths: Paths,
    pub(super) key: CardKey,
    connection: Connection,
    progress: ImportProgress,
    runs: i64,
    entries: Vec<Entry>,
    run_entries: usize,
    /// Held while the import is at work.
    _lock: File,
}

/// A card as it is stored: person, card, first and last day.
pub(super) type Entry = ([u8; HASH_LENGTH], [u8; HASH_LENGTH], i64, i64);

impl EmbeddedCardImport {
    /// Begins an import, or goes on with an interrupted one of the same source; `source` tells one source from another. One of another source
    /// is given up, and so is any if `restart` says so.
    ///
    /// # Errors
    /// [`CardError::ImportUnderWay`], and those of the files.
    pub fn begin(
        folder: &Path,
        key: &RegisterKey,
        source: &[u8],
        restart: bool,
    ) -> Result<Self, CardError> {
        Self::begin_with(folder, key, source, restart, RUN_ENTRIES)
    }

    fn begin_with(
        folder: &Path,
        key: &RegisterKey,
        source: &[u8],
        restart: bool,
        run_entries: usize,
    ) -> Result<Self, CardError> {
        let paths = Paths::in_folder(folder);
        std::fs::create_dir_all(folder).map_err(io_failed)?;
        let lock = lock(&paths)?;
        let key = CardKey::derived_from(key)?;
        remove(&paths.new)?;
        let found = match restart {
            true => None,
            false => resume(&paths.import, &key, source)?,
        };
        let (connection, progress, runs) = match found {
            Some(found) => found,
            None => {
                remove(&paths.import)?;
                (
                    create(&paths.import, &key, source)?,
                    ImportProgress::default(),
                    0,
                )
            }
        };
        Ok(Self {
            paths,
            key,
            connection,
            progress,
            runs,
            entries: Vec::new(),
            run_entries,
            _lock: lock,
        })
    }

    /// Writes what is in memory as a run, with the place reached, in one transaction.
    fn write_run(&mut self, progress: ImportProgress) -> Result<(), CardError> {
        self.entries.sort_unstable();
        self.entries.dedup();
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO runs (run, person, card, from_day, to_day) VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .map_err(failed)?;
            for (person, card, from, to) in &self.entries {
                insert
                    .execute(params![self.runs, person, card, from, to])
                    .map_err(failed)?;
            }
        }
        transaction
            .execute(
                "UPDATE source SET runs = ?1, offset = ?2, lines = ?3, bad_lines = ?4, blank_lines = ?5",
                params![
                    self.runs + 1,
                    progress.offset.cast_signed(),
                    progress.lines.cast_signed(),
                    progress.bad_lines.cast_signed(),
                    progress.blank_lines.cast_signed()
                ],
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.runs += 1;
        self.entries.clear();
        self.progress = progress;
        Ok(())
    }

    fn end_runs(&mut self, progress: ImportProgress) -> Result<(), CardError> {
        if !self.entries.is_empty() {
            self.write_run(progress)?;
        }
        if self.runs == 0 {
            return Err(CardError::Empty);
        }
        Ok(())
    }

    fn end(self) -> Result<(), CardError> {
        drop(self.connection);
        remove(&self.paths.import)
    }

    fn merge_within(&self, now: Timestamp, maximum_loss: u64) -> Result<u64, CardError> {
        let cards = self.merge(now)?;
        let registered = registered(&self.paths.register);
        let kept = 100_u64.saturating_sub(maximum_loss);
        // Wider than 64 bits: no number of cards is too great to be compared.
        if u128::from(cards) * 100 < u128::from(registered) * u128::from(kept) {
            return Err(CardError::FarFewer { cards, registered });
        }
        Ok(cards)
    }

    fn merge(&self, now: Timestamp) -> Result<u64, CardError> {
        self.merge_onto(None, now, &mut |_, _| Ok(()))
    }

    /// Merges what was taken into `cards-new.db`, together with the register `base` if there is one. Each card that was taken is told, and
    /// whether it is new.
    pub(super) fn merge_onto(
        &self,
        base: Option<&Connection>,
        now: Timestamp,
        tell: &mut dyn FnMut(&Entry, bool) -> Result<(), CardError>,
    ) -> Result<u64, CardError> {
        let mut selects = Vec::new();
        if let Some(base) = base {
            selects.push((base.prepare(ALL_CARDS).map_err(failed)?, None));
        }
        for run in 0..self.runs {
            let select = self
                .connection
                .prepare("SELECT person, card, from_day, to_day FROM runs WHERE run = ?1 ORDER BY person, card, from_day, to_day")
                .map_err(failed)?;
            selects.push((select, Some(run)));
        }
        write_register(&self.paths.new, self.key.check_value(), now, |insert| {
            let mut runs = Vec::new();
            for (select, run) in &mut selects {
                let is_base = run.is_none();
                let mut rows = match run {
                    Some(run) => select.query([*run]),
                    None => select.query([]),
                }
                .map_err(failed)?;
                if let Some(head) = next(&mut rows)? {
                    runs.push((head, rows, is_base));
                }
            }
            // Few runs, even of a whole nation: the smallest head is looked for one by one. Of equal ones that of the base comes first.
            while let Some(smallest) =
                (0..runs.len()).min_by_key(|index| (runs[*index].0, !runs[*index].2))
            {
                let (entry, is_base) = (runs[smallest].0, runs[smallest].2);
                let is_new = insert(&entry)?;
                if !is_base {
                    tell(&entry, is_new)?;
                }
                match next(&mut runs[smallest].1)? {
                    Some(head) => runs[smallest].0 = head,
                    None => drop(runs.swap_remove(smallest)),
                }
            }
            Ok(())
        })
    }
}

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

impl CardImport for EmbeddedCardImport {
    fn progress(&self) -> ImportProgress {
        self.progress
    }

    fn add(&mut self, entry: &CardEntry, progress: ImportProgress) -> Result<(), CardError> {
        self.entries.push((
            self.key.person(&entry.fiscal_code),
            self.key.card(Some(&entry.fiscal_code), &entry.digits),
            day_number(entry.valid_from),
            entry.valid_to.map_or(NO_END, day_number),
        ));
        if self.entries.len() >= self.run_entries {
            self.write_run(progress)?;
        }
        Ok(())
    }

    fn finish(
        mut self: Box<Self>,
        progress: ImportProgress,
        now: Timestamp,
        maximum_loss: u64,
    ) -> Result<u64, CardError> {
        self.end_runs(progress)?;
        let cards = self.merge_within(now, maximum_loss).inspect_err(|_| {
            // What stays behind is removed by the next import.
            let _ = remove(&self.paths.new);
        })?;
        put_in_place(&self.paths.new, &self.paths.register)?;
        // What was added to the register that is gone is not in this one.
        additions::forget_all(&self.paths)?;
        self.end()?;
        Ok(cards)
    }

    fn finish_adding(
        mut self: Box<Self>,
        name: &AdditionName,
        progress: ImportProgress,
        now: Timestamp,
    ) -> Result<(u64, u64), AdditionError> {
        self.end_runs(progress)?;
        let added = additions::add(&self, name, now)?;
        self.end()?;
        Ok(added)
    }
}

/// How many cards the register in use holds; one that cannot be read holds none that an import could lose.
fn registered(path: &Path) -> u64 {
    if !path.exists() {
        return 0;
    }
    open_whole(path)
        .and_then(|register| {
            register
                .query_row("SELECT cards FROM about", [], |row| row.get::<_, i64>(0))
                .map_err(failed)
        })
        .map_or(0, i64::unsigned_abs)
}

pub(super) fn next(rows: &mut rusqlite::Rows<'_>) -> Result<Option<Entry>, CardError> {
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    let read = || Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    read().map(Some).map_err(failed)
}

fn create(path: &Path, key: &CardKey, source: &[u8]) -> Result<Connection, CardError> {
    let connection = open(path, true)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE runs (
                 run INTEGER NOT NULL, person BLOB NOT NULL, card BLOB NOT NULL, from_day INTEGER NOT NULL, to_day INTEGER NOT NULL,
                 PRIMARY KEY (run, person, card, from_day, to_day)
             ) STRICT, WITHOUT ROWID;
             CREATE TABLE source (
                 only_row INTEGER PRIMARY KEY CHECK (only_row = 1), key_check BLOB NOT NULL, source BLOB NOT NULL, runs INTEGER NOT NULL,
                 offset INTEGER NOT NULL, lines INTEGER NOT NULL, bad_lines INTEGER NOT NULL, blank_lines INTEGER NOT NULL
             ) STRICT;",
        )
        .map_err(failed)?;
    connection
        .execute(
            "INSERT INTO source (only_row, key_check, source, runs, offset, lines, bad_lines, blank_lines) VALUES (1, ?1, ?2, 0, 0, 0, 0, 0)",
            params![key.check_value(), source],
        )
        .map_err(failed)?;
    Ok(connection)
}

/// An interrupted import of this source, if there is one.
fn resume(
    path: &Path,
    key: &CardKey,
    source: &[u8],
) -> Result<Option<(Connection, ImportProgress, i64)>, CardError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = open(path, false)?;
    // A file that was never finished, or is none of ours, is no import to go on with.
    let found = connection
        .query_row(
            "SELECT runs, offset, lines, bad_lines, blank_lines FROM source WHERE source = ?1 AND key_check = ?2",
            params![source, key.check_value()],
            |row| {
                let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                let progress = ImportProgress {
                    offset: number(1)?,
                    lines: number(2)?,
                    bad_lines: number(3)?,
                    blank_lines: number(4)?,
                };
                Ok((progress, row.get(0)?))
            },
        )
        .optional()
        .unwrap_or(None);
    Ok(found.map(|(progress, runs)| (connection, progress, runs)))
}

/// Removes a file of ours with its log, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), CardError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&with_suffix(path, suffix)).map_err(io_failed)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
