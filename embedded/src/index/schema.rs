//! The tables of an index, and every statement on them.

use super::IndexError;
use super::page::PAGE_BYTES;
use rusqlite::{Connection, OptionalExtension, params};

/// A run as its row describes it.
#[derive(Clone, Debug)]
pub(super) struct RunRow {
    pub(super) run: u32,
    pub(super) level: u8,
    /// First and last row that the run covers; it holds no entry of others.
    pub(super) first_row: u64,
    pub(super) last_row: u64,
    pub(super) entries: u64,
    /// The pages that describe the run's pages.
    pub(super) directory: Vec<u32>,
}

/// The statements of one index, made once from its name.
pub(super) struct Schema {
    read_page: String,
    write_page: String,
    read_runs: String,
    write_run: String,
    delete_run: String,
    write_state: String,
    read_state: String,
    create: String,
    last_page: String,
}

/// What is stored beside the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Every row up to this one is in a run, or was dropped for its age.
    pub(super) covered_through: u64,
    /// The number of the next run.
    pub(super) next_run: u32,
}

impl Schema {
    /// `name` begins the names of the tables.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            create: format!(
                "CREATE TABLE IF NOT EXISTS {name}_page (page INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;
                 CREATE TABLE IF NOT EXISTS {name}_run (run INTEGER PRIMARY KEY, level INTEGER NOT NULL,
                   first_row INTEGER NOT NULL, last_row INTEGER NOT NULL, entries INTEGER NOT NULL, directory BLOB NOT NULL) STRICT;
                 CREATE TABLE IF NOT EXISTS {name}_state (id INTEGER PRIMARY KEY CHECK (id = 0),
                   covered_through INTEGER NOT NULL, next_run INTEGER NOT NULL) STRICT;"
            ),
            read_page: format!("SELECT content FROM {name}_page WHERE page = ?1"),
            // With no secondary index a REPLACE is one search, and overwrites a record of equal length in place.
            write_page: format!("REPLACE INTO {name}_page (page, content) VALUES (?1, ?2)"),
            last_page: format!("SELECT coalesce(max(page), 0) FROM {name}_page"),
            read_runs: format!("SELECT run, level, first_row, last_row, entries, directory FROM {name}_run"),
            write_run: format!(
                "INSERT INTO {name}_run (run, level, first_row, last_row, entries, directory) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            ),
            delete_run: format!("DELETE FROM {name}_run WHERE run = ?1"),
            read_state: format!("SELECT covered_through, next_run FROM {name}_state"),
            write_state: format!("REPLACE INTO {name}_state (id, covered_through, next_run) VALUES (0, ?1, ?2)"),
        }
    }

    pub(super) fn create(&self, connection: &Connection) -> Result<(), IndexError> {
        Ok(connection.execute_batch(&self.create)?)
    }

    /// Hands the bytes of a page to `read`; [`IndexError::StaleView`] if there is none.
    pub(super) fn with_page<T>(
        &self,
        connection: &Connection,
        page: u32,
        read: impl FnOnce(&[u8]) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let mut statement = connection.prepare_cached(&self.read_page)?;
        let mut rows = statement.query([page])?;
        match rows.next()? {
            Some(row) => read(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?),
            None => Err(IndexError::StaleView),
        }
    }

    pub(super) fn write_page(
        &self,
        connection: &Connection,
        page: u32,
        content: &[u8],
    ) -> Result<(), IndexError> {
        debug_assert_eq!(content.len(), PAGE_BYTES);
        connection
            .prepare_cached(&self.write_page)?
            .execute(params![page, content])?;
        Ok(())
    }

    pub(super) fn last_page(&self, connection: &Connection) -> Result<u32, IndexError> {
        Ok(connection.query_row(&self.last_page, [], |row| row.get(0))?)
    }

    pub(super) fn read_runs(&self, connection: &Connection) -> Result<Vec<RunRow>, IndexError> {
        let mut statement = connection.prepare(&self.read_runs)?;
        let runs = statement.query_map([], |row| {
            Ok(RunRow {
                run: row.get(0)?,
                level: row.get(1)?,
                first_row: row.get::<_, i64>(2)?.cast_unsigned(),
                last_row: row.get::<_, i64>(3)?.cast_unsigned(),
                entries: row.get::<_, i64>(4)?.cast_unsigned(),
                directory: row
                    .get::<_, Vec<u8>>(5)?
                    .chunks_exact(4)
                    .map(|page| u32::from_le_bytes(std::array::from_fn(|i| page[i])))
                    .collect(),
            })
        })?;
        Ok(runs.collect::<Result<_, _>>()?)
    }

    pub(super) fn write_run(
        &self,
        connection: &Connection,
        run: &RunRow,
    ) -> Result<(), IndexError> {
        let directory: Vec<u8> = run
            .directory
            .iter()
            .flat_map(|page| page.to_le_bytes())
            .collect();
        connection
            .prepare_cached(&self.write_run)?
            .execute(params![
                run.run,
                run.level,
                run.first_row.cast_signed(),
                run.last_row.cast_signed(),
                run.entries.cast_signed(),
                directory
            ])?;
        Ok(())
    }

    pub(super) fn delete_run(&self, connection: &Connection, run: u32) -> Result<(), IndexError> {
        connection
            .prepare_cached(&self.delete_run)?
            .execute([run])?;
        Ok(())
    }

    pub(super) fn read_state(&self, connection: &Connection) -> Result<State, IndexError> {
        let state = connection.query_row(&self.read_state, [], |row| {
            Ok(State {
                covered_through: row.get::<_, i64>(0)?.cast_unsigned(),
                next_run: row.get(1)?,
            })
        });
        Ok(state.optional()?.unwrap_or(State {
            covered_through: 0,
            next_run: 1,
        }))
    }

    pub(super) fn write_state(
        &self,
        connection: &Connection,
        state: State,
    ) -> Result<(), IndexError> {
        connection
            .prepare_cached(&self.write_state)?
            .execute(params![state.covered_through.cast_signed(), state.next_run])?;
        Ok(())
    }
}
