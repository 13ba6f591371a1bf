//! The register's writes. Each is one transaction that takes the write lock first, so that what it checks still holds when it
//! writes, whatever other processes do.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use sistema_ts_store::register::{
    Act, RegisterChange, RegisterError, RegisterJournal, RegisterKey,
};

use super::place::Place;
use super::schema::{self, failed};
use super::sql::Change;
use super::{callers, operators, users};

/// The connection that writes.
pub(super) struct Writer {
    /// Opened at the first write, and anew after it was closed.
    connection: Option<Connection>,
    place: Arc<Place>,
    key: Arc<RegisterKey>,
    journal: Arc<dyn RegisterJournal>,
}

impl Writer {
    pub(super) fn new(
        place: Arc<Place>,
        key: Arc<RegisterKey>,
        journal: Arc<dyn RegisterJournal>,
    ) -> Self {
        Writer {
            connection: None,
            place,
            key,
            journal,
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

    /// Makes one change: it is on the disk when this returns, and snapshots learn of it by the generation that it raises.
    pub(super) fn make(&mut self, wanted: &RegisterChange, act: &Act) -> Result<(), RegisterError> {
        let (key, journal) = (Arc::clone(&self.key), Arc::clone(&self.journal));
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
        let change = Change {
            transaction,
            key: &key,
            generation,
            at: act.at,
        };
        write(&change, wanted)?;
        journal.begin(wanted, act)?;
        let outcome = change.transaction.commit();
        let outcome = outcome.map_err(|error| RegisterError::UnknownOutcome(error.to_string()));
        journal.end(wanted, act, outcome.as_ref().copied());
        outcome
    }
}

/// Writes a change's rows, and refuses what the rules refuse.
fn write(change: &Change<'_>, wanted: &RegisterChange) -> Result<(), RegisterError> {
    match wanted {
        RegisterChange::AddCaller { caller, name } => callers::add(change, *caller, name),
        RegisterChange::RenameCaller { caller, name } => callers::rename(change, *caller, name),
        RegisterChange::SetCallerEnabled { caller, enabled } => {
            callers::set_enabled(change, *caller, *enabled)
        }
        RegisterChange::RemoveCaller { caller } => callers::remove(change, *caller),
        RegisterChange::AddCertificate {
            holder,
            fingerprint,
            not_after,
        } => callers::add_certificate(change, holder, *fingerprint, *not_after),
        RegisterChange::RemoveCertificate {
            holder,
            fingerprint,
        } => callers::remove_certificate(change, holder, *fingerprint),
        RegisterChange::AddNetwork { caller, network } => {
            callers::add_network(change, *caller, *network)
        }
        RegisterChange::RemoveNetwork { caller, network } => {
            callers::remove_network(change, *caller, *network)
        }
        RegisterChange::AddOperator {
            caller,
            fiscal_code,
            profiles,
        } => operators::add(change, *caller, fiscal_code, *profiles),
        RegisterChange::SetOperatorEnabled {
            caller,
            fiscal_code,
            enabled,
        } => operators::set_enabled(change, *caller, fiscal_code, *enabled),
        RegisterChange::SetOperatorProfiles {
            caller,
            fiscal_code,
            profiles,
        } => operators::set_profiles(change, *caller, fiscal_code, *profiles),
        RegisterChange::RemoveOperator {
            caller,
            fiscal_code,
        } => operators::remove(change, *caller, fiscal_code),
        RegisterChange::AddAdministrator { administrator } => {
            callers::add_administrator(change, administrator)
        }
        RegisterChange::SetAdministratorEnabled {
            administrator,
            enabled,
        } => callers::set_administrator_enabled(change, administrator, *enabled),
        RegisterChange::RemoveAdministrator { administrator } => {
            callers::remove_administrator(change, administrator)
        }
        RegisterChange::AddStructure { id, description } => {
            users::add_structure(change, *id, description)
        }
        RegisterChange::RenameStructure { id, description } => {
            users::rename_structure(change, *id, description)
        }
        RegisterChange::SetStructureEnabled { id, enabled } => {
            users::set_structure_enabled(change, *id, *enabled)
        }
        RegisterChange::RemoveStructure { id } => users::remove_structure(change, *id),
        RegisterChange::AddUser(user) => users::add(change, user),
        RegisterChange::SetUserEnabled { user, enabled } => {
            users::set_enabled(change, user, *enabled)
        }
        RegisterChange::SetUserCredential {
            user,
            credential,
            expires_at,
        } => users::set_credential(change, user, credential, *expires_at),
        RegisterChange::SetUserExpiry { user, expires_at } => {
            users::set_expiry(change, user, *expires_at)
        }
        RegisterChange::SetUserProfiles { user, profiles } => {
            users::set_profiles(change, user, *profiles)
        }
        RegisterChange::RemoveUser { user } => users::remove(change, user),
    }
}
