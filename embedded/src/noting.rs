//! What the writer notes of its commits, and its look at whether the files that they went to are still in place.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use sistema_ts_store::StoreError;

use super::day::Day;
use super::failure::{BatchFailure, Failure};
use super::log::Log;
use super::opened::OpenedDatabase;
use super::patients::Patients;
use super::progress::{TestsCounts, TestsNote};
use super::schema;
use super::shared::Shared;
use super::stock::{COMMITS, PATIENTS_COMMITS};

/// Time between two looks at all files that are open.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What is noted of commits, and the files that they go to.
pub(super) struct Noting {
    /// Commits of the file of tests, the current one included, and the last one.
    commits: i64,
    committed: i64,
    /// Changes that the connection had made when the current transaction began.
    pub(super) changes_before: u64,
    note: TestsNote,
    /// The file of tests, as it was opened.
    opened: OpenedDatabase,
    looked_at_files: Instant,
    /// Whether the transaction that was committed last has changed anything.
    wrote: bool,
}

impl Noting {
    /// Begins after so many commits.
    pub(super) fn new(commits: i64, note: TestsNote, opened: OpenedDatabase) -> Noting {
        Noting {
            commits,
            committed: commits,
            changes_before: 0,
            note,
            opened,
            looked_at_files: Instant::now(),
            wrote: false,
        }
    }

    /// The current transaction is undone.
    pub(super) fn rolled_back(&mut self) {
        self.commits = self.committed;
    }

    /// Whether the transaction that was committed last has changed anything.
    pub(super) fn wrote(&self) -> bool {
        self.wrote
    }

    /// Ends the store when a file is no longer where a restart would look for it: those that a batch which `wrote` has written, before it is
    /// answered, and all that are open now and then.
    pub(super) fn look_at_files(
        &mut self,
        shared: &Shared,
        log: &Log,
        patients: &mut Patients,
        wrote: bool,
    ) -> Result<(), BatchFailure> {
        let all = self.looked_at_files.elapsed() >= LOOK_INTERVAL;
        if !wrote && !all {
            return Ok(());
        }
        if all {
            self.looked_at_files = Instant::now();
            shared.look_at_ring();
        }
        let trouble = self.opened.trouble(log);
        let trouble = trouble.or_else(|| self.note.trouble());
        match trouble.or_else(|| patients.trouble(all)) {
            None => Ok(()),
            Some(reason) => {
                shared.fail(reason.clone());
                Err(BatchFailure::Unknown(reason))
            }
        }
    }

    /// Ends the store when a log that a batch is about to write was cut or is no longer in place: its commit would lengthen a log that was cut, with a
    /// hole where its older pages were. A commit does not write the files themselves: they are looked at before its answers.
    pub(super) fn look_before_writing(
        &mut self,
        shared: &Shared,
        log: &Log,
        patients: &Patients,
        day: Day,
    ) -> Result<(), BatchFailure> {
        let trouble = self.opened.log_trouble(log);
        match trouble.or_else(|| patients.log_trouble_of(day)) {
            None => Ok(()),
            Some(reason) => {
                shared.fail(reason.clone());
                let nothing_written = StoreError::Unavailable { reason };
                Err(BatchFailure::Undone(nothing_written.into()))
            }
        }
    }

    /// Writes down how far the patients' files are, and that this transaction is one more, if it changes anything. So a start can tell that
    /// all these commits are there.
    pub(super) fn count_commit(
        &mut self,
        tests: &Connection,
        patients: &Patients,
    ) -> Result<(), Failure> {
        let (commits, leaving) = patients.unnoted();
        for (day, commits) in commits {
            schema::write_number(tests, &format!("{PATIENTS_COMMITS}{}", day.0), *commits)?;
        }
        for day in leaving {
            tests
                .prepare_cached("DELETE FROM meta WHERE name = ?1")?
                .execute([format!("{PATIENTS_COMMITS}{}", day.0)])?;
        }
        if tests.total_changes() != self.changes_before {
            self.commits = self.committed + 1;
            schema::write_number(tests, COMMITS, self.commits)?;
        }
        Ok(())
    }

    /// Notes outside of the file what it has committed, before that is answered. A disk without room for the note weakens only what the next
    /// start can tell.
    pub(super) fn note_commit(&mut self, shared: &Shared, row: i64) -> Result<(), BatchFailure> {
        self.wrote = self.commits != self.committed;
        if !self.wrote {
            return Ok(());
        }
        self.committed = self.commits;
        let noted = self.note.write(TestsCounts {
            commits: self.commits,
            row,
        });
        match noted.map_err(Failure::from) {
            Err(failure) if !failure.is_full() => {
                let reason = format!(
                    "what was committed could not be noted: {}",
                    StoreError::from(failure)
                );
                shared.fail(reason.clone());
                Err(BatchFailure::Unknown(reason))
            }
            _ => Ok(()),
        }
    }
}
