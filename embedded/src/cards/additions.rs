//! Cards that are added to the register under a name, and taken out again: for tests on a register that is not theirs.
//!
//! An addition is merged into the register, so that a check costs what it did and tells nothing of it. A file beside the register
//! has those of its cards that no import has brought; a removal takes these out, but for cards of another addition, which go with the last
//! one that has them. The file comes first and goes last: whenever an addition or a removal is interrupted, the removal can be made again.
//!
//! The file has the time of the import on which it was made. One of another time was left behind when the process died after the register
//! was replaced: it says nothing of the cards that are there now. One whose cards are not all in the register was left behind when the process
//! died within an addition or a removal, between its two files: it is no addition, may be removed, and gives its name to the next one.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use sistema_ts_model::Timestamp;
use sistema_ts_store::cards::{AdditionError, AdditionName, CardError, CardKey, HASH_LENGTH};
use sistema_ts_store::register::RegisterKey;

use super::files::{
    ALL_CARDS, Entry, Paths, failed, io_failed, lock, next, open_whole, put_in_place, remove,
    write_register,
};
use super::runs::Runs;

const PREFIX: &str = "cards-added-";
const SUFFIX: &str = ".db";

fn path_of(name: &AdditionName, paths: &Paths) -> PathBuf {
    paths
        .folder
        .join(format!("{PREFIX}{}{SUFFIX}", name.as_str()))
}

/// The additions to the register in `folder`, by name.
///
/// # Errors
/// Those of the files.
pub fn additions(folder: &Path) -> Result<Vec<AdditionName>, CardError> {
    let paths = Paths::in_folder(folder);
    let mut found = names(folder)?;
    if found.is_empty() || !paths.register.exists() {
        return Ok(Vec::new());
    }
    let register = open_whole(&paths.register)?;
    let (_, imported_at) = about(&register)?;
    let mut failure = None;
    let is_whole = |name: &AdditionName| {
        Ok(is_of(name, &paths, imported_at)? && is_whole(name, &paths, &register)?)
    };
    found.retain(|name| match is_whole(name) {
        Ok(is_whole) => is_whole,
        Err(error) => {
            failure = Some(error);
            false
        }
    });
    failure.map_or(Ok(found), Err)
}

/// The names of all files of additions, those that were left behind among them.
fn names(folder: &Path) -> Result<Vec<AdditionName>, CardError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(reason) => return Err(io_failed(reason)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(io_failed)?.file_name();
        let name = file.to_str().and_then(|file| {
            let name = file.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            name.parse().ok()
        });
        names.extend(name);
    }
    names.sort();
    Ok(names)
}

/// Whether the file of this name was made on the register that was imported then.
fn is_of(name: &AdditionName, paths: &Paths, imported_at: Timestamp) -> Result<bool, CardError> {
    let (_, made_on) = about(&open_whole(&path_of(name, paths))?)?;
    Ok(made_on == imported_at)
}

/// Whether all cards of the file of this name are in the register.
fn is_whole(name: &AdditionName, paths: &Paths, register: &Connection) -> Result<bool, CardError> {
    let added = open_whole(&path_of(name, paths))?;
    let mut select = added.prepare(ALL_CARDS).map_err(failed)?;
    let mut rows = select.query([]).map_err(failed)?;
    while let Some(entry) = next(&mut rows)? {
        if !has(register, &entry)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a file has this card.
fn has(file: &Connection, (person, card, from, to): &Entry) -> Result<bool, CardError> {
    let mut select = file
        .prepare_cached(
            "SELECT 1 FROM cards WHERE person = ?1 AND card = ?2 AND from_day = ?3 AND to_day = ?4",
        )
        .map_err(failed)?;
    select
        .exists(params![person, card, from, to])
        .map_err(failed)
}

/// Merges what an import has taken onto the register in use; how many cards it then has, and how many of them are new.
pub(super) fn add(
    runs: &Runs,
    name: &AdditionName,
    now: Timestamp,
) -> Result<(u64, u64), AdditionError> {
    let paths = &runs.paths;
    let place = path_of(name, paths);
    let key_check = runs.key.check_value();
    let base = base(paths, key_check)?;
    forget_others(paths, base.as_ref().map(|(_, imported_at)| *imported_at))?;
    if let Some((register, _)) = &base
        && place.exists()
        && is_whole(name, paths, register)?
    {
        return Err(AdditionError::Exists(name.as_str().to_owned()));
    }
    // The register is as old as its last import.
    let imported_at = base.as_ref().map_or(now, |(_, imported_at)| *imported_at);
    let connection = base.as_ref().map(|(connection, _)| connection);
    let others = Others::than(name, paths, connection)?;
    let (mut cards, mut added) = (0, 0);
    let listed = paths.folder.join("cards-added-new.tmp");
    remove(&listed)?;
    write_register(&listed, key_check, imported_at, |insert| {
        cards = runs.merge_onto(connection, imported_at, &mut |entry, is_new| {
            added += u64::from(is_new);
            if is_new || others.have(entry)? {
                insert(entry)?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    put_in_place(&listed, &place)?;
    put_in_place(&paths.new, &paths.register)?;
    Ok((cards, added))
}

/// Takes the cards out of the register in `folder` that were added under this name. Answers how many cards it holds then.
///
/// # Errors
/// [`AdditionError::Missing`], [`CardError::ImportUnderWay`], [`CardError::WrongKey`], and those of the files.
pub fn remove_addition(
    folder: &Path,
    key: &RegisterKey,
    name: &AdditionName,
) -> Result<u64, AdditionError> {
    let paths = Paths::in_folder(folder);
    let place = path_of(name, &paths);
    let check_there = || match place.exists() {
        true => Ok(()),
        false => Err(AdditionError::Missing(name.as_str().to_owned())),
    };
    check_there()?;
    let _lock = lock(&paths)?;
    let key = CardKey::derived_from(key).map_err(CardError::from)?;
    let Some((base, imported_at)) = base(&paths, key.check_value())? else {
        // The register is gone, and with it what was added.
        remove(&place)?;
        return Ok(0);
    };
    forget_others(&paths, Some(imported_at))?;
    // Another removal may have been at work up to now.
    check_there()?;
    let others = Others::than(name, &paths, Some(&base))?;
    let added = open_whole(&place)?;
    remove(&paths.new)?;
    let cards = write_register(&paths.new, key.check_value(), imported_at, |insert| {
        let mut select = base.prepare(ALL_CARDS).map_err(failed)?;
        let mut rows = select.query([]).map_err(failed)?;
        let mut select = added.prepare(ALL_CARDS).map_err(failed)?;
        let mut taken_out = select.query([]).map_err(failed)?;
        let mut out = next(&mut taken_out)?;
        while let Some(entry) = next(&mut rows)? {
            // Both are in order. What the register has no more is passed over.
            while out.is_some_and(|out| out < entry) {
                out = next(&mut taken_out)?;
            }
            if out != Some(entry) || others.have(&entry)? {
                insert(&entry)?;
            }
        }
        Ok(())
    })?;
    put_in_place(&paths.new, &paths.register)?;
    remove(&place)?;
    Ok(cards)
}

/// The register was replaced: nothing of any addition is in it.
pub(super) fn forget_all(paths: &Paths) -> Result<(), CardError> {
    for name in names(&paths.folder)? {
        remove(&path_of(&name, paths))?;
    }
    Ok(())
}

/// Removes the files that were made on another register than that of this time.
fn forget_others(paths: &Paths, imported_at: Option<Timestamp>) -> Result<(), CardError> {
    for name in names(&paths.folder)? {
        let is_of = match imported_at {
            Some(imported_at) => is_of(&name, paths, imported_at)?,
            None => false,
        };
        if !is_of {
            remove(&path_of(&name, paths))?;
        }
    }
    Ok(())
}

/// The files of all additions but one.
struct Others(Vec<Connection>);

impl Others {
    /// Those that are wholly in the register.
    fn than(
        name: &AdditionName,
        paths: &Paths,
        register: Option<&Connection>,
    ) -> Result<Self, CardError> {
        let mut files = Vec::new();
        for other in names(&paths.folder)? {
            if other != *name
                && let Some(register) = register
                && is_whole(&other, paths, register)?
            {
                files.push(open_whole(&path_of(&other, paths))?);
            }
        }
        Ok(Self(files))
    }

    /// Whether one of them has this card.
    fn have(&self, entry: &Entry) -> Result<bool, CardError> {
        for file in &self.0 {
            if has(file, entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The register in use with the time of its import; `None` if there is none.
fn base(
    paths: &Paths,
    key_check: &[u8; HASH_LENGTH],
) -> Result<Option<(Connection, Timestamp)>, CardError> {
    if !paths.register.exists() {
        return Ok(None);
    }
    let connection = open_whole(&paths.register)?;
    let (check, imported_at) = about(&connection)?;
    if check != *key_check {
        return Err(CardError::WrongKey);
    }
    Ok(Some((connection, imported_at)))
}

/// What a file says of its key, and of the time of its import.
fn about(connection: &Connection) -> Result<([u8; HASH_LENGTH], Timestamp), CardError> {
    connection
        .query_row("SELECT key_check, imported_ms FROM about", [], |row| {
            Ok((row.get(0)?, Timestamp::from_millis_clamped(row.get(1)?)))
        })
        .map_err(failed)
}

#[cfg(test)]
mod tests;
