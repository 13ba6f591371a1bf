//! Numbers for texts that many rows repeat: callers and structures.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::{Connection, OptionalExtension};
use sistema_ts_model::nfc;

use super::failure::Failure;

/// The most texts kept in memory; beyond it the memory is emptied and filled again from the table.
const MOST_IN_MEMORY: usize = 65_536;

/// How a text goes into its table.
#[derive(Clone, Copy)]
enum Insert {
    /// As it is.
    Plain(&'static str),
    /// With its NFC beside it, if it is not in that.
    WithNormalized(&'static str),
}

/// One dictionary's table.
pub(super) struct Dictionary<Key> {
    select: &'static str,
    insert: Insert,
    known: HashMap<Key, i64>,
}

impl<Key: Hash + Eq + Clone> Dictionary<Key> {
    fn new(select: &'static str, insert: Insert) -> Dictionary<Key> {
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
                match self.insert {
                    Insert::Plain(insert) => connection.prepare_cached(insert)?.execute([&text])?,
                    Insert::WithNormalized(insert) => connection
                        .prepare_cached(insert)?
                        .execute((&text, normalized(&text)))?,
                };
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
        Insert::Plain("INSERT INTO callers (key) VALUES (?1)"),
    )
}

/// The dictionary of structures.
pub(super) fn structures<Key: Hash + Eq + Clone>() -> Dictionary<Key> {
    Dictionary::new(
        "SELECT id FROM structures WHERE reference = ?1",
        Insert::WithNormalized("INSERT INTO structures (reference, normalized) VALUES (?1, ?2)"),
    )
}

/// The numbers of all structures whose text is the same as this in NFC.
pub(super) fn structures_same_as(connection: &Connection, text: &str) -> Result<Vec<i64>, Failure> {
    let mut select = connection
        .prepare_cached("SELECT id FROM structures WHERE reference = ?1 OR normalized = ?1")?;
    let numbers = select.query_map([nfc(text)], |row| row.get(0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// Gives structures that a version of this program wrote which knew of no NFC theirs.
pub(super) fn normalize(connection: &Connection) -> rusqlite::Result<()> {
    let mut select = connection.prepare(
        "SELECT id, reference FROM structures WHERE normalized IS NULL AND reference GLOB '*[^ -~]*'",
    )?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for row in rows.collect::<Result<Vec<(i64, String)>, _>>()? {
        if let Some(normalized) = normalized(&row.1) {
            connection.execute(
                "UPDATE structures SET normalized = ?2 WHERE id = ?1",
                (row.0, normalized),
            )?;
        }
    }
    Ok(())
}

/// The NFC of a text that is not in it.
fn normalized(text: &str) -> Option<String> {
    Some(nfc(text)).filter(|form| form != text).map(Into::into)
}

#[cfg(test)]
mod tests {
    //! A failure means that structures of an older file are not found by the form in which a listing asks for them.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn structures_of_an_older_version_get_their_nfc_once() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE structures (id INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, normalized TEXT) STRICT;
                 INSERT INTO structures (reference) VALUES ('I010-101-000123'), ('D010Citta' || char(768)), ('D010Citt' || char(224)), ('D010Citta');",
            )
            .unwrap();
        for _ in 0..2 {
            normalize(&connection).unwrap();
            let same = |text: &str| structures_same_as(&connection, text).unwrap();
            assert_eq!(same("D010Citt\u{e0}"), [2, 3]);
            assert_eq!(same("D010Citta\u{300}"), [2, 3]);
            assert_eq!(same("D010Citta"), [4]);
            assert_eq!(same("I010-101-000123"), [1]);
            assert!(same("D020Citt\u{e0}").is_empty());
        }
    }
}
