//! Look-ups.

use super::IndexError;
use super::run::Run;
use super::schema::Schema;
use super::table::MemoryTable;
use arc_swap::ArcSwap;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The parts of the index at one time.
#[derive(Clone, Default)]
pub(super) struct Parts {
    /// Newest first; the first one still takes entries.
    pub(super) tables: Vec<Arc<MemoryTable>>,
    /// Newest first.
    pub(super) runs: Vec<Arc<Run>>,
}

/// What writer and readers share.
pub(super) struct Shared {
    pub(super) schema: Schema,
    pub(super) parts: ArcSwap<Parts>,
    /// Rows below it are forgotten.
    pub(super) floor: AtomicU64,
}

/// A handle for look-ups from any thread.
#[derive(Clone)]
pub struct IndexReader {
    pub(super) shared: Arc<Shared>,
}

impl IndexReader {
    /// The index as it stands. Take it *before* the read transaction begins, and keep it as long as look-ups follow; while it
    /// lives, the pages of runs that were merged since are not reused, so do not keep it beside idle work.
    pub fn view(&self) -> View {
        View {
            parts: self.shared.parts.load_full(),
            shared: self.shared.clone(),
        }
    }

    /// [`View::candidates`] of a fresh view, for a connection that has no transaction open.
    ///
    /// # Errors
    ///
    /// As [`View::candidates`].
    pub fn candidates(&self, connection: &Connection, key: u64) -> Result<Vec<u64>, IndexError> {
        self.view().candidates(connection, key)
    }
}

/// The parts of the index that a reader looks at.
pub struct View {
    pub(super) parts: Arc<Parts>,
    pub(super) shared: Arc<Shared>,
}

impl View {
    /// The rows whose code may have this key, newest first, none below the floor.
    ///
    /// # Errors
    ///
    /// [`IndexError::StaleView`] if the connection's read transaction is older than this view; otherwise what SQLite says.
    pub fn candidates(&self, connection: &Connection, key: u64) -> Result<Vec<u64>, IndexError> {
        self.find(connection, key, None)
    }

    /// The candidates above row `after`, newest first. Parts that hold none so new are not asked: if `after` is at least
    /// [`super::IndexWriter::covered_through`], only memory is.
    ///
    /// # Errors
    ///
    /// As [`View::candidates`].
    pub fn candidates_after(
        &self,
        connection: &Connection,
        key: u64,
        after: u64,
    ) -> Result<Vec<u64>, IndexError> {
        self.find(connection, key, Some(after))
    }

    /// Whether there is certainly no candidate, as far as memory alone tells: for callers that would have to go to another thread to look.
    pub fn is_surely_absent(&self, key: u64) -> bool {
        let mut rows = Vec::new();
        self.parts.tables.iter().all(|table| {
            table.find(key, None, &mut rows);
            rows.is_empty()
        }) && self.parts.runs.iter().all(|run| !run.may_hold(key))
    }

    fn find(
        &self,
        connection: &Connection,
        key: u64,
        after: Option<u64>,
    ) -> Result<Vec<u64>, IndexError> {
        let floor = self.shared.floor.load(Ordering::Relaxed);
        let mut rows = Vec::new();
        for table in &self.parts.tables {
            table.find(key, after, &mut rows);
        }
        let wanted = |row| row >= floor && after.is_none_or(|after| row > after);
        for run in &self.parts.runs {
            if wanted(run.row.last_row) {
                run.find(connection, &self.shared.schema, key, wanted, &mut rows)?;
            }
        }
        rows.retain(|&row| wanted(row));
        rows.sort_unstable_by(|one, other| other.cmp(one));
        Ok(rows)
    }

    /// How many runs a look-up may have to ask.
    pub fn run_count(&self) -> usize {
        self.parts.runs.len()
    }
}
