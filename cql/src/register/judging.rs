//! What a change does to the register at one version, if the rules allow it.

use sistema_ts_model::{Caller, CodiceFiscale, RegionCode, Service};
use sistema_ts_store::register::rules::{
    administrator_name, caller_name, certificate_name, check_administrator,
    check_listing_operators, check_operator_profiles, check_unused, check_user_profiles,
    holder_name, network_name, network_of, operator_name, structure_name, user_name,
};
use sistema_ts_store::register::{
    Act, AdministratorId, CertificateHolder, CredentialHash, Fingerprint, NewUser, Profiles,
    RegisterChange, RegisterError, RegisterKey, UserId, Workplace, canonical_network,
};

use super::entry::{Entry, Key, Kind, Person, Row};
use super::state::{State, caller_of, holder, person_of, workplace};

/// What a change does.
#[derive(Default)]
pub(super) struct Plan {
    /// Entries that are new or different.
    pub(super) put: Vec<(Key, Entry)>,
    /// Entries that go.
    pub(super) dropped: Vec<Key>,
    /// Whether the person of the first entry is to be written, under the reference that the entry names.
    pub(super) writes_person: bool,
}

/// A change that is judged.
pub(super) struct Judge<'a> {
    pub(super) state: &'a State,
    pub(super) key: &'a RegisterKey,
    pub(super) act: &'a Act,
    /// Where the change's person is to be kept, if it has one.
    pub(super) reference: i64,
    /// Of the write of that.
    pub(super) written_at: sistema_ts_model::Timestamp,
}

impl Judge<'_> {
    /// What the change does.
    ///
    /// # Errors
    /// What the rules say against it.
    pub(super) fn plan(&self, change: &RegisterChange) -> Result<Plan, RegisterError> {
        match change {
            RegisterChange::AddCaller { caller, name } => {
                let row = self.new_row(*caller, Some(name.clone()));
                self.add(Key::caller(*caller), row, || caller_name(*caller))
            }
            RegisterChange::RenameCaller { caller, name } => {
                let missing = || caller_name(*caller);
                self.alter(Key::caller(*caller), missing, |row| {
                    row.name = Some(name.clone());
                })
            }
            RegisterChange::SetCallerEnabled { caller, enabled } => {
                let missing = || caller_name(*caller);
                self.alter(Key::caller(*caller), missing, |row| row.enabled = *enabled)
            }
            RegisterChange::RemoveCaller { caller } => self.remove_caller(*caller),
            RegisterChange::AddCertificate {
                holder,
                fingerprint,
                not_after,
            } => self.add_certificate(holder, *fingerprint, not_after.millis()),
            RegisterChange::RemoveCertificate {
                holder,
                fingerprint,
            } => self.remove_certificate(holder, *fingerprint),
            RegisterChange::AddNetwork { caller, network } => {
                let network = network_of(*caller, *network)?;
                self.check_caller(*caller)?;
                let row = self.new_row(*caller, None);
                let name = || network_name(*caller, network);
                self.add(Key::network(*caller, network), row, name)
            }
            RegisterChange::RemoveNetwork { caller, network } => {
                let network = canonical_network(*network);
                let key = Key::network(*caller, network);
                self.remove(key, || network_name(*caller, network))
            }
            RegisterChange::AddOperator {
                caller,
                fiscal_code,
                profiles,
            } => self.add_operator(*caller, fiscal_code, *profiles),
            RegisterChange::SetOperatorEnabled {
                caller,
                fiscal_code,
                enabled,
            } => {
                let key = self.operator(*caller, fiscal_code);
                self.alter(key, || operator_name(*caller), |row| row.enabled = *enabled)
            }
            RegisterChange::SetOperatorProfiles {
                caller,
                fiscal_code,
                profiles,
            } => {
                check_operator_profiles(*caller, *profiles)?;
                let key = self.operator(*caller, fiscal_code);
                let missing = || operator_name(*caller);
                let plan = self.alter(key, missing, |row| row.profiles = *profiles)?;
                self.check_listing(caller.region(), plan)
            }
            RegisterChange::RemoveOperator {
                caller,
                fiscal_code,
            } => {
                let key = self.operator(*caller, fiscal_code);
                self.remove(key, || operator_name(*caller))
            }
            RegisterChange::AddAdministrator { administrator } => {
                check_administrator(administrator)?;
                self.check_caller(administrator.caller)?;
                let row = self.new_row(administrator.caller, None);
                let name = || administrator_name(administrator);
                self.add(Key::administrator(administrator), row, name)
            }
            RegisterChange::SetAdministratorEnabled {
                administrator,
                enabled,
            } => {
                let key = Key::administrator(administrator);
                let missing = || administrator_name(administrator);
                self.alter(key, missing, |row| row.enabled = *enabled)
            }
            RegisterChange::RemoveAdministrator { administrator } => {
                self.remove_administrator(administrator)
            }
            RegisterChange::AddStructure { id, description } => {
                let name = Some(description.as_str().to_owned());
                let row = self.new_row(Caller::Structure(*id), name);
                self.add(Key::structure(*id), row, || structure_name(*id))
            }
            RegisterChange::RenameStructure { id, description } => {
                let missing = || structure_name(*id);
                self.alter(Key::structure(*id), missing, |row| {
                    row.name = Some(description.as_str().to_owned());
                })
            }
            RegisterChange::SetStructureEnabled { id, enabled } => {
                let missing = || structure_name(*id);
                self.alter(Key::structure(*id), missing, |row| row.enabled = *enabled)
            }
            RegisterChange::RemoveStructure { id } => {
                let caller = Some(Caller::Structure(*id));
                let users = self.count(Kind::User, |row| row.caller == caller);
                check_unused(structure_name(*id), &[("users", users)])?;
                self.remove(Key::structure(*id), || structure_name(*id))
            }
            RegisterChange::AddUser(user) => self.add_user(user),
            RegisterChange::SetUserEnabled { user, enabled } => {
                let missing = || user_name(user);
                self.alter(Key::user(user), missing, |row| row.enabled = *enabled)
            }
            RegisterChange::SetUserCredential {
                user,
                credential,
                expires_at,
            } => {
                let expires_at = expires_at.map(sistema_ts_model::Timestamp::millis);
                self.set_credential(user, credential, expires_at)
            }
            RegisterChange::SetUserExpiry { user, expires_at } => {
                let missing = || user_name(user);
                self.alter(Key::user(user), missing, |row| {
                    row.ends_at = expires_at.map(sistema_ts_model::Timestamp::millis);
                })
            }
            RegisterChange::SetUserProfiles { user, profiles } => {
                self.set_user_profiles(user, *profiles)
            }
            RegisterChange::RemoveUser { user } => self.remove(Key::user(user), || user_name(user)),
        }
    }

    /// The version that the register has with the change.
    pub(super) fn version(&self) -> i64 {
        self.state.version.unwrap_or_default() + 1
    }

    fn new_row(&self, caller: Caller, name: Option<String>) -> Row {
        Row {
            caller: Some(caller),
            name,
            enabled: true,
            added_at: self.act.at.millis(),
            changed_in: self.version(),
            ..Row::default()
        }
    }

    fn add(
        &self,
        key: Key,
        row: Row,
        name: impl FnOnce() -> String,
    ) -> Result<Plan, RegisterError> {
        if self.state.entries.contains_key(&key) {
            return Err(RegisterError::Exists(name()));
        }
        let entry = Entry { row, person: None };
        Ok(Plan {
            put: vec![(key, entry)],
            ..Plan::default()
        })
    }

    fn find(&self, key: &Key, name: impl FnOnce() -> String) -> Result<&Entry, RegisterError> {
        let entry = self.state.entries.get(key);
        entry.ok_or_else(|| RegisterError::Missing(name()))
    }

    fn alter(
        &self,
        key: Key,
        name: impl FnOnce() -> String,
        alter: impl FnOnce(&mut Row),
    ) -> Result<Plan, RegisterError> {
        let mut entry = self.find(&key, name)?.clone();
        alter(&mut entry.row);
        entry.row.changed_in = self.version();
        Ok(Plan {
            put: vec![(key, entry)],
            ..Plan::default()
        })
    }

    fn remove(&self, key: Key, name: impl FnOnce() -> String) -> Result<Plan, RegisterError> {
        self.find(&key, name)?;
        Ok(Plan {
            dropped: vec![key],
            ..Plan::default()
        })
    }

    fn count(&self, kind: Kind, counts: impl Fn(&Row) -> bool) -> u64 {
        let entries = self.state.of_kind(kind);
        entries.filter(|(_, entry)| counts(&entry.row)).count() as u64
    }

    fn check_caller(&self, caller: Caller) -> Result<(), RegisterError> {
        let found = self.find(&Key::caller(caller), || caller_name(caller));
        found.map(drop)
    }

    fn remove_caller(&self, caller: Caller) -> Result<Plan, RegisterError> {
        let own = |row: &Row| row.caller == Some(caller);
        let uses = [
            // Those of its administrators are none of its own.
            (
                "certificates",
                self.count(Kind::Certificate, |row| own(row) && row.name.is_none()),
            ),
            ("networks", self.count(Kind::Network, own)),
            ("operators", self.count(Kind::Operator, own)),
            ("administrators", self.count(Kind::Administrator, own)),
        ];
        check_unused(caller_name(caller), &uses)?;
        self.remove(Key::caller(caller), || caller_name(caller))
    }

    fn add_certificate(
        &self,
        new: &CertificateHolder,
        fingerprint: Fingerprint,
        not_after: i64,
    ) -> Result<Plan, RegisterError> {
        let (caller, name) = match new {
            CertificateHolder::Caller(caller) => {
                self.check_caller(*caller)?;
                (*caller, None)
            }
            CertificateHolder::Administrator(administrator) => {
                self.find(&Key::administrator(administrator), || holder_name(new))?;
                let name = administrator.name.to_string();
                (administrator.caller, Some(name))
            }
        };
        let key = Key::certificate(fingerprint);
        if let Some(entry) = self.state.entries.get(&key) {
            let other = holder_name(&holder(&entry.row)?);
            return Err(RegisterError::CertificateInUse(other));
        }
        let row = Row {
            ends_at: Some(not_after),
            ..self.new_row(caller, name)
        };
        self.add(key, row, || certificate_name(new))
    }

    fn remove_certificate(
        &self,
        of: &CertificateHolder,
        fingerprint: Fingerprint,
    ) -> Result<Plan, RegisterError> {
        let key = Key::certificate(fingerprint);
        let missing = || certificate_name(of);
        let found = self.find(&key, missing)?;
        match holder(&found.row)? == *of {
            true => self.remove(key, missing),
            false => Err(RegisterError::Missing(missing())),
        }
    }

    fn remove_administrator(&self, of: &AdministratorId) -> Result<Plan, RegisterError> {
        let mut plan = self.remove(Key::administrator(of), || administrator_name(of))?;
        let certificates = self.state.of_kind(Kind::Certificate);
        let own = certificates.filter(|(_, entry)| {
            let row = &entry.row;
            row.caller == Some(of.caller) && row.name.as_deref() == Some(of.name.as_str())
        });
        plan.dropped.extend(own.map(|(key, _)| key.clone()));
        Ok(plan)
    }

    fn operator(&self, caller: Caller, fiscal_code: &CodiceFiscale) -> Key {
        Key::operator(caller, self.key.person(&caller, fiscal_code))
    }

    fn add_operator(
        &self,
        caller: Caller,
        fiscal_code: &CodiceFiscale,
        profiles: Profiles,
    ) -> Result<Plan, RegisterError> {
        check_operator_profiles(caller, profiles)?;
        self.check_caller(caller)?;
        let row = Row {
            profiles,
            reference: Some(self.reference),
            ..self.new_row(caller, None)
        };
        let key = self.operator(caller, fiscal_code);
        let plan = self.add(key, row, || operator_name(caller))?;
        let plan = self.with_person(plan, fiscal_code, None);
        self.check_listing(caller.region(), plan)
    }

    fn add_user(&self, user: &NewUser) -> Result<Plan, RegisterError> {
        check_user_profiles(&user.workplace, user.profiles)?;
        if let Workplace::Structure(id) = user.workplace {
            self.find(&Key::structure(id), || structure_name(id))?;
        }
        let row = Row {
            profiles: user.profiles,
            set_at: Some(self.act.at.millis()),
            ends_at: user.expires_at.map(sistema_ts_model::Timestamp::millis),
            reference: Some(self.reference),
            ..self.new_row(user.workplace.caller(), None)
        };
        let plan = self.add(Key::user(&user.id), row, || user_name(&user.id))?;
        let plan = self.with_person(plan, &user.fiscal_code, Some(user.credential.clone()));
        self.check_listing(Some(user.workplace.region()), plan)
    }

    fn set_credential(
        &self,
        user: &UserId,
        credential: &CredentialHash,
        expires_at: Option<i64>,
    ) -> Result<Plan, RegisterError> {
        let key = Key::user(user);
        let missing = || user_name(user);
        let fiscal_code = person_of(self.find(&key, missing)?)?.fiscal_code.clone();
        let plan = self.alter(key, missing, |row| {
            row.set_at = Some(self.act.at.millis());
            row.ends_at = expires_at;
            row.reference = Some(self.reference);
        })?;
        Ok(self.with_person(plan, &fiscal_code, Some(credential.clone())))
    }

    fn set_user_profiles(&self, user: &UserId, profiles: Profiles) -> Result<Plan, RegisterError> {
        let key = Key::user(user);
        let workplace = workplace(&self.find(&key, || user_name(user))?.row)?;
        check_user_profiles(&workplace, profiles)?;
        let plan = self.alter(key, || user_name(user), |row| row.profiles = profiles)?;
        self.check_listing(Some(workplace.region()), plan)
    }

    /// The same with this person in the first entry, to be written before it.
    fn with_person(
        &self,
        mut plan: Plan,
        fiscal_code: &CodiceFiscale,
        credential: Option<CredentialHash>,
    ) -> Plan {
        if let Some((_, entry)) = plan.put.first_mut() {
            entry.person = Some(Person {
                fiscal_code: fiscal_code.clone(),
                credential,
                written_at: self.written_at,
            });
        }
        Plan {
            writes_person: true,
            ..plan
        }
    }

    /// Refuses a change after which more people than allowed would hold the profile of `elencoTestEffettuati` in a region.
    fn check_listing(&self, region: Option<RegionCode>, plan: Plan) -> Result<Plan, RegisterError> {
        let Some(region) = region else {
            return Ok(plan);
        };
        let is_changed = |key: &Key| plan.put.iter().any(|(changed, _)| changed == key);
        let operators = self.state.of_kind(Kind::Operator);
        let stays = operators.chain(self.state.of_kind(Kind::User));
        let stays = stays.filter(|(key, _)| !is_changed(key));
        let changed = plan.put.iter().map(|(key, entry)| (key, entry));
        let mut holders = Vec::new();
        for (_, entry) in stays.chain(changed) {
            let is_of_region = caller_of(&entry.row)?.region() == Some(region);
            if is_of_region && entry.row.profiles.contains(Service::Listing) {
                holders.push(person_of(entry)?.fiscal_code.clone());
            }
        }
        check_listing_operators(region, holders)?;
        Ok(plan)
    }
}
