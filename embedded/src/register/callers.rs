//! Callers that prove themselves by certificate, with their certificates, networks and administrators: how they are written and read. They are few,
//! and so are read whole.

use std::collections::HashMap;

use ipnet::IpNet;
use rusqlite::{Row, Transaction, params};
use sistema_ts_model::{Caller, Timestamp};
use sistema_ts_store::register::rules::{
    administrator_name, caller_name, certificate_name, check_administrator, check_unused,
    holder_name, network_name, network_of,
};
use sistema_ts_store::register::{
    AdministratorId, CertificateHolder, Fingerprint, RegisterError, RegisterSnapshot,
    RegisteredAdministrator, RegisteredCaller, RegisteredCertificate, canonical_network,
};

use super::schema::failed;
use super::sql::{Change, caller, each, text, time, user_id};

pub(super) fn add(change: &Change<'_>, caller: Caller, name: &str) -> Result<(), RegisterError> {
    change.write(
        "INSERT INTO callers (caller, name, enabled, created_at) VALUES (?1, ?2, 1, ?3) ON CONFLICT DO NOTHING",
        params![caller.to_key().as_str(), name, change.at.millis()],
        || RegisterError::Exists(caller_name(caller)),
    )
}

pub(super) fn rename(change: &Change<'_>, caller: Caller, name: &str) -> Result<(), RegisterError> {
    change.write(
        "UPDATE callers SET name = ?2 WHERE caller = ?1",
        params![caller.to_key().as_str(), name],
        || RegisterError::Missing(caller_name(caller)),
    )
}

pub(super) fn set_enabled(
    change: &Change<'_>,
    caller: Caller,
    enabled: bool,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE callers SET enabled = ?2 WHERE caller = ?1",
        params![caller.to_key().as_str(), enabled],
        || RegisterError::Missing(caller_name(caller)),
    )
}

pub(super) fn remove(change: &Change<'_>, caller: Caller) -> Result<(), RegisterError> {
    let key = caller.to_key();
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table} WHERE caller = ?1");
        change.count(&sql, [key.as_str()])
    };
    let uses = [
        ("certificates", count("certificates")?),
        ("networks", count("networks")?),
        ("operators", count("operators")?),
        ("administrators", count("administrators")?),
    ];
    check_unused(caller_name(caller), &uses)?;
    change.write(
        "DELETE FROM callers WHERE caller = ?1",
        [key.as_str()],
        || RegisterError::Missing(caller_name(caller)),
    )
}

pub(super) fn add_certificate(
    change: &Change<'_>,
    holder: &CertificateHolder,
    fingerprint: Fingerprint,
    not_after: Timestamp,
) -> Result<(), RegisterError> {
    check_holder(change, holder)?;
    if let Some(other) = holder_of(change, fingerprint)? {
        return Err(RegisterError::CertificateInUse(holder_name(&other)));
    }
    let (not_after, now) = (not_after.millis(), change.at.millis());
    match holder {
        CertificateHolder::Caller(caller) => change.run(
            "INSERT INTO certificates (fingerprint, caller, not_after, added_at) VALUES (?1, ?2, ?3, ?4)",
            params![fingerprint.0, caller.to_key().as_str(), not_after, now],
        ),
        CertificateHolder::Administrator(AdministratorId { caller, name }) => change.run(
            "INSERT INTO administrator_certificates (fingerprint, caller, name, not_after, added_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![fingerprint.0, caller.to_key().as_str(), name.as_str(), not_after, now],
        ),
    }
    .map(|_| ())
}

pub(super) fn remove_certificate(
    change: &Change<'_>,
    holder: &CertificateHolder,
    fingerprint: Fingerprint,
) -> Result<(), RegisterError> {
    let missing = || RegisterError::Missing(certificate_name(holder));
    match holder {
        CertificateHolder::Caller(caller) => change.write(
            "DELETE FROM certificates WHERE caller = ?1 AND fingerprint = ?2",
            params![caller.to_key().as_str(), fingerprint.0],
            missing,
        ),
        CertificateHolder::Administrator(AdministratorId { caller, name }) => change.write(
            "DELETE FROM administrator_certificates WHERE caller = ?1 AND name = ?2 AND fingerprint = ?3",
            params![caller.to_key().as_str(), name.as_str(), fingerprint.0],
            missing,
        ),
    }
}

fn check_holder(change: &Change<'_>, holder: &CertificateHolder) -> Result<(), RegisterError> {
    match holder {
        CertificateHolder::Caller(caller) => change.check_caller(*caller),
        CertificateHolder::Administrator(AdministratorId { caller, name }) => change.require(
            "SELECT 1 FROM administrators WHERE caller = ?1 AND name = ?2",
            params![caller.to_key().as_str(), name.as_str()],
            || RegisterError::Missing(holder_name(holder)),
        ),
    }
}

/// Whom a certificate proves already.
fn holder_of(
    change: &Change<'_>,
    fingerprint: Fingerprint,
) -> Result<Option<CertificateHolder>, RegisterError> {
    let mut holder = None;
    each(
        &change.transaction,
        "SELECT caller, NULL FROM certificates WHERE fingerprint = ?1 \
         UNION ALL SELECT caller, name FROM administrator_certificates WHERE fingerprint = ?1",
        [fingerprint.0],
        |row| {
            let caller = caller(row, 0)?;
            let is_caller = row.get_ref(1).map_err(failed)? == rusqlite::types::ValueRef::Null;
            holder = Some(match is_caller {
                true => CertificateHolder::Caller(caller),
                false => CertificateHolder::Administrator(AdministratorId {
                    caller,
                    name: user_id(row, 1)?,
                }),
            });
            Ok(())
        },
    )?;
    Ok(holder)
}

pub(super) fn add_network(
    change: &Change<'_>,
    caller: Caller,
    network: IpNet,
) -> Result<(), RegisterError> {
    let network = network_of(caller, network)?;
    change.check_caller(caller)?;
    change.write(
        "INSERT INTO networks (caller, network, added_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![caller.to_key().as_str(), network.to_string(), change.at.millis()],
        || RegisterError::Exists(network_name(caller, network)),
    )
}

pub(super) fn remove_network(
    change: &Change<'_>,
    caller: Caller,
    network: IpNet,
) -> Result<(), RegisterError> {
    let network = canonical_network(network);
    change.write(
        "DELETE FROM networks WHERE caller = ?1 AND network = ?2",
        params![caller.to_key().as_str(), network.to_string()],
        || RegisterError::Missing(network_name(caller, network)),
    )
}

pub(super) fn add_administrator(
    change: &Change<'_>,
    administrator: &AdministratorId,
) -> Result<(), RegisterError> {
    check_administrator(administrator)?;
    let AdministratorId { caller, name } = administrator;
    change.check_caller(*caller)?;
    change.write(
        "INSERT INTO administrators (caller, name, enabled, created_at) VALUES (?1, ?2, 1, ?3) ON CONFLICT DO NOTHING",
        params![caller.to_key().as_str(), name.as_str(), change.at.millis()],
        || RegisterError::Exists(administrator_name(administrator)),
    )
}

pub(super) fn set_administrator_enabled(
    change: &Change<'_>,
    administrator: &AdministratorId,
    enabled: bool,
) -> Result<(), RegisterError> {
    let AdministratorId { caller, name } = administrator;
    change.write(
        "UPDATE administrators SET enabled = ?3 WHERE caller = ?1 AND name = ?2",
        params![caller.to_key().as_str(), name.as_str(), enabled],
        || RegisterError::Missing(administrator_name(administrator)),
    )
}

pub(super) fn remove_administrator(
    change: &Change<'_>,
    administrator: &AdministratorId,
) -> Result<(), RegisterError> {
    let AdministratorId { caller, name } = administrator;
    let key = caller.to_key();
    change.run(
        "DELETE FROM administrator_certificates WHERE caller = ?1 AND name = ?2",
        params![key.as_str(), name.as_str()],
    )?;
    change.write(
        "DELETE FROM administrators WHERE caller = ?1 AND name = ?2",
        params![key.as_str(), name.as_str()],
        || RegisterError::Missing(administrator_name(administrator)),
    )
}

/// Reads the callers, their certificates, networks and administrators.
pub(super) fn load(
    transaction: &Transaction<'_>,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let mut callers = HashMap::new();
    each(
        transaction,
        "SELECT caller, name, enabled FROM callers",
        [],
        |row| {
            let caller = caller(row, 0)?;
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
        "SELECT fingerprint, not_after, added_at, caller FROM certificates ORDER BY fingerprint",
        [],
        |row| {
            callers
                .get_mut(&caller(row, 3)?)
                .ok_or(RegisterError::Corrupt("the caller of a certificate"))?
                .certificates
                .push(certificate(row)?);
            Ok(())
        },
    )?;
    snapshot.replace_callers(callers.into_values());
    load_networks(transaction, snapshot)?;
    load_administrators(transaction, snapshot)
}

fn load_networks(
    transaction: &Transaction<'_>,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let mut networks = Vec::new();
    each(
        transaction,
        "SELECT caller, network FROM networks ORDER BY caller, network",
        [],
        |row| {
            let network = text(row, 1)?.parse();
            let network = network.map_err(|_| RegisterError::Corrupt("a network"))?;
            networks.push((caller(row, 0)?, network));
            Ok(())
        },
    )?;
    snapshot.replace_networks(networks);
    Ok(())
}

fn load_administrators(
    transaction: &Transaction<'_>,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let mut administrators = HashMap::new();
    each(
        transaction,
        "SELECT caller, name, enabled, created_at FROM administrators",
        [],
        |row| {
            let id = administrator_id(row, 0)?;
            let entry = RegisteredAdministrator {
                id: id.clone(),
                enabled: row.get(2).map_err(failed)?,
                added_at: time(row.get(3).map_err(failed)?),
                certificates: Vec::new(),
            };
            administrators.insert(id, entry);
            Ok(())
        },
    )?;
    each(
        transaction,
        "SELECT fingerprint, not_after, added_at, caller, name FROM administrator_certificates ORDER BY fingerprint",
        [],
        |row| {
            administrators
                .get_mut(&administrator_id(row, 3)?)
                .ok_or(RegisterError::Corrupt("the administrator of a certificate"))?
                .certificates
                .push(certificate(row)?);
            Ok(())
        },
    )?;
    snapshot.replace_administrators(administrators.into_values());
    Ok(())
}

/// A certificate, from a row's first columns.
fn certificate(row: &Row<'_>) -> Result<RegisteredCertificate, RegisterError> {
    Ok(RegisteredCertificate {
        fingerprint: Fingerprint(row.get(0).map_err(failed)?),
        not_after: time(row.get(1).map_err(failed)?),
        added_at: time(row.get(2).map_err(failed)?),
    })
}

/// An administrator, from the columns of its caller and its name.
fn administrator_id(row: &Row<'_>, first: usize) -> Result<AdministratorId, RegisterError> {
    Ok(AdministratorId {
        caller: caller(row, first)?,
        name: user_id(row, first + 1)?,
    })
}
