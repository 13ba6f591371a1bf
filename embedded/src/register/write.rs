//! The register's writes. Each is one transaction that takes the write lock first, so that what it checks still holds when it
//! writes, whatever other processes do.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use sistema_ts_model::{Caller, StructureDescription, StructureId, Timestamp};
use sistema_ts_store::register::rules::{caller_name, certificate_name, structure_name, user_name};
use sistema_ts_store::register::{
    CredentialHash, Fingerprint, NewUser, Profiles, RegisterError, RegisterKey, UserId,
};

use super::place::Place;
use super::schema::{self, failed};
use super::sql::{
    self, check_listing_operators, existing, existing_caller, insert, structure_id, update,
};

/// The connection that writes.
pub(super) struct Writer {
    /// Opened at the first write, and anew after it was closed.
    connection: Option<Connection>,
    place: Arc<Place>,
    key: Arc<RegisterKey>,
}

impl Writer {
    pub(super) fn new(place: Arc<Place>, key: Arc<RegisterKey>) -> Self {
        Writer {
            connection: None,
            place,
            key,
        }
    }

    pub(super) fn close(&mut self, log_is_anothers: bool) {
        schema::close(self.connection.take(), log_is_anothers);
    }

    /// The connection, to the file that is there: what is written to one that was removed is lost.
    fn connection(&mut self) -> Result<&mut Connection, RegisterError> {
        self.place.check()?;
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::open(self.place.file(), &self.key)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// One change: it is on the disk when this returns, and snapshots learn of it by the generation that it raises.
    pub(super) fn change<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>, &RegisterKey, i64) -> Result<T, RegisterError>,
    ) -> Result<T, RegisterError> {
        let key = Arc::clone(&self.key);
        let transaction = self
            .connection()?
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        let generation = transaction
            .query_row(
                "UPDATE register SET generation = generation + 1 RETURNING generation",
                [],
                |row| row.get(0),
            )
            .map_err(failed)?;
        let outcome = write(&transaction, &key, generation)?;
        transaction.commit().map_err(failed)?;
        Ok(outcome)
    }

    pub(super) fn add_caller(
        &mut self,
        caller: Caller,
        name: &str,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, _| {
            insert(
                transaction,
                "INSERT INTO callers (caller, name, enabled, created_at) VALUES (?1, ?2, 1, ?3) ON CONFLICT DO NOTHING",
                params![caller.to_key().as_str(), name, now.millis()],
                || caller_name(caller),
            )
        })
    }

    pub(super) fn set_caller_enabled(
        &mut self,
        caller: Caller,
        enabled: bool,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, _| {
            update(
                transaction,
                "UPDATE callers SET enabled = ?2 WHERE caller = ?1",
                params![caller.to_key().as_str(), enabled],
                || caller_name(caller),
            )
        })
    }

    pub(super) fn add_certificate(
        &mut self,
        caller: Caller,
        fingerprint: Fingerprint,
        not_after: Timestamp,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, _| {
            let key = caller.to_key();
            existing_caller(transaction, caller)?;
            let holder = transaction
                .query_row("SELECT caller FROM certificates WHERE fingerprint = ?1", [fingerprint.0], |row| {
                    row.get::<_, String>(0)
                })
                .optional()
                .map_err(failed)?;
            if let Some(holder) = holder {
                return Err(RegisterError::CertificateInUse(caller_name(sql::caller(&holder)?)));
            }
            transaction
                .execute(
                    "INSERT INTO certificates (fingerprint, caller, not_after, added_at) VALUES (?1, ?2, ?3, ?4)",
                    params![fingerprint.0, key.as_str(), not_after.millis(), now.millis()],
                )
                .map_err(failed)?;
            Ok(())
        })
    }

    pub(super) fn remove_certificate(
        &mut self,
        caller: Caller,
        fingerprint: Fingerprint,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, _| {
            update(
                transaction,
                "DELETE FROM certificates WHERE caller = ?1 AND fingerprint = ?2",
                params![caller.to_key().as_str(), fingerprint.0],
                || certificate_name(caller),
            )
        })
    }

    pub(super) fn add_structure(
        &mut self,
        id: StructureId,
        description: &StructureDescription,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, generation| {
            insert(
                transaction,
                "INSERT INTO structures (structure, description, enabled, created_at, generation) \
                 VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT DO NOTHING",
                params![
                    id.to_string(),
                    description.as_str(),
                    now.millis(),
                    generation
                ],
                || structure_name(id),
            )
        })
    }

    pub(super) fn set_structure_enabled(
        &mut self,
        id: StructureId,
        enabled: bool,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, generation| {
            update(
                transaction,
                "UPDATE structures SET enabled = ?2, generation = ?3 WHERE structure = ?1",
                params![id.to_string(), enabled, generation],
                || structure_name(id),
            )
        })
    }

    pub(super) fn add_user(&mut self, user: &NewUser, now: Timestamp) -> Result<(), RegisterError> {
        self.change(|transaction, key, generation| {
            let structure = user.structure.to_string();
            existing(transaction, "SELECT 1 FROM structures WHERE structure = ?1", &structure, || {
                structure_name(user.structure)
            })?;
            let sealed = key
                .seal_user(&user.id, &user.fiscal_code)
                .map_err(|error| RegisterError::Unavailable(error.to_string()))?;
            insert(
                transaction,
                "INSERT INTO users (user_id, structure, fiscal_code, credential, credential_set_at, expires_at, profiles, \
                 enabled, created_at, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?5, ?8) ON CONFLICT DO NOTHING",
                params![
                    user.id.as_str(),
                    structure,
                    sealed,
                    user.credential.expose(),
                    now.millis(),
                    user.expires_at.map(Timestamp::millis),
                    user.profiles.to_text(),
                    generation
                ],
                || user_name(&user.id),
            )?;
            check_listing_operators(transaction, key, user.structure.region)
        })
    }

    pub(super) fn set_user_enabled(
        &mut self,
        user: &UserId,
        enabled: bool,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, generation| {
            update(
                transaction,
                "UPDATE users SET enabled = ?2, generation = ?3 WHERE user_id = ?1",
                params![user.as_str(), enabled, generation],
                || user_name(user),
            )
        })
    }

    pub(super) fn set_user_credential(
        &mut self,
        user: &UserId,
        credential: &CredentialHash,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, generation| {
            update(
                transaction,
                "UPDATE users SET credential = ?2, credential_set_at = ?3, expires_at = ?4, generation = ?5 WHERE user_id = ?1",
                params![
                    user.as_str(),
                    credential.expose(),
                    now.millis(),
                    expires_at.map(Timestamp::millis),
                    generation
                ],
                || user_name(user),
            )
        })
    }

    pub(super) fn set_user_expiry(
        &mut self,
        user: &UserId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, _, generation| {
            update(
                transaction,
                "UPDATE users SET expires_at = ?2, generation = ?3 WHERE user_id = ?1",
                params![user.as_str(), expires_at.map(Timestamp::millis), generation],
                || user_name(user),
            )
        })
    }

    pub(super) fn set_user_profiles(
        &mut self,
        user: &UserId,
        profiles: Profiles,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, key, generation| {
            let structure = transaction
                .query_row(
                    "UPDATE users SET profiles = ?2, generation = ?3 WHERE user_id = ?1 RETURNING structure",
                    params![user.as_str(), profiles.to_text(), generation],
                    |row| row.get::<_, String>(0),
                )
                .optional()
                .map_err(failed)?
                .ok_or_else(|| RegisterError::Missing(user_name(user)))?;
            check_listing_operators(transaction, key, structure_id(&structure)?.region)
        })
    }
}
