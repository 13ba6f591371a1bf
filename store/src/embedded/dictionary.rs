//! Numbers for texts that many rows repeat: callers and structures.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::{Connection, OptionalExtension};

use super::failure::Failure;

/// The most texts kept in memory; beyond it the memory is emptied and filled again from the table.
const MOST_IN_MEMORY: usize = 65_536;

/// One dictionary's table.
pub(super) struct Dictionary<Key> {
    select: &'static str,
    insert: &'static str,
    known: HashMap<Key, i64>,
}

impl<Key: Hash + Eq + Clone> Dictionary<Key> {
    fn new(select: &'static str, insert: &'static str) -> Dictionary<Key> {
        Dictionary {
            select,
            insert,
            known: HashMap::new(),
        }
    }

    /// The number of a key, whose text goes into the table within the current transaction if it is new.
    pub(super) fn number(
        &mut self,
        connection: &Connection,
        key: &Key,
        text: impl FnOnce(&Key) -> String,
    ) -> Result<i64, Failure> {
        if let Some(number) = self.known.get(key) {
            return Ok(*number);
        }
        let text = text(key);
        let found = connection
            .prepare_cached(self.select)?
            .query_row([&text], |row| row.get(0))
            .optional()?;
        let number = match found {
            Some(number) => number,
            None => {
                connection.prepare_cached(self.insert)?.execute([&text])?;
                connection.last_insert_rowid()
            }
        };
        if self.known.len() >= MOST_IN_MEMORY {
            self.known.clear();
        }
        self.known.insert(key.clone(), number);
        Ok(number)
    }

    /// Forgets what a transaction that was rolled back may have added.
    pub(super) fn rolled_back(&mut self) {
        self.known.clear();
    }
}

/// The dictionary of callers.
pub(super) fn callers<Key: Hash + Eq + Clone>() -> Dictionary<Key> {
    Dictionary::new(
        "SELECT id FROM callers WHERE key = ?1",
        "INSERT INTO callers (key) VALUES (?1)",
    )
}

/// The dictionary of structures.
pub(super) fn structures<Key: Hash + Eq + Clone>() -> Dictionary<Key> {
    Dictionary::new(
        "SELECT id FROM structures WHERE reference = ?1",
        "INSERT INTO structures (reference) VALUES (?1)",
    )
}
