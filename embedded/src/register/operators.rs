//! Operators who are known by codice fiscale, and the networks of call centres: how they are written and read.

use ipnet::IpNet;
use rusqlite::{Transaction, params};
use sistema_ts_model::{Caller, CodiceFiscale, Timestamp};
use sistema_ts_store::register::rules::{
    check_operator_profiles, network_name, network_of, operator_name,
};
use sistema_ts_store::register::{
    Profiles, RegisterError, RegisterKey, RegisterSnapshot, RegisteredOperator, canonical_network,
};

use super::schema::failed;
use super::sql::{
    caller, check_listing_operators, each, existing_caller, insert, text, time, update,
};
use super::write::Writer;

impl Writer {
    pub(super) fn add_network(
        &mut self,
        caller: Caller,
        network: IpNet,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let network = network_of(caller, network)?;
        self.change(|transaction, _, _| {
            existing_caller(transaction, caller)?;
            insert(
                transaction,
                "INSERT INTO networks (caller, network, added_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![
                    caller.to_key().as_str(),
                    network.to_string(),
                    now.millis()
                ],
                || network_name(caller, network),
            )
        })
    }

    pub(super) fn remove_network(
        &mut self,
        caller: Caller,
        network: IpNet,
    ) -> Result<(), RegisterError> {
        let network = canonical_network(network);
        self.change(|transaction, _, _| {
            update(
                transaction,
                "DELETE FROM networks WHERE caller = ?1 AND network = ?2",
                params![caller.to_key().as_str(), network.to_string()],
                || network_name(caller, network),
            )
        })
    }

    pub(super) fn add_operator(
        &mut self,
        caller: Caller,
        fiscal_code: &CodiceFiscale,
        profiles: Profiles,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        check_operator_profiles(caller, profiles)?;
        self.change(|transaction, key, generation| {
            existing_caller(transaction, caller)?;
            let sealed = key
                .seal_operator(&caller, fiscal_code)
                .map_err(|error| RegisterError::Unavailable(error.to_string()))?;
            insert(
                transaction,
                "INSERT INTO operators (caller, person, fiscal_code, profiles, enabled, created_at, generation) \
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6) ON CONFLICT DO NOTHING",
                params![
                    caller.to_key().as_str(),
                    key.person(&caller, fiscal_code),
                    sealed,
                    profiles.to_text(),
                    now.millis(),
                    generation
                ],
                || operator_name(caller),
            )?;
            check_listing_operators_of(transaction, key, caller)
        })
    }

    pub(super) fn set_operator_enabled(
        &mut self,
        caller: Caller,
        fiscal_code: &CodiceFiscale,
        enabled: bool,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, key, generation| {
            update(
                transaction,
                "UPDATE operators SET enabled = ?3, generation = ?4 WHERE caller = ?1 AND person = ?2",
                params![
                    caller.to_key().as_str(),
                    key.person(&caller, fiscal_code),
                    enabled,
                    generation
                ],
                || operator_name(caller),
            )
        })
    }

    pub(super) fn set_operator_profiles(
        &mut self,
        caller: Caller,
        fiscal_code: &CodiceFiscale,
        profiles: Profiles,
    ) -> Result<(), RegisterError> {
        check_operator_profiles(caller, profiles)?;
        self.change(|transaction, key, generation| {
            update(
                transaction,
                "UPDATE operators SET profiles = ?3, generation = ?4 WHERE caller = ?1 AND person = ?2",
                params![
                    caller.to_key().as_str(),
                    key.person(&caller, fiscal_code),
                    profiles.to_text(),
                    generation
                ],
                || operator_name(caller),
            )?;
            check_listing_operators_of(transaction, key, caller)
        })
    }

    pub(super) fn remove_operator(
        &mut self,
        caller: Caller,
        fiscal_code: &CodiceFiscale,
    ) -> Result<(), RegisterError> {
        self.change(|transaction, key, generation| {
            update(
                transaction,
                "DELETE FROM operators WHERE caller = ?1 AND person = ?2",
                params![caller.to_key().as_str(), key.person(&caller, fiscal_code)],
                || operator_name(caller),
            )?;
            transaction
                .execute(
                    "UPDATE register SET operators_removed_at = ?1",
                    [generation],
                )
                .map_err(failed)?;
            Ok(())
        })
    }
}

/// Reads the few networks whole.
pub(super) fn load_networks(
    transaction: &Transaction<'_>,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let mut networks = Vec::new();
    each(
        transaction,
        "SELECT caller, network FROM networks ORDER BY caller, network",
        [],
        |row| {
            let network = text(row, 1)?
                .parse()
                .map_err(|_| RegisterError::Corrupt("a network"))?;
            networks.push((caller(&text(row, 0)?)?, network));
            Ok(())
        },
    )?;
    snapshot.replace_networks(networks);
    Ok(())
}

/// Reads the operators that were changed after generation `since`; all of them, if one was removed since.
pub(super) fn load_operators(
    transaction: &Transaction<'_>,
    key: &RegisterKey,
    since: i64,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let removed_at = transaction
        .query_row("SELECT operators_removed_at FROM register", [], |row| {
            row.get::<_, i64>(0)
        })
        .map_err(failed)?;
    let since = if removed_at > since {
        snapshot.clear_operators();
        0
    } else {
        since
    };
    each(
        transaction,
        "SELECT caller, person, fiscal_code, profiles, enabled, created_at FROM operators WHERE generation > ?1",
        [since],
        |row| {
            let caller = caller(&text(row, 0)?)?;
            let sealed = row.get_ref(2).map_err(failed)?;
            let entry = RegisteredOperator {
                caller,
                fiscal_code: key
                    .open_operator(
                        &caller,
                        &row.get(1).map_err(failed)?,
                        sealed.as_blob().unwrap_or_default(),
                    )
                    .ok_or(RegisterError::Corrupt("the fiscal code of an operator"))?,
                profiles: Profiles::from_text(&text(row, 3)?)
                    .ok_or(RegisterError::Corrupt("the profiles of an operator"))?,
                enabled: row.get(4).map_err(failed)?,
                added_at: time(row.get(5).map_err(failed)?),
            };
            snapshot.put_operator(entry);
            Ok(())
        },
    )
}

fn check_listing_operators_of(
    transaction: &Transaction<'_>,
    key: &RegisterKey,
    caller: Caller,
) -> Result<(), RegisterError> {
    match caller.region() {
        Some(region) => check_listing_operators(transaction, key, region),
        None => Ok(()),
    }
}
