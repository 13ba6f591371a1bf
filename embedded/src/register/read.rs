//! From the file to a snapshot: whole at start, afterwards what has changed.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction};
use sistema_ts_model::StructureDescription;
use sistema_ts_store::register::{
    CredentialHash, Fingerprint, Profiles, RegisterError, RegisterKey, RegisterSnapshot,
    RegisteredCaller, RegisteredCertificate, RegisteredStructure, RegisteredUser, UserId,
};

use super::operators;
use super::place::Place;
use super::schema::{self, failed};
use super::sql::{caller, each, structure_id, text, time};

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

/// Structures, users and operators change row by row, so only those newer than `current` are read; structures and users are never removed, and
/// a removed operator is told by the register's own row. The few callers with their certificates and networks are read whole.
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
    load_callers(transaction, &mut snapshot)?;
    operators::load_networks(transaction, &mut snapshot)?;
    operators::load_operators(transaction, key, since, &mut snapshot)?;
    each(
        transaction,
        "SELECT structure, description, enabled FROM structures WHERE generation > ?1",
        [since],
        |row| {
            snapshot.put_structure(structure(row)?);
            Ok(())
        },
    )?;
    each(
        transaction,
        "SELECT user_id, structure, fiscal_code, credential, credential_set_at, expires_at, profiles, enabled, generation \
         FROM users WHERE generation > ?1",
        [since],
        |row| {
            snapshot.put_user(user(row, key)?);
            Ok(())
        },
    )?;
    Ok(snapshot)
}

fn load_callers(
    transaction: &Transaction<'_>,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let mut callers = HashMap::new();
    each(
        transaction,
        "SELECT caller, name, enabled FROM callers",
        [],
        |row| {
            let caller = caller(&text(row, 0)?)?;
            let entry = RegisteredCaller {
                caller,
                name: text(row, 1)?,
                enabled: row.get(2).map_err(failed)?,
                certificates: Vec::new(),
            };
            callers.insert(caller, entry);
            Ok(())
        },
    )?;
    each(
        transaction,
        "SELECT fingerprint, caller, not_after, added_at FROM certificates ORDER BY fingerprint",
        [],
        |row| {
            let certificate = RegisteredCertificate {
                fingerprint: Fingerprint(row.get(0).map_err(failed)?),
                not_after: time(row.get(2).map_err(failed)?),
                added_at: time(row.get(3).map_err(failed)?),
            };
            callers
                .get_mut(&caller(&text(row, 1)?)?)
                .ok_or(RegisterError::Corrupt("the caller of a certificate"))?
                .certificates
                .push(certificate);
            Ok(())
        },
    )?;
    snapshot.replace_callers(callers.into_values());
    Ok(())
}

fn structure(row: &Row<'_>) -> Result<RegisteredStructure, RegisterError> {
    Ok(RegisteredStructure {
        id: structure_id(&text(row, 0)?)?,
        description: StructureDescription::parse(&text(row, 1)?)
            .map_err(|_| RegisterError::Corrupt("the description of a structure"))?,
        enabled: row.get(2).map_err(failed)?,
    })
}

fn user(row: &Row<'_>, key: &RegisterKey) -> Result<RegisteredUser, RegisterError> {
    let id = UserId::parse(&text(row, 0)?).map_err(|_| RegisterError::Corrupt("a user id"))?;
    let sealed = row
        .get_ref(2)
        .map_err(failed)?
        .as_blob()
        .unwrap_or_default();
    let version = row.get::<_, i64>(8).map_err(failed)?;
    Ok(RegisteredUser {
        structure: structure_id(&text(row, 1)?)?,
        fiscal_code: key
            .open_user(&id, sealed)
            .ok_or(RegisterError::Corrupt("the fiscal code of a user"))?,
        credential: CredentialHash::new(&text(row, 3)?),
        credential_set_at: time(row.get(4).map_err(failed)?),
        expires_at: row.get::<_, Option<i64>>(5).map_err(failed)?.map(time),
        profiles: Profiles::from_text(&text(row, 6)?)
            .ok_or(RegisterError::Corrupt("the profiles of a user"))?,
        enabled: row.get(7).map_err(failed)?,
        version: u64::try_from(version)
            .map_err(|_| RegisterError::Corrupt("the generation of a user"))?,
        id,
    })
}
