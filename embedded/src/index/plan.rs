//! What to do next: which table to write, which runs to merge, drop or write anew, which pages to wipe.

use super::filter::FILTER_BYTES;
use super::merge::{Job, Purpose};
use super::page::PAGE_BYTES;
use super::run::{Run, RunBuilder};
use super::writer::{IndexWriter, Publication, WorkDone};
use super::{IndexError, View};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A run is written anew once this part of its rows is below the floor (an eighth).
const PURGE_SHARE: u64 = 8;
/// Free pages wiped per call of `work` that has nothing else to do.
const WIPED_PER_CALL: usize = 4;
/// Entries of a page at the least, to estimate a filter's size.
const ENTRIES_PER_PAGE: u64 = 350;

impl IndexWriter {
    /// Starts every job that is due and not under way, and drops the runs whose rows are all forgotten.
    pub(super) fn plan(&mut self, transaction: &Connection) -> Result<(), IndexError> {
        let View { parts, shared } = self.reader().view();
        let floor = shared.floor.load(Ordering::Relaxed);
        let has = |jobs: &[Job], purpose| jobs.iter().any(|job| job.purpose == purpose);

        if !has(&self.jobs, Purpose::Flush) {
            let written = |table| {
                self.publications.iter().any(|done| {
                    done.removed_table
                        .as_ref()
                        .is_some_and(|other| Arc::ptr_eq(table, other))
                })
            };
            if let Some(table) = parts.tables[1..]
                .iter()
                .rev()
                .find(|table| !written(table))
                .cloned()
            {
                let first_row = self.state.covered_through + 1;
                let last_row = table.last_row().max(self.state.covered_through);
                let builder = self.builder(0, first_row, last_row, table.len() as u64, 0);
                self.jobs.push(Job::flush(table, builder));
            }
        }

        // Oldest first.
        let mut idle: Vec<Arc<Run>> = parts
            .runs
            .iter()
            .rev()
            .filter(|run| !self.is_busy(run))
            .cloned()
            .collect();
        for run in idle.extract_if(.., |run| run.row.last_row < floor) {
            shared.schema.delete_run(transaction, run.row.run)?;
            self.publications.push(Publication {
                removed_table: None,
                removed_runs: vec![run],
                added: None,
            });
        }

        for level in 0..self.options.top_level {
            if has(&self.jobs, Purpose::Merge(level)) {
                continue;
            }
            let mergeable: Vec<Arc<Run>> = idle
                .iter()
                .filter(|run| run.row.level == level)
                .take(self.options.fan_in)
                .cloned()
                .collect();
            if let [oldest, .., newest] = mergeable.as_slice()
                && mergeable.len() == self.options.fan_in
            {
                let entries = mergeable.iter().map(|run| run.row.entries).sum();
                let replaced = mergeable.iter().map(|run| run.filter_bytes()).sum();
                let builder = self.builder(
                    self.level_of(entries).min(level + 1),
                    oldest.row.first_row,
                    newest.row.last_row,
                    entries,
                    replaced,
                );
                self.jobs
                    .push(Job::merge(Purpose::Merge(level), &mergeable, builder));
                idle.retain(|run| !mergeable.iter().any(|merged| Arc::ptr_eq(run, merged)));
            }
        }

        let outdated = |run: &&Arc<Run>| {
            let covered = run.row.last_row - run.row.first_row + 1;
            floor
                .saturating_sub(run.row.first_row)
                .saturating_mul(PURGE_SHARE)
                >= covered
        };
        if !has(&self.jobs, Purpose::Purge)
            && let Some(run) = idle.iter().find(outdated)
        {
            let builder = self.builder(
                run.row.level,
                floor,
                run.row.last_row,
                run.row.entries,
                run.filter_bytes(),
            );
            self.jobs.push(Job::merge(
                Purpose::Purge,
                std::slice::from_ref(run),
                builder,
            ));
        }
        Ok(())
    }

    /// The level whose runs have so many entries. Tables that were frozen before they were full make small runs, which stay on
    /// their level when they are merged, so that there are never many of them.
    fn level_of(&self, entries: u64) -> u8 {
        let mut full = self.options.memory_entries as u64;
        for level in 0..self.options.top_level {
            if entries <= full {
                return level;
            }
            full = full.saturating_mul(self.options.fan_in as u64);
        }
        self.options.top_level
    }

    /// Whether a job reads the run, or this transaction has done away with it.
    fn is_busy(&self, run: &Arc<Run>) -> bool {
        let mut read = self.jobs.iter().flat_map(Job::runs);
        let mut removed = self.publications.iter().flat_map(|done| &done.removed_runs);
        read.any(|other| Arc::ptr_eq(run, other)) || removed.any(|other| Arc::ptr_eq(run, other))
    }

    /// A builder for a run of about `entries`, which takes the place of others with `replaced` bytes of filters.
    fn builder(
        &mut self,
        level: u8,
        first_row: u64,
        last_row: u64,
        entries: u64,
        replaced: usize,
    ) -> RunBuilder {
        let present: usize = self
            .shared
            .parts
            .load()
            .runs
            .iter()
            .map(|run| run.filter_bytes())
            .sum();
        let coming = usize::try_from(entries / ENTRIES_PER_PAGE + 1)
            .unwrap_or(usize::MAX)
            .saturating_mul(FILTER_BYTES);
        let keep_filters =
            present.saturating_sub(replaced).saturating_add(coming) <= self.options.filter_budget;
        let run = self.state.next_run;
        self.state.next_run += 1;
        RunBuilder::new(run, level, first_row, last_row, keep_filters)
    }

    /// Overwrites a few free pages that still hold old entries.
    pub(super) fn wipe(
        &mut self,
        transaction: &Connection,
        done: &mut WorkDone,
    ) -> Result<(), IndexError> {
        for _ in 0..WIPED_PER_CALL {
            let Some(&page) = self.free.stale.front() else {
                return Ok(());
            };
            let is_clean = match self.shared.schema.with_page(transaction, page, |bytes| {
                Ok(bytes.iter().all(|&byte| byte == 0))
            }) {
                // A number that was taken in a transaction that was rolled back has no page.
                Err(IndexError::StaleView) => true,
                other => other?,
            };
            if !is_clean {
                self.scratch.clear();
                self.scratch.resize(PAGE_BYTES, 0);
                self.shared
                    .schema
                    .write_page(transaction, page, &self.scratch)?;
                done.pages += 1;
            }
            self.free.stale.pop_front();
            self.free.clean.push(page);
            self.wiped.push(page);
        }
        Ok(())
    }
}
