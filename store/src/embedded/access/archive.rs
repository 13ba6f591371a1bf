//! The days' files of access records, on the side that writes them.

use rusqlite::Connection;

use super::chunk::Chunk;
use super::columns;
use crate::access::AccessRecord;
use crate::embedded::day::Day;
use crate::embedded::failure::Failure;
use crate::embedded::files::{Files, WriteMode};
use crate::embedded::log::{self, Log};
use crate::embedded::schema;
use crate::error::StoreError;

/// Pages of the log after which they are moved into the file.
const CHECKPOINT_PAGES: u32 = 4_000;
/// Memory for pages of one file, in KiB.
const CACHE_KIB: u32 = 1_024;
/// Files kept open: today's, and yesterday's around midnight.
const MOST_OPEN: usize = 2;

/// The files that are written now.
pub(in crate::embedded) struct Archive {
    files: Files,
    open: Vec<DayFile>,
}

struct DayFile {
    day: Day,
    connection: Connection,
    log: Log,
    in_transaction: bool,
}

impl Archive {
    pub(in crate::embedded) fn new(files: Files) -> Archive {
        Archive {
            files,
            open: Vec::new(),
        }
    }

    /// The newest row of tests whose submission is in the archive.
    pub(in crate::embedded) fn copied_through(&mut self) -> Result<i64, Failure> {
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
        Ok(())
    }

    /// Adds copied submissions, all of one day, within the current transaction.
    pub(super) fn add_chunk(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        let file = self.file_to_write(chunk.day())?;
        file.connection
            .prepare_cached("INSERT INTO submissions (last_row, first_ms, last_ms, entries) VALUES (?1, ?2, ?3, ?4)")?
            .execute((chunk.last_row(), chunk.first_ms(), chunk.last_ms(), chunk.encode()))?;
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

    /// Undoes what is not committed.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        for file in self.open.iter_mut().filter(|file| file.in_transaction) {
            file.in_transaction = false;
            // SQLite rolls back by itself after some errors.
            if !file.connection.is_autocommit() {
                file.connection.prepare_cached("ROLLBACK")?.execute([])?;
            }
        }
        Ok(())
    }

    /// Removes the files of the days before `oldest`.
    pub(super) fn remove_before(&mut self, oldest: Day) -> Result<usize, Failure> {
        let mut removed = 0;
        for day in self
            .files
            .access_days()?
            .into_iter()
            .take_while(|day| *day < oldest)
        {
            self.open.retain(|file| file.day != day);
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
        }
        Ok(file)
    }

    fn file(&mut self, day: Day) -> Result<&mut DayFile, Failure> {
        let index = match self.open.iter().position(|file| file.day == day) {
            Some(index) => index,
            None => {
                self.open_file(day)?;
                self.open.len() - 1
            }
        };
        Ok(&mut self.open[index])
    }

    fn open_file(&mut self, day: Day) -> Result<(), StoreError> {
        if self.open.len() >= MOST_OPEN
            && let Some(idle) = self.open.iter().position(|file| !file.in_transaction)
        {
            self.open.remove(idle);
        }
        let mode = WriteMode {
            exclusive: false,
            cache_kib: CACHE_KIB,
        };
        let (connection, log) = self.files.open_writer(&self.files.access(day), mode)?;
        schema::prepare_access(&connection)?;
        self.open.push(DayFile {
            day,
            connection,
            log,
            in_transaction: false,
        });
        Ok(())
    }
}
