//! Erasures of patients after the transitions that want them, and those that a full disk puts off.
//!
//! An erasure's intent is committed with its transition. So when the disk has no room for the erasure itself, nothing is lost: whoever waits for
//! it is told that its outcome is unknown, the intent stays, and the writer tries again between two transactions, less and less often.

use std::time::{Duration, Instant};

use sistema_ts_store::StoreError;

use super::day::Day;
use super::failure::Failure;
use super::patients::Patients;
use super::writer::Writer;

/// The pause after the first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is still to be erased, and what is erased whose intent is still noted.
#[derive(Default)]
pub(super) struct Erasing {
    /// Patients whose erasure the disk had no room for.
    unfinished: Vec<(Day, i64)>,
    /// Rows whose erasure is done and whose intent is still noted.
    done: Vec<i64>,
    /// When to try again, and how long to wait after the next failure.
    again: Option<(Instant, Duration)>,
}

impl Erasing {
    /// Erases patients, in the order of their days. Stops at the first failure; what is left is kept if the disk is full.
    pub(super) fn erase(
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
    fn retry(&mut self, patients: &mut Patients) -> Result<usize, Failure> {
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

    /// Rows whose intents may go.
    pub(super) fn done(&self) -> &[i64] {
        &self.done
    }

    /// The intents of what was done are gone.
    pub(super) fn forgotten(&mut self) {
        self.done.clear();
    }

    /// How many erasures wait for room.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished.len()
    }
}

impl Writer<'_> {
    /// Erases the patients of the transitions just committed. The error is what those who wait are told; whether the store goes on is decided.
    pub(super) fn erase(&mut self) -> Result<(), String> {
        if self.erasures.is_empty() {
            return Ok(());
        }
        let wanted = std::mem::take(&mut self.erasures);
        self.erasing
            .erase(&mut self.patients, wanted)
            .map_err(|failure| self.erasure_failed(failure))
    }

    /// Tries again the erasures that the disk had no room for.
    pub(super) fn retry_erasures(&mut self) {
        match self.erasing.retry(&mut self.patients) {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "erasures that a full disk had put off are done"),
            Err(failure) => {
                self.erasure_failed(failure);
            }
        }
    }

    fn erasure_failed(&self, failure: Failure) -> String {
        let full = failure.is_full();
        let reason = format!("an erasure failed: {}", StoreError::from(failure));
        if full {
            tracing::warn!(
                reason,
                waiting = self.erasing.unfinished(),
                "erasures wait for room on the disk, and are tried again"
            );
        } else {
            // The transition stands and its intent is noted: the next start completes it. Until then nothing may claim it is done.
            self.shared.fail(reason.clone());
        }
        reason
    }
}
