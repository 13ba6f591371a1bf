//! Everything registered, at one moment, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use sistema_ts_model::{Caller, CodiceFiscale, StructureId};

use super::{
    Fingerprint, RegisteredAdministrator, RegisteredCaller, RegisteredOperator,
    RegisteredStructure, RegisteredUser, UserId,
};

/// The operators of one caller.
type Operators = HashMap<CodiceFiscale, Arc<RegisteredOperator>>;

/// What is registered, at one moment. It never changes; a change of the register makes another.
#[derive(Debug, Default, Clone)]
pub struct RegisterSnapshot {
    generation: u64,
    callers: HashMap<Caller, Arc<RegisteredCaller>>,
    certificates: HashMap<Fingerprint, Arc<RegisteredCaller>>,
    structures: HashMap<StructureId, Arc<RegisteredStructure>>,
    users: HashMap<UserId, Arc<RegisteredUser>>,
    networks: HashMap<Caller, Vec<IpNet>>,
    operators: HashMap<Caller, Arc<Operators>>,
    administrators: HashMap<Caller, Vec<Arc<RegisteredAdministrator>>>,
    administrator_certificates: HashMap<Fingerprint, Arc<RegisteredAdministrator>>,
}

/// How a store makes the next snapshot: from the one before, with what has changed since.
impl RegisterSnapshot {
    /// Begins the snapshot of a later generation, with all that is in this one.
    #[must_use]
    pub fn next(&self, generation: u64) -> Self {
        Self {
            generation,
            ..self.clone()
        }
    }

    /// Puts these in the place of all callers, and their certificates in the place of all certificates.
    pub fn replace_callers(&mut self, callers: impl IntoIterator<Item = RegisteredCaller>) {
        self.callers.clear();
        self.certificates.clear();
        for entry in callers {
            let entry = Arc::new(entry);
            for certificate in &entry.certificates {
                self.certificates
                    .insert(certificate.fingerprint, Arc::clone(&entry));
            }
            self.callers.insert(entry.caller, entry);
        }
    }

    /// Puts these in the place of all networks. Those of one caller stay in the order in which they come.
    pub fn replace_networks(&mut self, networks: impl IntoIterator<Item = (Caller, IpNet)>) {
        self.networks.clear();
        for (caller, network) in networks {
            self.networks.entry(caller).or_default().push(network);
        }
    }

    /// Puts these in the place of all administrators of callers, and their certificates in the place of all of theirs.
    pub fn replace_administrators(
        &mut self,
        administrators: impl IntoIterator<Item = RegisteredAdministrator>,
    ) {
        self.administrators.clear();
        self.administrator_certificates.clear();
        for entry in administrators {
            let entry = Arc::new(entry);
            for certificate in &entry.certificates {
                self.administrator_certificates
                    .insert(certificate.fingerprint, Arc::clone(&entry));
            }
            let of_caller = self.administrators.entry(entry.id.caller).or_default();
            of_caller.push(entry);
        }
    }

    /// Puts a structure in the place of the one with the same identifier, if there is one.
    pub fn put_structure(&mut self, entry: RegisteredStructure) {
        self.structures.insert(entry.id, Arc::new(entry));
    }

    /// Puts a user in the place of the one with the same id, if there is one.
    pub fn put_user(&mut self, entry: RegisteredUser) {
        self.users.insert(entry.id.clone(), Arc::new(entry));
    }

    /// Puts an operator in the place of the same caller's with the same fiscal code, if there is one.
    pub fn put_operator(&mut self, entry: RegisteredOperator) {
        let operators = self.operators.entry(entry.caller).or_default();
        Arc::make_mut(operators).insert(entry.fiscal_code.clone(), Arc::new(entry));
    }

    /// Takes all structures out, since one at least was removed: those that are left are put in again.
    pub fn clear_structures(&mut self) {
        self.structures.clear();
    }

    /// Takes all users out, since one at least was removed: those who are left are put in again.
    pub fn clear_users(&mut self) {
        self.users.clear();
    }

    /// Takes all operators out, since one at least was removed: those who are left are put in again.
    pub fn clear_operators(&mut self) {
        self.operators.clear();
    }
}

impl RegisterSnapshot {
    /// The number of the last change that is in it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The caller with this certificate, enabled or not.
    #[must_use]
    pub fn caller_of_certificate(
        &self,
        fingerprint: &Fingerprint,
    ) -> Option<&Arc<RegisteredCaller>> {
        self.certificates.get(fingerprint)
    }

    /// A caller that proves itself by certificate, enabled or not.
    #[must_use]
    pub fn caller(&self, caller: &Caller) -> Option<&Arc<RegisteredCaller>> {
        self.callers.get(caller)
    }

    /// A structure, enabled or not.
    #[must_use]
    pub fn structure(&self, id: &StructureId) -> Option<&Arc<RegisteredStructure>> {
        self.structures.get(id)
    }

    /// The user with this id, enabled or not.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&Arc<RegisteredUser>> {
        self.users.get(id)
    }

    /// The networks from which a call centre may call, in order; without any, it may not.
    #[must_use]
    pub fn networks(&self, caller: &Caller) -> &[IpNet] {
        self.networks.get(caller).map_or(&[], Vec::as_slice)
    }

    /// The operator of this caller with this codice fiscale, enabled or not.
    #[must_use]
    pub fn operator(
        &self,
        caller: &Caller,
        fiscal_code: &CodiceFiscale,
    ) -> Option<&Arc<RegisteredOperator>> {
        self.operators.get(caller)?.get(fiscal_code)
    }

    /// All operators of a caller, in the order in which they were registered.
    #[must_use]
    pub fn operators(&self, caller: &Caller) -> Vec<Arc<RegisteredOperator>> {
        let operators = self.operators.get(caller);
        sorted(
            operators
                .into_iter()
                .flat_map(|operators| operators.values()),
            |entry| (entry.added_at, entry.fiscal_code.expose().to_owned()),
        )
    }

    /// The administrator of a caller with this certificate, enabled or not.
    #[must_use]
    pub fn administrator_of_certificate(
        &self,
        fingerprint: &Fingerprint,
    ) -> Option<&Arc<RegisteredAdministrator>> {
        self.administrator_certificates.get(fingerprint)
    }

    /// All administrators of a caller, in the order of their names.
    #[must_use]
    pub fn administrators(&self, caller: &Caller) -> Vec<Arc<RegisteredAdministrator>> {
        let administrators = self.administrators.get(caller);
        sorted(administrators.into_iter().flatten(), |entry| {
            entry.id.name.clone()
        })
    }

    /// All callers, in the order of their keys.
    #[must_use]
    pub fn callers(&self) -> Vec<Arc<RegisteredCaller>> {
        sorted(self.callers.values(), |entry| entry.caller.to_key())
    }

    /// All structures, in the order of their identifiers.
    #[must_use]
    pub fn structures(&self) -> Vec<Arc<RegisteredStructure>> {
        sorted(self.structures.values(), |entry| entry.id.to_string())
    }

    /// All users, in the order of their ids.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<RegisteredUser>> {
        sorted(self.users.values(), |entry| entry.id.clone())
    }
}

fn sorted<'a, T: 'a, K: Ord>(
    entries: impl Iterator<Item = &'a Arc<T>>,
    key: impl Fn(&T) -> K,
) -> Vec<Arc<T>> {
    let mut entries: Vec<_> = entries.cloned().collect();
    entries.sort_by_cached_key(|entry| key(entry));
    entries
}
