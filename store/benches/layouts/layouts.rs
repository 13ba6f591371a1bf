//! The five layouts: each is what one commit does in the patients' file and in the tests' file, and how a CUN is found.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

use rusqlite::Connection;

use crate::database::{self, Database, Result};
use crate::late_tree::{self, LateTree};
use crate::options::{Layout, Options};
use crate::records::Record;
use crate::runs::{self, RunsIndex};

/// Frames in a file's WAL, and whether the writer shall end the checkpoint that a thread has begun.
#[derive(Default)]
pub struct WalState {
    pub frames: AtomicU32,
    pub end_wanted: AtomicBool,
}

/// One of the two files, as its writer drives it.
pub struct Half {
    pub database: Database,
    connection: Connection,
    rows: Rows,
    index: Index,
    pub wal: Option<Arc<WalState>>,
}

enum Rows {
    Tests,
    AllPatients,
    PositivePatients,
}

enum Index {
    /// What SQLite keeps by itself, if anything.
    Own,
    ByKey,
    LateTree(LateTree),
    Runs(Box<RunsIndex>),
}

/// How a reader finds the row of a key.
pub enum Lookup {
    ByKey,
    LateTree(Arc<RwLock<late_tree::Shared>>),
    Runs(Arc<RwLock<runs::Shared>>),
}

/// Creates both files; patients first, as they are committed.
pub fn create(layout: Layout, folder: &Path, options: &Options) -> Result<(Half, Half, Lookup)> {
    let patients = Database::new(folder, "patients.sqlite", options);
    let connection = patients.open_writer()?;
    let late_tags = layout == Layout::RunsBoth;
    patients.create_patients(&connection, !late_tags)?;
    if late_tags {
        RunsIndex::create(&connection)?;
    }
    let index = if late_tags {
        Index::Runs(Box::new(RunsIndex::new(options.memory / 4)))
    } else {
        Index::Own
    };
    let rows = if layout == Layout::Random {
        Rows::AllPatients
    } else {
        Rows::PositivePatients
    };
    let patients = Half::new(patients, connection, rows, index, options)?;

    let tests = Database::new(folder, "tests.sqlite", options);
    let connection = tests.open_writer()?;
    tests.create_tests(&connection)?;
    let by_key = "CREATE TABLE by_key(key INTEGER PRIMARY KEY, sequence INTEGER NOT NULL) STRICT";
    let (index, lookup) = match layout {
        Layout::Random | Layout::Positives => {
            connection.execute_batch(by_key)?;
            (Index::ByKey, Lookup::ByKey)
        }
        Layout::LateTree => {
            connection.execute_batch(by_key)?;
            let tree = LateTree::new(options.memory);
            let lookup = Lookup::LateTree(tree.shared.clone());
            (Index::LateTree(tree), lookup)
        }
        Layout::Runs | Layout::RunsBoth => {
            RunsIndex::create(&connection)?;
            let runs = RunsIndex::new(options.memory);
            let lookup = Lookup::Runs(runs.shared.clone());
            (Index::Runs(Box::new(runs)), lookup)
        }
    };
    Ok((
        patients,
        Half::new(tests, connection, Rows::Tests, index, options)?,
        lookup,
    ))
}

impl Half {
    fn new(
        database: Database,
        connection: Connection,
        rows: Rows,
        index: Index,
        options: &Options,
    ) -> Result<Half> {
        if options.preallocate {
            database::preallocate(
                &connection,
                &database.path,
                options.wal_pages,
                options.page_size,
            )?;
        }
        let wal = options.split_checkpoint.then(|| {
            let state = Arc::new(WalState::default());
            count_frames(&connection, &state);
            state
        });
        Ok(Half {
            database,
            connection,
            rows,
            index,
            wal,
        })
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn runs_mut(&mut self) -> Option<&mut RunsIndex> {
        if let Index::Runs(runs) = &mut self.index {
            Some(runs)
        } else {
            None
        }
    }

    /// Rows alone, for a bulk load; the index is loaded apart.
    pub fn load(&self, batch: &[Record]) -> Result<()> {
        database::begin(&self.connection)?;
        match self.rows {
            Rows::Tests => self.database.insert_tests(&self.connection, batch)?,
            Rows::AllPatients => self
                .database
                .insert_patients(&self.connection, batch.iter())?,
            Rows::PositivePatients => {
                self.database.insert_patients(
                    &self.connection,
                    batch.iter().filter(|record| record.positive),
                )?;
            }
        }
        database::commit(&self.connection)
    }

    /// One durable transaction for the batch, or none if no row of it belongs here.
    pub fn commit(&mut self, batch: &[Record]) -> Result<()> {
        let counted = match self.rows {
            Rows::PositivePatients => batch.iter().filter(|record| record.positive).count(),
            Rows::Tests | Rows::AllPatients => batch.len(),
        };
        if counted == 0 {
            return Ok(());
        }
        database::begin(&self.connection)?;
        match self.rows {
            Rows::Tests => self.database.insert_tests(&self.connection, batch)?,
            Rows::AllPatients => self
                .database
                .insert_patients(&self.connection, batch.iter())?,
            Rows::PositivePatients => {
                self.database.insert_patients(
                    &self.connection,
                    batch.iter().filter(|record| record.positive),
                )?;
            }
        }
        match &mut self.index {
            Index::Own => {}
            Index::ByKey => {
                let mut insert = self
                    .connection
                    .prepare_cached("INSERT INTO by_key VALUES(?1, ?2)")?;
                for record in batch {
                    insert.execute([record.key as i64 ^ i64::MIN, record.sequence])?;
                }
            }
            Index::LateTree(tree) => tree.slice(&self.connection, counted)?,
            Index::Runs(runs) => runs.slice(&self.connection, counted)?,
        }
        database::commit(&self.connection)?;
        let tests = matches!(self.rows, Rows::Tests);
        let entries = batch
            .iter()
            .filter(|record| tests || record.positive)
            .map(|record| {
                (
                    if tests { record.key } else { record.tag_key() },
                    record.sequence,
                )
            });
        match &mut self.index {
            Index::Own | Index::ByKey => {}
            Index::LateTree(tree) => tree.committed(entries),
            Index::Runs(runs) => runs.committed(entries),
        }
        self.end_checkpoint()
    }

    /// Ends what the checkpoint thread has begun: the few frames since then, so that the next commit starts the WAL anew.
    fn end_checkpoint(&self) -> Result<()> {
        if let Some(state) = &self.wal
            && state.end_wanted.load(Ordering::Acquire)
        {
            let (frames, copied) = database::checkpoint(&self.connection)?;
            if frames == copied {
                state.end_wanted.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Does all deferred work, the last checkpoint included; the newest entries stay in memory, as they would.
    pub fn finish(&mut self) -> Result<()> {
        loop {
            let idle = match &self.index {
                Index::Own | Index::ByKey => true,
                Index::LateTree(tree) => tree.idle(),
                Index::Runs(runs) => runs.idle(),
            };
            if idle {
                break;
            }
            database::begin(&self.connection)?;
            match &mut self.index {
                Index::Own | Index::ByKey => {}
                Index::LateTree(tree) => tree.slice(&self.connection, 256)?,
                Index::Runs(runs) => runs.slice(&self.connection, 256)?,
            }
            database::commit(&self.connection)?;
            match &mut self.index {
                Index::Own | Index::ByKey => {}
                Index::LateTree(tree) => tree.committed(std::iter::empty()),
                Index::Runs(runs) => runs.committed(std::iter::empty()),
            }
        }
        database::checkpoint(&self.connection).map(drop)
    }
}

impl Lookup {
    pub fn find(&self, connection: &Connection, key: u64) -> Result<Option<i64>> {
        use rusqlite::OptionalExtension;
        let in_tree = |connection: &Connection| {
            connection
                .prepare_cached("SELECT sequence FROM by_key WHERE key = ?1")?
                .query_row([key as i64 ^ i64::MIN], |row| row.get(0))
                .optional()
        };
        match self {
            Lookup::ByKey => in_tree(connection),
            Lookup::LateTree(shared) => {
                let found = {
                    let shared = shared
                        .read()
                        .expect("the writer does not panic while it holds the lock");
                    shared
                        .newest
                        .find(key)
                        .or_else(|| shared.frozen.as_ref().and_then(|frozen| frozen.find(key)))
                };
                if found.is_some() {
                    Ok(found)
                } else {
                    in_tree(connection)
                }
            }
            Lookup::Runs(shared) => runs::find(shared, connection, key),
        }
    }
}

/// SQLite tells the length of the WAL after each commit to its hook, which replaces its own automatic checkpoint.
fn count_frames(connection: &Connection, state: &Arc<WalState>) {
    use std::ffi::{c_char, c_int, c_void};
    unsafe extern "C" fn hook(
        state: *mut c_void,
        _: *mut rusqlite::ffi::sqlite3,
        _: *const c_char,
        frames: c_int,
    ) -> c_int {
        // SAFETY: `state` is the pointer registered below, leaked, hence valid for the process's life.
        let state = unsafe { &*state.cast::<WalState>() };
        state.frames.store(frames.max(0) as u32, Ordering::Release);
        rusqlite::ffi::SQLITE_OK
    }
    let pointer = Arc::into_raw(state.clone()).cast_mut().cast::<c_void>();
    // SAFETY: the handle is open; the state is leaked on purpose, a bench has few of them.
    unsafe { rusqlite::ffi::sqlite3_wal_hook(connection.handle(), Some(hook), pointer) };
}
