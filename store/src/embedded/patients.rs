//! The patients' archive: one file a day, read and written by the writer's thread alone.
//!
//! Only that thread has the files open, so that a checkpoint can always truncate the WAL, and what was erased is gone from the
//! files' bytes. Lookup tags are random: inserted one by one they would dirty a page each, so they enter their table late, sorted,
//! some sixteen thousand at a time; until then they are found in memory.

mod rewrite;

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use sistema_ts_model::Cun;

use super::day::Day;
use super::failure::Failure;
use super::files::{Files, WriteMode};
use super::log::{self, Log};
use super::schema;
use crate::error::StoreError;
use crate::keys::LookupTag;
use rewrite::{Erasures, Rewrites};

/// Tags that wait in memory before they are sorted and written.
const TAGS_IN_MEMORY: usize = 16_384;
/// Sorted tags written for each new one, so that a batch is written long before the next one is full.
const TAGS_PER_NEW_TAG: usize = 2;
/// Pages of the log after which they are moved into the file: few, since an erasure has to move them all.
const CHECKPOINT_PAGES: u32 = 2_000;
/// Memory for the pages of one day's file, in KiB.
const CACHE_KIB: u32 = 4_096;

/// A sealed fiscal code at a row or, without one there, at the next.
const SELECT_SEALED: &str = "SELECT row, sealed FROM patients WHERE row >= ?1 ORDER BY row LIMIT 1";

/// A sealed fiscal code, and whose it is.
pub(super) struct Sealed {
    pub(super) day: Day,
    pub(super) row: i64,
    pub(super) bytes: Vec<u8>,
}

/// A tag and its row.
type TagEntry = (LookupTag, i64);

/// All days' files.
pub(super) struct Patients {
    files: Files,
    /// Days that have a file.
    days: BTreeSet<Day>,
    open: Vec<DayFile>,
    rewrites: Rewrites,
}

/// One day's file.
struct DayFile {
    day: Day,
    connection: Connection,
    log: Log,
    in_transaction: bool,
    /// Tags of committed rows that `merged` does not cover yet, in the order of rows.
    fresh: Vec<TagEntry>,
    /// Tags of rows of the current transaction.
    uncommitted: Vec<TagEntry>,
    merge: Option<Merge>,
    erasures: Erasures,
}

/// The oldest of `fresh`, sorted, on their way into the table.
struct Merge {
    sorted: Vec<TagEntry>,
    /// So many are committed.
    done: usize,
    /// So many are written in the current transaction or before.
    written: usize,
    through: i64,
}

impl Patients {
    pub(super) fn new(files: Files) -> Result<Patients, StoreError> {
        let unusable = |error| StoreError::Unavailable {
            reason: format!("the data folder cannot be read: {error}"),
        };
        files.remove_unfinished().map_err(unusable)?;
        let days = files.patient_days().map_err(unusable)?;
        Ok(Patients {
            files,
            days: days.into_iter().collect(),
            open: Vec::new(),
            rewrites: Rewrites::default(),
        })
    }

    /// The days that have a file, oldest first.
    pub(super) fn days(&self) -> impl DoubleEndedIterator<Item = Day> + use<'_> {
        self.days.iter().copied()
    }

    /// Whether a day has a file.
    pub(super) fn has(&self, day: Day) -> bool {
        self.days.contains(&day)
    }

    /// Adds a positive within the current transaction.
    pub(super) fn insert(
        &mut self,
        day: Day,
        row: i64,
        cun: Cun,
        sealed: &[u8],
        tag: &LookupTag,
    ) -> Result<(), Failure> {
        let file = self.file_to_write(day)?;
        file.connection
            .prepare_cached("INSERT INTO patients (row, cun, sealed, tag) VALUES (?1, ?2, ?3, ?4)")?
            .execute((row, cun.number() as i64, sealed, tag))?;
        file.uncommitted.push((*tag, row));
        Ok(())
    }

    /// Commits what the current transaction has written, after a share of the deferred work.
    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        for file in self.open.iter_mut().filter(|file| file.in_transaction) {
            file.merge_some()?;
            file.connection.prepare_cached("COMMIT")?.execute([])?;
            file.committed()?;
        }
        Ok(())
    }

    /// Moves logs that have grown into their files, between two transactions.
    pub(super) fn look_after_logs(&self) -> rusqlite::Result<()> {
        for file in &self.open {
            if file.log.pages() >= CHECKPOINT_PAGES {
                log::checkpoint(&file.connection)?;
            }
        }
        Ok(())
    }

    /// Undoes what the current transaction has written and not committed.
    pub(super) fn roll_back(&mut self) -> Result<(), Failure> {
        for file in self.open.iter_mut().filter(|file| file.in_transaction) {
            file.in_transaction = false;
            file.uncommitted.clear();
            if let Some(merge) = &mut file.merge {
                merge.written = merge.done;
            }
            // SQLite rolls back by itself after some errors.
            if !file.connection.is_autocommit() {
                file.connection.prepare_cached("ROLLBACK")?.execute([])?;
            }
        }
        Ok(())
    }

    /// Removes patients above `last_row`, which is of the day `newest`: their tests were never committed.
    pub(super) fn sweep_above(&mut self, last_row: i64, newest: Day) -> Result<usize, Failure> {
        let mut swept = 0;
        // Rows ascend with days: only the newest files can hold such rows. Files of later days hold rows that a repair of the clock has given an
        // earlier time.
        let days: Vec<Day> = self.days().rev().collect();
        for day in days {
            let file = self.file(day)?;
            let orphans: Vec<i64> = {
                let mut select = file
                    .connection
                    .prepare_cached("SELECT row FROM patients WHERE row > ?1")?;
                let rows = select.query_map([last_row], |row| row.get(0))?;
                rows.collect::<Result<_, _>>()?
            };
            let any_kept: bool = file.connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM patients WHERE row <= ?1)",
                [last_row],
                |row| row.get(0),
            )?;
            if !orphans.is_empty() {
                swept += orphans.len();
                self.erase(day, &orphans)?;
            }
            if any_kept && day <= newest {
                break;
            }
        }
        Ok(swept)
    }

    /// The sealed fiscal code of a row; where that is erased or was never there, that of the next one, or else of the first: who looks for
    /// nobody reads as much as who looks for somebody.
    pub(super) fn sealed_at_or_beside(
        &mut self,
        day: Day,
        row: i64,
    ) -> Result<Option<Sealed>, Failure> {
        let Some(file) = self.existing_file(day)? else {
            return Ok(None);
        };
        let mut select = file.connection.prepare_cached(SELECT_SEALED)?;
        for from in [row, 0] {
            let found = select.query_row([from], |row| {
                Ok(Sealed {
                    day,
                    row: row.get(0)?,
                    bytes: row.get(1)?,
                })
            });
            if let Some(sealed) = found.optional()? {
                return Ok(Some(sealed));
            }
        }
        Ok(None)
    }

    /// How much SQLite has done for all reads of sealed fiscal codes: readings, and steps of its machine.
    #[cfg(test)]
    pub(super) fn work_on_sealed(&self) -> rusqlite::Result<(i32, i32)> {
        use rusqlite::StatementStatus::{Run, VmStep};
        let mut work = (0, 0);
        for file in &self.open {
            let select = file.connection.prepare_cached(SELECT_SEALED)?;
            work.0 += select.get_status(Run);
            work.1 += select.get_status(VmStep);
        }
        Ok(work)
    }

    /// The lookup tag of a row, unless it is erased.
    pub(super) fn tag(&mut self, day: Day, row: i64) -> Result<Option<LookupTag>, Failure> {
        let Some(file) = self.existing_file(day)? else {
            return Ok(None);
        };
        let mut select = file
            .connection
            .prepare_cached("SELECT tag FROM patients WHERE row = ?1")?;
        Ok(select.query_row([row], |row| row.get(0)).optional()?)
    }

    /// The rows of one day with this lookup tag, ascending.
    pub(super) fn rows_of(&mut self, day: Day, tag: &LookupTag) -> Result<Vec<i64>, Failure> {
        let Some(file) = self.existing_file(day)? else {
            return Ok(Vec::new());
        };
        let mut select = file
            .connection
            .prepare_cached("SELECT row FROM tags WHERE tag = ?1")?;
        let mut rows = select
            .query_map([tag], |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        let in_memory = file.fresh.iter().chain(&file.uncommitted);
        rows.extend(
            in_memory
                .filter(|entry| entry.0 == *tag)
                .map(|entry| entry.1),
        );
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// Erases rows of one day, which must ascend, from the file and from its WAL, durably. What is erased already stays so.
    pub(super) fn erase(&mut self, day: Day, rows: &[i64]) -> Result<(), Failure> {
        self.interrupt_rewrite(day)?;
        let Some(file) = self.existing_file(day)? else {
            return Ok(());
        };
        let connection = &file.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let erased = (|| {
            for row in rows {
                connection
                    .prepare_cached("DELETE FROM tags WHERE row = ?1 AND tag = (SELECT tag FROM patients WHERE row = ?1)")?
                    .execute([row])?;
                connection
                    .prepare_cached("DELETE FROM patients WHERE row = ?1")?
                    .execute([row])?;
            }
            file.note_erasure()?;
            connection.prepare_cached("COMMIT")?.execute([])
        })();
        if let Err(error) = erased {
            if !connection.is_autocommit() {
                connection.prepare_cached("ROLLBACK")?.execute([])?;
            }
            return Err(error.into());
        }
        file.erasures.noted();
        file.forget(rows);
        file.truncate_wal()
    }

    /// Erases a whole day, file and all.
    pub(super) fn remove_day(&mut self, day: Day) -> Result<(), Failure> {
        self.interrupt_rewrite(day)?;
        self.open.retain(|file| file.day != day);
        if self.days.remove(&day) {
            self.files.remove(&self.files.patients(day))?;
        }
        Ok(())
    }

    /// Moves the WAL of every open file into it, for a clean end.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        self.rewrites = Rewrites::default();
        self.files.remove_unfinished()?;
        self.open.drain(..).try_for_each(|file| file.truncate_wal())
    }

    fn existing_file(&mut self, day: Day) -> Result<Option<&mut DayFile>, Failure> {
        if self.days.contains(&day) {
            self.file(day).map(Some)
        } else {
            Ok(None)
        }
    }

    fn file_to_write(&mut self, day: Day) -> Result<&mut DayFile, Failure> {
        // Only a clock that was set back leads here while that day's file is rewritten.
        self.interrupt_rewrite(day)?;
        let file = self.file(day)?;
        if !file.in_transaction {
            file.connection
                .prepare_cached("BEGIN IMMEDIATE")?
                .execute([])?;
            file.in_transaction = true;
        }
        Ok(file)
    }

    fn file(&mut self, day: Day) -> Result<&mut DayFile, Failure> {
        let index = match self.open.iter().position(|file| file.day == day) {
            Some(index) => index,
            None => {
                let mode = WriteMode {
                    exclusive: true,
                    cache_kib: CACHE_KIB,
                };
                self.open.push(DayFile::open(&self.files, day, mode)?);
                self.days.insert(day);
                self.open.len() - 1
            }
        };
        Ok(&mut self.open[index])
    }
}

impl DayFile {
    fn open(files: &Files, day: Day, mode: WriteMode) -> Result<DayFile, Failure> {
        let (connection, log) = files.open_writer(&files.patients(day), mode)?;
        schema::prepare_patients(&connection)?;
        let through = schema::read_number(&connection, "tagged_through")?.unwrap_or(0);
        let fresh = {
            let mut select =
                connection.prepare("SELECT tag, row FROM patients WHERE row > ?1 ORDER BY row")?;
            let entries = select.query_map([through], |row| Ok((row.get(0)?, row.get(1)?)))?;
            entries.collect::<Result<_, _>>()?
        };
        let erasures = Erasures::read(&connection)?;
        Ok(DayFile {
            day,
            connection,
            log,
            in_transaction: false,
            fresh,
            uncommitted: Vec::new(),
            merge: None,
            erasures,
        })
    }

    /// Writes as many sorted tags as the new ones of this transaction pay for.
    fn merge_some(&mut self) -> Result<(), Failure> {
        if self.merge.is_none() && self.fresh.len() >= TAGS_IN_MEMORY {
            let mut sorted = self.fresh[..TAGS_IN_MEMORY].to_vec();
            let through = sorted[TAGS_IN_MEMORY - 1].1;
            sorted.sort_unstable();
            self.merge = Some(Merge {
                sorted,
                done: 0,
                written: 0,
                through,
            });
        }
        let Some(merge) = &mut self.merge else {
            return Ok(());
        };
        let end = merge
            .sorted
            .len()
            .min(merge.written + TAGS_PER_NEW_TAG * self.uncommitted.len());
        // A crash may have left some of them there already.
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO tags (tag, row) VALUES (?1, ?2)")?;
        for (tag, row) in &merge.sorted[merge.written..end] {
            insert.execute((tag, row))?;
        }
        merge.written = end;
        if end == merge.sorted.len() {
            schema::write_number(&self.connection, "tagged_through", merge.through)?;
        }
        Ok(())
    }

    fn committed(&mut self) -> Result<(), Failure> {
        self.in_transaction = false;
        self.fresh.append(&mut self.uncommitted);
        if let Some(merge) = &mut self.merge {
            merge.done = merge.written;
            if merge.done == merge.sorted.len() {
                let through = merge.through;
                self.fresh.retain(|entry| entry.1 > through);
                self.merge = None;
            }
        }
        Ok(())
    }

    fn forget(&mut self, rows: &[i64]) {
        self.fresh
            .retain(|entry| rows.binary_search(&entry.1).is_err());
        if let Some(merge) = &mut self.merge {
            let erased_before = |upto: usize| {
                merge.sorted[..upto]
                    .iter()
                    .filter(|entry| rows.binary_search(&entry.1).is_ok())
                    .count()
            };
            (merge.done, merge.written) = (
                merge.done - erased_before(merge.done),
                merge.written - erased_before(merge.written),
            );
            merge
                .sorted
                .retain(|entry| rows.binary_search(&entry.1).is_err());
        }
    }

    fn truncate_wal(&self) -> Result<(), Failure> {
        let busy: i64 =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(StoreError::Unavailable {
                reason: "the WAL of a patients' file cannot be truncated".to_owned(),
            }
            .into());
        }
        Ok(())
    }
}
