//! The patients' archive: one file a day, read and written by the writer's thread alone.
//!
//! Only that thread has the files open, so that a checkpoint can always truncate the WAL, and what was erased is gone from the
//! files' bytes. Lookup tags are random: inserted one by one they would dirty a page each, so they enter their table late, sorted,
//! some sixteen thousand at a time; until then they are found in memory.

mod day_file;
mod erasures;
mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use rusqlite::OptionalExtension;
use sistema_ts_model::{Cun, Timestamp};
use sistema_ts_store::StoreError;
use sistema_ts_store::keys::LookupTag;

use super::day::Day;
use super::failure::Failure;
use super::files::{Files, WriteMode};
use super::log;
use super::schema;
use day_file::DayFile;
pub(crate) use rewrite::Begun;
use rewrite::{Rewrites, Rewriting, copy};

/// Interruptions of one file's rewrite after which the writer does it itself.
const MOST_INTERRUPTIONS: u32 = 3;
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

/// All days' files.
pub(super) struct Patients {
    files: Files,
    /// Days that have a file.
    days: BTreeSet<Day>,
    open: Vec<DayFile>,
    rewrites: Rewrites,
    /// Commits of the files that were written since the file of tests last noted them.
    unnoted: BTreeMap<Day, i64>,
    /// Days whose files go once the current transaction is committed.
    leaving: Vec<Day>,
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
            unnoted: BTreeMap::new(),
            leaving: Vec::new(),
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
            file.count_commit()?;
            file.connection.prepare_cached("COMMIT")?.execute([])?;
            file.committed()?;
            self.unnoted.insert(file.day, file.commits);
        }
        Ok(())
    }

    /// Commits of files that the file of tests has yet to note, and days whose files are to be forgotten there.
    pub(super) fn unnoted(&self) -> (&BTreeMap<Day, i64>, &[Day]) {
        (&self.unnoted, &self.leaving)
    }

    /// The file of tests has committed what was to be noted: the files of the days that go are unlinked.
    pub(super) fn noted(&mut self) {
        self.unnoted.clear();
        for day in std::mem::take(&mut self.leaving) {
            if let Err(error) = self.files.remove(&self.files.patients(day)) {
                tracing::warn!(%error, "the file of patients of a day that is over cannot be removed yet");
                self.days.insert(day);
            }
        }
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
        self.days.extend(self.leaving.drain(..));
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

    /// The sealed fiscal code of a row. Where that is erased or was never there, the code of the next row is read, or else that of the first, so
    /// that a look-up without a result reads as many rows as one with a result.
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
        file.written = true;
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
            file.erasures.note(&file.connection)?;
            file.write_commits(file.commits + 1)?;
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
        file.commits += 1;
        let commits = file.commits;
        self.unnoted.insert(day, commits);
        let Some(file) = self.existing_file(day)? else {
            return Ok(());
        };
        file.truncate_wal()
    }

    /// Erases a whole day, file and all, once the current transaction is committed.
    pub(super) fn remove_day(&mut self, day: Day) -> Result<(), Failure> {
        self.interrupt_rewrite(day)?;
        self.open.retain(|file| file.day != day);
        if self.days.remove(&day) {
            self.unnoted.remove(&day);
            self.leaving.push(day);
        }
        Ok(())
    }

    /// What is wrong with a file that was written since it was last looked at, or with any open one if `all` are to be looked at: it was
    /// removed or replaced.
    pub(super) fn trouble(&mut self, all: bool) -> Option<String> {
        self.open.iter_mut().find_map(|file| {
            let look = std::mem::take(&mut file.written) || all;
            look.then(|| file.opened.trouble(&file.log)).flatten()
        })
    }

    /// What is wrong with the log of a day's file, if that is open.
    pub(super) fn log_trouble_of(&self, day: Day) -> Option<String> {
        let file = self.open.iter().find(|file| file.day == day)?;
        file.opened.log_trouble(&file.log)
    }

    /// Finds out whether today's file takes what is written to it, within the current transaction.
    pub(super) fn probe(&mut self, day: Day, now: Timestamp) -> Result<(), Failure> {
        let file = self.file_to_write(day)?;
        Ok(schema::write_number(
            &file.connection,
            "probed_ms",
            now.millis(),
        )?)
    }

    /// Moves the log of every open file into it and closes the file, for a clean end.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        self.rewrites = Rewrites::default();
        self.files.remove_unfinished()?;
        self.open.drain(..).try_for_each(|file| {
            file.truncate_wal()?;
            let closed = file.connection.close();
            closed.map_err(|(_, error)| error.into())
        })
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
            file.written = true;
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

/// The daily rewrite of closed days' files ([`rewrite`]).
impl Patients {
    /// Begins the rewrite of the oldest file that is due, of those that are closed and not in `skipped`.
    pub(crate) fn begin_rewrite(&mut self, today: Day, skipped: &[Day]) -> Result<Begun, Failure> {
        if let Some(rewriting) = &self.rewrites.under_way {
            let day = rewriting.day;
            if !rewriting.has_ended() {
                return Ok(Begun::Nothing);
            }
            // Whoever began it has gone away.
            self.finish_rewrite(day)?;
        }
        // Files of coming days are written no more, either: a repair of the clock has left them.
        let closed: Vec<Day> = self.days().filter(|day| *day != today).collect();
        for day in closed {
            let file = self.file(day)?;
            if !file.erasures.are_due(today) || file.in_transaction || skipped.contains(&day) {
                continue;
            }
            // From here on the file itself is whole, and its log empty.
            file.truncate_wal()?;
            let interruptions = self.rewrites.interrupted.get(&day).copied();
            if interruptions.unwrap_or(0) >= MOST_INTERRUPTIONS {
                copy(&self.files, day, today, &AtomicBool::new(false))?;
                self.replace(day)?;
                return Ok(Begun::Done);
            }
            let (rewriting, ended) = Rewriting::spawn(self.files.clone(), day, today)?;
            self.rewrites.under_way = Some(rewriting);
            return Ok(Begun::Copying(day, ended));
        }
        Ok(Begun::Nothing)
    }

    /// Puts the copy of this day's file in place; says no if it was interrupted.
    pub(crate) fn finish_rewrite(&mut self, day: Day) -> Result<bool, Failure> {
        let rewriting = self.rewrites.under_way.take_if(|under| under.day == day);
        let Some(mut rewriting) = rewriting else {
            return Ok(false);
        };
        let copied = rewriting.wait()?;
        if copied {
            self.replace(day)?;
        }
        Ok(copied)
    }

    /// Stops the copy of this day's file, if one is under way, before the file is changed.
    pub(super) fn interrupt_rewrite(&mut self, day: Day) -> Result<(), Failure> {
        let rewriting = self.rewrites.under_way.take_if(|under| under.day == day);
        if let Some(rewriting) = rewriting {
            // Dropping it stops it and waits for its end.
            drop(rewriting);
            self.files.remove(&self.files.new_patients(day))?;
            *self.rewrites.interrupted.entry(day).or_default() += 1;
            metrics::counter!("sistema_ts_store_rewrites_interrupted_total").increment(1);
        }
        Ok(())
    }

    fn replace(&mut self, day: Day) -> Result<(), Failure> {
        self.open.retain(|file| file.day != day);
        self.files
            .replace(&self.files.new_patients(day), &self.files.patients(day))?;
        self.rewrites.interrupted.remove(&day);
        metrics::counter!("sistema_ts_store_rewrites_total").increment(1);
        Ok(())
    }
}
