//! What the writer notes of its commits, and its look at whether the files that they went to are still in place.

use std::time::Instant;

use sistema_ts_store::StoreError;

use super::failure::Failure;
use super::opened::OpenedDatabase;
use super::progress::{TestsCounts, TestsNote};
use super::schema;
use super::stock::{COMMITS, PATIENTS_COMMITS};
use super::writer::{BatchFailure, PATIENCE, Writer};

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
        }
    }

    /// The current transaction is undone.
    pub(super) fn rolled_back(&mut self) {
        self.commits = self.committed;
    }
}

impl Writer<'_> {
    /// Ends the store when a file is no longer where a restart would look for it: those that a batch of `jobs` may have written, before it is
    /// answered, and all that are open now and then.
    pub(super) fn look_at_files(&mut self, jobs: usize) -> Result<(), BatchFailure> {
        let all = self.noting.looked_at_files.elapsed() >= PATIENCE;
        if jobs == 0 && !all {
            return Ok(());
        }
        if all {
            self.noting.looked_at_files = Instant::now();
            self.shared.look_at_ring();
        }
        let trouble = self.noting.opened.trouble(self.log.log());
        let trouble = trouble.or_else(|| self.noting.note.trouble());
        match trouble.or_else(|| self.patients.trouble(all)) {
            None => Ok(()),
            Some(reason) => {
                self.shared.fail(reason.clone());
                Err(BatchFailure::Unknown(reason))
            }
        }
    }

    /// Ends the store when a file that a batch is about to write was cut or is no longer in place: its commit would lengthen a log that was cut, with a
    /// hole where its older pages were.
    pub(super) fn look_before_writing(&mut self) -> Result<(), BatchFailure> {
        let trouble = self.noting.opened.trouble(self.log.log());
        match trouble.or_else(|| self.patients.trouble_of(self.day)) {
            None => Ok(()),
            Some(reason) => {
                self.shared.fail(reason.clone());
                let nothing_written = StoreError::Unavailable { reason };
                Err(BatchFailure::Undone(nothing_written.into()))
            }
        }
    }

    /// Writes down how far the patients' files are, and that this transaction is one more, if it changes anything. So a start can tell that
    /// all these commits are there.
    pub(super) fn count_commit(&mut self) -> Result<(), Failure> {
        let (commits, leaving) = self.patients.unnoted();
        for (day, commits) in commits {
            schema::write_number(
                self.tests,
                &format!("{PATIENTS_COMMITS}{}", day.0),
                *commits,
            )?;
        }
        for day in leaving {
            self.tests
                .prepare_cached("DELETE FROM meta WHERE name = ?1")?
                .execute([format!("{PATIENTS_COMMITS}{}", day.0)])?;
        }
        if self.tests.total_changes() != self.noting.changes_before {
            self.noting.commits = self.noting.committed + 1;
            schema::write_number(self.tests, COMMITS, self.noting.commits)?;
        }
        Ok(())
    }

    /// Notes outside of the file what it has committed, before that is answered. A disk without room for the note weakens only what the next
    /// start can tell.
    pub(super) fn note_commit(&mut self) -> Result<(), BatchFailure> {
        if self.noting.commits == self.noting.committed {
            return Ok(());
        }
        self.noting.committed = self.noting.commits;
        let noted = self.noting.note.write(TestsCounts {
            commits: self.noting.commits,
            row: self.committed_row,
        });
        match noted.map_err(Failure::from) {
            Err(failure) if !failure.is_full() => {
                let reason = format!(
                    "what was committed could not be noted: {}",
                    StoreError::from(failure)
                );
                self.shared.fail(reason.clone());
                Err(BatchFailure::Unknown(reason))
            }
            _ => Ok(()),
        }
    }
}
