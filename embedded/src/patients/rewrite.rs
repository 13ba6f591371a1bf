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

use rusqlite::Statement;
use rusqlite::types::ToSqlOutput;
use sistema_ts_store::StoreError;
use tokio::sync::oneshot;

use super::erasures::REWRITTEN;
use crate::day::Day;
use crate::failure::Failure;
use crate::files::Files;
use crate::schema;

/// How many entries are copied before the rewriting looks again whether it is to stop.
const ENTRIES_A_LOOK: usize = 256;

/// The copy that is under way, and which were interrupted.
#[derive(Default)]
pub(super) struct Rewrites {
    pub(super) under_way: Option<Rewriting>,
    pub(super) interrupted: BTreeMap<Day, u32>,
}

/// A thread that copies.
pub(super) struct Rewriting {
    pub(super) day: Day,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<bool, StoreError>>>,
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

impl Rewriting {
    pub(super) fn spawn(
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

    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(super) fn wait(&mut self) -> Result<bool, StoreError> {
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
pub(super) fn copy(
    files: &Files,
    day: Day,
    today: Day,
    stop: &AtomicBool,
) -> Result<bool, StoreError> {
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
