//! The sorted runs of an import: each is committed with the place reached in the source, so that an import that was interrupted goes on from
//! its last run.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use sistema_ts_model::Timestamp;
use sistema_ts_store::cards::{CardError, CardKey, ImportProgress};

use super::files::{ALL_CARDS, Entry, Paths, failed, next, open, remove, write_register};

/// The runs of an import at work, in a file of their own.
pub(super) struct Runs {
    pub(super) paths: Paths,
    pub(super) key: CardKey,
    connection: Connection,
    number: i64,
}

impl Runs {
    /// The runs of an interrupted import of this source, or none; and the place reached. `restart` gives up whatever there is.
    pub(super) fn begin(
        paths: Paths,
        key: CardKey,
        source: &[u8],
        restart: bool,
    ) -> Result<(Self, ImportProgress), CardError> {
        let found = match restart {
            true => None,
            false => resume(&paths.import, &key, source)?,
        };
        let (connection, progress, number) = match found {
            Some(found) => found,
            None => {
                remove(&paths.import)?;
                let made = create(&paths.import, &key, source)?;
                (made, ImportProgress::default(), 0)
            }
        };
        let runs = Self {
            paths,
            key,
            connection,
            number,
        };
        Ok((runs, progress))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// Writes sorted entries as a run, with the place reached, in one transaction.
    pub(super) fn write(
        &mut self,
        entries: &[Entry],
        progress: ImportProgress,
    ) -> Result<(), CardError> {
        let transaction = self.connection.transaction().map_err(failed)?;
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO runs (run, person, card, from_day, to_day) VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .map_err(failed)?;
            for (person, card, from, to) in entries {
                insert
                    .execute(params![self.number, person, card, from, to])
                    .map_err(failed)?;
            }
        }
        transaction
            .execute(
                "UPDATE source SET runs = ?1, offset = ?2, lines = ?3, bad_lines = ?4, blank_lines = ?5",
                params![
                    self.number + 1,
                    progress.offset.cast_signed(),
                    progress.lines.cast_signed(),
                    progress.bad_lines.cast_signed(),
                    progress.blank_lines.cast_signed()
                ],
            )
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
        self.number += 1;
        Ok(())
    }

    /// Merges what was taken into `cards-new.db`, together with the register `base` if there is one. Each card that was taken is told, and
    /// whether it is new.
    pub(super) fn merge_onto(
        &self,
        base: Option<&Connection>,
        now: Timestamp,
        tell: &mut dyn FnMut(&Entry, bool) -> Result<(), CardError>,
    ) -> Result<u64, CardError> {
        let mut selects = Vec::new();
        if let Some(base) = base {
            selects.push((base.prepare(ALL_CARDS).map_err(failed)?, None));
        }
        for run in 0..self.number {
            let select = self
                .connection
                .prepare("SELECT person, card, from_day, to_day FROM runs WHERE run = ?1 ORDER BY person, card, from_day, to_day")
                .map_err(failed)?;
            selects.push((select, Some(run)));
        }
        write_register(&self.paths.new, self.key.check_value(), now, |insert| {
            let mut runs = Vec::new();
            for (select, run) in &mut selects {
                let is_base = run.is_none();
                let mut rows = match run {
                    Some(run) => select.query([*run]),
                    None => select.query([]),
                }
                .map_err(failed)?;
                if let Some(head) = next(&mut rows)? {
                    runs.push((head, rows, is_base));
                }
            }
            // Few runs, even of a whole nation: the smallest head is looked for one by one. Of equal ones that of the base comes first.
            while let Some(smallest) =
                (0..runs.len()).min_by_key(|index| (runs[*index].0, !runs[*index].2))
            {
                let (entry, is_base) = (runs[smallest].0, runs[smallest].2);
                let is_new = insert(&entry)?;
                if !is_base {
                    tell(&entry, is_new)?;
                }
                match next(&mut runs[smallest].1)? {
                    Some(head) => runs[smallest].0 = head,
                    None => drop(runs.swap_remove(smallest)),
                }
            }
            Ok(())
        })
    }

    /// Removes them: what they hold is in the register.
    pub(super) fn remove(self) -> Result<(), CardError> {
        drop(self.connection);
        remove(&self.paths.import)
    }
}

fn create(path: &Path, key: &CardKey, source: &[u8]) -> Result<Connection, CardError> {
    let connection = open(path, true)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE runs (
                 run INTEGER NOT NULL, person BLOB NOT NULL, card BLOB NOT NULL, from_day INTEGER NOT NULL, to_day INTEGER NOT NULL,
                 PRIMARY KEY (run, person, card, from_day, to_day)
             ) STRICT, WITHOUT ROWID;
             CREATE TABLE source (
                 only_row INTEGER PRIMARY KEY CHECK (only_row = 1), key_check BLOB NOT NULL, source BLOB NOT NULL, runs INTEGER NOT NULL,
                 offset INTEGER NOT NULL, lines INTEGER NOT NULL, bad_lines INTEGER NOT NULL, blank_lines INTEGER NOT NULL
             ) STRICT;",
        )
        .map_err(failed)?;
    connection
        .execute(
            "INSERT INTO source (only_row, key_check, source, runs, offset, lines, bad_lines, blank_lines) VALUES (1, ?1, ?2, 0, 0, 0, 0, 0)",
            params![key.check_value(), source],
        )
        .map_err(failed)?;
    Ok(connection)
}

/// An interrupted import of this source, if there is one.
fn resume(
    path: &Path,
    key: &CardKey,
    source: &[u8],
) -> Result<Option<(Connection, ImportProgress, i64)>, CardError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = open(path, false)?;
    // A file that was never finished, or is none of ours, is no import to go on with.
    let found = connection
        .query_row(
            "SELECT runs, offset, lines, bad_lines, blank_lines FROM source WHERE source = ?1 AND key_check = ?2",
            params![source, key.check_value()],
            |row| {
                let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                let progress = ImportProgress {
                    offset: number(1)?,
                    lines: number(2)?,
                    bad_lines: number(3)?,
                    blank_lines: number(4)?,
                };
                Ok((progress, row.get(0)?))
            },
        )
        .optional()
        .unwrap_or(None);
    Ok(found.map(|(progress, runs)| (connection, progress, runs)))
}
