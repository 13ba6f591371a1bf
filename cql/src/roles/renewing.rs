//! Making the roles, or bringing them to exactly the rights that they are to have.

use std::collections::BTreeSet;

use scylla::client::session::Session;
use zeroize::Zeroizing;

use super::held::{Held, Known, granted, known, rights, send};
use super::{Resource, Right, Role, RoleError};
use crate::accounts::{Account, Accounts};
use crate::connect_error::ConnectError;
use crate::migrations;
use crate::password::read_password;
use crate::settings::CqlSettings;
use crate::tables::{Keyspace, with_keyspaces};

/// The shortest and the longest password of a role: what is longer the nodes' hash would cut.
const PASSWORD_LENGTHS: std::ops::RangeInclusive<usize> = 12..=72;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Names of roles that were not there before.
    pub made: Vec<String>,
    /// Names of roles that were there and have another password now.
    pub passwords: Vec<String>,
    /// Rights that were given.
    pub given: usize,
    /// Rights, and roles within roles, that were taken away.
    pub taken: usize,
    /// Whether tables are missing, so that rights to them could not be given yet.
    pub lacks_tables: bool,
}

/// An account with what it is for and its password, if it is to have another.
struct Wanted<'a> {
    role: Role,
    name: &'a str,
    password: Option<Zeroizing<String>>,
    found: Option<Known>,
}

/// Makes the keyspaces and the roles, or brings the roles to exactly the rights that they are to have: a repetition changes nothing. `session` is an
/// administrator's of the cluster, signed in as `settings.role`. What is missing is given before anything is taken away, so a running server notices
/// nothing.
///
/// # Errors
/// [`RoleError`]. Names and passwords are looked at before anything is changed; what was changed then stays, and a repetition goes on from there.
pub async fn renew(
    session: &Session,
    settings: &CqlSettings,
    accounts: &Accounts,
) -> Result<Renewed, RoleError> {
    if settings.role.is_empty() {
        return Err(ConnectError::NoRole.into());
    }
    check_names(settings, accounts)?;
    let known = known(session).await?;
    let mut all = Vec::with_capacity(Role::ALL.len());
    for role in Role::ALL {
        all.push(wanted(role, accounts, &known)?);
    }
    let own = granted(session, &settings.role, true).await?;
    if !own.iter().any(|role| role.is_superuser) {
        return Err(RoleError::NoAdministrator(settings.role.clone()));
    }
    // Where no rights are checked this is refused.
    let held = rights(session, &settings.role, false).await;
    held.map_err(|error| match error {
        RoleError::Refused { .. } => RoleError::NotChecked,
        other => other,
    })?;
    migrations::prepare(session, settings).await?;
    let there = tables(session, settings).await?;
    let mut renewed = Renewed::default();
    for wanted in &all {
        make(session, wanted, &mut renewed).await?;
        let is_there = |right: &Right| match right.resource {
            Resource::Keyspace(_) => true,
            Resource::Table(name) => {
                let name = with_keyspaces(name, &settings.keyspace_prefix);
                there.contains(&name.to_lowercase())
            }
        };
        let (can_be_given, missing): (Vec<Right>, Vec<Right>) =
            wanted.role.rights().into_iter().partition(is_there);
        renewed.lacks_tables |= !missing.is_empty();
        give_and_take(session, settings, wanted.name, &can_be_given, &mut renewed).await?;
    }
    Ok(renewed)
}

fn check_names(settings: &CqlSettings, accounts: &Accounts) -> Result<(), RoleError> {
    let mut names = BTreeSet::new();
    for Account { name, .. } in [&accounts.server, &accounts.migrate, &accounts.reader] {
        let is_name = name.len() <= 48
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_name {
            return Err(RoleError::Name(name.clone()));
        }
        if *name == settings.role {
            return Err(RoleError::Administrator(name.clone()));
        }
        if !names.insert(name) {
            return Err(RoleError::SameName(name.clone()));
        }
    }
    Ok(())
}

fn wanted<'a>(
    role: Role,
    accounts: &'a Accounts,
    known: &[Known],
) -> Result<Wanted<'a>, RoleError> {
    let account = match role {
        Role::Server => &accounts.server,
        Role::Migrate => &accounts.migrate,
        Role::Reader => &accounts.reader,
    };
    let found = known.iter().find(|known| known.name == account.name);
    let password = match &account.password_file {
        None if found.is_none() => return Err(RoleError::PasswordMissing(account.name.clone())),
        None => None,
        Some(file) => {
            let password = read_password(file)?;
            let is_good = PASSWORD_LENGTHS.contains(&password.len())
                && password.bytes().all(|byte| matches!(byte, b' '..=b'~'))
                && password.trim() == password.as_str();
            if !is_good {
                return Err(RoleError::Password(file.clone()));
            }
            Some(password)
        }
    };
    Ok(Wanted {
        role,
        name: &account.name,
        password,
        found: found.cloned(),
    })
}

/// The tables of the installation, each as `keyspace.table`.
async fn tables(session: &Session, settings: &CqlSettings) -> Result<BTreeSet<String>, RoleError> {
    let mut tables = BTreeSet::new();
    for keyspace in Keyspace::ALL {
        let name = with_keyspaces(
            &format!("{{{}}}", keyspace.name()),
            &settings.keyspace_prefix,
        );
        for table in migrations::tables_of(session, &name).await? {
            tables.insert(format!("{}.{table}", name.to_lowercase()));
        }
    }
    Ok(tables)
}

async fn make(
    session: &Session,
    wanted: &Wanted<'_>,
    renewed: &mut Renewed,
) -> Result<(), RoleError> {
    let name = wanted.name;
    let mut options = Zeroizing::new("LOGIN = true AND SUPERUSER = false".to_owned());
    if let Some(password) = &wanted.password {
        let quoted = Zeroizing::new(password.replace('\'', "''"));
        options = Zeroizing::new(format!("PASSWORD = '{}' AND {}", *quoted, *options));
    }
    let (verb, what) = match &wanted.found {
        None => ("CREATE ROLE IF NOT EXISTS", "making"),
        Some(found) if wanted.password.is_none() && found.may_sign_in && !found.is_superuser => {
            return Ok(());
        }
        Some(_) => ("ALTER ROLE", "changing"),
    };
    let statement = format!("{verb} \"{name}\" WITH {}", *options);
    send(session, &format!("{what} the role {name:?}"), statement).await?;
    match (&wanted.found, &wanted.password) {
        (None, _) => renewed.made.push(name.to_owned()),
        (Some(_), Some(_)) => renewed.passwords.push(name.to_owned()),
        (Some(_), None) => {}
    }
    Ok(())
}

async fn give_and_take(
    session: &Session,
    settings: &CqlSettings,
    name: &str,
    wanted: &[Right],
    renewed: &mut Renewed,
) -> Result<(), RoleError> {
    let held = rights(session, name, false).await?;
    let wanted: BTreeSet<Held> = wanted
        .iter()
        .map(|right| Held {
            resource: right.resource.listed(&settings.keyspace_prefix),
            permission: right.permission.to_string(),
        })
        .collect();
    let given = wanted.difference(&held).map(|right| (right, "GRANT", "TO"));
    let taken = held
        .difference(&wanted)
        .map(|right| (right, "REVOKE", "FROM"));
    for (right, verb, link) in given.chain(taken) {
        let Held {
            resource,
            permission,
        } = right;
        let is_word = permission
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let Some(on) = right.resource_of_statement().filter(|_| is_word) else {
            return Err(RoleError::UnknownRight {
                role: name.to_owned(),
                right: format!("{permission} on {resource}"),
            });
        };
        let statement = format!("{verb} {permission} ON {on} {link} \"{name}\"");
        let what = format!("{verb} {permission} on {resource} {link} {name:?}");
        send(session, &what, statement).await?;
        match verb {
            "GRANT" => renewed.given += 1,
            _ => renewed.taken += 1,
        }
    }
    for granted in granted(session, name, false).await? {
        if granted.name != name {
            let statement = format!("REVOKE \"{}\" FROM \"{name}\"", granted.name);
            let what = format!("taking the role {:?} from {name:?}", granted.name);
            send(session, &what, statement).await?;
            renewed.taken += 1;
        }
    }
    Ok(())
}
