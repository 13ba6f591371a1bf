//! What all layouts share: how a file is opened, the rows of tests and patients, commits and checkpoints.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use crate::options::Options;
use crate::records::Record;

pub type Result<T> = rusqlite::Result<T>;

/// One SQLite file, opened as the embedded store would.
#[derive(Clone)]
pub struct Database {
    pub path: PathBuf,
    pub page_size: u32,
    pub cache_kib: u32,
    pub wal_pages: u32,
    pub secure_delete: bool,
    pub synchronous: String,
    pub packed: bool,
}

impl Database {
    pub fn new(folder: &Path, name: &str, options: &Options) -> Database {
        Database {
            path: folder.join(name),
            page_size: options.page_size,
            cache_kib: options.cache_kib,
            // In split mode SQLite's own checkpoint never starts.
            wal_pages: if options.split_checkpoint {
                0
            } else {
                options.wal_pages
            },
            secure_delete: options.secure_delete,
            synchronous: options.synchronous.clone(),
            packed: options.packed,
        }
    }

    pub fn open_writer(&self) -> Result<Connection> {
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.execute_batch(&format!(
            "PRAGMA page_size = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = {}; PRAGMA secure_delete = {};
             PRAGMA cache_size = -{}; PRAGMA wal_autocheckpoint = {};",
            self.page_size,
            self.synchronous,
            if self.secure_delete { "ON" } else { "OFF" },
            self.cache_kib,
            self.wal_pages,
        ))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// Makes commits as durable as the options say, after a bulk load that did without.
    pub fn set_durability(&self, connection: &Connection) -> Result<()> {
        connection.execute_batch(&format!("PRAGMA synchronous = {}", self.synchronous))
    }

    pub fn open_reader(&self) -> Result<Connection> {
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.execute_batch("PRAGMA cache_size = -2048")?;
        Ok(connection)
    }

    pub fn create_tests(&self, connection: &Connection) -> Result<()> {
        connection.execute_batch(if self.packed {
            "CREATE TABLE test(sequence INTEGER PRIMARY KEY, cun INTEGER NOT NULL, body BLOB NOT NULL, life BLOB) STRICT"
        } else {
            "CREATE TABLE test(sequence INTEGER PRIMARY KEY, cun INTEGER NOT NULL, inserted_at INTEGER NOT NULL,
               caller TEXT NOT NULL, structure INTEGER NOT NULL, swab_day INTEGER NOT NULL, kind INTEGER NOT NULL,
               result INTEGER NOT NULL, state INTEGER NOT NULL, contact BLOB, person_mac BLOB, access BLOB NOT NULL,
               life BLOB) STRICT"
        })
    }

    pub fn insert_tests(&self, connection: &Connection, batch: &[Record]) -> Result<()> {
        if self.packed {
            let mut insert =
                connection.prepare_cached("INSERT INTO test VALUES(?1, ?2, ?3, NULL)")?;
            for record in batch {
                insert.execute(params![
                    record.sequence,
                    record.cun,
                    packed_body(record).as_slice()
                ])?;
            }
            return Ok(());
        }
        let mut insert = connection.prepare_cached(
            "INSERT INTO test VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,NULL)",
        )?;
        for record in batch {
            let contact = (record.sequence % 2 == 0).then_some(&record.sealed[..]);
            let person_mac = (!record.positive).then_some(&record.tag[..]);
            insert.execute(params![
                record.sequence,
                record.cun,
                record.inserted_at,
                "R010",
                record.structure,
                record.inserted_at / 86_400_000 - 1,
                1,
                i64::from(record.positive),
                0,
                contact,
                person_mac,
                &record.sealed[..32],
            ])?;
        }
        Ok(())
    }

    /// Whether the row of `record` is there, read by its key.
    pub fn read_test(
        &self,
        connection: &Connection,
        record: &Record,
        sequence: i64,
    ) -> Result<bool> {
        let column = if self.packed { "body" } else { "access" };
        let sql = format!("SELECT cun, {column} FROM test WHERE sequence = ?1");
        let mut select = connection.prepare_cached(&sql)?;
        let cun: i64 = select.query_row([sequence], |row| row.get(0))?;
        Ok(cun == record.cun)
    }

    /// `tag_index`: whether the patients' file keeps its own index of tags.
    pub fn create_patients(&self, connection: &Connection, tag_index: bool) -> Result<()> {
        connection.execute_batch(
            "CREATE TABLE patient(sequence INTEGER PRIMARY KEY, tag BLOB NOT NULL, sealed BLOB) STRICT;",
        )?;
        if tag_index {
            connection.execute_batch("CREATE INDEX patient_by_tag ON patient(tag)")?;
        }
        Ok(())
    }

    pub fn insert_patients<'r>(
        &self,
        connection: &Connection,
        batch: impl Iterator<Item = &'r Record>,
    ) -> Result<()> {
        let mut insert = connection.prepare_cached("INSERT INTO patient VALUES(?1, ?2, ?3)")?;
        for record in batch {
            insert.execute(params![
                record.sequence,
                &record.tag[..],
                &record.sealed[..]
            ])?;
        }
        Ok(())
    }
}

/// All columns but the two keys in one blob of the same length, as a hand-written codec would pack them.
fn packed_body(record: &Record) -> Vec<u8> {
    let mut body = Vec::with_capacity(128);
    body.extend_from_slice(&record.inserted_at.to_le_bytes()[..6]);
    body.extend_from_slice(b"R010");
    body.extend_from_slice(&record.structure.to_le_bytes()[..6]);
    body.extend_from_slice(&[1, u8::from(record.positive), 0, 0, 0]);
    if record.sequence % 2 == 0 {
        body.extend_from_slice(&record.sealed);
    }
    if !record.positive {
        body.extend_from_slice(&record.tag);
    }
    body.extend_from_slice(&record.sealed[..32]);
    body
}

pub fn begin(connection: &Connection) -> Result<()> {
    connection
        .prepare_cached("BEGIN IMMEDIATE")?
        .execute([])
        .map(drop)
}

pub fn commit(connection: &Connection) -> Result<()> {
    connection.prepare_cached("COMMIT")?.execute([]).map(drop)
}

/// Copies what it can of the WAL into the file: (frames in the WAL, frames copied).
pub fn checkpoint(connection: &Connection) -> Result<(i64, i64)> {
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

/// Writes the WAL full of zeros before SQLite sees it, so that later writes change no length and allot no block:
/// an `fdatasync` then need not wait for the file system's own journal. Zeros are no valid WAL header: SQLite starts afresh.
pub fn preallocate(connection: &Connection, path: &Path, pages: u32, page_size: u32) -> Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let zeros = vec![0; (page_size as usize + 24) * 256];
    let write = || -> std::io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(wal)?;
        let start = file.seek(SeekFrom::End(0))?;
        let total = u64::from(pages) * (u64::from(page_size) + 24);
        let mut written = start;
        while written < total {
            file.write_all(&zeros)?;
            written += zeros.len() as u64;
        }
        file.sync_all()
    };
    write().map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(())
}
