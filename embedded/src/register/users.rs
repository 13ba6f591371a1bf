//! Structures, and the users of structures and ASLs: how they are written and read.

use rusqlite::{Row, Transaction, params};
use sistema_ts_model::{AslId, StructureDescription, StructureId, Timestamp};
use sistema_ts_store::register::rules::{
    check_unused, check_user_profiles, structure_name, user_name,
};
use sistema_ts_store::register::{
    CredentialHash, NewUser, Profiles, RegisterError, RegisterKey, RegisterSnapshot,
    RegisteredStructure, RegisteredUser, UserId, Workplace,
};

use super::schema::failed;
use super::sql::{
    Change, RemovedAt, each, not_sealed, person_of_user, structure_id, text, time, user_id,
};

pub(super) fn add_structure(
    change: &Change<'_>,
    id: StructureId,
    description: &StructureDescription,
) -> Result<(), RegisterError> {
    change.write(
        "INSERT INTO structures (structure, description, enabled, created_at, generation) \
         VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT DO NOTHING",
        params![
            id.to_string(),
            description.as_str(),
            change.at.millis(),
            change.generation
        ],
        || RegisterError::Exists(structure_name(id)),
    )
}

pub(super) fn rename_structure(
    change: &Change<'_>,
    id: StructureId,
    description: &StructureDescription,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE structures SET description = ?2, generation = ?3 WHERE structure = ?1",
        params![id.to_string(), description.as_str(), change.generation],
        || RegisterError::Missing(structure_name(id)),
    )
}

pub(super) fn set_structure_enabled(
    change: &Change<'_>,
    id: StructureId,
    enabled: bool,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE structures SET enabled = ?2, generation = ?3 WHERE structure = ?1",
        params![id.to_string(), enabled, change.generation],
        || RegisterError::Missing(structure_name(id)),
    )
}

pub(super) fn remove_structure(change: &Change<'_>, id: StructureId) -> Result<(), RegisterError> {
    let users = change.count(
        "SELECT count(*) FROM users WHERE structure = ?1",
        [id.to_string()],
    )?;
    check_unused(structure_name(id), &[("users", users)])?;
    change.write(
        "DELETE FROM structures WHERE structure = ?1",
        [id.to_string()],
        || RegisterError::Missing(structure_name(id)),
    )?;
    change.note_removal(RemovedAt::Structures)
}

pub(super) fn add(change: &Change<'_>, user: &NewUser) -> Result<(), RegisterError> {
    check_user_profiles(&user.workplace, user.profiles)?;
    if let Workplace::Structure(id) = user.workplace {
        check_structure(change, id)?;
    }
    let (structure, asl) = columns(&user.workplace);
    let sealed = change.key.seal_user(&user.id, &user.fiscal_code);
    change.write(
        "INSERT INTO users (user_id, structure, asl, fiscal_code, credential, credential_set_at, expires_at, profiles, \
         enabled, created_at, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?6, ?9) ON CONFLICT DO NOTHING",
        params![
            user.id.as_str(),
            structure,
            asl,
            sealed.map_err(not_sealed)?,
            user.credential.expose(),
            change.at.millis(),
            user.expires_at.map(Timestamp::millis),
            user.profiles.to_text(),
            change.generation
        ],
        || RegisterError::Exists(user_name(&user.id)),
    )?;
    change.check_listing_operators(user.workplace.region())
}

pub(super) fn set_enabled(
    change: &Change<'_>,
    user: &UserId,
    enabled: bool,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE users SET enabled = ?2, generation = ?3 WHERE user_id = ?1",
        params![user.as_str(), enabled, change.generation],
        || RegisterError::Missing(user_name(user)),
    )
}

pub(super) fn set_credential(
    change: &Change<'_>,
    user: &UserId,
    credential: &CredentialHash,
    expires_at: Option<Timestamp>,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE users SET credential = ?2, credential_set_at = ?3, expires_at = ?4, generation = ?5 WHERE user_id = ?1",
        params![
            user.as_str(),
            credential.expose(),
            change.at.millis(),
            expires_at.map(Timestamp::millis),
            change.generation
        ],
        || RegisterError::Missing(user_name(user)),
    )
}

pub(super) fn set_expiry(
    change: &Change<'_>,
    user: &UserId,
    expires_at: Option<Timestamp>,
) -> Result<(), RegisterError> {
    change.write(
        "UPDATE users SET expires_at = ?2, generation = ?3 WHERE user_id = ?1",
        params![
            user.as_str(),
            expires_at.map(Timestamp::millis),
            change.generation
        ],
        || RegisterError::Missing(user_name(user)),
    )
}

pub(super) fn set_profiles(
    change: &Change<'_>,
    user: &UserId,
    profiles: Profiles,
) -> Result<(), RegisterError> {
    let mut found = None;
    each(
        &change.transaction,
        "SELECT structure, asl FROM users WHERE user_id = ?1",
        [user.as_str()],
        |row| {
            found = Some(workplace(row, 0)?);
            Ok(())
        },
    )?;
    let workplace = found.ok_or_else(|| RegisterError::Missing(user_name(user)))?;
    check_user_profiles(&workplace, profiles)?;
    change.run(
        "UPDATE users SET profiles = ?2, generation = ?3 WHERE user_id = ?1",
        params![user.as_str(), profiles.to_text(), change.generation],
    )?;
    change.check_listing_operators(workplace.region())
}

pub(super) fn remove(change: &Change<'_>, user: &UserId) -> Result<(), RegisterError> {
    change.write(
        "DELETE FROM users WHERE user_id = ?1",
        [user.as_str()],
        || RegisterError::Missing(user_name(user)),
    )?;
    change.note_removal(RemovedAt::Users)
}

fn check_structure(change: &Change<'_>, id: StructureId) -> Result<(), RegisterError> {
    change.require(
        "SELECT 1 FROM structures WHERE structure = ?1",
        [id.to_string()],
        || RegisterError::Missing(structure_name(id)),
    )
}

/// Reads the structures that were changed after generation `since`; all of them, if one was removed since.
pub(super) fn load_structures(
    transaction: &Transaction<'_>,
    since: i64,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let removed = RemovedAt::Structures;
    let since = removed.read_since(transaction, since, || snapshot.clear_structures())?;
    each(
        transaction,
        "SELECT structure, description, enabled FROM structures WHERE generation > ?1",
        [since],
        |row| {
            snapshot.put_structure(RegisteredStructure {
                id: structure_id(&text(row, 0)?)?,
                description: StructureDescription::parse(&text(row, 1)?)
                    .map_err(|_| RegisterError::Corrupt("the description of a structure"))?,
                enabled: row.get(2).map_err(failed)?,
            });
            Ok(())
        },
    )
}

/// Reads the users that were changed after generation `since`; all of them, if one was removed since.
pub(super) fn load(
    transaction: &Transaction<'_>,
    key: &RegisterKey,
    since: i64,
    snapshot: &mut RegisterSnapshot,
) -> Result<(), RegisterError> {
    let since = RemovedAt::Users.read_since(transaction, since, || snapshot.clear_users())?;
    each(
        transaction,
        "SELECT user_id, structure, asl, fiscal_code, credential, credential_set_at, expires_at, profiles, enabled, generation \
         FROM users WHERE generation > ?1",
        [since],
        |row| {
            snapshot.put_user(registered(row, key)?);
            Ok(())
        },
    )
}

fn registered(row: &Row<'_>, key: &RegisterKey) -> Result<RegisteredUser, RegisterError> {
    let id = user_id(row, 0)?;
    let version = row.get::<_, i64>(9).map_err(failed)?;
    Ok(RegisteredUser {
        workplace: workplace(row, 1)?,
        fiscal_code: person_of_user(key, &id, row, 3)?,
        credential: CredentialHash::new(&text(row, 4)?),
        credential_set_at: time(row.get(5).map_err(failed)?),
        expires_at: row.get::<_, Option<i64>>(6).map_err(failed)?.map(time),
        profiles: Profiles::from_text(&text(row, 7)?)
            .ok_or(RegisterError::Corrupt("the profiles of a user"))?,
        enabled: row.get(8).map_err(failed)?,
        version: u64::try_from(version)
            .map_err(|_| RegisterError::Corrupt("the generation of a user"))?,
        id,
    })
}

/// The columns of the structure and of the ASL, of which one has a value.
fn columns(workplace: &Workplace) -> (Option<String>, Option<String>) {
    match workplace {
        Workplace::Structure(id) => (Some(id.to_string()), None),
        Workplace::Asl(id) => (None, Some(id.to_string())),
    }
}

/// Reads the two columns of [`columns`].
fn workplace(row: &Row<'_>, first: usize) -> Result<Workplace, RegisterError> {
    let column = |number| row.get::<_, Option<String>>(number).map_err(failed);
    match (column(first)?, column(first + 1)?) {
        (Some(structure), None) => structure_id(&structure).map(Workplace::Structure),
        (None, Some(asl)) => AslId::parse(&asl)
            .map(Workplace::Asl)
            .map_err(|_| RegisterError::Corrupt("the identifier of an ASL")),
        _ => Err(RegisterError::Corrupt("the workplace of a user")),
    }
}
