//! Cards that are added to the register under a name, and taken out again: for tests on a register that is not theirs.
//!
//! An addition is merged into the register, so that a check costs what it did and tells nothing of it. A file beside the register
//! has those of its cards that were not there before; a removal takes out exactly these. The file comes first and goes last: whenever an
//! addition or a removal is interrupted, the removal can be made again.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sistema_ts_model::Timestamp;
use sistema_ts_store::cards::{AdditionError, AdditionName, CardError, CardKey, HASH_LENGTH};
use sistema_ts_store::register::RegisterKey;

use super::import::{
    ALL_CARDS, EmbeddedCardImport, lock, next, put_in_place, remove, write_register,
};
use super::{Paths, failed, io_failed, open_whole};

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
/// Those of the folder.
pub fn additions(folder: &Path) -> Result<Vec<AdditionName>, CardError> {
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

/// Merges what an import has taken onto the register in use; how many cards it then has, and how many of them are new.
pub(super) fn add(
    import: &EmbeddedCardImport,
    name: &AdditionName,
    now: Timestamp,
) -> Result<(u64, u64), AdditionError> {
    let paths = &import.paths;
    let place = path_of(name, paths);
    if place.exists() {
        return Err(AdditionError::Exists(name.as_str().to_owned()));
    }
    let key_check = import.key.check_value();
    let base = base(paths, key_check)?;
    // The register is as old as its last import.
    let imported_at = base.as_ref().map_or(now, |(_, imported_at)| *imported_at);
    let connection = base.as_ref().map(|(connection, _)| connection);
    let mut cards = 0;
    let listed = paths.folder.join("cards-added-new.tmp");
    remove(&listed)?;
    let added = write_register(&listed, key_check, now, |insert| {
        cards = import.merge_onto(connection, imported_at, &mut |entry| {
            insert(entry).map(drop)
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
    if !place.exists() {
        return Err(AdditionError::Missing(name.as_str().to_owned()));
    }
    let _lock = lock(&paths)?;
    let key = CardKey::derived_from(key).map_err(CardError::from)?;
    let Some((base, imported_at)) = base(&paths, key.check_value())? else {
        // The register is gone, and with it what was added.
        remove(&place)?;
        return Ok(0);
    };
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
            if out != Some(entry) {
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
    for name in additions(&paths.folder)? {
        remove(&path_of(&name, paths))?;
    }
    Ok(())
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
    let (check, imported_ms): ([u8; HASH_LENGTH], i64) = connection
        .query_row("SELECT key_check, imported_ms FROM about", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(failed)?;
    if check != *key_check {
        return Err(CardError::WrongKey);
    }
    Ok(Some((
        connection,
        Timestamp::from_millis_clamped(imported_ms),
    )))
}

#[cfg(test)]
#[path = "additions_tests.rs"]
mod tests;
