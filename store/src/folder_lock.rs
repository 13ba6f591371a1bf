//! Having a data folder for one process alone.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::StoreError;

/// Keeps other processes out of a data folder, as long as it lives. The lock is on a file, as it always was, and on the folder itself: that file may be
/// removed or replaced, which would let a second process in.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    _folder: File,
}

impl FolderLock {
    /// Makes the folder if it is not there, durably, and takes it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if another process has it, or it cannot be used.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        Self::create_and_lock(folder).map_err(|error| StoreError::Unavailable {
            reason: match error.kind() {
                ErrorKind::WouldBlock => "another process has the data folder open".to_owned(),
                _ => format!("the data folder cannot be used: {error}"),
            },
        })
    }

    fn create_and_lock(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))?;
        file.try_lock().map_err(std::io::Error::from)?;
        let folder = File::open(folder)?;
        folder.try_lock().map_err(std::io::Error::from)?;
        folder.sync_all()?;
        Ok(Self {
            _file: file,
            _folder: folder,
        })
    }
}
