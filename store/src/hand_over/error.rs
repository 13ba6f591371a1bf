//! Why secrets were not handed over.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::durable::TextFault;
use crate::keys::KeyError;
use crate::permissions::PermissionError;
use crate::register::RegisterKeyError;

/// Why secrets were not handed over. No text holds key material.
#[derive(Debug, Error)]
pub enum HandOverError {
    /// A server that has its ring needs none.
    #[error(
        "there is a key ring at {} already: it is not replaced. For a renewal of the same ring give --renewal", .0.display()
    )]
    HasRing(PathBuf),
    /// There is no ring whose renewal could be taken up.
    #[error("there is no key ring at {}: without --renewal a whole one is asked for", .0.display())]
    HasNoRing(PathBuf),
    /// A file is not overwritten.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// The file is not the one that was read out.
    #[error(
        "{} has another fingerprint than the one that was typed: it is not the file that the other has made. Ask again, by voice", .0.display()
    )]
    Fingerprint(PathBuf),
    /// Nothing was asked for here, or it was answered already.
    #[error("no request is open here ({} is not there): each can be answered once", .0.display())]
    NoRequest(PathBuf),
    /// The file is for another server, or for another request of this one.
    #[error("{} was sealed for another request than the last one that was made here", .0.display())]
    ForAnother(PathBuf),
    /// The file was changed.
    #[error("{} was changed or cut, or is another file", .0.display())]
    Damaged(PathBuf),
    /// The file cannot be read.
    #[error("{}: {fault}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: TextFault,
    },
    /// A file cannot be written, or is not there.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The ring.
    #[error(transparent)]
    Ring(#[from] KeyError),
    /// The register key.
    #[error(transparent)]
    RegisterKey(#[from] RegisterKeyError),
    /// Others can read the private key.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

impl HandOverError {
    pub(super) fn file(path: &Path, reason: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            reason,
        }
    }
}
