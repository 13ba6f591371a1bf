//! Small files of text that are replaced whole, durably, and end in a line that proves the lines before: what a server notes for itself.
//!
//! ```text
//! sistema-ts inventory 1
//! …
//! check 16 hexadecimal digits: the first 8 bytes of SHA-256 over the lines before
//! ```

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use zeroize::Zeroizing;

/// No such file is longer.
const LONGEST: u64 = 1 << 20;

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TextFault {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It was changed, cut, or is another file.
    #[error("it was changed or cut, or is another file")]
    Damaged,
    /// A newer program has written it.
    #[error("a newer version of this program has written it")]
    Newer,
}

/// The file beside `path` whose name is longer by `suffix`.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file; that there is none is no error.
///
/// # Errors
///
/// Why it could not be removed.
pub fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Overwrites a file that holds a secret, and removes it, durably; that there is none is no error.
///
/// # Errors
///
/// Why it could not be done.
pub fn destroy(path: &Path) -> std::io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    overwrite(&mut file)?;
    std::fs::remove_file(path)?;
    sync_folder(path)
}

/// Overwrites the bytes of a small file that nothing was written to yet, durably.
pub(crate) fn overwrite(file: &mut File) -> std::io::Result<()> {
    let length = file.metadata()?.len().min(LONGEST);
    // At most a mebibyte.
    file.write_all(&vec![0; length as usize])?;
    file.sync_all()
}

/// Makes the names in a file's folder durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Makes a file of these bytes, its owner's alone, where there is none. Its name is not durable yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// The lines of the file at `path` between its header and its check; `None` if there is no such file. `kind` stands in the header.
///
/// # Errors
///
/// [`TextFault`].
pub fn read(path: &Path, kind: &str) -> Result<Option<Vec<String>>, TextFault> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // The lines may be secret: no copy stays behind, nor one that a vector leaves when it grows.
    let length = file.metadata()?.len().min(LONGEST);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length as usize + 1));
    file.take(LONGEST).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| TextFault::Damaged)?;
    let (body, check) = text.rsplit_once("check ").ok_or(TextFault::Damaged)?;
    if check.trim_end() != check_of(body.as_bytes()) {
        return Err(TextFault::Damaged);
    }
    let mut lines = body.lines();
    let header = lines.next().unwrap_or_default();
    match header.strip_prefix(&format!("sistema-ts {kind} ")) {
        Some("1") => Ok(Some(lines.map(str::to_owned).collect())),
        // The check fits: no other program writes such a file.
        Some(version) if version.parse::<u32>().is_ok_and(|version| version > 1) => {
            Err(TextFault::Newer)
        }
        _ => Err(TextFault::Damaged),
    }
}

/// Puts a file with these lines, each with its end, in the place of the one at `path`, durably: a crash leaves the old one or the new one.
///
/// # Errors
///
/// Why it could not be written; then the old one is there.
pub fn replace(path: &Path, kind: &str, lines: &str) -> std::io::Result<()> {
    let header = format!("sistema-ts {kind} 1\n");
    // With room for the check: a text that grows leaves a copy behind, and the lines may be secret.
    let room = header.len() + lines.len() + 32;
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push_str(&header);
    text.push_str(lines);
    let check = check_of(text.as_bytes());
    // Writing to a String cannot fail.
    let _ = writeln!(text, "check {check}");
    replace_bytes(path, text.as_bytes()).map(drop)
}

/// The same for a file of any bytes, which stays open for writing.
///
/// # Errors
///
/// As of [`replace`].
pub fn replace_bytes(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let new = with_suffix(path, ".new");
    let written = (|| {
        remove_if_there(&new)?;
        let file = write_new(&new, bytes)?;
        std::fs::rename(&new, path)?;
        sync_folder(path)?;
        Ok(file)
    })();
    if written.is_err() {
        // On a full disk it would only take room.
        let _ = remove_if_there(&new);
    }
    written
}

/// Makes a file of these bytes where there is none, durably: a crash leaves none, or the whole of it.
///
/// # Errors
///
/// [`ErrorKind::AlreadyExists`] if there is one, which stays as it is; else why it could not be written.
pub fn put_bytes(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = with_suffix(path, ".new");
    let written = (|| {
        remove_if_there(&new)?;
        write_new(&new, bytes)?;
        // Unlike a renaming, it replaces nothing.
        std::fs::hard_link(&new, path)
    })();
    remove_if_there(&new)?;
    written?;
    sync_folder(path)
}

fn check_of(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut text = String::with_capacity(16);
    for byte in &digest.as_ref()[..8] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
