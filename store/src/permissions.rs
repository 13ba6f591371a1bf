//! Who else can read a secret file, or put another in its place: one check for keys, registers and archives.
//!
//! *Others* are everybody on the machine. What they can read is refused, and so is what they can replace: a file in a folder that they can
//! write, or a folder within such a folder. A folder like `/tmp`, whose entries only their owners may remove (the sticky bit), is taken as the
//! place of a file that is there, and not as a data folder, in which files are made while others could have made them before.
//!
//! What a *group* can do, or another user as the owner, may be meant so (a backup's user, a mounted secret): it is warned of, once a process
//! and file. `root` can do everything anyhow, so its files are anybody's; a command run by root takes files of every owner.
//!
//! A symbolic link is followed: what counts is the file it leads to, the folder of that, and the folder of the link.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Mode bits: read and write by the owner's group, read and write by others, and the sticky bit.
const GROUP: u32 = 0o060;
const GROUP_WRITES: u32 = 0o020;
const OTHERS: u32 = 0o006;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Why a file or folder is not safe from other users of the machine. Each says what cures it.
#[derive(Debug, thiserror::Error)]
pub enum PermissionError {
    /// Others can read or write a secret file.
    #[error(
        "{} can be read or changed by every user of this machine (mode {mode:04o}): chmod 600 {}", path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others can put files into a folder, or take them away.
    #[error(
        "{} can be written by every user of this machine (mode {mode:04o}), who could replace what is in it: chmod {cure} {}",
        path.display(), path.display()
    )]
    OpenFolder {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What to give to `chmod`.
        cure: &'static str,
    },
    /// It could not be looked at.
    #[error("{}: {reason}", path.display())]
    Unknown {
        /// The path.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// Checks a secret file that is there, and the folders that lead to it.
///
/// # Errors
/// [`PermissionError`].
pub fn check_secret_file(path: &Path) -> Result<(), PermissionError> {
    let real = real_path(path)?;
    check_file(path, &look_at(&real)?)?;
    check_folders_above(path)?;
    if real != path {
        check_folders_above(&real)?;
    }
    Ok(())
}

/// Checks a folder in which files are made, the files in it, and the folders that lead to it. A folder that is not there is nobody's yet.
///
/// # Errors
/// [`PermissionError`].
pub fn check_data_folder(path: &Path) -> Result<(), PermissionError> {
    let real = match real_path(path) {
        Err(PermissionError::Unknown { reason, .. })
            if reason.kind() == io::ErrorKind::NotFound =>
        {
            return Ok(());
        }
        real => real?,
    };
    let metadata = look_at(&real)?;
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(PermissionError::OpenFolder {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
            cure: "700",
        });
    }
    warn_of_folder(path, &metadata);
    check_folders_above(path)?;
    if real != path {
        check_folders_above(&real)?;
    }
    let failed = |reason| unknown(path, reason);
    for entry in std::fs::read_dir(&real).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Of the entry itself, so that a file which has gone meanwhile is no error of a running server's neighbour.
        match std::fs::metadata(entry.path()) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => check_file(&path.join(entry.file_name()), &metadata)?,
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => {}
            Err(reason) => return Err(unknown(&entry.path(), reason)),
        }
    }
    Ok(())
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), PermissionError> {
    let mode = metadata.mode();
    if mode & OTHERS != 0 {
        return Err(PermissionError::Open {
            path: path.to_owned(),
            mode: mode & 0o7777,
        });
    }
    if mode & GROUP != 0 {
        warn_once(path, "can be read or changed by its group", "chmod 600");
    }
    warn_of_owner(path, metadata);
    Ok(())
}

/// The folder that holds it, and all above. Whoever can write one of them can rename what is in it.
fn check_folders_above(path: &Path) -> Result<(), PermissionError> {
    let absolute = std::path::absolute(path).map_err(|reason| unknown(path, reason))?;
    for (level, folder) in absolute.ancestors().skip(1).enumerate() {
        let metadata = look_at(folder)?;
        let mode = metadata.mode();
        if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            return Err(PermissionError::OpenFolder {
                path: folder.to_owned(),
                mode: mode & 0o7777,
                cure: "o-w",
            });
        }
        if level == 0 && mode & OTHERS_WRITE == 0 {
            warn_of_folder(folder, &metadata);
        }
    }
    Ok(())
}

fn warn_of_folder(folder: &Path, metadata: &Metadata) {
    if metadata.mode() & GROUP_WRITES != 0 {
        warn_once(folder, "can be written by its group", "chmod g-w");
    }
    warn_of_owner(folder, metadata);
}

fn warn_of_owner(path: &Path, metadata: &Metadata) {
    // SAFETY: it takes nothing and only reads a number of this process.
    let own = unsafe { libc::geteuid() };
    if own != 0 && metadata.uid() != 0 && metadata.uid() != own {
        warn_once(path, "belongs to another user, who can change it", "chown");
    }
}

/// Warns of a path once, whichever part of the program asks.
fn warn_once(path: &Path, what: &'static str, cure: &'static str) {
    static WARNED: LazyLock<Mutex<HashSet<(PathBuf, &'static str)>>> =
        LazyLock::new(Mutex::default);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.insert((path.to_owned(), what)) {
        tracing::warn!(path = %path.display(), cure, "a secret file or folder {what}");
    }
}

fn real_path(path: &Path) -> Result<PathBuf, PermissionError> {
    std::fs::canonicalize(path).map_err(|reason| unknown(path, reason))
}

fn look_at(path: &Path) -> Result<Metadata, PermissionError> {
    std::fs::metadata(path).map_err(|reason| unknown(path, reason))
}

fn unknown(path: &Path, reason: io::Error) -> PermissionError {
    PermissionError::Unknown {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a secret that lies open is used without a word, or that one that does not is refused.
    #![allow(clippy::unwrap_used)]
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        /// A secret file in `data`, both their owner's alone.
        fn new() -> Self {
            let place = Place(tempfile::tempdir().unwrap());
            std::fs::create_dir(place.data()).unwrap();
            std::fs::write(place.file(), "secret").unwrap();
            place.set("data", 0o700);
            place.set("data/secret", 0o600);
            place
        }

        fn data(&self) -> PathBuf {
            self.0.path().join("data")
        }

        fn file(&self) -> PathBuf {
            self.data().join("secret")
        }

        fn set(&self, inside: &str, mode: u32) {
            std::fs::set_permissions(self.0.path().join(inside), Permissions::from_mode(mode))
                .unwrap();
        }
    }

    #[test]
    fn what_others_can_read_or_change_is_refused_with_its_cure() {
        for mode in [0o604, 0o602, 0o644, 0o666, 0o646] {
            let place = Place::new();
            place.set("data/secret", mode);
            for error in [
                check_secret_file(&place.file()).unwrap_err(),
                check_data_folder(&place.data()).unwrap_err(),
            ] {
                assert!(
                    matches!(error, PermissionError::Open { .. }),
                    "{mode:o} {error}"
                );
                let cure = format!("chmod 600 {}", place.file().display());
                assert!(error.to_string().contains(&cure), "{error}");
            }
        }
        for mode in [0o600, 0o400, 0o640, 0o660, 0o601] {
            let place = Place::new();
            place.set("data/secret", mode);
            check_secret_file(&place.file()).unwrap();
            check_data_folder(&place.data()).unwrap();
        }
    }

    #[test]
    fn what_others_can_replace_is_refused_wherever_the_open_folder_is() {
        for inside in ["data", ""] {
            let place = Place::new();
            place.set(inside, 0o777);
            let error = check_secret_file(&place.file()).unwrap_err();
            assert!(
                matches!(error, PermissionError::OpenFolder { .. }),
                "{error}"
            );
            let error = check_data_folder(&place.data()).unwrap_err();
            assert!(
                matches!(error, PermissionError::OpenFolder { .. }),
                "{error}"
            );
            // Others who may only look change nothing.
            place.set(inside, 0o755);
            check_secret_file(&place.file()).unwrap();
            check_data_folder(&place.data()).unwrap();
        }
    }

    #[test]
    fn a_sticky_folder_is_a_place_for_a_file_and_for_a_data_folder_but_is_none_itself() {
        let place = Place::new();
        place.set("", 0o1777);
        check_secret_file(&place.file()).unwrap();
        check_data_folder(&place.data()).unwrap();
        place.set("data", 0o1777);
        check_secret_file(&place.file()).unwrap();
        assert!(check_data_folder(&place.data()).is_err());
    }

    #[test]
    fn a_link_is_judged_by_what_it_leads_to_and_by_where_it_lies() {
        let place = Place::new();
        let links = place.0.path().join("links");
        std::fs::create_dir(&links).unwrap();
        let link = links.join("link");
        symlink(place.file(), &link).unwrap();
        place.set("links", 0o700);
        check_secret_file(&link).unwrap();
        place.set("data/secret", 0o604);
        assert!(check_secret_file(&link).is_err(), "the file it leads to");
        place.set("data/secret", 0o600);
        place.set("data", 0o777);
        assert!(check_secret_file(&link).is_err(), "that file's folder");
        place.set("data", 0o700);
        place.set("links", 0o777);
        assert!(check_secret_file(&link).is_err(), "the link's folder");
    }

    #[test]
    fn what_is_not_there_is_no_open_folder_but_no_secret_either() {
        let place = Place::new();
        check_data_folder(&place.0.path().join("later")).unwrap();
        assert!(matches!(
            check_secret_file(&place.0.path().join("later")),
            Err(PermissionError::Unknown { .. })
        ));
    }
}
