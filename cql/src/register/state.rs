//! The register as this process has read it, at one version; and the snapshot that is made of it.

use std::collections::{BTreeMap, HashMap};

use sistema_ts_model::{Caller, StructureDescription, StructureId, Timestamp};
use sistema_ts_store::register::{
    AdministratorId, CertificateHolder, CredentialHash, Fingerprint, RegisterError,
    RegisterSnapshot, RegisteredAdministrator, RegisteredCaller, RegisteredCertificate,
    RegisteredOperator, RegisteredStructure, RegisteredUser, UserId, Workplace,
};

use super::entry::{Entry, Key, Kind, Person, Row};

/// The register at one version.
#[derive(Default)]
pub(super) struct State {
    /// None before anything was read.
    pub(super) version: Option<i64>,
    pub(super) entries: BTreeMap<Key, Entry>,
}

impl State {
    /// All entries of a kind.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Entry)> {
        let first = Key {
            kind,
            id: String::new(),
        };
        let rest = self.entries.range(first..);
        rest.take_while(move |(key, _)| key.kind == kind)
    }

    /// The snapshot after these entries have changed, or all.
    pub(super) fn snapshot(
        &self,
        before: &RegisterSnapshot,
        touched: Option<&[Key]>,
    ) -> Result<RegisterSnapshot, RegisterError> {
        // A register that is read whole may be another one: nothing of the old snapshot is kept.
        let nothing = RegisterSnapshot::default();
        let before = touched.map_or(&nothing, |_| before);
        let version = self.version.unwrap_or_default().unsigned_abs();
        let mut snapshot = before.next(version);
        self.put_callers(&mut snapshot)?;
        for kind in [Kind::Operator, Kind::Structure, Kind::User] {
            let is_removed = |key: &Key| key.kind == kind && !self.entries.contains_key(key);
            match touched {
                Some(touched) if !touched.iter().any(is_removed) => {
                    for key in touched.iter().filter(|key| key.kind == kind) {
                        if let Some(entry) = self.entries.get(key) {
                            put(&mut snapshot, key, entry)?;
                        }
                    }
                }
                _ => {
                    match kind {
                        Kind::Operator => snapshot.clear_operators(),
                        Kind::Structure => snapshot.clear_structures(),
                        _ => snapshot.clear_users(),
                    }
                    for (key, entry) in self.of_kind(kind) {
                        put(&mut snapshot, key, entry)?;
                    }
                }
            }
        }
        Ok(snapshot)
    }

    /// Callers, certificates, networks and administrators are few, and put whole.
    fn put_callers(&self, snapshot: &mut RegisterSnapshot) -> Result<(), RegisterError> {
        let mut of_callers: HashMap<Caller, Vec<RegisteredCertificate>> = HashMap::new();
        let mut of_administrators: HashMap<AdministratorId, Vec<RegisteredCertificate>> =
            HashMap::new();
        for (key, entry) in self.of_kind(Kind::Certificate) {
            let certificate = RegisteredCertificate {
                fingerprint: Fingerprint::parse(&key.id)
                    .map_err(|_| RegisterError::Corrupt("a certificate"))?,
                not_after: time(entry.row.ends_at.unwrap_or_default()),
                added_at: time(entry.row.added_at),
            };
            match holder(&entry.row)? {
                CertificateHolder::Caller(caller) => {
                    of_callers.entry(caller).or_default().push(certificate);
                }
                CertificateHolder::Administrator(id) => {
                    of_administrators.entry(id).or_default().push(certificate);
                }
            }
        }
        let mut callers = Vec::new();
        for (_, Entry { row, .. }) in self.of_kind(Kind::Caller) {
            let caller = caller_of(row)?;
            callers.push(RegisteredCaller {
                caller,
                name: row.name.clone().unwrap_or_default(),
                enabled: row.enabled,
                certificates: of_callers.remove(&caller).unwrap_or_default(),
            });
        }
        snapshot.replace_callers(callers);
        let mut networks = Vec::new();
        for (key, entry) in self.of_kind(Kind::Network) {
            let network = key.within_caller().parse();
            let network = network.map_err(|_| RegisterError::Corrupt("a network"))?;
            networks.push((caller_of(&entry.row)?, network));
        }
        snapshot.replace_networks(networks);
        let mut administrators = Vec::new();
        for (key, Entry { row, .. }) in self.of_kind(Kind::Administrator) {
            let id = AdministratorId {
                caller: caller_of(row)?,
                name: user_id(key.within_caller())?,
            };
            administrators.push(RegisteredAdministrator {
                enabled: row.enabled,
                added_at: time(row.added_at),
                certificates: of_administrators.remove(&id).unwrap_or_default(),
                id,
            });
        }
        snapshot.replace_administrators(administrators);
        Ok(())
    }
}

/// Whom a certificate proves.
pub(super) fn holder(row: &Row) -> Result<CertificateHolder, RegisterError> {
    let caller = caller_of(row)?;
    Ok(match &row.name {
        None => CertificateHolder::Caller(caller),
        Some(name) => CertificateHolder::Administrator(AdministratorId {
            caller,
            name: user_id(name)?,
        }),
    })
}

/// For whom a user works.
pub(super) fn workplace(row: &Row) -> Result<Workplace, RegisterError> {
    match row.caller {
        Some(Caller::Structure(id)) => Ok(Workplace::Structure(id)),
        Some(Caller::Asl(id)) => Ok(Workplace::Asl(id)),
        _ => Err(RegisterError::Corrupt("the workplace of a user")),
    }
}

pub(super) fn caller_of(row: &Row) -> Result<Caller, RegisterError> {
    row.caller
        .ok_or(RegisterError::Corrupt("the caller of an entry"))
}

pub(super) fn person_of(entry: &Entry) -> Result<&Person, RegisterError> {
    let person = entry.person.as_ref();
    person.ok_or(RegisterError::Corrupt("the person of an entry"))
}

fn put(snapshot: &mut RegisterSnapshot, key: &Key, entry: &Entry) -> Result<(), RegisterError> {
    let row = &entry.row;
    match key.kind {
        Kind::Operator => snapshot.put_operator(RegisteredOperator {
            caller: caller_of(row)?,
            fiscal_code: person_of(entry)?.fiscal_code.clone(),
            profiles: row.profiles,
            enabled: row.enabled,
            added_at: time(row.added_at),
        }),
        Kind::Structure => {
            let description = row.name.as_deref().unwrap_or_default();
            snapshot.put_structure(RegisteredStructure {
                id: StructureId::parse(&key.id)
                    .map_err(|_| RegisterError::Corrupt("the identifier of a structure"))?,
                description: StructureDescription::parse(description)
                    .map_err(|_| RegisterError::Corrupt("the description of a structure"))?,
                enabled: row.enabled,
            });
        }
        _ => {
            let person = person_of(entry)?;
            let credential = person.credential.as_ref();
            snapshot.put_user(RegisteredUser {
                id: user_id(&key.id)?,
                workplace: workplace(row)?,
                fiscal_code: person.fiscal_code.clone(),
                credential: credential.map_or_else(|| CredentialHash::new(""), Clone::clone),
                credential_set_at: time(row.set_at.unwrap_or_default()),
                expires_at: row.ends_at.map(time),
                profiles: row.profiles,
                enabled: row.enabled,
                version: row.changed_in.unsigned_abs(),
            });
        }
    }
    Ok(())
}

pub(super) fn user_id(text: &str) -> Result<UserId, RegisterError> {
    UserId::parse(text).map_err(|_| RegisterError::Corrupt("a user id"))
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis_clamped(millis)
}
