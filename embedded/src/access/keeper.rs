//! The thread that keeps the archive: commits what services bring, and copies submissions in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sistema_ts_model::Timestamp;
use sistema_ts_store::{AccessRecord, StoreError};

use super::archive::Archive;
use super::chunk::{Chunk, Entry};
use crate::day::Day;
use crate::failure::{Cause, Failure, describe, surely_not_committed};
use crate::progress::AccessNote;
use crate::queue::{Abandon as _, Queue, Reply, Taken};
use crate::rows::{self, WITH_WARNINGS};
use crate::shared::Shared;

/// The most records of one commit.
const BATCH: usize = 1_024;
/// Submissions copied in one turn; as many make it worth a turn.
const COPY_ROWS: usize = 8_192;
/// How long a submission may wait for its copy.
const COPY_AFTER: Duration = Duration::from_secs(10);
/// How long the keeper waits for work before it looks for submissions to copy.
const PATIENCE: Duration = Duration::from_millis(200);
/// The most texts of each dictionary kept in memory.
const MOST_TEXTS: usize = 65_536;

/// What the keeper is asked to do.
pub(crate) enum AccessJob {
    /// Commit a record.
    Record(Box<AccessRecord>, Reply<()>),
    /// Copy every submission that is committed now.
    CopyAll(Reply<()>),
    /// Remove the files of the days before this one.
    RemoveBefore(Day, Reply<usize>),
    /// Show a defect.
    #[cfg(test)]
    Panic(Reply<()>),
    /// Let submissions have waited long enough for their copy.
    #[cfg(test)]
    CopyIsDue(Reply<()>),
}

/// The keeper's state.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    queue: Arc<Queue<AccessJob>>,
    archive: Archive,
    /// Reads submissions.
    tests: Connection,
    /// Notes what is committed.
    note: AccessNote,
    looked_at_files: Instant,
    callers: HashMap<i64, String>,
    structures: HashMap<i64, String>,
    /// When submissions were last copied, or could not be.
    last_copy: Instant,
    /// Whether they could not be.
    copy_failed: bool,
}

impl Keeper {
    pub(crate) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue<AccessJob>>,
        archive: Archive,
        tests: Connection,
        note: AccessNote,
    ) -> Keeper {
        Keeper {
            shared,
            queue,
            archive,
            tests,
            note,
            looked_at_files: Instant::now(),
            callers: HashMap::new(),
            structures: HashMap::new(),
            last_copy: Instant::now(),
            copy_failed: false,
        }
    }

    /// Serves the queue until it is closed and empty, or writing has failed for good; then closes the archive.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        let mut jobs = Vec::with_capacity(BATCH);
        loop {
            let patience = if self.copy_is_due() {
                Duration::ZERO
            } else {
                PATIENCE
            };
            if self.queue.take(&mut jobs, BATCH, patience) == Taken::Closed {
                return self.archive.close();
            }
            let began = Instant::now();
            let count = jobs.len();
            self.turn(&mut jobs);
            if let Err(error) = self.archive.look_after_logs() {
                self.shared.checkpoint_failed(&error);
            }
            if count > 0 {
                metrics::histogram!("sistema_ts_store_access_batch_jobs").record(count as f64);
                metrics::histogram!("sistema_ts_store_access_commit_seconds")
                    .record(began.elapsed().as_secs_f64());
            }
            // A file that is not in place is the store's failure, which is looked at next.
            let _ = self.look_at_files(false);
            if self.shared.failure().is_some() {
                self.queue.abandon();
                return Ok(self.shared.check()?);
            }
        }
    }

    /// Ends the store when a file is no longer where a restart would look for it. The files that a commit has just written (`written`) are looked
    /// at each time, before anything is answered; all open files are looked at now and then.
    fn look_at_files(&mut self, written: bool) -> Result<(), BatchFailure> {
        let all = self.looked_at_files.elapsed() >= PATIENCE;
        if !written && !all {
            return Ok(());
        }
        if all {
            self.looked_at_files = Instant::now();
        }
        match self.archive.trouble(all) {
            None => Ok(()),
            Some(reason) => {
                self.shared.fail(reason.clone());
                Err(BatchFailure::Unknown(reason))
            }
        }
    }

    fn copy_is_due(&self) -> bool {
        let waiting = self.shared.committed_row() - self.shared.copied_row();
        let many = waiting >= COPY_ROWS as i64 && !self.copy_failed;
        many || (waiting > 0 && self.last_copy.elapsed() >= COPY_AFTER)
    }

    fn turn(&mut self, jobs: &mut Vec<AccessJob>) {
        let (mut records, mut others) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                AccessJob::Record(record, reply) => records.push((record, reply)),
                other => others.push(other),
            }
        }
        if !records.is_empty() || self.copy_is_due() {
            let copies = self.copy_is_due();
            let mut result = self.commit(records.iter().map(|(record, _)| &**record), copies);
            if copies && let Err(BatchFailure::Undone(reason)) = &result {
                self.put_copy_off(reason);
                // Submissions that cannot be copied have what is recorded of them in their rows, and keep no other record out.
                result = self.commit(records.iter().map(|(record, _)| &**record), false);
            }
            for (_, reply) in records {
                // Whoever gave up waiting needs no answer.
                let _ = reply.send(result.clone().map_err(BatchFailure::told));
            }
        }
        for job in others {
            match job {
                AccessJob::CopyAll(reply) => {
                    drop(reply.send(self.copy_all().map_err(BatchFailure::told)))
                }
                AccessJob::RemoveBefore(day, reply) => {
                    drop(reply.send(self.remove_before(day).map_err(StoreError::from)));
                }
                #[cfg(test)]
                AccessJob::Panic(_reply) => panic!("a defect, made by a test"),
                #[cfg(test)]
                AccessJob::CopyIsDue(reply) => {
                    self.last_copy = self
                        .last_copy
                        .checked_sub(COPY_AFTER)
                        .unwrap_or(self.last_copy);
                    drop(reply.send(Ok(())));
                }
                AccessJob::Record(..) => {}
            }
        }
    }

    /// Notes that submissions could not be copied, which is tried again later.
    fn put_copy_off(&mut self, reason: &str) {
        tracing::warn!(
            reason,
            "submissions cannot be copied to the archive of access records, and are tried again"
        );
        metrics::counter!("sistema_ts_store_failed_access_copies_total").increment(1);
        self.last_copy = Instant::now();
        self.copy_failed = true;
    }

    /// Removes the files of the days before `oldest`, which are noted no more before they are gone.
    fn remove_before(&mut self, oldest: Day) -> Result<usize, Failure> {
        self.archive.let_go(oldest);
        self.note.write(self.archive.counts())?;
        self.archive.remove_before(oldest)
    }

    fn copy_all(&mut self) -> Result<(), BatchFailure> {
        let through = self.shared.committed_row();
        while self.shared.copied_row() < through {
            self.commit(std::iter::empty(), true)?;
        }
        Ok(())
    }

    /// Commits records, and with them a share of the submissions if that is wanted.
    fn commit<'a>(
        &mut self,
        records: impl Iterator<Item = &'a AccessRecord>,
        copies: bool,
    ) -> Result<(), BatchFailure> {
        let filled = self.fill(records, copies);
        let copied_through = match filled {
            Ok(copied_through) => copied_through,
            Err(failure) => return Err(self.undo(failure)),
        };
        if let Err(error) = self.archive.commit() {
            let failure = Failure::Batch {
                reason: describe(&error),
                cause: Cause::Other,
            };
            if surely_not_committed(&error) {
                return Err(self.undo(failure));
            }
            let reason = format!(
                "a commit of access records failed: {}",
                StoreError::from(failure)
            );
            self.shared.fail(reason.clone());
            return Err(BatchFailure::Unknown(reason));
        }
        if let Some(row) = copied_through {
            self.shared.set_copied_row(row);
            self.last_copy = Instant::now();
            self.copy_failed = false;
        }
        self.note_counts()?;
        self.look_at_files(true)
    }

    /// Notes what is committed, before it is answered. A disk without room for the note weakens only what the next start can tell.
    fn note_counts(&mut self) -> Result<(), BatchFailure> {
        match self.note.write(self.archive.counts()) {
            Err(error) if !Failure::from(std::io::Error::from(error.kind())).is_full() => {
                let reason = format!("what was committed could not be noted: {error}");
                self.shared.fail(reason.clone());
                Err(BatchFailure::Unknown(reason))
            }
            _ => Ok(()),
        }
    }

    fn fill<'a>(
        &mut self,
        records: impl Iterator<Item = &'a AccessRecord>,
        copies: bool,
    ) -> Result<Option<i64>, Failure> {
        for record in records {
            self.archive.add(record)?;
        }
        copies.then(|| self.copy_some()).transpose()
    }

    fn undo(&mut self, failure: Failure) -> BatchFailure {
        let reason = StoreError::from(failure).to_string();
        match self.archive.roll_back() {
            Ok(()) => BatchFailure::Undone(reason),
            Err(error) => {
                let reason = format!("{reason}, and it could not be undone: {}", describe(&error));
                self.shared.fail(reason.clone());
                BatchFailure::Unknown(reason)
            }
        }
    }

    /// Copies the oldest submissions that are not in the archive yet. Answers the row up to which none is left.
    fn copy_some(&mut self) -> Result<i64, Failure> {
        let through = self.shared.committed_row();
        let mut entries: Vec<(Day, Entry)> = Vec::with_capacity(COPY_ROWS);
        {
            let mut select = self.tests.prepare_cached(
                "SELECT row, cun, inserted_ms, accessed_before, caller, structure, flags FROM tests
                 WHERE row > ?1 AND row <= ?2 ORDER BY row LIMIT ?3",
            )?;
            let mut rows = select.query((self.shared.copied_row(), through, COPY_ROWS as i64))?;
            while let Some(row) = rows.next()? {
                let inserted_ms: i64 = row.get(2)?;
                let entry = Entry {
                    row: row.get(0)?,
                    cun: rows::decode_cun(row.get(1)?)?,
                    accessed_ms: inserted_ms - row.get::<_, i64>(3)?,
                    caller: row.get(4)?,
                    structure: row.get(5)?,
                    with_warnings: row.get::<_, i64>(6)? & WITH_WARNINGS != 0,
                };
                entries.push((Day::of(Timestamp::from_millis_clamped(inserted_ms)), entry));
            }
        }
        for of_day in entries.chunk_by(|one, other| one.0 == other.0) {
            let mut chunk = Chunk::new(of_day[0].0);
            for (_, entry) in of_day {
                let caller = text(
                    &mut self.callers,
                    &self.tests,
                    "SELECT key FROM callers WHERE id = ?1",
                    entry.caller,
                )?;
                let structure = text(
                    &mut self.structures,
                    &self.tests,
                    "SELECT reference FROM structures WHERE id = ?1",
                    entry.structure,
                )?;
                chunk.push(*entry, caller, structure);
            }
            if !chunk.is_empty() {
                self.archive.add_chunk(&chunk)?;
            }
        }
        // The newest rows may be missing: the tests have expired, and the archive that says up to which row they were copied has gone as well, or
        // was not restored. A copy that ended at the last row found would look for the missing rows for ever.
        Ok(match entries.last() {
            Some((_, last)) if entries.len() == COPY_ROWS => last.row,
            _ => through,
        })
    }
}

/// The text of a number in a dictionary.
fn text<'known>(
    known: &'known mut HashMap<i64, String>,
    tests: &Connection,
    select: &str,
    number: i64,
) -> Result<&'known str, Failure> {
    if known.len() >= MOST_TEXTS && !known.contains_key(&number) {
        known.clear();
    }
    match known.entry(number) {
        std::collections::hash_map::Entry::Occupied(text) => Ok(text.into_mut()),
        std::collections::hash_map::Entry::Vacant(vacant) => {
            let text: String = tests
                .prepare_cached(select)?
                .query_row([number], |row| row.get(0))?;
            Ok(vacant.insert(text))
        }
    }
}

/// Why a commit failed, to be told to each that waited for it.
#[derive(Clone)]
enum BatchFailure {
    Undone(String),
    Unknown(String),
}

impl BatchFailure {
    fn told(self) -> StoreError {
        match self {
            BatchFailure::Undone(reason) => StoreError::Unavailable { reason },
            BatchFailure::Unknown(reason) => StoreError::UnknownOutcome { reason },
        }
    }
}
