//! The number beside the key ring by which a data folder that is older than it should be is told.
//!
//! The data folder's inventory holds a number that grows at each start, at each stop and whenever a file comes or goes, which is at least once on
//! each day with tests. A copy of the newest is kept in the key ring's folder, where no backup of the data reaches it. A folder whose number is
//! behind that copy was put back from a backup; a ring whose copy is behind the folder's number was.

use std::path::{Path, PathBuf};

use sistema_ts_store::durable::{self, TextFault};

use super::paths::with_suffix;

const KIND: &str = "epoch";

/// The number beside the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch {
    /// Of which store.
    pub(super) store: u64,
    /// The newest number that its inventory is known to have had.
    pub(super) number: u64,
}

/// Where the number of the ring at `ring` is.
pub(super) fn path_beside(ring: &Path) -> PathBuf {
    with_suffix(ring, ".epoch")
}

impl Epoch {
    /// Reads it; `None` if there is none yet.
    pub(super) fn load(path: &Path) -> Result<Option<Epoch>, TextFault> {
        let Some(lines) = durable::read(path, KIND)? else {
            return Ok(None);
        };
        let mut epoch = Epoch {
            store: 0,
            number: 0,
        };
        for line in &lines {
            match line.split_once(' ') {
                Some(("store", id)) => {
                    epoch.store = u64::from_str_radix(id, 16).map_err(|_| TextFault::Damaged)?;
                }
                Some(("number", number)) => {
                    epoch.number = number.parse().map_err(|_| TextFault::Damaged)?;
                }
                _ => return Err(TextFault::Damaged),
            }
        }
        Ok(Some(epoch))
    }

    /// Writes it, durably.
    pub(super) fn save(self, path: &Path) -> std::io::Result<()> {
        let lines = format!("store {:016x}\nnumber {}\n", self.store, self.number);
        durable::replace(path, KIND, &lines)
    }
}
