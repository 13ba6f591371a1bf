//! The writer's side: insertion, the deferred work, and what a commit or a rollback means for both.

use super::merge::{Job, Purpose};
use super::page::PAGE_BYTES;
use super::reader::{IndexReader, Parts, Shared};
use super::run::{FreePages, Run, Workshop};
use super::schema::{Schema, State};
use super::table::MemoryTable;
use super::{Entry, IndexError, IndexOptions};
use arc_swap::ArcSwap;
use rusqlite::Connection;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What [`IndexWriter::work`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkDone {
    /// Entries read and written on.
    pub entries: usize,
    /// Pages written.
    pub pages: usize,
    /// Nothing is left to do until more entries come.
    pub idle: bool,
}

/// A change of the parts that the current transaction made, not yet seen by readers.
pub(super) struct Publication {
    pub(super) removed_table: Option<Arc<MemoryTable>>,
    pub(super) removed_runs: Vec<Arc<Run>>,
    pub(super) added: Option<Arc<Run>>,
}

struct Insertion {
    table: Arc<MemoryTable>,
    slot: usize,
    previous_last_row: u64,
}

/// The index as its one writer has it.
pub struct IndexWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) options: IndexOptions,
    active: Arc<MemoryTable>,
    pub(super) jobs: Vec<Job>,
    /// Insertions of the current transaction.
    recent: Vec<Insertion>,
    pub(super) publications: Vec<Publication>,
    /// Pages that the current transaction overwrote with zeroes.
    pub(super) wiped: Vec<u32>,
    /// Runs that readers may still look at.
    pub(super) retired: Vec<Arc<Run>>,
    pub(super) free: FreePages,
    pub(super) state: State,
    committed: State,
    highest_row: u64,
    /// Entries that may still be worked on; below zero after a page that was larger than the rest.
    credit: i64,
    pub(super) scratch: Vec<u8>,
}

impl IndexWriter {
    /// Opens the index whose tables begin with `name` (creating them, within a transaction if the caller has one open).
    ///
    /// [`Self::restore`] the rows above [`Self::covered_through`] next: they were in memory only.
    ///
    /// # Errors
    ///
    /// What SQLite says, or [`IndexError::Damaged`].
    pub fn open(
        connection: &Connection,
        name: &'static str,
        options: IndexOptions,
    ) -> Result<Self, IndexError> {
        let schema = Schema::new(name);
        schema.create(connection)?;
        let state = schema.read_state(connection)?;
        let mut rows = schema.read_runs(connection)?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.last_row));
        let mut parts = Parts {
            tables: vec![Arc::new(MemoryTable::new(options.memory_entries))],
            runs: Vec::new(),
        };
        let mut filter_bytes = 0;
        for row in rows {
            let run = Run::load(
                connection,
                &schema,
                row,
                filter_bytes < options.filter_budget,
            )?;
            filter_bytes += run.filter_bytes();
            parts.runs.push(Arc::new(run));
        }
        let used: HashSet<u32> = parts.runs.iter().flat_map(|run| run.all_pages()).collect();
        let next = schema.last_page(connection)?.saturating_add(1);
        let stale = (1..next).filter(|page| !used.contains(page)).collect();
        Ok(Self {
            active: parts.tables[0].clone(),
            shared: Arc::new(Shared {
                schema,
                parts: ArcSwap::from_pointee(parts),
                floor: AtomicU64::new(0),
            }),
            options,
            jobs: Vec::new(),
            recent: Vec::new(),
            publications: Vec::new(),
            wiped: Vec::new(),
            retired: Vec::new(),
            free: FreePages {
                stale,
                clean: Vec::new(),
                next,
            },
            state,
            committed: state,
            highest_row: state.covered_through,
            credit: 0,
            scratch: Vec::with_capacity(PAGE_BYTES),
        })
    }

    /// A handle for look-ups.
    pub fn reader(&self) -> IndexReader {
        IndexReader {
            shared: self.shared.clone(),
        }
    }

    /// Every row up to this one is durably in the index (or was dropped for its age); those above are in memory only.
    pub fn covered_through(&self) -> u64 {
        self.committed.covered_through
    }

    /// Rows below `row` are no longer found from now on, and leave the files with the deferred work: runs that lie wholly below
    /// at once, others when merged or when an eighth of their rows is below.
    pub fn set_floor(&mut self, row: u64) {
        self.shared.floor.fetch_max(row, Ordering::Relaxed);
    }

    /// Inserts the entry of a row that was committed before the index was opened. Rows must ascend.
    ///
    /// # Errors
    ///
    /// [`IndexError::RowOrder`].
    pub fn restore(&mut self, key: u64, row: u64) -> Result<(), IndexError> {
        self.insert(Entry { key, row }).map(drop)
    }

    /// Inserts the entry of a row of the current transaction; readers see it at once. Rows must ascend and be at least 1.
    ///
    /// # Errors
    ///
    /// [`IndexError::RowOrder`].
    pub fn insert_newest(&mut self, key: u64, row: u64) -> Result<(), IndexError> {
        let insertion = self.insert(Entry { key, row })?;
        self.recent.push(insertion);
        Ok(())
    }

    fn insert(&mut self, entry: Entry) -> Result<Insertion, IndexError> {
        if entry.row <= self.highest_row || entry.row >= 1 << 63 {
            return Err(IndexError::RowOrder);
        }
        self.highest_row = entry.row;
        loop {
            let previous_last_row = self.active.last_row();
            if let Some(slot) = self.active.insert(entry) {
                return Ok(Insertion {
                    table: self.active.clone(),
                    slot,
                    previous_last_row,
                });
            }
            self.freeze();
        }
    }

    fn freeze(&mut self) {
        self.active = Arc::new(MemoryTable::new(self.options.memory_entries));
        let mut parts = Parts::clone(&self.shared.parts.load());
        parts.tables.insert(0, self.active.clone());
        self.shared.parts.store(Arc::new(parts));
    }

    /// Does a share of the deferred work within the caller's transaction: enough to keep up if `inserted` is the number of
    /// entries inserted since the last call (more may be given to catch up). Tell [`Self::committed`] or [`Self::rolled_back`]
    /// afterwards; after an error only the latter.
    ///
    /// # Errors
    ///
    /// What SQLite says, or [`IndexError::Damaged`].
    pub fn work(
        &mut self,
        transaction: &Connection,
        inserted: usize,
    ) -> Result<WorkDone, IndexError> {
        // Every entry is written once as it leaves the memory and once more for each level, and a fifth in reserve.
        let share = i64::from(self.options.top_level) + 2;
        self.credit += share * i64::try_from(inserted).unwrap_or(i64::MAX / share);
        let mut done = WorkDone::default();
        while self.credit > 0 {
            self.plan(transaction)?;
            let Some(index) = (0..self.jobs.len()).min_by_key(|&index| self.jobs[index].purpose)
            else {
                self.wipe(transaction, &mut done)?;
                done.idle = self.free.stale.is_empty() && self.publications.is_empty();
                // What was not needed is not saved up for a burst later.
                self.credit = 0;
                break;
            };
            self.step(transaction, index, &mut done)?;
        }
        Ok(done)
    }

    /// Brings the rows up to `row` into runs within this transaction, however much work that is: at most what memory holds, some
    /// milliseconds. For a store that is about to remove rows from which the entries could not be restored, or whose rows have entries so
    /// seldom that at an opening too many would have to be looked through. Every later insertion must be above `row`.
    ///
    /// # Errors
    ///
    /// As [`Self::work`].
    pub fn cover(&mut self, transaction: &Connection, row: u64) -> Result<(), IndexError> {
        while self.state.covered_through < row.min(self.highest_row) {
            if self.active.len() > 0 {
                self.freeze();
            }
            self.plan(transaction)?;
            let flush = self
                .jobs
                .iter()
                .position(|job| job.purpose == Purpose::Flush);
            // Rows above the covered ones are in tables; with all of them written there is nothing left to cover.
            let Some(flush) = flush else { break };
            self.step(transaction, flush, &mut WorkDone::default())?;
        }
        if row > self.highest_row {
            // None of the rows in between has an entry.
            self.highest_row = row;
            self.state.covered_through = row;
            self.shared.schema.write_state(transaction, self.state)?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        transaction: &Connection,
        index: usize,
        done: &mut WorkDone,
    ) -> Result<(), IndexError> {
        let shared = self.shared.clone();
        let mut workshop = Workshop {
            connection: transaction,
            schema: &shared.schema,
            free: &mut self.free,
            scratch: &mut self.scratch,
            pages_written: 0,
        };
        let floor = shared.floor.load(Ordering::Relaxed);
        let (read, at_end) = self.jobs[index].step(floor, &mut workshop)?;
        done.entries += read;
        self.credit -= i64::try_from(read).unwrap_or(i64::MAX).max(1);
        if at_end {
            let run = self.jobs[index].builder.finish(&mut workshop)?;
            done.pages += workshop.pages_written;
            return self.complete(transaction, index, run);
        }
        done.pages += workshop.pages_written;
        Ok(())
    }

    /// The job's run is written: exchange it for its sources, in this transaction.
    fn complete(
        &mut self,
        transaction: &Connection,
        index: usize,
        run: Option<Run>,
    ) -> Result<(), IndexError> {
        let schema = &self.shared.schema;
        let job = &self.jobs[index];
        for source in job.runs() {
            schema.delete_run(transaction, source.row.run)?;
        }
        if job.purpose == Purpose::Flush {
            self.state.covered_through = self.state.covered_through.max(job.builder.last_row());
        }
        schema.write_state(transaction, self.state)?;
        let job = self.jobs.swap_remove(index);
        self.publications.push(Publication {
            removed_table: job.tables().next().cloned(),
            removed_runs: job.runs().cloned().collect(),
            added: run.map(Arc::new),
        });
        Ok(())
    }

    /// The current transaction is committed: readers get what it changed.
    pub fn committed(&mut self) {
        self.recent.clear();
        self.wiped.clear();
        self.committed = self.state;
        for job in &mut self.jobs {
            job.touched = false;
        }
        if !self.publications.is_empty() {
            let mut parts = Parts::clone(&self.shared.parts.load());
            for publication in self.publications.drain(..) {
                if let Some(table) = &publication.removed_table {
                    parts.tables.retain(|other| !Arc::ptr_eq(other, table));
                }
                parts.runs.retain(|run| {
                    !publication
                        .removed_runs
                        .iter()
                        .any(|removed| Arc::ptr_eq(run, removed))
                });
                parts.runs.extend(publication.added);
                self.retired.extend(publication.removed_runs);
            }
            parts
                .runs
                .sort_by_key(|run| std::cmp::Reverse(run.row.last_row));
            self.shared.parts.store(Arc::new(parts));
        }
        self.reclaim();
    }

    /// Frees the pages of the runs that no reader can see any more: no view names them, and none can begin to.
    fn reclaim(&mut self) {
        let mut index = 0;
        while index < self.retired.len() {
            if Arc::strong_count(&self.retired[index]) > 1 {
                index += 1;
                continue;
            }
            let run = self.retired.swap_remove(index);
            self.free.stale.extend(run.all_pages());
        }
    }

    /// The current transaction is rolled back: its insertions and its share of the work are forgotten.
    pub fn rolled_back(&mut self) {
        while let Some(insertion) = self.recent.pop() {
            insertion
                .table
                .take_back(insertion.slot, insertion.previous_last_row);
        }
        self.state.covered_through = self.committed.covered_through;
        let tables = &self.shared.parts.load().tables;
        let in_memory = tables
            .iter()
            .map(|table| table.last_row())
            .max()
            .unwrap_or(0);
        self.highest_row = in_memory.max(self.committed.covered_through);
        let free = &mut self.free;
        free.stale.extend(self.wiped.iter().copied());
        free.clean.retain(|page| !self.wiped.contains(page));
        self.wiped.clear();
        for publication in self.publications.drain(..) {
            free.stale
                .extend(publication.added.iter().flat_map(|run| run.all_pages()));
        }
        self.jobs.retain(|job| {
            if job.touched {
                free.stale.extend(job.builder.used.iter().copied());
            }
            !job.touched
        });
    }
}
