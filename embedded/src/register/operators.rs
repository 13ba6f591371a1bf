//! Operators who are known by codice fiscale: how they are written and read.

use rusqlite::{Transaction, params};
use sistema_ts_model::{Caller, CodiceFiscale};
use sistema_ts_store::register::rules::{check_operator_profiles, operator_name};
use sistema_ts_store::register::{
    Profiles, RegisterError, RegisterKey, RegisterSnapshot, RegisteredOperator,
};

use super::schema::failed;
use super::sql::{Change, RemovedAt, caller, each, not_sealed, person_of_operator, text, time};

pub(super) fn add(
    change: &Change<'_>,
    caller: Caller,
    fiscal_code: &CodiceFiscale,
    profiles: Profiles,
) -> Result<(), RegisterError> {
    check_operator_profiles(caller, profiles)?;
    change.check_caller(caller)?;
    let sealed = change.key.seal_operator(&caller, fiscal_code);
    change.write(
        "INSERT INTO operators (caller, person, fiscal_code, profiles, enabled, created_at, generation) \
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6) ON CONFLICT DO NOTHING",
        params![
            caller.to_key().as_str(),
            change.key.person(&caller, fiscal_code),
            sealed.map_err(not_sealed)?,
            profiles.to_text(),
            change.at.millis(),
            change.generation
        ],
        || RegisterError::Exists(operator_name(caller)),
    )?;
    check_listing_operators_of(change, caller)
}

pub(super) fn set_enabled(
    change: &Change<'_>,
    caller: Caller,
    fiscal_code: &CodiceFiscale,
    enabled: bool,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE operators SET enabled = ?3, generation = ?4 WHERE caller = ?1 AND person = ?2",
        params![
            caller.to_key().as_str(),
            change.key.person(&caller, fiscal_code),
            enabled,
            change.generation
        ],
        || RegisterError::Missing(operator_name(caller)),
    )
}

pub(super) fn set_profiles(
    change: &Change<'_>,
    caller: Caller,
    fiscal_code: &CodiceFiscale,
    profiles: Profiles,
) -> Result<(), RegisterError> {
    check_operator_profiles(caller, profiles)?;
    change.write(
        "UPDATE operators SET profiles = ?3, generation = ?4 WHERE caller = ?1 AND person = ?2",
        params![
            caller.to_key().as_str(),
            change.key.person(&caller, fiscal_code),
            profiles.to_text(),
            change.generation
        ],
        || RegisterError::Missing(operator_name(caller)),
    )?;
    check_listing_operators_of(change, caller)
}

pub(super) fn remove(
    change: &Change<'_>,
    caller: Caller,
    fiscal_code: &CodiceFiscale,
) -> Result<(), RegisterError> {
    change.write(
        "DELETE FROM operators WHERE caller = ?1 AND person = ?2",
        params![
            caller.to_key().as_str(),
            change.key.person(&caller, fiscal_code)
        ],
        || RegisterError::Missing(operator_name(caller)),
    )?;
    change.note_removal(RemovedAt::Operators)
}

fn check_listing_operators_of(change: &Change<'_>, caller: Caller) -> Result<(), RegisterError> {
    match caller.region() {
        Some(region) => change.check_listing_operators(region),
        None => Ok(()),
    }
}

/// Reads the operators that were changed after generation `since`; all of them, if one was removed since.
pub(super) fn load(
    transaction: &Transaction<'_>,
    key: &RegisterKey,
    since: i64,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let removed = RemovedAt::Operators;
    let since = removed.read_since(transaction, since, || snapshot.clear_operators())?;
    each(
        transaction,
        "SELECT caller, person, fiscal_code, profiles, enabled, created_at FROM operators WHERE generation > ?1",
        [since],
        |row| {
            let caller = caller(row, 0)?;
            snapshot.put_operator(RegisteredOperator {
                caller,
                fiscal_code: person_of_operator(key, caller, row, (1, 2))?,
                profiles: Profiles::from_text(&text(row, 3)?)
                    .ok_or(RegisterError::Corrupt("the profiles of an operator"))?,
                enabled: row.get(4).map_err(failed)?,
                added_at: time(row.get(5).map_err(failed)?),
            });
            Ok(())
        },
    )
}
