//! The newest revocation list of each authority, kept beside the data: a file with an older list, or without one, lets nobody in again, and
//! neither does a restart.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use super::revocation::RevocationList;
use super::revocation_set::{LoadedList, MOST_UNCHECKED, RevocationSet};

/// What the name of a list begins with whose issuer nobody has shown yet, so that nobody has checked it.
const UNCHECKED: &str = "unchecked-";

/// The lists in the folder. One that cannot be read is no matter, as a folder that is not there.
pub(super) fn read(folder: &Path) -> Vec<LoadedList> {
    let list = |(name, path): (String, PathBuf)| {
        let der = std::fs::read(path).ok()?;
        let list = RevocationList::read(der.into()).ok()?;
        Some(LoadedList::kept(list, !name.starts_with(UNCHECKED)))
    };
    names(folder)
        .into_iter()
        .map(|name| (name.clone(), folder.join(name)))
        .filter_map(list)
        .collect()
}

/// Writes those lists into the folder that are not there yet, and removes those that were never checked and are needed no more.
///
/// # Errors
/// What the system says; the lists are in force all the same, for as long as the process lives.
pub(super) fn keep(folder: &Path, set: &RevocationSet) -> io::Result<()> {
    let mut unchecked = BTreeSet::new();
    for loaded in set.loaded() {
        let Some(name) = file_name(loaded) else {
            continue;
        };
        if loaded.signer.is_none() {
            if unchecked.len() >= MOST_UNCHECKED {
                continue;
            }
            unchecked.insert(name.clone());
        }
        let path = folder.join(name);
        let is_there = std::fs::read(&path).is_ok_and(|kept| kept == **loaded.list.der());
        if !is_there {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
            replace(&path, loaded.list.der())?;
        }
    }
    // After the others: a list whose issuer was shown stands in its other place by now.
    for name in names(folder) {
        if name.starts_with(UNCHECKED) && !unchecked.contains(&name) {
            std::fs::remove_file(folder.join(name))?;
        }
    }
    Ok(())
}

/// Names of the lists in the folder, in their order.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".crl"))
        .collect()
}

/// Where a list is kept: the newest of each issuer, key and part in one place, one that was never checked in its own. `None` for a list that
/// waits again for its issuer, since it is in its place already.
fn file_name(loaded: &LoadedList) -> Option<String> {
    let list = &loaded.list;
    match &loaded.signer {
        Some(signer) => Some(format!(
            "{}.crl",
            digest_of(&[list.issuer_name(), signer, list.scope()])
        )),
        None if loaded.was_checked => None,
        None => Some(format!("{UNCHECKED}{}.crl", digest_of(&[list.der()]))),
    }
}

fn digest_of(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// In one step: a reader finds the old list or the new one, after a loss of power too.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside: PathBuf = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // A path of a list has a folder above it.
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
