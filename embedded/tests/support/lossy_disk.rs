//! A disk that loses what was not synced. SQLite reaches it through the VFS of the module beside.
//!
//! Everything is passed on to the ordinary VFS at once, so SQLite sees what it wrote. Beside it the disk notes, for each file,
//! every write and truncation since the file's last sync. [`LossyDisk::power_off`] makes every further call fail, as when the
//! machine is off. [`LossyDisk::restore_power`] then brings the files to what a real disk may hold after a loss of power:
//!
//! - all that was synced;
//! - of the other writes some, none or all, in the order of their addresses or not, each piece of 512 bytes on its own;
//! - of the files that were never synced some, or none;
//! - nothing of the WAL's shared memory.
//!
//! Not modelled: the loss of a deletion or of a rename, and neighbouring bytes of a torn piece (SQLite relies on their staying whole
//! by default). What the store does without SQLite (its lock file, syncs of its folder) goes past this disk.

#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::lossy_vfs::register;

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// What the disk does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mood {
    /// All is well.
    #[default]
    Well,
    /// The machine is off: every read, write and sync fails.
    Off,
    /// Writes that need more room fail.
    Full,
    /// So do those to files of patients alone.
    FullForPatients,
    /// Syncs fail.
    SyncFails,
    /// Reads fail.
    ReadFails,
}

#[derive(Clone)]
pub(super) enum Change {
    Write {
        offset: u64,
        before: Vec<u8>,
        after: Vec<u8>,
    },
    Truncate {
        before: u64,
        after: u64,
        cut: Vec<u8>,
    },
}

#[derive(Default)]
pub(super) struct FileChanges {
    /// Length when the first unsynced change was made.
    pub(super) synced_length: Option<u64>,
    pub(super) changes: Vec<Change>,
    /// The file was made and never synced.
    pub(super) is_new: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) mood: Mood,
    /// Syncs are answered without being done: a disk, or a setting, that lies.
    pub(super) syncs_are_lies: bool,
    /// Writes and syncs until the machine goes off by itself.
    calls_left: Option<u64>,
    /// Writes for which a full disk has still the room that they need.
    room: u64,
    pub(super) files: HashMap<PathBuf, FileChanges>,
    pub(super) writes: u64,
    pub(super) syncs: u64,
}

impl State {
    /// Whether a write to this file that needs more room fails.
    pub(super) fn is_full_for(&mut self, path: &Path) -> bool {
        match self.mood {
            Mood::Full => match self.room.checked_sub(1) {
                Some(left) => {
                    self.room = left;
                    false
                }
                None => true,
            },
            Mood::FullForPatients => path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("patients-")),
            _ => false,
        }
    }

    /// Counts one write or sync, and answers whether the machine is still on for it.
    pub(super) fn count(&mut self) -> bool {
        if let Some(left) = &mut self.calls_left {
            if *left == 0 {
                self.mood = Mood::Off;
            } else {
                *left -= 1;
            }
        }
        self.mood != Mood::Off
    }
}

/// The disk. Open databases through the VFS named [`LossyDisk::vfs`].
#[derive(Clone)]
pub struct LossyDisk {
    state: Arc<Mutex<State>>,
    name: String,
}

impl LossyDisk {
    /// A new disk that loses nothing yet.
    pub fn new() -> LossyDisk {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "lossy-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let state = Arc::default();
        register(&name, &state);
        LossyDisk { state, name }
    }

    /// The name of its VFS.
    pub fn vfs(&self) -> &str {
        &self.name
    }

    /// From now on.
    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Whether the machine is off.
    pub fn is_off(&self) -> bool {
        self.state.lock().unwrap().mood == Mood::Off
    }

    /// From now on the disk is full, after so many more writes that need room.
    pub fn fill_after(&self, writes: u64) {
        let mut state = self.state.lock().unwrap();
        (state.mood, state.room) = (Mood::Full, writes);
    }

    /// From now on syncs are answered and not done.
    pub fn lie_about_syncs(&self) {
        self.state.lock().unwrap().syncs_are_lies = true;
    }

    /// The machine goes off at once.
    pub fn power_off(&self) {
        self.set_mood(Mood::Off);
    }

    /// The machine goes off after so many more writes and syncs.
    pub fn power_off_after(&self, calls: u64) {
        self.state.lock().unwrap().calls_left = Some(calls);
    }

    /// Writes and syncs so far.
    pub fn calls(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.writes, state.syncs)
    }

    /// Brings the files to what may be on the disk after the power was off, as `random` decides, and switches it on. Every database
    /// must be closed. Returns how many unsynced changes were lost, in whole or in part.
    pub fn restore_power(&self, mut random: impl FnMut() -> u64) -> usize {
        let mut state = self.state.lock().unwrap();
        let mut lost = 0;
        for (path, file) in state.files.drain() {
            if !path.exists() {
                continue;
            }
            if file.is_new && random().is_multiple_of(2) {
                lost += file.changes.len();
                std::fs::remove_file(&path).unwrap();
                continue;
            }
            lost += rewind(&path, &file, &mut random);
        }
        state.mood = Mood::Well;
        state.calls_left = None;
        lost
    }
}

/// Undoes what was not synced, then does a random part of it.
fn rewind(path: &Path, changes: &FileChanges, random: &mut impl FnMut() -> u64) -> usize {
    let Some(synced_length) = changes.synced_length else {
        return 0;
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    for change in changes.changes.iter().rev() {
        match change {
            Change::Write { offset, before, .. } => file.write_all_at(before, *offset).unwrap(),
            Change::Truncate { before, after, cut } => {
                file.set_len(*before).unwrap();
                file.write_all_at(cut, *after).unwrap();
            }
        }
    }
    file.set_len(synced_length).unwrap();
    // Of one loss everything may come through, of another nothing; of most, some.
    let share = [0, 0, 128, 230, 256][(random() % 5) as usize];
    let mut lost = 0;
    for change in &changes.changes {
        match change {
            Change::Write { offset, after, .. } => {
                let mut whole = true;
                for (index, sector) in after.chunks(SECTOR).enumerate() {
                    if random() % 256 < share {
                        file.write_all_at(sector, offset + (index * SECTOR) as u64)
                            .unwrap();
                    } else {
                        whole = false;
                    }
                }
                lost += usize::from(!whole);
            }
            Change::Truncate { after, .. } => {
                if random() % 256 < share {
                    file.set_len(*after).unwrap();
                } else {
                    lost += 1;
                }
            }
        }
    }
    lost
}

/// Removes the shared memory of WALs in a folder: it does not outlive the machine.
pub fn forget_shared_memory(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().is_some_and(|path| path.ends_with("-shm")) {
            std::fs::remove_file(path).unwrap();
        }
    }
}
