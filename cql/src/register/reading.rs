//! Reading the register: what has changed since the version that is known, or all.

use std::collections::{BTreeMap, HashMap};

use scylla::DeserializeRow;
use sistema_ts_model::{Clock as _, CodiceFiscale, SystemClock, Timestamp};
use sistema_ts_store::register::{CredentialHash, RegisterError};

use super::entry::{Entry, EntryColumns, Key, Kind, Person, Row, change_id};
use super::state::{State, caller_of, user_id};
use super::{Shared, unavailable};
use crate::place::timestamp;
use crate::statement::Statement;

/// So often is the register read again because it has changed meanwhile.
const MOST_LOOKS: usize = 100;
/// Whoever is more changes behind reads all.
const MOST_CHANGES: i64 = 1_000;
/// So many rows are read at once.
const MOST_ROWS: usize = 2_000;
/// So many entries or people are asked for at once.
const MOST_NAMES: usize = 100;
/// A person whom no entry names is of a change that never came about, once it has lain for so long.
const ORPHAN_MILLIS: i64 = 24 * 60 * 60 * 1_000;

#[derive(DeserializeRow)]
struct PersonColumns {
    reference: i64,
    sealed: Option<Vec<u8>>,
    credential: Option<String>,
    written_at: Option<i64>,
}

/// Sealed people by their references.
type People = HashMap<i64, PersonColumns>;

impl Shared {
    /// Brings what this process knows to the version that the register has, and has the snapshot say it.
    pub(super) async fn catch_up(&self, state: &mut State) -> Result<(), RegisterError> {
        let mut torn_at = None;
        for _ in 0..MOST_LOOKS {
            let version = self.read_version().await?;
            if state.version == Some(version) {
                return Ok(());
            }
            let touched = match state.version {
                Some(seen) => self.read_touched(seen, version).await?,
                None => None,
            };
            let rows = match &touched {
                Some(touched) => self.read_entries(touched).await?,
                None => self.list_entries().await?,
            };
            let people = match &touched {
                Some(_) => self.read_people(&rows).await?,
                None => self.list_people().await?,
            };
            // A person who is not there has gone with an entry that has changed since, and so the version will say.
            let Some(entries) = self.join(rows, &people)? else {
                if torn_at == Some(version) {
                    return Err(RegisterError::Corrupt("the person of an entry"));
                }
                torn_at = Some(version);
                continue;
            };
            if touched.is_none() {
                self.erase_orphans(&entries, &people).await;
                state.entries.clear();
            }
            for key in touched.iter().flatten() {
                state.entries.remove(key);
            }
            state.entries.extend(entries);
            state.version = Some(version);
            self.publish(state, touched.as_deref())?;
        }
        Err(RegisterError::Unavailable(
            "it changes faster than it can be read".to_owned(),
        ))
    }

    /// The register's version, if it is the one that was opened.
    async fn read_version(&self) -> Result<i64, RegisterError> {
        let statement = Statement::ReadVersion;
        let read: Option<(i8, Option<i64>, Option<Vec<u8>>)> = self
            .cluster
            .read_one(statement, ())
            .await
            .map_err(unavailable)?;
        let found = match read {
            Some((_, Some(version), Some(check))) if check == self.key.check_value() => Ok(version),
            Some((_, Some(_), _)) => Err(RegisterError::WrongKey),
            _ => Err(RegisterError::NotMade(self.place.clone())),
        };
        self.note_in_place(found.is_ok());
        found
    }

    /// What was touched between two versions; none if that is not known any more.
    async fn read_touched(
        &self,
        seen: i64,
        version: i64,
    ) -> Result<Option<Vec<Key>>, RegisterError> {
        let count = version - seen;
        if !(1..=MOST_CHANGES).contains(&count) {
            return Ok(None);
        }
        let values = (change_id(seen), change_id(version));
        let statement = Statement::ReadChanges;
        let notes: Vec<(Option<String>,)> = self
            .cluster
            .read(statement, values)
            .await
            .map_err(unavailable)?;
        if notes.len() as i64 != count {
            return Ok(None);
        }
        let lines: Vec<String> = notes.into_iter().filter_map(|(touched,)| touched).collect();
        let mut touched: Option<Vec<Key>> = lines
            .iter()
            .flat_map(|note| note.lines())
            .map(Key::from_line)
            .collect();
        if let Some(touched) = &mut touched {
            touched.sort();
            touched.dedup();
        }
        Ok(touched)
    }

    async fn read_entries(&self, keys: &[Key]) -> Result<BTreeMap<Key, Row>, RegisterError> {
        let mut rows = BTreeMap::new();
        for keys in keys.chunks(MOST_NAMES) {
            let places: Vec<(i8, &str)> = keys
                .iter()
                .map(|key| (key.kind as i8, key.id.as_str()))
                .collect();
            let columns: Vec<EntryColumns> = self
                .cluster
                .read(Statement::ReadEntries, (places,))
                .await
                .map_err(unavailable)?;
            for columns in columns {
                rows.extend([columns.decode()?]);
            }
        }
        Ok(rows)
    }

    async fn list_entries(&self) -> Result<BTreeMap<Key, Row>, RegisterError> {
        let mut rows = BTreeMap::new();
        let mut after = (0, String::new());
        loop {
            let (kind, id) = &after;
            let values = (kind, id, MOST_ROWS as i32);
            let columns: Vec<EntryColumns> = self
                .cluster
                .read(Statement::ListEntries, values)
                .await
                .map_err(unavailable)?;
            let is_last = columns.len() < MOST_ROWS;
            if let Some(last) = columns.last() {
                after = (last.kind, last.id.clone());
            }
            for columns in columns {
                rows.extend([columns.decode()?]);
            }
            if is_last {
                return Ok(rows);
            }
        }
    }

    async fn read_people(&self, rows: &BTreeMap<Key, Row>) -> Result<People, RegisterError> {
        let references: Vec<i64> = rows.values().filter_map(|row| row.reference).collect();
        let mut people = People::new();
        for references in references.chunks(MOST_NAMES) {
            let columns: Vec<PersonColumns> = self
                .cluster
                .read(Statement::ReadPeople, (references,))
                .await
                .map_err(unavailable)?;
            people.extend(columns.into_iter().map(|person| (person.reference, person)));
        }
        Ok(people)
    }

    async fn list_people(&self) -> Result<People, RegisterError> {
        let mut people = People::new();
        let mut after = i64::MIN;
        loop {
            let values = (after, MOST_ROWS as i32);
            let columns: Vec<PersonColumns> = self
                .cluster
                .read(Statement::ListPeople, values)
                .await
                .map_err(unavailable)?;
            let is_last = columns.len() < MOST_ROWS;
            if let Some(last) = columns.last() {
                after = last.reference;
            }
            people.extend(columns.into_iter().map(|person| (person.reference, person)));
            if is_last {
                return Ok(people);
            }
        }
    }

    /// Entries with their people; none if one of those is not there.
    fn join(
        &self,
        rows: BTreeMap<Key, Row>,
        people: &People,
    ) -> Result<Option<Vec<(Key, Entry)>>, RegisterError> {
        let mut entries = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let person = match row.reference {
                None => None,
                Some(reference) => {
                    let Some(columns) = people.get(&reference) else {
                        return Ok(None);
                    };
                    Some(self.open(&key, &row, columns)?)
                }
            };
            entries.push((key, Entry { row, person }));
        }
        Ok(Some(entries))
    }

    fn open(&self, key: &Key, row: &Row, columns: &PersonColumns) -> Result<Person, RegisterError> {
        let sealed = columns.sealed.as_deref().unwrap_or_default();
        let fiscal_code = self.open_fiscal_code(key, row, sealed)?;
        let credential = columns.credential.as_deref().map(CredentialHash::new);
        Ok(Person {
            fiscal_code: fiscal_code.ok_or(RegisterError::Corrupt("a sealed fiscal code"))?,
            credential,
            written_at: written_at(columns),
        })
    }

    fn open_fiscal_code(
        &self,
        key: &Key,
        row: &Row,
        sealed: &[u8],
    ) -> Result<Option<CodiceFiscale>, RegisterError> {
        if key.kind == Kind::User {
            return Ok(self.key.open_user(&user_id(&key.id)?, sealed));
        }
        let person = u128::from_str_radix(key.within_caller(), 16);
        let person = person.map_err(|_| RegisterError::Corrupt("the name of an operator"))?;
        let person = person.to_be_bytes();
        Ok(self.key.open_operator(&caller_of(row)?, &person, sealed))
    }

    /// Erases people whom no entry names: their change has not come about, or the one who removed them died before it erased them.
    async fn erase_orphans(&self, entries: &[(Key, Entry)], people: &People) {
        let long_ago = SystemClock.now().minus_millis(ORPHAN_MILLIS);
        let named: std::collections::HashSet<i64> = entries
            .iter()
            .filter_map(|(_, entry)| entry.row.reference)
            .collect();
        for (reference, person) in people {
            let written_at = written_at(person);
            if !named.contains(reference) && written_at < long_ago {
                self.erase_person(*reference, written_at).await;
            }
        }
    }

    /// Erases a person whom no entry names any more. One who stays because no node answers is found again when the register is read whole.
    pub(super) async fn erase_person(&self, reference: i64, written_at: Timestamp) {
        let after = written_at.plus_millis(1).max(SystemClock.now());
        let values = (timestamp(after), reference);
        let erased = self.cluster.write(Statement::ErasePerson, values).await;
        if let Err(error) = erased {
            tracing::warn!(%error, "what the register kept of a person is not erased yet");
        }
    }
}

fn written_at(columns: &PersonColumns) -> Timestamp {
    Timestamp::from_millis_clamped(columns.written_at.unwrap_or_default())
}
