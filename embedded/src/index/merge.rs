//! One piece of deferred work: a frozen table or some runs on their way to become one run.

use super::run::{Run, RunBuilder, Workshop};
use super::table::MemoryTable;
use super::{Entry, IndexError};
use std::sync::Arc;

/// What a job is for; the order is that of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// A frozen table becomes a run.
    Flush,
    /// Runs of this level become one of the next.
    Merge(u8),
    /// A run is written anew without the rows below the floor.
    Purge,
}

enum Origin {
    Table {
        table: Arc<MemoryTable>,
        position: Option<usize>,
    },
    Run {
        run: Arc<Run>,
        next_page: usize,
    },
}

/// A sorted sequence of entries, read a page or a cluster at a time.
struct Source {
    origin: Origin,
    entries: Vec<Entry>,
    next: usize,
}

impl Source {
    /// The next entry without taking it.
    fn peek(&mut self, workshop: &Workshop<'_>) -> Result<Option<Entry>, IndexError> {
        while self.next >= self.entries.len() {
            self.entries.clear();
            self.next = 0;
            match &mut self.origin {
                Origin::Table { table, position } => {
                    let Some(from) = *position else {
                        return Ok(None);
                    };
                    *position = table.next_cluster(from, &mut self.entries);
                }
                Origin::Run { run, next_page } => {
                    if *next_page >= run.page_count() {
                        return Ok(None);
                    }
                    run.read_page(
                        workshop.connection,
                        workshop.schema,
                        *next_page,
                        &mut self.entries,
                    )?;
                    *next_page += 1;
                }
            }
        }
        Ok(Some(self.entries[self.next]))
    }
}

pub(super) struct Job {
    pub(super) purpose: Purpose,
    sources: Vec<Source>,
    heads: Vec<Option<Entry>>,
    pub(super) builder: RunBuilder,
    /// Whether the current transaction holds work of this job: if it is rolled back the job begins anew.
    pub(super) touched: bool,
}

impl Job {
    pub(super) fn flush(table: Arc<MemoryTable>, builder: RunBuilder) -> Self {
        let origin = Origin::Table {
            table,
            position: Some(0),
        };
        Self::new(
            Purpose::Flush,
            vec![Source {
                origin,
                entries: Vec::new(),
                next: 0,
            }],
            builder,
        )
    }

    pub(super) fn merge(purpose: Purpose, runs: &[Arc<Run>], builder: RunBuilder) -> Self {
        let source = |run: &Arc<Run>| Source {
            origin: Origin::Run {
                run: run.clone(),
                next_page: 0,
            },
            entries: Vec::new(),
            next: 0,
        };
        Self::new(purpose, runs.iter().map(source).collect(), builder)
    }

    fn new(purpose: Purpose, sources: Vec<Source>, builder: RunBuilder) -> Self {
        Self {
            purpose,
            sources,
            heads: Vec::new(),
            builder,
            touched: false,
        }
    }

    /// The runs that the job reads.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.sources
            .iter()
            .filter_map(|source| match &source.origin {
                Origin::Run { run, .. } => Some(run),
                Origin::Table { .. } => None,
            })
    }

    /// The tables that the job reads.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<MemoryTable>> {
        self.sources
            .iter()
            .filter_map(|source| match &source.origin {
                Origin::Table { table, .. } => Some(table),
                Origin::Run { .. } => None,
            })
    }

    /// Goes on until a page was written or no entry is left. Returns the number of entries read, and whether none is left.
    pub(super) fn step(
        &mut self,
        floor: u64,
        workshop: &mut Workshop<'_>,
    ) -> Result<(usize, bool), IndexError> {
        self.touched = true;
        if self.heads.is_empty() {
            for source in &mut self.sources {
                self.heads.push(source.peek(workshop)?);
            }
        }
        let mut read = 0;
        loop {
            let mut least: Option<(Entry, usize)> = None;
            for (index, head) in self.heads.iter().enumerate() {
                if let Some(entry) = *head
                    && least.is_none_or(|(least, _)| entry < least)
                {
                    least = Some((entry, index));
                }
            }
            let Some((entry, index)) = least else {
                return Ok((read, true));
            };
            read += 1;
            let source = &mut self.sources[index];
            source.next += 1;
            self.heads[index] = source.peek(workshop)?;
            if entry.row >= floor && self.builder.push(entry, workshop)? {
                return Ok((read, false));
            }
        }
    }
}
