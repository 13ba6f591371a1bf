//! The writer: one thread that owns all that is written, and commits what waits in one transaction.
//!
//! Two files do not commit together, so the order is fixed: patients first, tests second. A test without its patient cannot
//! exist; a patient without its test is an orphan, and is swept. An erasure goes the other way round: its intent is committed
//! with the transition, then the patients' file is cleared, then the answer leaves.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement};
use sistema_ts_model::{Caller, Moment, RegionCode, StructureReference, Timestamp};
use sistema_ts_store::StoreError;
use sistema_ts_store::trusted_time::Horizon;

use super::day::Day;
use super::dictionary::{self, Dictionary};
use super::erasing::Erasing;
use super::failure::{BatchFailure, Cause, Failure, describe, surely_not_committed};
use super::index::IndexWriter;
use super::log::LogCare;
use super::noting::Noting;
use super::opened::OpenedDatabase;
use super::patients::Patients;
use super::queue::{Queue, Taken};
use super::record;
use super::recovery::WriterStart;
use super::shared::Shared;
use std::sync::Arc;

/// How long the writer waits for work before it looks after what is left to do.
const PATIENCE: Duration = Duration::from_millis(200);
/// Entries that an idle turn moves on in each late index.
const IDLE_WORK: usize = 1_024;

/// The writer's state. Fields of the current transaction return to those of the last committed one when it is rolled back.
pub(super) struct Writer<'connection> {
    pub(super) shared: Arc<Shared>,
    queue: Arc<Queue<Job>>,
    pub(super) tests: &'connection Connection,
    pub(super) insert_test: Statement<'connection>,
    begin: Statement<'connection>,
    commit: Statement<'connection>,
    roll_back: Statement<'connection>,
    pub(super) codes: IndexWriter,
    pub(super) receipts: IndexWriter,
    pub(super) patients: Patients,
    pub(super) callers: Dictionary<Caller>,
    pub(super) structures: Dictionary<(RegionCode, StructureReference)>,
    /// The current transaction's time: the `dataInserimento` of its tests.
    pub(super) now: Timestamp,
    /// The Rome day of `now`.
    pub(super) day: Day,
    /// How far what is past its time may be destroyed: the newest horizon of a sweep, none before the first.
    pub(super) horizon: Option<Horizon>,
    /// The day whose row in `days` is known to be there, and its key's check value.
    pub(super) begun_day: Option<(Day, [u8; 16])>,
    /// The newest row, that of the current transaction included.
    pub(super) last_row: i64,
    pub(super) committed_row: i64,
    pub(super) last_inserted: Timestamp,
    /// Tests that the current transaction adds.
    pub(super) new_rows: usize,
    /// Receipts that the current transaction adds.
    pub(super) new_receipts: usize,
    /// The care of the tests' log.
    pub(super) log: LogCare,
    /// What is still to be erased.
    pub(super) erasing: Erasing,
    /// Whether patients without a test wait to be swept: until then no row of theirs is given again.
    unswept: bool,
    /// What is noted of commits, and the files that they go to.
    pub(super) noting: Noting,
}

/// Work within the writer's transaction whose answer goes out after the commit.
pub(super) trait Task: Send {
    /// Does it. A failure of this task alone is kept for its answer; what comes back fails the whole batch.
    fn run(&mut self, writer: &mut Writer<'_>) -> Result<(), Failure>;

    /// Whether its answer waits until the persons are erased whose erasure its batch intends.
    fn waits_for_erasures(&self) -> bool;

    /// Sends the answer of [`Task::run`], or the failure of its batch.
    fn finish(self: Box<Self>, batch_failure: Option<StoreError>);
}

/// One job of a batch.
pub(super) type Job = Box<dyn Task>;

impl<'connection> Writer<'connection> {
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue<Job>>,
        tests: &'connection Connection,
        start: WriterStart,
        log: LogCare,
        opened: OpenedDatabase,
    ) -> rusqlite::Result<Writer<'connection>> {
        Ok(Writer {
            shared,
            queue,
            tests,
            insert_test: tests.prepare(record::INSERT)?,
            begin: tests.prepare("BEGIN IMMEDIATE")?,
            commit: tests.prepare("COMMIT")?,
            roll_back: tests.prepare("ROLLBACK")?,
            codes: start.codes,
            receipts: start.receipts,
            patients: start.patients,
            callers: dictionary::callers(),
            structures: dictionary::structures(),
            now: start.last_inserted,
            day: Day::of(start.last_inserted),
            horizon: None,
            begun_day: None,
            last_row: start.last_row,
            committed_row: start.last_row,
            last_inserted: start.last_inserted,
            new_rows: 0,
            new_receipts: 0,
            log,
            erasing: start.erasing,
            unswept: start.unswept,
            noting: Noting::new(start.commits, start.note, opened),
        })
    }

    /// Serves the queue until it is closed and empty, or writing has failed for good; then closes the patients' files.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let shared = self.shared.clone();
        let most = shared.options.settings.maximum_batch_requests;
        let (mut jobs, mut done) = (Vec::with_capacity(most), Vec::with_capacity(most));
        loop {
            match self.queue.take(&mut jobs, most, PATIENCE) {
                Taken::Jobs => self.batch(&mut jobs, &mut done, 0),
                Taken::Nothing => self.batch(&mut jobs, &mut done, IDLE_WORK),
                Taken::Closed => break,
            }
            shared.check()?;
        }
        self.patients.close()
    }

    /// The moment of the current transaction, for the transitions of a life.
    pub(super) fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            clock_error_millis: self.shared.options.clock_error_millis,
        }
    }

    fn batch(&mut self, jobs: &mut Vec<Job>, done: &mut Vec<Job>, extra_work: usize) {
        let began = Instant::now();
        let count = jobs.len();
        let result = self.write(jobs, done, extra_work);
        let failure = match result {
            Ok(()) => self.answer_and_erase(done).err(),
            Err(failure) => Some(failure),
        };
        for job in done.drain(..) {
            job.finish(failure.as_ref().map(BatchFailure::told));
        }
        if let Some(failure) = &failure {
            // What a batch was cut short of shares its failure: nobody knows what the next one would meet.
            jobs.drain(..)
                .for_each(|job| job.finish(Some(failure.told())));
        }
        self.look_after_logs();
        self.erasing.retry(&mut self.patients, &self.shared);
        if count > 0 {
            metrics::counter!("sistema_ts_store_commits_total").increment(1);
            metrics::histogram!("sistema_ts_store_batch_jobs").record(count as f64);
            metrics::histogram!("sistema_ts_store_commit_seconds")
                .record(began.elapsed().as_secs_f64());
            metrics::gauge!("sistema_ts_store_queue_depth").set(self.queue.len() as f64);
        }
    }

    /// Answers the jobs of a committed batch, those that wait for an erasure after it; what is left in `done` shares the failure.
    fn answer_and_erase(&mut self, done: &mut Vec<Job>) -> Result<(), BatchFailure> {
        let wrote = self.noting.wrote();
        self.look_at_files(wrote)?;
        if !self.erasing.is_intended() {
            done.drain(..).for_each(|job| job.finish(None));
            return Ok(());
        }
        done.extract_if(.., |job| !job.waits_for_erasures())
            .for_each(|job| job.finish(None));
        self.erasing.carry_out(&mut self.patients, &self.shared)?;
        self.look_at_files(true)
    }

    fn look_at_files(&mut self, wrote: bool) -> Result<(), BatchFailure> {
        self.noting
            .look_at_files(&self.shared, self.log.log(), &mut self.patients, wrote)
    }

    /// Removes patients without a test whose sweep a full disk has put off, at the start or when a batch was undone.
    pub(super) fn sweep(&mut self) -> Result<(), Failure> {
        if self.unswept {
            let newest = Day::of(self.last_inserted);
            let swept = self.patients.sweep_above(self.committed_row, newest);
            swept.map_err(|failure| Failure::Alone(failure.into()))?;
            self.unswept = false;
        }
        Ok(())
    }

    /// Moves logs that have grown into their files, now that nobody waits for this batch any more.
    fn look_after_logs(&mut self) {
        if self.shared.failure().is_some() {
            return;
        }
        let threshold = self.shared.options.settings.checkpoint_pages;
        let cared = match self.patients.look_after_logs() {
            Ok(()) => self.log.look_after(self.tests, threshold),
            Err(error) => Err(error),
        };
        if let Err(error) = cared {
            self.shared.checkpoint_failed(&error);
        }
    }

    /// Does all jobs in one transaction and commits it. On failure everything is undone, as far as that can be.
    fn write(
        &mut self,
        jobs: &mut Vec<Job>,
        done: &mut Vec<Job>,
        extra_work: usize,
    ) -> Result<(), BatchFailure> {
        self.set_time();
        if !jobs.is_empty() {
            self.noting.look_before_writing(
                &self.shared,
                self.log.log(),
                &self.patients,
                self.day,
            )?;
        }
        if let Err(failure) = self.fill(jobs, done, extra_work) {
            return Err(self.undo(failure));
        }
        let patients = self.patients.commit();
        let counted = patients.and_then(|()| self.noting.count_commit(self.tests, &self.patients));
        if let Err(failure) = counted {
            return Err(self.undo(failure));
        }
        if let Err(error) = self.commit.execute([]) {
            return Err(self.commit_failed(&error));
        }
        self.codes.committed();
        self.receipts.committed();
        self.committed_row = self.last_row;
        self.shared.set_committed_row(self.committed_row);
        self.erasing.forgotten();
        self.patients.noted();
        self.noting.note_commit(&self.shared, self.committed_row)
    }

    fn set_time(&mut self) {
        self.now = self.shared.clock.now().max(self.last_inserted);
        self.day = Day::of(self.now);
        (self.new_rows, self.new_receipts) = (0, 0);
    }

    fn fill(
        &mut self,
        jobs: &mut Vec<Job>,
        done: &mut Vec<Job>,
        extra_work: usize,
    ) -> Result<(), Failure> {
        self.noting.changes_before = self.tests.total_changes();
        self.begin.execute([])?;
        self.erasing.forget_done(self.tests)?;
        self.do_all(jobs, done)?;
        if self.new_rows > 0 {
            self.last_inserted = self.now;
            self.shared.set_last_inserted(self.now);
        }
        self.codes.work(self.tests, self.new_rows + extra_work)?;
        self.receipts
            .work(self.tests, self.new_receipts + extra_work)?;
        // Few submissions may have a receipt, or none: an opening would look through all rows for those that are not in the index yet.
        let uncovered = (self.last_row as u64).saturating_sub(self.receipts.covered_through());
        if uncovered >= 2 * self.shared.options.codes.memory_entries as u64 {
            self.receipts.cover(self.tests, self.last_row as u64)?;
        }
        Ok(())
    }

    /// Does the jobs one by one. What a person waits for and comes meanwhile is done at once, and cuts the batch short: its commit is near, and
    /// the rest is the next batch's. What is left, after that or after a failure, stays in `jobs`, in its order.
    fn do_all(&mut self, jobs: &mut Vec<Job>, done: &mut Vec<Job>) -> Result<(), Failure> {
        // Taken from the end, which is cheap.
        jobs.reverse();
        // How many are the next batch's, once this one is cut short.
        let mut for_the_next = None;
        let mut outcome = Ok(());
        while outcome.is_ok()
            && jobs.len() > for_the_next.unwrap_or(0)
            && let Some(job) = jobs.pop()
        {
            outcome = self.do_one(job, done);
            if outcome.is_ok() && for_the_next.is_none() && self.queue.has_urgent() {
                for_the_next = Some(jobs.len());
                let most = self.shared.options.settings.maximum_batch_requests;
                jobs.extend(self.queue.take_urgent(most).into_iter().rev());
            }
        }
        jobs.reverse();
        outcome
    }

    /// Runs one job. Its answer leaves after the batch has committed, or is the batch's error.
    fn do_one(&mut self, mut job: Job, done: &mut Vec<Job>) -> Result<(), Failure> {
        let ran = job.run(self);
        done.push(job);
        ran
    }

    /// Undoes a transaction none of whose commits to the tests' file was tried.
    fn undo(&mut self, failure: Failure) -> BatchFailure {
        metrics::counter!("sistema_ts_store_failed_commits_total").increment(1);
        match self.roll_back_all() {
            Ok(()) => BatchFailure::Undone(failure),
            Err(second) => {
                let reason = format!(
                    "{}, and it could not be undone: {}",
                    StoreError::from(failure),
                    StoreError::from(second)
                );
                self.shared.fail(reason.clone());
                BatchFailure::Unknown(reason)
            }
        }
    }

    /// Decides what a failed commit of the tests' file means.
    fn commit_failed(&mut self, error: &rusqlite::Error) -> BatchFailure {
        let failure = Failure::Batch {
            reason: describe(error),
            cause: Cause::Other,
        };
        if surely_not_committed(error) {
            return self.undo(failure);
        }
        metrics::counter!("sistema_ts_store_failed_commits_total").increment(1);
        // After a failed write or sync of the log nobody knows what a restart will find; a second sync could even claim success for
        // pages that the system has dropped. So nothing is written any more.
        let reason = format!("a commit failed: {}", StoreError::from(failure));
        self.shared.fail(reason.clone());
        BatchFailure::Unknown(reason)
    }

    fn roll_back_all(&mut self) -> Result<(), Failure> {
        self.last_row = self.committed_row;
        self.noting.rolled_back();
        self.erasing.rolled_back();
        self.begun_day = None;
        self.callers.rolled_back();
        self.structures.rolled_back();
        self.codes.rolled_back();
        self.receipts.rolled_back();
        if !self.tests.is_autocommit() {
            self.roll_back.execute([])?;
        }
        self.patients.roll_back()?;
        if self.new_rows > 0 {
            // Their commit may have gone through, and their rows will be given again.
            let swept = self
                .patients
                .sweep_above(self.committed_row, Day::of(self.last_inserted));
            match swept {
                // What is undone stays undone: before the next test is recorded they are swept.
                Err(failure) if failure.is_full() => self.unswept = true,
                swept => drop(swept?),
            }
        }
        Ok(())
    }
}
