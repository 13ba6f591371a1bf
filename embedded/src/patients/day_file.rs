//! One day's file of patients, open for its writer.

use rusqlite::Connection;
use sistema_ts_store::StoreError;
use sistema_ts_store::keys::LookupTag;

use super::erasures::Erasures;
use crate::day::Day;
use crate::failure::Failure;
use crate::files::{Files, WriteMode};
use crate::log::Log;
use crate::opened::OpenedDatabase;
use crate::schema;
use crate::stock::COMMITS;

/// Tags that wait in memory before they are sorted and written.
const TAGS_IN_MEMORY: usize = 16_384;
/// Sorted tags written for each new one, so that a batch is written long before the next one is full.
const TAGS_PER_NEW_TAG: usize = 2;

/// A tag and its row.
pub(super) type TagEntry = (LookupTag, i64);

/// One day's file.
pub(super) struct DayFile {
    pub(super) day: Day,
    pub(super) connection: Connection,
    pub(super) log: Log,
    pub(super) opened: OpenedDatabase,
    /// Whether it was written since it was last looked at.
    pub(super) written: bool,
    pub(super) in_transaction: bool,
    /// How many transactions were committed to it: a start compares.
    pub(super) commits: i64,
    /// Tags of committed rows that `merged` does not cover yet, in the order of rows.
    pub(super) fresh: Vec<TagEntry>,
    /// Tags of rows of the current transaction.
    pub(super) uncommitted: Vec<TagEntry>,
    pub(super) merge: Option<Merge>,
    pub(super) erasures: Erasures,
}

/// The oldest of `fresh`, sorted, on their way into the table.
pub(super) struct Merge {
    pub(super) sorted: Vec<TagEntry>,
    /// So many are committed.
    pub(super) done: usize,
    /// So many are written in the current transaction or before.
    pub(super) written: usize,
    pub(super) through: i64,
}

impl DayFile {
    pub(super) fn open(files: &Files, day: Day, mode: WriteMode) -> Result<DayFile, Failure> {
        let (connection, log) = files.open_writer(&files.patients(day), mode)?;
        schema::prepare_patients(&connection).map_err(StoreError::from)?;
        files.list(&files.patients(day))?;
        let commits = schema::read_number(&connection, COMMITS)?.unwrap_or(0);
        let through = schema::read_number(&connection, "tagged_through")?.unwrap_or(0);
        let fresh = {
            let mut select =
                connection.prepare("SELECT tag, row FROM patients WHERE row > ?1 ORDER BY row")?;
            let entries = select.query_map([through], |row| Ok((row.get(0)?, row.get(1)?)))?;
            entries.collect::<Result<_, _>>()?
        };
        let erasures = Erasures::read(&connection)?;
        let opened = OpenedDatabase::note(&files.patients(day))?;
        Ok(DayFile {
            day,
            connection,
            log,
            opened,
            written: false,
            in_transaction: false,
            commits,
            fresh,
            uncommitted: Vec::new(),
            merge: None,
            erasures,
        })
    }

    /// Writes down that this transaction is one more. The number counts once it is committed.
    pub(super) fn count_commit(&mut self) -> rusqlite::Result<()> {
        self.write_commits(self.commits + 1)
    }

    pub(super) fn write_commits(&self, commits: i64) -> rusqlite::Result<()> {
        schema::write_number(&self.connection, COMMITS, commits)
    }

    /// Writes as many sorted tags as the new ones of this transaction pay for.
    pub(super) fn merge_some(&mut self) -> Result<(), Failure> {
        if self.merge.is_none() && self.fresh.len() >= TAGS_IN_MEMORY {
            let mut sorted = self.fresh[..TAGS_IN_MEMORY].to_vec();
            let through = sorted[TAGS_IN_MEMORY - 1].1;
            sorted.sort_unstable();
            self.merge = Some(Merge {
                sorted,
                done: 0,
                written: 0,
                through,
            });
        }
        let Some(merge) = &mut self.merge else {
            return Ok(());
        };
        let end = merge
            .sorted
            .len()
            .min(merge.written + TAGS_PER_NEW_TAG * self.uncommitted.len());
        // A crash may have left some of them there already.
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO tags (tag, row) VALUES (?1, ?2)")?;
        for (tag, row) in &merge.sorted[merge.written..end] {
            insert.execute((tag, row))?;
        }
        merge.written = end;
        if end == merge.sorted.len() {
            schema::write_number(&self.connection, "tagged_through", merge.through)?;
        }
        Ok(())
    }

    pub(super) fn committed(&mut self) -> Result<(), Failure> {
        self.in_transaction = false;
        self.commits += 1;
        self.fresh.append(&mut self.uncommitted);
        if let Some(merge) = &mut self.merge {
            merge.done = merge.written;
            if merge.done == merge.sorted.len() {
                let through = merge.through;
                self.fresh.retain(|entry| entry.1 > through);
                self.merge = None;
            }
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, rows: &[i64]) {
        self.fresh
            .retain(|entry| rows.binary_search(&entry.1).is_err());
        if let Some(merge) = &mut self.merge {
            let erased_before = |upto: usize| {
                merge.sorted[..upto]
                    .iter()
                    .filter(|entry| rows.binary_search(&entry.1).is_ok())
                    .count()
            };
            (merge.done, merge.written) = (
                merge.done - erased_before(merge.done),
                merge.written - erased_before(merge.written),
            );
            merge
                .sorted
                .retain(|entry| rows.binary_search(&entry.1).is_err());
        }
    }

    pub(super) fn truncate_wal(&self) -> Result<(), Failure> {
        let busy: i64 =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 {
            return Err(StoreError::Unavailable {
                reason: "the WAL of a patients' file cannot be truncated".to_owned(),
            }
            .into());
        }
        self.log.emptied();
        Ok(())
    }
}
