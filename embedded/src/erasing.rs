//! The erasure of a person, whole: its intent, its act and its completion.
//!
//! The *intent* is committed with the transition that wants it: in the same transaction the file of tests loses what it holds of the person
//! (contact, negative's MAC, sessions) and notes which patient is to go. The *act* clears the day's file of patients, before the answer leaves.
//! The *completion* forgets the intent, in the next transaction; a start carries out every intent that it finds, so no crash leaves a person
//! half erased. What happens to the bytes of a file of patients stands in [`super::patients`], what to the log of tests in [`super::log`].
//! When the disk has no room for the erasure itself, nothing is lost: whoever waits for
//! it is told that its outcome is unknown, the intent stays, and the writer tries again between two transactions, less and less often.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sistema_ts_model::TestResult;
use sistema_ts_store::StoreError;

use super::day::Day;
use super::failure::{BatchFailure, Failure};
use super::log::LogCare;
use super::patients::Patients;
use super::rows::TestRow;
use super::shared::Shared;

/// The pause after the first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is still to be erased, and what is erased whose intent is still noted.
#[derive(Default)]
pub(super) struct Erasing {
    /// Patients whose erasure the current transaction intends.
    intended: Vec<(Day, i64)>,
    /// Patients whose erasure the disk had no room for.
    unfinished: Vec<(Day, i64)>,
    /// Rows whose erasure is done and whose intent is still noted.
    done: Vec<i64>,
    /// When to try again, and how long to wait after the next failure.
    again: Option<(Instant, Duration)>,
}

impl Erasing {
    /// The intent to erase a person: what the file of tests holds of one goes with the transition, in its transaction, which notes that the
    /// patients' file is to be cleared.
    pub(super) fn intend(
        &mut self,
        tests: &Connection,
        log: &mut LogCare,
        row: &TestRow,
    ) -> Result<(), Failure> {
        log.wants_clearing();
        tests
            .prepare_cached("UPDATE tests SET contact = NULL, negative = NULL WHERE row = ?1")?
            .execute([row.row])?;
        tests
            .prepare_cached("DELETE FROM sessions WHERE row = ?1")?
            .execute([row.row])?;
        if row.result == TestResult::Positive {
            self.intend_patient(tests, row.day(), row.row)?;
        }
        Ok(())
    }

    /// The same for rows whose codes are over, as far as these stay: contacts and negatives' MACs.
    pub(super) fn clear_contacts(
        tests: &Connection,
        rows: RangeInclusive<i64>,
    ) -> Result<(), Failure> {
        tests
            .prepare_cached(
                "UPDATE tests SET contact = NULL, negative = NULL
                 WHERE row >= ?1 AND row <= ?2 AND (contact IS NOT NULL OR negative IS NOT NULL)",
            )?
            .execute((rows.start(), rows.end()))?;
        Ok(())
    }

    /// The intent to erase the sessions of these rows, and those patients of theirs that are named.
    pub(super) fn intend_rows(
        &mut self,
        tests: &Connection,
        log: &mut LogCare,
        rows: RangeInclusive<i64>,
        patients: impl Iterator<Item = (Day, i64)>,
    ) -> Result<(), Failure> {
        // Of their contacts and negatives' MACs, too.
        log.wants_clearing();
        tests
            .prepare_cached("DELETE FROM sessions WHERE row >= ?1 AND row <= ?2")?
            .execute((rows.start(), rows.end()))?;
        for (day, row) in patients {
            self.intend_patient(tests, day, row)?;
        }
        Ok(())
    }

    fn intend_patient(&mut self, tests: &Connection, day: Day, row: i64) -> Result<(), Failure> {
        tests
            .prepare_cached("INSERT OR IGNORE INTO erasures (row, day) VALUES (?1, ?2)")?
            .execute((row, day.0))?;
        self.intended.push((day, row));
        Ok(())
    }

    /// The current transaction is undone, and what it intended with it.
    pub(super) fn rolled_back(&mut self) {
        self.intended.clear();
    }

    /// Whether answers of the transaction just committed wait for an erasure.
    pub(super) fn is_intended(&self) -> bool {
        !self.intended.is_empty()
    }

    /// The act: erases the patients of the transitions just committed. The error is what those who wait are told; whether the store goes on is
    /// decided.
    pub(super) fn carry_out(
        &mut self,
        patients: &mut Patients,
        shared: &Shared,
    ) -> Result<(), BatchFailure> {
        let intended = std::mem::take(&mut self.intended);
        self.erase(patients, intended)
            .map_err(|failure| BatchFailure::Unknown(self.failed(shared, failure)))
    }

    /// Tries again the erasures that the disk had no room for.
    pub(super) fn retry(&mut self, patients: &mut Patients, shared: &Shared) {
        match self.erase_unfinished(patients) {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "erasures that a full disk had put off are done"),
            Err(failure) => {
                self.failed(shared, failure);
            }
        }
    }

    fn failed(&self, shared: &Shared, failure: Failure) -> String {
        let full = failure.is_full();
        let reason = format!("an erasure failed: {}", StoreError::from(failure));
        if full {
            tracing::warn!(
                reason,
                waiting = self.unfinished.len(),
                "erasures wait for room on the disk, and are tried again"
            );
        } else {
            // The transition stands and its intent is noted: the next start completes it. Until then nothing may claim it is done.
            shared.fail(reason.clone());
        }
        reason
    }

    /// Erases patients, in the order of their days. Stops at the first failure; what is left is kept if the disk is full.
    fn erase(
        &mut self,
        patients: &mut Patients,
        mut wanted: Vec<(Day, i64)>,
    ) -> Result<(), Failure> {
        wanted.sort_unstable();
        wanted.dedup();
        let mut failure = None;
        for of_day in wanted.chunk_by(|one, other| one.0 == other.0) {
            if failure.is_some() {
                self.unfinished.extend_from_slice(of_day);
                continue;
            }
            let rows: Vec<i64> = of_day.iter().map(|erasure| erasure.1).collect();
            match patients.erase(of_day[0].0, &rows) {
                Ok(()) => self.done.extend(rows),
                Err(error) => {
                    self.unfinished.extend_from_slice(of_day);
                    failure = Some(error);
                }
            }
        }
        match failure {
            None => Ok(()),
            Some(error) => {
                self.again
                    .get_or_insert((Instant::now() + FIRST_PAUSE, FIRST_PAUSE * 2));
                Err(error)
            }
        }
    }

    /// Tries again what the disk had no room for, if it is time. Answers how many erasures that brought to their end.
    fn erase_unfinished(&mut self, patients: &mut Patients) -> Result<usize, Failure> {
        let Some((at, pause)) = self.again else {
            return Ok(0);
        };
        if Instant::now() < at {
            return Ok(0);
        }
        self.again = Some((Instant::now() + pause, (pause * 2).min(LONGEST_PAUSE)));
        let wanted = std::mem::take(&mut self.unfinished);
        let count = wanted.len();
        self.erase(patients, wanted)?;
        self.again = None;
        Ok(count)
    }

    /// The completion: forgets, in the current transaction, the intents of what is erased.
    pub(super) fn forget_done(&self, tests: &Connection) -> rusqlite::Result<()> {
        let mut forget = tests.prepare_cached("DELETE FROM erasures WHERE row = ?1")?;
        self.done
            .iter()
            .try_for_each(|row| forget.execute([row]).map(drop))
    }

    /// The transaction that forgot them is committed.
    pub(super) fn forgotten(&mut self) {
        self.done.clear();
    }

    /// How many erasures wait for room.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.len()
    }

    /// The completion at a start: erases what a transition intended before a crash, as far as a full disk has room for it. Answers how many
    /// patients that were, and what is left for the writer.
    pub(super) fn complete(
        tests: &Connection,
        patients: &mut Patients,
    ) -> Result<(usize, Erasing), Failure> {
        let intents: Vec<(Day, i64)> = {
            let mut select = tests.prepare("SELECT day, row FROM erasures")?;
            let rows = select.query_map([], |row| Ok((Day(row.get(0)?), row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut erasing = Erasing::default();
        match erasing.erase(patients, intents) {
            Err(failure) if !failure.is_full() => return Err(failure),
            _ => {}
        }
        let completed = erasing.done.len();
        match erasing.forget_done(tests).map_err(Failure::from) {
            Ok(()) => erasing.forgotten(),
            // The writer forgets them when there is room.
            Err(failure) if failure.is_full() => {}
            Err(failure) => return Err(failure),
        }
        Ok((completed, erasing))
    }
}
