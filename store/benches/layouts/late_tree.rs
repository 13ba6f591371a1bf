//! A late index in one B-tree: the newest entries in memory, full memories merged in order, in slices of two entries a record.

use std::sync::{Arc, RwLock};

use rusqlite::Connection;

use crate::database::Result;
use crate::memory::{Entry, InOrder, Memory};

/// Entries merged for each new record.
const ENTRIES_PER_RECORD: usize = 2;

pub struct Shared {
    pub newest: Memory,
    pub frozen: Option<Arc<Memory>>,
}

pub struct LateTree {
    pub shared: Arc<RwLock<Shared>>,
    capacity: usize,
    merging: Option<InOrder>,
    done: bool,
}

impl LateTree {
    pub fn new(capacity: usize) -> LateTree {
        let shared = Shared {
            newest: Memory::for_entries(capacity),
            frozen: None,
        };
        LateTree {
            shared: Arc::new(RwLock::new(shared)),
            capacity,
            merging: None,
            done: false,
        }
    }

    /// Merges the next entries, within the caller's transaction.
    pub fn slice(&mut self, connection: &Connection, new_records: usize) -> Result<()> {
        let Some(merging) = &mut self.merging else {
            return Ok(());
        };
        let mut insert = connection.prepare_cached("INSERT INTO by_key VALUES(?1, ?2)")?;
        for _ in 0..new_records * ENTRIES_PER_RECORD {
            let Some((key, sequence)) = merging.next() else {
                self.done = true;
                break;
            };
            insert.execute([key as i64 ^ i64::MIN, sequence])?;
        }
        Ok(())
    }

    /// After the commit.
    pub fn committed(&mut self, entries: impl Iterator<Item = Entry>) {
        let mut shared = self
            .shared
            .write()
            .expect("no reader panics while it holds the lock");
        for (key, sequence) in entries {
            shared.newest.insert(key, sequence);
        }
        if std::mem::take(&mut self.done) {
            shared.frozen = None;
            self.merging = None;
        }
        if shared.newest.len() >= self.capacity && shared.frozen.is_none() {
            let full = Arc::new(std::mem::replace(
                &mut shared.newest,
                Memory::for_entries(self.capacity),
            ));
            shared.frozen = Some(full.clone());
            self.merging = Some(InOrder::new(full));
        }
    }

    pub fn idle(&self) -> bool {
        self.merging.is_none()
    }
}
