//! One file of the product knows which stores there are, `src/backend/mod.rs`; all others know them by the traits of the store's crate. A failure
//! means that a second store would have to be told of in more places than there.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// The sources of the product, and of the programs beside it, outside the stores' own crates.
const FOLDERS: [&str; 8] = [
    "src",
    "model/src",
    "store/src",
    "actors/src",
    "loadtest/src",
    "immuni-stand-in/src",
    "examples",
    "benches",
];

fn sources_in(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_source_but_one_names_a_store() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap().to_lowercase();
        text.contains("embedded") || text.contains("sqlite")
    };
    let mut sources = Vec::new();
    for folder in FOLDERS {
        sources_in(&root.join(folder), &mut sources);
    }
    assert!(sources.len() > 200, "{}", sources.len());
    let mut naming: Vec<_> = sources.into_iter().filter(|path| names(path)).collect();
    naming.iter_mut().for_each(|path| {
        *path = path.strip_prefix(root).unwrap().to_owned();
    });
    assert_eq!(naming, [Path::new("src/backend/mod.rs")]);
}
