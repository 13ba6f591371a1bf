//! From the file to a snapshot: whole at start, afterwards what has changed.

use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use sistema_ts_store::register::{RegisterError, RegisterKey, RegisterSnapshot};

use super::place::Place;
use super::schema::{self, failed};
use super::{callers, operators, users};

/// A connection of its own, so that `data_version` tells of every commit, those of this process included.
pub(super) struct Reader {
    /// `None` while the file is opened again.
    connection: Option<Connection>,
    key: Arc<RegisterKey>,
    seen_data_version: i64,
}

impl Reader {
    pub(super) fn open(place: &Place, key: Arc<RegisterKey>) -> Result<Self, RegisterError> {
        let connection = schema::open(place.file(), &key)?;
        place.note()?;
        Ok(Reader {
            connection: Some(connection),
            key,
            seen_data_version: -1,
        })
    }

    pub(super) fn close(&mut self, log_is_anothers: bool) {
        schema::close(self.connection.take(), log_is_anothers);
    }

    /// Whether an attempt to open the file again has failed.
    pub(super) fn is_closed(&self) -> bool {
        self.connection.is_none()
    }

    /// Opens the file that is there now, and reads all of it. A file that was put in another's place may meet that one's log, so it is checked
    /// through and through first.
    pub(super) fn open_again(&mut self, place: &Place) -> Result<RegisterSnapshot, RegisterError> {
        let connection = schema::open(place.file(), &self.key)?;
        schema::check_integrity(&connection)?;
        self.connection = Some(connection);
        self.seen_data_version = -1;
        let snapshot = self.newer(&RegisterSnapshot::default())?;
        place.note()?;
        snapshot.ok_or(RegisterError::Corrupt("its generation"))
    }

    /// A newer snapshot than `current`, if there is one. Costs one pragma when nobody has written.
    pub(super) fn newer(
        &mut self,
        current: &RegisterSnapshot,
    ) -> Result<Option<RegisterSnapshot>, RegisterError> {
        let closed = || RegisterError::Unavailable("it could not be opened again".to_owned());
        let connection = self.connection.as_mut().ok_or_else(closed)?;
        let data_version = connection
            .pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0))
            .map_err(failed)?;
        if data_version == self.seen_data_version {
            return Ok(None);
        }
        let transaction = connection.transaction().map_err(failed)?;
        let generation = generation(&transaction)?;
        let snapshot = if generation == current.generation() {
            None
        } else {
            Some(load(&transaction, &self.key, current, generation)?)
        };
        drop(transaction);
        // Remembered last, so that a failure above is tried again at the next look.
        self.seen_data_version = data_version;
        Ok(snapshot)
    }
}

fn generation(transaction: &Transaction<'_>) -> Result<u64, RegisterError> {
    transaction
        .query_row("SELECT generation FROM register", [], |row| {
            row.get::<_, i64>(0)
        })
        .map_err(failed)
        .and_then(|generation| {
            u64::try_from(generation).map_err(|_| RegisterError::Corrupt("its generation"))
        })
}

/// Structures, users and operators change row by row, so only those newer than `current` are read, unless one was removed. The few callers with
/// their certificates, networks and administrators are read whole.
fn load(
    transaction: &Transaction<'_>,
    key: &RegisterKey,
    current: &RegisterSnapshot,
    generation: u64,
) -> Result<RegisterSnapshot, RegisterError> {
    // A register that went back is another one: nothing of the old snapshot is kept.
    let nothing = RegisterSnapshot::default();
    let before = if generation > current.generation() {
        current
    } else {
        &nothing
    };
    let since = before.generation() as i64;
    let mut snapshot = before.next(generation);
    callers::load(transaction, &mut snapshot)?;
    operators::load(transaction, key, since, &mut snapshot)?;
    users::load_structures(transaction, since, &mut snapshot)?;
    users::load(transaction, key, since, &mut snapshot)?;
    Ok(snapshot)
}
