//! The days' files of access records, on the side that writes them.

use rusqlite::Connection;
use sistema_ts_store::{AccessRecord, StoreError};

use super::chunk::Chunk;
use super::columns;
use crate::day::Day;
use crate::failure::Failure;
use crate::files::{Files, WriteMode};
use crate::log::{self, Log};
use crate::opened::OpenedDatabase;
use crate::progress::AccessCounts;
use crate::schema;
use crate::stock;

/// Pages of the log after which they are moved into the file.
const CHECKPOINT_PAGES: u32 = 4_000;
/// Memory for pages of one file, in KiB.
const CACHE_KIB: u32 = 1_024;
/// Files kept open: today's, and yesterday's around midnight.
const MOST_OPEN: usize = 2;

/// The files that are written now.
pub(crate) struct Archive {
    files: Files,
    open: Vec<DayFile>,
}

struct DayFile {
    day: Day,
    connection: Connection,
    log: Log,
    opened: OpenedDatabase,
    /// Whether it was written since it was last looked at.
    written: bool,
    in_transaction: bool,
    /// How far it is, and how far it will be when the current transaction is committed.
    counts: AccessCounts,
    written_counts: AccessCounts,
}

impl Archive {
    pub(crate) fn new(files: Files) -> Archive {
        Archive {
            files,
            open: Vec::new(),
        }
    }

    /// The newest row of tests whose submission is in the archive.
    pub(crate) fn copied_through(&mut self) -> Result<i64, Failure> {
        // Rows ascend with days, so the newest file that has any submission has the newest one.
        for day in self.files.access_days()?.into_iter().rev() {
            let file = self.file(day)?;
            let last: Option<i64> =
                file.connection
                    .query_row("SELECT max(last_row) FROM submissions", [], |row| {
                        row.get(0)
                    })?;
            if let Some(last) = last {
                return Ok(last);
            }
        }
        Ok(0)
    }

    /// Adds a record within the current transaction.
    pub(super) fn add(&mut self, record: &AccessRecord) -> Result<(), Failure> {
        let file = self.file_to_write(Day::of(record.accessed_at))?;
        columns::insert(&file.connection, record)?;
        file.written_counts.record = file.connection.last_insert_rowid();
        Ok(())
    }

    /// Adds copied submissions, all of one day, within the current transaction.
    pub(super) fn add_chunk(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        let file = self.file_to_write(chunk.day())?;
        // A chunk that is there already is the same: it was committed before the file of another day refused its part of the copy.
        file.connection
            .prepare_cached("INSERT OR REPLACE INTO submissions (last_row, first_ms, last_ms, entries) VALUES (?1, ?2, ?3, ?4)")?
            .execute((chunk.last_row(), chunk.first_ms(), chunk.last_ms(), chunk.encode()))?;
        file.written_counts.row = chunk.last_row();
        Ok(())
    }

    /// Commits.
    ///
    /// # Errors
    ///
    /// The error of SQLite, for the caller to judge: after one that is not about a full disk nobody knows what was committed.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        for file in self.open.iter_mut().filter(|file| file.in_transaction) {
            file.connection.prepare_cached("COMMIT")?.execute([])?;
            file.in_transaction = false;
            file.counts = file.written_counts;
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

    /// How far the open files are.
    pub(super) fn counts(&self) -> impl Iterator<Item = AccessCounts> {
        self.open.iter().map(|file| file.counts)
    }

    /// Closes the files of the days before `oldest`.
    pub(super) fn let_go(&mut self, oldest: Day) {
        self.open.retain(|file| file.day >= oldest);
    }

    /// What is wrong with a file that was written since it was last looked at, or with any open one if `all` are to be looked at: it was
    /// removed or replaced.
    pub(super) fn trouble(&mut self, all: bool) -> Option<String> {
        self.open.iter_mut().find_map(|file| {
            let look = std::mem::take(&mut file.written) || all;
            look.then(|| file.opened.trouble(&file.log)).flatten()
        })
    }

    /// Moves the log of every open file into it and closes the file, for a clean end.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        self.open.drain(..).try_for_each(|file| {
            log::empty(&file.connection)?;
            let closed = file.connection.close();
            closed.map_err(|(_, error)| error.into())
        })
    }

    /// Undoes what is not committed.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        for file in self.open.iter_mut().filter(|file| file.in_transaction) {
            file.in_transaction = false;
            file.written_counts = file.counts;
            // SQLite rolls back by itself after some errors.
            if !file.connection.is_autocommit() {
                file.connection.prepare_cached("ROLLBACK")?.execute([])?;
            }
        }
        Ok(())
    }

    /// Removes the files of the days before `oldest`, none of which is open.
    pub(super) fn remove_before(&mut self, oldest: Day) -> Result<usize, Failure> {
        let mut removed = 0;
        for day in self
            .files
            .access_days()?
            .into_iter()
            .take_while(|day| *day < oldest)
        {
            self.files.remove(&self.files.access(day))?;
            removed += 1;
        }
        Ok(removed)
    }

    fn file_to_write(&mut self, day: Day) -> Result<&mut DayFile, Failure> {
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
                // A day whose file does not open fails its own record, and not those of other days.
                self.open_file(day).map_err(StoreError::from)?;
                self.open.len() - 1
            }
        };
        Ok(&mut self.open[index])
    }

    fn open_file(&mut self, day: Day) -> Result<(), Failure> {
        if self.open.len() >= MOST_OPEN
            && let Some(idle) = self.open.iter().position(|file| !file.in_transaction)
        {
            let idle = self.open.remove(idle);
            idle.note_in(&self.files);
        }
        let mode = WriteMode {
            exclusive: false,
            cache_kib: CACHE_KIB,
        };
        let (connection, log) = self.files.open_writer(&self.files.access(day), mode)?;
        schema::prepare_access(&connection)?;
        let listed = self.files.list(&self.files.access(day));
        listed?;
        let counts = stock::access_counts(&connection, day)?;
        let opened = OpenedDatabase::note(&self.files.access(day)).map_err(|error| {
            StoreError::Unavailable {
                reason: format!("a file of access records cannot be looked at: {error}"),
            }
        })?;
        self.open.push(DayFile {
            day,
            connection,
            log,
            opened,
            written: false,
            in_transaction: false,
            counts,
            written_counts: counts,
        });
        Ok(())
    }
}

impl DayFile {
    /// Notes how far it is, as it is closed.
    fn note_in(&self, files: &Files) {
        let counts = [self.counts.record, self.counts.row];
        files.note(&files.access(self.day), counts);
    }
}

#[cfg(test)]
mod tests {
    //! A failure: submissions that are never copied again after a disk was full between the commits of two days' files.
    #![allow(clippy::unwrap_used)]

    use sistema_ts_model::Cun;

    use super::super::chunk::Entry;
    use super::*;

    #[test]
    fn submissions_that_one_file_has_though_another_refused_theirs_are_copied_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::new(Files::new(folder.path(), None));
        let mut chunk = Chunk::new(Day(20_000));
        for row in 1..=3 {
            let entry = Entry {
                row,
                cun: Cun::from_number(row.unsigned_abs()).unwrap(),
                accessed_ms: 1_795_500_000_000,
                caller: 1,
                structure: 1,
                with_warnings: false,
            };
            chunk.push(entry, "R010", "I010-101-000123");
        }
        for _ in 0..2 {
            archive.add_chunk(&chunk).unwrap();
            archive.commit().unwrap();
            assert_eq!(archive.copied_through().unwrap(), 3);
        }
    }
}
