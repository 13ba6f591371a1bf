//! Whether the file that is open is still the one that the data folder has.
//!
//! Connections go on with a file that was removed or replaced under them. Then an administrator who disables a caller writes another file than
//! the one that is read, and nothing comes of it. The same is so of the file's log, in which the latest changes stand.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use sistema_ts_store::register::RegisterError;

use super::schema::{LOG, MAP, beside};
use crate::opened::Opened;

/// What the folder has in the place of what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Standing {
    /// The same file, with the same log.
    InPlace,
    /// Another file, or the same without its log or with another one; so for the map of the log.
    Replaced,
    /// No file.
    Missing,
}

/// The place of a register: where its file is, and which file that was when it was opened.
pub(super) struct Place {
    file: PathBuf,
    /// The file, its log, and the map of that which processes share.
    opened: Mutex<Option<[Opened; 3]>>,
    /// The [`Standing`] at the last look.
    standing: AtomicU8,
}

impl Place {
    /// Nothing is open there yet.
    pub(super) fn of(file: PathBuf) -> Place {
        Place {
            file,
            opened: Mutex::new(None),
            standing: AtomicU8::new(Standing::Missing as u8),
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Notes what was just opened; the two others are there as long as a connection is.
    pub(super) fn note(&self) -> Result<(), RegisterError> {
        let note = |path: PathBuf| {
            Opened::note(path.clone()).map_err(|reason| {
                RegisterError::Unavailable(format!("{}: {reason}", path.display()))
            })
        };
        let opened = [
            note(self.file.clone())?,
            note(beside(&self.file, LOG))?,
            note(beside(&self.file, MAP))?,
        ];
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        self.look();
        Ok(())
    }

    /// Looks, and remembers it for [`Place::is_in_place`].
    pub(super) fn look(&self) -> Standing {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = match &*opened {
            Some(opened) if opened.iter().all(Opened::is_in_place) => Standing::InPlace,
            _ if self.file.exists() => Standing::Replaced,
            _ => Standing::Missing,
        };
        self.standing.store(standing as u8, Ordering::Release);
        standing
    }

    /// Whether there is a log, and another one than that of what is open.
    pub(super) fn log_is_anothers(&self) -> bool {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = opened.as_ref().is_some_and(|[_, log, _]| log.is_in_place());
        !is_own && beside(&self.file, LOG).exists()
    }

    /// Looks, and refuses to go on with a file that no administrator reaches.
    pub(super) fn check(&self) -> Result<(), RegisterError> {
        let problem = match self.look() {
            Standing::InPlace => return Ok(()),
            Standing::Replaced => "was replaced under the server, or its log was",
            Standing::Missing => "was removed under the server: put it back",
        };
        Err(RegisterError::Unavailable(format!(
            "{} {problem}",
            self.file.display()
        )))
    }

    /// What the last look found.
    pub(super) fn is_in_place(&self) -> bool {
        self.standing.load(Ordering::Acquire) == Standing::InPlace as u8
    }
}
