//! Which files the store has, and how each is opened.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::day::Day;
use super::log::Log;
use crate::error::StoreError;

/// The store's folder.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
    vfs: Option<String>,
    /// Whether another process may be the one that writes.
    visitor: bool,
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteMode {
    /// Whether the connection keeps the file to itself: no other can even read it.
    pub(super) exclusive: bool,
    /// Memory for pages, in KiB.
    pub(super) cache_kib: u32,
}

/// A file as it was when it was opened. Connections go on with a file that was removed or replaced under them, and what they write is lost.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl Opened {
    /// The file that the path leads to now.
    pub(super) fn note(path: PathBuf) -> std::io::Result<Opened> {
        let metadata = std::fs::metadata(&path)?;
        Ok(Opened {
            device: metadata.dev(),
            number: metadata.ino(),
            path,
        })
    }

    /// Whether the path still leads to it.
    pub(super) fn is_in_place(&self) -> bool {
        std::fs::metadata(&self.path)
            .is_ok_and(|now| now.dev() == self.device && now.ino() == self.number)
    }
}

const PATIENTS: &str = "patients-";
const ACCESS: &str = "access-";
const SUFFIX: &str = ".db";
/// The end of the name of a file that is to replace another.
const NEW: &str = ".new";

impl Files {
    pub(super) fn new(folder: &Path, vfs: Option<String>) -> Files {
        Files {
            folder: folder.to_owned(),
            vfs,
            visitor: false,
        }
    }

    /// The folder, for a process that only reads. It moves no log, not even when it is the last to close a file.
    pub(super) fn of_visitor(folder: &Path) -> Files {
        Files {
            visitor: true,
            ..Files::new(folder, None)
        }
    }

    /// Makes the folder if it is not there, durably, and takes it for this process alone.
    pub(super) fn take(&self) -> Result<File, StoreError> {
        let lock = self.create_and_lock();
        lock.map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => StoreError::Unavailable {
                reason: "another process has the data folder open".to_owned(),
            },
            _ => StoreError::Unavailable {
                reason: format!("the data folder cannot be used: {error}"),
            },
        })
    }

    fn create_and_lock(&self) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join("lock"))?;
        lock.try_lock().map_err(std::io::Error::from)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(lock)
    }

    pub(super) fn tests(&self) -> PathBuf {
        self.folder.join("tests.db")
    }

    pub(super) fn patients(&self, day: Day) -> PathBuf {
        self.folder
            .join(format!("{PATIENTS}{}{SUFFIX}", day.date()))
    }

    /// What is to replace a day's file of patients.
    pub(super) fn new_patients(&self, day: Day) -> PathBuf {
        self.folder.join(format!("{PATIENTS}{}{NEW}", day.date()))
    }

    pub(super) fn access(&self, day: Day) -> PathBuf {
        self.folder.join(format!("{ACCESS}{}{SUFFIX}", day.date()))
    }

    /// The days that have a patients' file, in order.
    pub(super) fn patient_days(&self) -> std::io::Result<Vec<Day>> {
        self.days_of(PATIENTS)
    }

    /// The days that have a file of access records, in order.
    pub(super) fn access_days(&self) -> std::io::Result<Vec<Day>> {
        self.days_of(ACCESS)
    }

    fn days_of(&self, prefix: &str) -> std::io::Result<Vec<Day>> {
        let mut days = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let date = name.to_str().and_then(|name| {
                name.strip_prefix(prefix)?
                    .strip_suffix(SUFFIX)?
                    .parse()
                    .ok()
            });
            days.extend(date.map(Day::of_date));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Refuses a folder whose file of tests is missing beside files that belong to it: with a new one all patients would count as orphans, and
    /// codes that are known would be issued again.
    pub(super) fn check_complete(&self) -> Result<(), StoreError> {
        let unreadable = |error| StoreError::Unavailable {
            reason: format!("the data folder cannot be read: {error}"),
        };
        if self.tests().exists() {
            return Ok(());
        }
        let patients = self.patient_days().map_err(unreadable)?;
        let access = self.access_days().map_err(unreadable)?;
        if patients.is_empty() && access.is_empty() {
            return Ok(());
        }
        Err(StoreError::Unavailable {
            reason: "tests.db is missing beside files that belong to it: put it back, or these out of the way"
                .to_owned(),
        })
    }

    /// Removes a file with what SQLite keeps beside it, durably.
    pub(super) fn remove(&self, path: &Path) -> std::io::Result<()> {
        // The file itself goes last, so that a crash leaves no WAL without it.
        for suffix in ["-wal", "-shm", ""] {
            remove_if_there(&with_suffix(path, suffix))?;
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Puts one file in the place of another, durably. Nobody has either open.
    pub(super) fn replace(&self, new: &Path, old: &Path) -> std::io::Result<()> {
        // The old file's log must not be taken for the new one's.
        for suffix in ["-wal", "-shm"] {
            remove_if_there(&with_suffix(old, suffix))?;
        }
        std::fs::rename(new, old)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Removes the files that were to replace others when a process ended.
    pub(super) fn remove_unfinished(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if name.starts_with(PATIENTS) && name.contains(NEW) {
                remove_if_there(&entry.path())?;
            }
        }
        File::open(&self.folder)?.sync_all()
    }

    /// Opens a file for writing, creating it if it is not there. Its log is for the caller to look after.
    pub(super) fn open_writer(
        &self,
        path: &Path,
        mode: WriteMode,
    ) -> rusqlite::Result<(Connection, Log)> {
        let mut connection = self.open(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        if mode.exclusive {
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "cache_size", -i64::from(mode.cache_kib))?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        let log = Log::watch(&mut connection)?;
        Ok((connection, log))
    }

    /// Opens a file of which this connection moves the log, and nothing else; it must exist.
    pub(super) fn open_log_mover(&self, path: &Path) -> rusqlite::Result<Connection> {
        let connection = self.open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(connection)
    }

    /// Opens a file for reading; it must exist.
    pub(super) fn open_reader(&self, path: &Path, cache_kib: u32) -> rusqlite::Result<Connection> {
        let connection = self.open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", "ON")?;
        connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
        Ok(connection)
    }

    /// Opens a file for reading that nobody changes as long as it is open, whatever locks there are: its log must be empty.
    pub(super) fn open_unchanging(&self, path: &Path) -> rusqlite::Result<Connection> {
        let mut uri = b"file:".to_vec();
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'?' | b'#' | b'%' => uri.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                byte => uri.push(*byte),
            }
        }
        uri.extend_from_slice(b"?immutable=1");
        self.open(
            Path::new(OsStr::from_bytes(&uri)),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        )
    }

    /// Makes a file that is filled in one transaction and thrown away if that fails: without any log.
    pub(super) fn open_copy(&self, path: &Path) -> rusqlite::Result<Connection> {
        let connection = self.open(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }

    fn open(&self, path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match &self.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
            None => Connection::open_with_flags(path, flags)?,
        };
        if self.visitor {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }
}

/// The file beside `path` whose name is longer by `suffix`.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file; that there is none is no error.
pub(super) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
