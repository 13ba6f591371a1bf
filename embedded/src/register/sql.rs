//! The statements and columns that reading and writing the register share, and the view that its rules ask for.

use rusqlite::{OptionalExtension as _, Params, Row, Transaction, params};
use sistema_ts_model::{Caller, RegionCode, Service, StructureId, Timestamp};
use sistema_ts_store::register::rules::{self, caller_name};
use sistema_ts_store::register::{RegisterError, RegisterKey, UserId};

use super::schema::failed;

pub(super) fn insert(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: impl Params,
    name: impl FnOnce() -> String,
) -> Result<(), RegisterError> {
    match transaction.execute(sql, parameters).map_err(failed)? {
        0 => Err(RegisterError::Exists(name())),
        _ => Ok(()),
    }
}

pub(super) fn update(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: impl Params,
    name: impl FnOnce() -> String,
) -> Result<(), RegisterError> {
    match transaction.execute(sql, parameters).map_err(failed)? {
        0 => Err(RegisterError::Missing(name())),
        _ => Ok(()),
    }
}

/// Refuses the transaction if this caller is not registered.
pub(super) fn existing_caller(
    transaction: &Transaction<'_>,
    caller: Caller,
) -> Result<(), RegisterError> {
    let known = "SELECT 1 FROM callers WHERE caller = ?1";
    existing(transaction, known, caller.to_key().as_str(), || {
        caller_name(caller)
    })
}

pub(super) fn existing(
    transaction: &Transaction<'_>,
    sql: &str,
    key: &str,
    name: impl FnOnce() -> String,
) -> Result<(), RegisterError> {
    let found = transaction
        .query_row(sql, [key], |_| Ok(()))
        .optional()
        .map_err(failed)?;
    found.ok_or_else(|| RegisterError::Missing(name()))
}

/// Refuses the transaction if more people than allowed now hold the profile of `elencoTestEffettuati` in a region.
pub(super) fn check_listing_operators(
    transaction: &Transaction<'_>,
    key: &RegisterKey,
    region: RegionCode,
) -> Result<(), RegisterError> {
    let mut holders = Vec::new();
    let blob =
        |row: &rusqlite::Row<'_>, column: usize| row.get::<_, Vec<u8>>(column).map_err(failed);
    // Identifiers begin with the region and a dash; a dot is the character after the dash.
    each(
        transaction,
        "SELECT user_id, fiscal_code FROM users WHERE structure >= ?1 AND structure < ?2 AND instr(profiles, ?3) > 0",
        params![
            format!("{region}-"),
            format!("{region}."),
            Service::Listing.name()
        ],
        |row| {
            let user =
                UserId::parse(&text(row, 0)?).map_err(|_| RegisterError::Corrupt("a user id"))?;
            let person = key
                .open_user(&user, &blob(row, 1)?)
                .ok_or(RegisterError::Corrupt("the fiscal code of a user"))?;
            holders.push(person);
            Ok(())
        },
    )?;
    let caller = Caller::Region(region);
    each(
        transaction,
        "SELECT person, fiscal_code FROM operators WHERE caller = ?1 AND instr(profiles, ?2) > 0",
        params![caller.to_key().as_str(), Service::Listing.name()],
        |row| {
            let person = key
                .open_operator(&caller, &row.get(0).map_err(failed)?, &blob(row, 1)?)
                .ok_or(RegisterError::Corrupt("the fiscal code of an operator"))?;
            holders.push(person);
            Ok(())
        },
    )?;
    rules::check_listing_operators(region, holders)
}

pub(super) fn each<P: Params>(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: P,
    mut take: impl FnMut(&Row<'_>) -> Result<(), RegisterError>,
) -> Result<(), RegisterError> {
    let mut statement = transaction.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(parameters).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        take(row)?;
    }
    Ok(())
}

pub(super) fn text(row: &Row<'_>, column: usize) -> Result<String, RegisterError> {
    row.get(column).map_err(failed)
}

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis_clamped(millis)
}

pub(super) fn caller(key: &str) -> Result<Caller, RegisterError> {
    Caller::from_key(key).map_err(|_| RegisterError::Corrupt("the key of a caller"))
}

pub(super) fn structure_id(text: &str) -> Result<StructureId, RegisterError> {
    StructureId::parse(text).map_err(|_| RegisterError::Corrupt("the identifier of a structure"))
}
