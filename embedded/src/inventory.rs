//! The inventory: a small file in the data folder that says which files belong to the store, and how the server that wrote it ended.
//!
//! While a server runs it lists the files, each with numbers that were committed before. A stop in order is its last line's word: from then on every
//! file is exactly as it stands there, and no log holds anything. It is replaced whole and durably at each start and stop and whenever a
//! file comes or goes, a few times a day; each time its number grows, and is copied to the key ring's folder (see [`super::epoch`]).
//!
//! An honest crash finds it right at every moment, because of the order: a file is made, synced and then listed, and only then filled; it is struck
//! off and then unlinked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sistema_ts_store::durable::{self, TextFault};

use super::epoch::Epoch;

const KIND: &str = "inventory";
const NOT_KNOWN: &str = "-";

/// What is known of one file: the two numbers grow with what is committed to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) counts: [i64; 2],
    /// Its bytes, where they are known to stay.
    pub(super) bytes: Option<u64>,
    /// SHA-256 of all of them, where that is known.
    pub(super) digest: Option<String>,
}

/// How the server stands that wrote an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or ended without a stop in order. The number is the inventory's own when the run began.
    Running { run: u64 },
    /// It has stopped in order.
    Stopped,
}

/// What an inventory says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Whose it is: a random number that the file of tests and the number beside the ring have, too.
    pub(super) store: u64,
    pub(super) number: u64,
    pub(super) state: State,
    pub(super) files: BTreeMap<String, Entry>,
}

impl Contents {
    /// Reads an inventory; `None` if there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Contents>, TextFault> {
        let Some(lines) = durable::read(path, KIND)? else {
            return Ok(None);
        };
        let contents = Contents::parse(&lines).ok_or(TextFault::Damaged)?;
        Ok(Some(contents))
    }

    /// Writes it, durably.
    pub(super) fn save(&self, path: &Path) -> std::io::Result<()> {
        durable::replace(path, KIND, &self.to_lines())
    }

    fn parse(lines: &[String]) -> Option<Contents> {
        let mut lines = lines.iter();
        let store = u64::from_str_radix(lines.next()?.strip_prefix("store ")?, 16).ok()?;
        let number = lines.next()?.strip_prefix("number ")?.parse().ok()?;
        let state = match lines.next()?.split_once(' ') {
            Some(("running", run)) => State::Running {
                run: run.parse().ok()?,
            },
            None | Some(_) => State::Stopped,
        };
        let files = lines
            .map(|line| {
                let mut words = line.strip_prefix("file ")?.split(' ');
                let name = words.next()?.to_owned();
                let counts = [words.next()?.parse().ok()?, words.next()?.parse().ok()?];
                let (bytes, digest) = (words.next()?, words.next()?);
                let bytes = match bytes {
                    NOT_KNOWN => None,
                    bytes => Some(bytes.parse().ok()?),
                };
                let digest = (digest != NOT_KNOWN).then(|| digest.to_owned());
                Some((
                    name,
                    Entry {
                        counts,
                        bytes,
                        digest,
                    },
                ))
            })
            .collect::<Option<_>>()?;
        Some(Contents {
            store,
            number,
            state,
            files,
        })
    }

    fn to_lines(&self) -> String {
        let mut lines = format!("store {:016x}\nnumber {}\n", self.store, self.number);
        // Writing to a String cannot fail.
        let _ = match self.state {
            State::Running { run } => writeln!(lines, "running {run}"),
            State::Stopped => writeln!(lines, "stopped"),
        };
        for (name, entry) in &self.files {
            let [first, second] = entry.counts;
            let bytes = entry.bytes.map(|bytes| bytes.to_string());
            let bytes = bytes.as_deref().unwrap_or(NOT_KNOWN);
            let digest = entry.digest.as_deref().unwrap_or(NOT_KNOWN);
            let _ = writeln!(lines, "file {name} {first} {second} {bytes} {digest}");
        }
        lines
    }
}

/// The inventory of a store that runs, shared by the threads that make and remove files.
pub(super) struct Inventory {
    path: PathBuf,
    epoch_path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    contents: Contents,
    /// The number that is beside the ring.
    beside_ring: u64,
}

impl std::fmt::Debug for Inventory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inventory")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Inventory {
    /// Begins with what a start has found and judged right. Nothing is written yet.
    pub(super) fn new(
        (path, epoch_path): (PathBuf, PathBuf),
        contents: Contents,
        beside_ring: u64,
    ) -> Inventory {
        Inventory {
            path,
            epoch_path,
            inner: Mutex::new(Inner {
                contents,
                beside_ring,
            }),
        }
    }

    /// The number that the next writing has.
    pub(super) fn next_number(&self) -> u64 {
        self.lock().beside_ring + 1
    }

    /// A run begins: the word of a stop in order is taken back before anything is written.
    pub(super) fn begin_run(&self) -> std::io::Result<()> {
        self.change(|contents, number| {
            contents.state = State::Running { run: number };
            for entry in contents.files.values_mut() {
                (entry.bytes, entry.digest) = (None, None);
            }
        })?;
        // Once more: a ring's folder from before this start is then two behind, which no crash leaves.
        self.change(|_, _| {})
    }

    /// Whether a file is listed.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.lock().contents.files.contains_key(name)
    }

    /// A file was made and synced, and is about to be filled.
    pub(super) fn added(&self, name: String) -> std::io::Result<()> {
        self.change(|contents, _| {
            contents.files.entry(name).or_default();
        })
    }

    /// A file is about to be unlinked.
    pub(super) fn left(&self, name: &str) -> std::io::Result<()> {
        if !self.lists(name) {
            return Ok(());
        }
        self.change(|contents, _| {
            contents.files.remove(name);
        })
    }

    /// How far a file is that is written no more for now. It is on the disk with the next change.
    pub(super) fn note(&self, name: &str, counts: [i64; 2]) {
        if let Some(entry) = self.lock().contents.files.get_mut(name) {
            *entry = Entry {
                counts,
                ..Entry::default()
            };
        }
    }

    /// A stop in order: the files are as `stock` says, and will be found so.
    pub(super) fn stopped(&self, stock: BTreeMap<String, Entry>) -> std::io::Result<()> {
        self.change(|contents, _| {
            contents.state = State::Stopped;
            contents.files = stock;
        })
    }

    fn change(&self, change: impl FnOnce(&mut Contents, u64)) -> std::io::Result<()> {
        let mut inner = self.lock();
        let mut contents = inner.contents.clone();
        contents.number = inner.beside_ring + 1;
        let number = contents.number;
        change(&mut contents, number);
        contents.save(&self.path)?;
        let epoch = Epoch {
            store: contents.store,
            number,
        };
        inner.contents = contents;
        // The folder is right; the copy beside the ring says only how old it may be.
        match epoch.save(&self.epoch_path) {
            Ok(()) => inner.beside_ring = number,
            Err(error) => tracing::warn!(
                %error,
                "the number beside the key ring cannot be raised: an older copy of the data would not be told from this one"
            ),
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is in it is replaced in one assignment after its file was.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    //! A failure: an inventory that does not come back as it was written, or a changed one that is taken for a right one.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_inventory_comes_back_and_no_changed_byte_of_it_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory");
        let digest = Some("ab".repeat(32));
        let mut files = BTreeMap::new();
        for (name, bytes) in [("tests.db", Some(8_192)), ("access-2026-11-24.db", None)] {
            let entry = Entry {
                counts: [7, -1],
                bytes,
                digest: digest.clone().filter(|_| bytes.is_some()),
            };
            files.insert(name.to_owned(), entry);
        }
        for state in [State::Running { run: 3 }, State::Stopped] {
            let contents = Contents {
                store: u64::MAX,
                number: 9,
                state,
                files: files.clone(),
            };
            contents.save(&path).unwrap();
            assert_eq!(Contents::load(&path).unwrap(), Some(contents));
            let whole = std::fs::read(&path).unwrap();
            for byte in 0..whole.len() {
                let mut changed = whole.clone();
                changed[byte] ^= 1;
                std::fs::write(&path, &changed).unwrap();
                let read = Contents::load(&path);
                // The line's end after the check is no part of it.
                assert!(read.is_err() || byte == whole.len() - 1, "byte {byte}");
                std::fs::write(&path, &whole[..byte]).unwrap();
                let read = Contents::load(&path);
                assert!(read.is_err() || byte == whole.len() - 1, "cut to {byte}");
            }
        }
    }
}
