//! Names of files.

use std::path::Path;

pub(super) use sistema_ts_store::durable::{remove_if_there, with_suffix};

/// A file's name in the folder.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
