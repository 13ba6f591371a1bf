//! Which files the store has, and how each is opened.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sistema_ts_store::{FolderLock, StoreError};

use super::day::Day;
use super::inventory::Inventory;
use super::log::Log;
use super::paths::{name_of, remove_if_there, with_suffix};

/// The store's folder.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
    vfs: Option<String>,
    /// Whether another process may be the one that writes.
    visitor: bool,
    /// Where files that come and go are listed, while the store runs.
    inventory: Option<Arc<Inventory>>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteMode {
    /// Whether the connection keeps the file to itself: no other can even read it.
    pub(super) exclusive: bool,
    /// Memory for pages, in KiB.
    pub(super) cache_kib: u32,
}

/// What is kept of the disk for a start that finds it full.
const RESERVE_NAME: &str = "reserve";
/// Its bytes: more than a start needs for the logs' shared memory and its own notes.
const RESERVE: u64 = 512 * 1_024;
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
            inventory: None,
        }
    }

    /// The same folder, whose files are listed as they come and go.
    pub(super) fn listed_in(&self, inventory: Arc<Inventory>) -> Files {
        Files {
            inventory: Some(inventory),
            ..self.clone()
        }
    }

    /// The same folder, looked at without changing anything.
    pub(super) fn as_visitor(&self) -> Files {
        Files {
            visitor: true,
            inventory: None,
            ..self.clone()
        }
    }

    /// The folder, for a process that only reads. It moves no log, not even when it is the last to close a file.
    pub(super) fn of_visitor(folder: &Path) -> Files {
        Files {
            visitor: true,
            ..Files::new(folder, None)
        }
    }

    /// Makes the folder if it is not there, durably, and takes it for this process alone, for as long as what comes back lives.
    pub(super) fn take(&self) -> Result<FolderLock, StoreError> {
        FolderLock::take(&self.folder)
    }

    /// On a disk without any room, gives up what is kept for this moment: a start needs a little.
    pub(super) fn make_room(&self) {
        if self.is_nearly_full() {
            tracing::warn!("the disk is full, or nearly so");
            // Without it there is nothing to give up.
            let _ = remove_if_there(&self.named(RESERVE_NAME));
        }
    }

    /// Whether the folder's disk has hardly any room left.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.room().is_some_and(|room| room < 2 * RESERVE)
    }

    /// Keeps a little of the disk for a start that finds it full, if there is plenty.
    pub(super) fn keep_reserve(&self) {
        let path = self.named(RESERVE_NAME);
        if path.exists() || self.room().is_none_or(|room| room < 16 * RESERVE) {
            return;
        }
        // Bytes and not a hole: they are there to be taken.
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(&vec![0xA5; RESERVE as usize]));
        if written.is_err() {
            let _ = remove_if_there(&path);
        }
    }

    /// How many bytes the folder's disk has left for this process, if that is known.
    fn room(&self) -> Option<u64> {
        let path = CString::new(self.folder.as_os_str().as_bytes()).ok()?;
        // SAFETY: all-zero is a valid `statvfs`, which holds integers only.
        let mut disk: libc::statvfs = unsafe { std::mem::zeroed() };
        // SAFETY: the path ends in a zero byte and `disk` is live; both outlive the call, which fills `disk`.
        let outcome = unsafe { libc::statvfs(path.as_ptr(), &raw mut disk) };
        (outcome == 0).then(|| disk.f_bavail as u64 * disk.f_frsize as u64)
    }

    /// The list of the folder's files.
    pub(super) fn inventory(&self) -> PathBuf {
        self.folder.join("inventory")
    }

    /// The note of what was committed last.
    pub(super) fn progress(&self) -> PathBuf {
        self.folder.join("progress")
    }

    /// The file of this name.
    pub(super) fn named(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lists a file that was made and synced, before it is filled.
    pub(super) fn list(&self, path: &Path) -> std::io::Result<()> {
        let Some(inventory) = &self.inventory else {
            return Ok(());
        };
        let name = name_of(path);
        if inventory.lists(&name) {
            return Ok(());
        }
        inventory.added(name)
    }

    /// Notes how far a file is that is written no more for now.
    pub(super) fn note(&self, path: &Path, counts: [i64; 2]) {
        if let Some(inventory) = &self.inventory {
            inventory.note(&name_of(path), counts);
        }
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

    /// Removes a file with what SQLite keeps beside it, durably, after striking it off the list.
    pub(super) fn remove(&self, path: &Path) -> std::io::Result<()> {
        if let Some(inventory) = &self.inventory {
            inventory.left(&name_of(path))?;
        }
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
