//! Why the authority did not do what it was asked.

use std::path::PathBuf;

use sistema_ts_store::permissions::PermissionError;
use thiserror::Error;

use super::subject::SubjectError;
use crate::x509::ContentError;

/// Why the authority did not do it. No text holds key material.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file that would be written is there already.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// Others can read a private key, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// A file does not hold what it should.
    #[error("{} does not hold {expected}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was looked for in it.
        expected: &'static str,
    },
    /// A file holds something else, or is broken.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ContentError,
    },
    /// The certificate comes from another authority.
    #[error("{} was not issued by this authority", .0.display())]
    Foreign(PathBuf),
    /// The certificate is on the list already.
    #[error("{} is revoked already", .0.display())]
    AlreadyRevoked(PathBuf),
    /// The server needs a name, or one of its names cannot stand in a certificate.
    #[error("a server's certificate needs at least one DNS name or IP address, each well-formed")]
    ServerNames,
    /// A life in days is out of bounds.
    #[error("the certificate must be valid for 1 to {maximum} days")]
    Days {
        /// The most that is allowed.
        maximum: u32,
    },
    /// The subject is not one that this authority makes.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Signing or encoding failed.
    #[error("the certificate could not be made: {0}")]
    Signing(#[from] rcgen::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}
