//! Whether an open file is still the one at its path.
//!
//! A connection goes on with a file that was removed, replaced or moved under it, and what it writes then is lost. So a file is noted when it
//! is opened and looked at again before what was written to it is answered, which costs a microsecond.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::Log;
use super::paths::with_suffix;

/// A file as it was when it was opened.
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
        self.holds(0)
    }

    /// Whether the path still leads to it, and it has at least so many bytes.
    fn holds(&self, bytes: u64) -> bool {
        self.bytes().is_some_and(|now| now >= bytes)
    }

    /// How many bytes it has, if the path still leads to it.
    fn bytes(&self) -> Option<u64> {
        let now = std::fs::metadata(&self.path).ok()?;
        (now.dev() == self.device && now.ino() == self.number).then_some(now.len())
    }

    /// What is said of a file that is no longer in place.
    pub(super) fn told(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} was cut, removed or replaced under the server")
    }
}

/// A file of SQLite's and its log, as they were when they were opened.
#[derive(Debug)]
pub(super) struct OpenedDatabase {
    file: Opened,
    /// The most bytes that the file has been seen to have. The store's files only grow: pages that become free are used again.
    file_bytes: AtomicU64,
    log: Opened,
}

impl OpenedDatabase {
    /// Notes a file that a connection has open in the mode of the log, and has read.
    pub(super) fn note(path: &Path) -> std::io::Result<OpenedDatabase> {
        let file = Opened::note(path.to_owned())?;
        Ok(OpenedDatabase {
            file_bytes: AtomicU64::new(file.bytes().unwrap_or(0)),
            file,
            log: Opened::note(with_suffix(path, "-wal"))?,
        })
    }

    /// What is wrong, if one of the two is no longer in place, the file has become shorter, or the log has lost pages of the last commit.
    pub(super) fn trouble(&self, log: &Log) -> Option<String> {
        let has_not_become_shorter =
            |bytes| bytes >= self.file_bytes.fetch_max(bytes, Ordering::Relaxed);
        if !self.file.bytes().is_some_and(has_not_become_shorter) {
            return Some(self.file.told());
        }
        self.log_trouble(log)
    }

    /// What is wrong, if the log is no longer in place or has lost pages of the last commit.
    pub(super) fn log_trouble(&self, log: &Log) -> Option<String> {
        (!self.log.holds(log.bytes())).then(|| self.log.told())
    }
}
