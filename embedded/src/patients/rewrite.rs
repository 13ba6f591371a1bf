//! The daily rewrite of closed days' files, after which no byte of an erased lookup tag is left.
//!
//! An erasure overwrites what it deletes, but when SQLite splits a page it leaves copies of some entries behind, which nothing overwrites. So a
//! file is written anew, entry by entry, once a day if anything was erased from it since. A thread of its own copies: the file's log is
//! moved into it first and nothing writes to it meanwhile, so it is read without locks while the writer goes on reading it as well. What must
//! change the file stops the copy, waits for the thread (milliseconds) and goes on; the copy begins anew. After a few such interruptions
//! the writer copies by itself. The new file replaces the old one in one step; what a crash leaves of it is removed at the next start.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Statement};
use sistema_ts_store::StoreError;
use tokio::sync::oneshot;

use super::Patients;
use super::day_file::DayFile;
use crate::day::Day;
use crate::failure::Failure;
use crate::files::Files;
use crate::queue::Lane;
use crate::schema;
use crate::store::EmbeddedStore;

/// Interruptions of one file's rewrite after which the writer does it itself.
const MOST_INTERRUPTIONS: u32 = 3;
/// Entries copied between two looks at whether to stop.
const ENTRIES_A_LOOK: usize = 256;
/// More than all files that can be due, each with all its interruptions.
const MOST_STEPS: usize = 128;

/// The number in a file's `meta` that says that something was erased since its rewrite.
const ERASED: &str = "erased";
/// The number in a file's `meta` that says on which day it was rewritten.
const REWRITTEN: &str = "rewritten_on";

/// The copy that is under way, and which were interrupted.
#[derive(Default)]
pub(super) struct Rewrites {
    under_way: Option<Rewriting>,
    interrupted: BTreeMap<Day, u32>,
}

/// A thread that copies.
struct Rewriting {
    day: Day,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<bool, StoreError>>>,
}

/// What is known of a file's erasures.
#[derive(Clone, Copy, Default)]
pub(super) struct Erasures {
    since_rewrite: bool,
    rewritten_on: Option<i64>,
}

/// What became of the wish to rewrite a file.
pub(crate) enum Begun {
    /// No file is due, or another copy is under way.
    Nothing,
    /// The writer has done it itself.
    Done,
    /// A thread copies this day's file; the receiver is told, or dropped, when it ends.
    Copying(Day, oneshot::Receiver<()>),
}

impl EmbeddedStore {
    /// Rewrites each closed day's file from which something was erased since its last rewrite, at most once a day; answers how many.
    pub(crate) async fn rewrite_days(&self) -> Result<usize, StoreError> {
        let (mut rewritten, mut failed, mut failure) = (0, Vec::new(), None);
        for _ in 0..MOST_STEPS {
            let skipped = failed.clone();
            let begun = self
                .write(Lane::Usual, move |writer| {
                    writer.patients.begin_rewrite(writer.day, &skipped)
                })
                .await?;
            match begun {
                Begun::Nothing => break,
                Begun::Done => rewritten += 1,
                Begun::Copying(day, ended) => {
                    // However it ended: what came of it is asked next.
                    let _ = ended.await;
                    let finished = self
                        .write(Lane::Usual, move |writer| {
                            writer.patients.finish_rewrite(day)
                        })
                        .await;
                    match finished {
                        Ok(done) => rewritten += usize::from(done),
                        Err(error) => {
                            failed.push(day);
                            failure = Some(error);
                        }
                    }
                }
            }
        }
        failure.map_or(Ok(rewritten), Err)
    }
}

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

impl DayFile {
    /// Notes, in the transaction of an erasure, that this file is to be rewritten.
    pub(super) fn note_erasure(&self) -> rusqlite::Result<()> {
        match self.erasures.since_rewrite {
            true => Ok(()),
            false => schema::write_number(&self.connection, ERASED, 1),
        }
    }
}

impl Erasures {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Erasures> {
        Ok(Erasures {
            since_rewrite: schema::read_number(connection, ERASED)?.is_some(),
            rewritten_on: schema::read_number(connection, REWRITTEN)?,
        })
    }

    /// The note of an erasure is committed.
    pub(super) fn noted(&mut self) {
        self.since_rewrite = true;
    }

    /// Whether there is something to rewrite the file for, and it was not rewritten today already.
    fn are_due(self, today: Day) -> bool {
        self.since_rewrite && self.rewritten_on.is_none_or(|on| on < i64::from(today.0))
    }
}

impl Rewriting {
    fn spawn(
        files: Files,
        day: Day,
        today: Day,
    ) -> Result<(Rewriting, oneshot::Receiver<()>), StoreError> {
        let (end, ended) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("store-rewrite".to_owned())
            .spawn(move || {
                let copied = copy(&files, day, today, &stopped);
                // Nobody may be waiting any more.
                let _ = end.send(());
                copied
            })
            .map_err(|error| StoreError::Unavailable {
                reason: format!("no thread for the rewrite of a patients' file: {error}"),
            })?;
        let rewriting = Rewriting {
            day,
            stop,
            thread: Some(thread),
        };
        Ok((rewriting, ended))
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(&mut self) -> Result<bool, StoreError> {
        let ended = self.thread.take().map(JoinHandle::join);
        ended.unwrap_or(Ok(Ok(false))).unwrap_or_else(|_| {
            Err(StoreError::Unavailable {
                reason: "the rewrite of a patients' file panicked".to_owned(),
            })
        })
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Whatever came of it, it is not wanted any more.
        let _ = self.wait();
    }
}

/// Writes a day's file anew beside it, durably, as rewritten `today`. Says no, and leaves nothing, if it was stopped.
fn copy(files: &Files, day: Day, today: Day, stop: &AtomicBool) -> Result<bool, StoreError> {
    let began = Instant::now();
    let new = files.new_patients(day);
    let copied = copy_into(files, day, today, stop);
    if !matches!(copied, Ok(true)) {
        let removed = files.remove(&new);
        removed.map_err(|error| StoreError::Unavailable {
            reason: format!("a file that was not finished cannot be removed: {error}"),
        })?;
    }
    metrics::histogram!("sistema_ts_store_rewrite_seconds").record(began.elapsed().as_secs_f64());
    Ok(copied?)
}

fn copy_into(files: &Files, day: Day, today: Day, stop: &AtomicBool) -> Result<bool, Failure> {
    let new = files.new_patients(day);
    let unusable = |error: std::io::Error| StoreError::Unavailable {
        reason: format!("a patients' file cannot be rewritten: {error}"),
    };
    files.remove(&new).map_err(unusable)?;
    let old = files.open_unchanging(&files.patients(day))?;
    let connection = files.open_copy(&new)?;
    schema::prepare_patients(&connection)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for (select, insert) in [
        (
            "SELECT row, cun, sealed, tag FROM patients ORDER BY row",
            "INSERT INTO patients (row, cun, sealed, tag) VALUES (?1, ?2, ?3, ?4)",
        ),
        (
            "SELECT tag, row FROM tags ORDER BY tag, row",
            "INSERT INTO tags (tag, row) VALUES (?1, ?2)",
        ),
        (
            "SELECT name, number FROM meta WHERE name <> 'erased' ORDER BY name",
            "INSERT INTO meta (name, number) VALUES (?1, ?2)",
        ),
    ] {
        if !copy_table(
            &mut old.prepare(select)?,
            &mut connection.prepare(insert)?,
            stop,
        )? {
            return Ok(false);
        }
    }
    schema::write_number(&connection, REWRITTEN, i64::from(today.0))?;
    connection.execute_batch("COMMIT")?;
    connection.close().map_err(|(_, error)| error)?;
    let file = File::open(&new).map_err(unusable)?;
    file.sync_all().map_err(unusable)?;
    Ok(true)
}

fn copy_table(
    select: &mut Statement<'_>,
    insert: &mut Statement<'_>,
    stop: &AtomicBool,
) -> rusqlite::Result<bool> {
    let columns = select.column_count();
    let mut rows = select.query([])?;
    let mut copied = 0_usize;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
        }
        insert.raw_execute()?;
        copied += 1;
        if copied.is_multiple_of(ENTRIES_A_LOOK) && stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
    }
    Ok(!stop.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests;
