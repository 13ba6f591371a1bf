//! The newest revocation list of each authority, kept beside the data: a file with an older list, or without one, lets nobody in again, and
//! neither does a restart.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;

use super::authorities::Authority;
use super::revocation::{RevocationList, RevocationSet};

/// Which lists are in force: of each series the newest of those that the files hold, that were in force before, and that were kept.
pub(super) fn newest(
    from_files: Vec<RevocationList>,
    before: &RevocationSet,
    kept: Vec<RevocationList>,
    authorities: Vec<Authority>,
) -> RevocationSet {
    let mut in_force: Vec<(Arc<RevocationList>, bool)> = Vec::new();
    let files = from_files.into_iter().map(|list| (Arc::new(list), false));
    let is_accepted = |list: &&Arc<RevocationList>| {
        let signer = list.signer();
        let mut keys = authorities.iter().map(|authority| &*authority.public_key);
        signer.is_some_and(|signer| keys.any(|key| key == signer))
    };
    let earlier = before.in_force().filter(is_accepted).cloned();
    let earlier = earlier.chain(kept.into_iter().map(Arc::new));
    for (list, is_kept) in files.chain(earlier.map(|list| (list, true))) {
        let same = in_force
            .iter_mut()
            .find(|(other, _)| list.series().is_some() && other.series() == list.series());
        match same {
            None if is_kept && list.signer().is_none() => {}
            None => in_force.push((list, is_kept)),
            Some(other) if other.0.is_older_than(&list) => *other = (list, is_kept),
            Some(_) => {}
        }
    }
    let mut set = RevocationSet::new(authorities);
    for (list, is_kept) in in_force {
        set.add(list, is_kept);
    }
    set
}

/// The lists in the folder that accepted authorities have signed; others are no matter, as a folder that is not there.
pub(super) fn read(
    folder: &Path,
    authorities: &[Authority],
    provider: &CryptoProvider,
) -> Vec<RevocationList> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let lists = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_list = path.extension().is_some_and(|extension| extension == "crl");
        let der = std::fs::read(is_list.then_some(path)?).ok()?;
        let list = RevocationList::read(der.into(), authorities, provider).ok()?;
        list.signer().is_some().then_some(list)
    });
    lists.collect()
}

/// Writes those lists into the folder that are not there yet.
///
/// # Errors
/// What the system says; the lists are in force all the same, for as long as the process lives.
pub(super) fn keep(folder: &Path, set: &RevocationSet) -> io::Result<()> {
    for list in set.in_force() {
        let Some(series) = list.series() else {
            continue;
        };
        let path = folder.join(file_name(series));
        let is_there = std::fs::read(&path).is_ok_and(|kept| kept == **list.der());
        if !is_there {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
            replace(&path, list.der())?;
        }
    }
    Ok(())
}

fn file_name((issuer, signer, scope): (&[u8], &[u8], &[u8])) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [issuer, signer, scope] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let mut name: String = digest.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    name.push_str(".crl");
    name
}

/// In one step: a reader finds the old list or the new one.
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
    std::fs::rename(&beside, path)
}
