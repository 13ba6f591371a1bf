//! Why the way to the backend cannot be used.

use std::io;
use std::path::PathBuf;

use sistema_ts_store::permissions::PermissionError;

use crate::x509::ContentError;

/// Why the way to the backend cannot be used. No text holds a key.
#[derive(Debug, thiserror::Error)]
pub enum ImmuniError {
    /// A file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read the private key, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// A file does not hold what it should.
    #[error("{}: {source}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: ContentError,
    },
    /// No certificate of the file is that of the private key.
    #[error("{}: no certificate in it is that of the private key in {}", certificate.display(), private_key.display())]
    OtherKey {
        /// The file of certificates.
        certificate: PathBuf,
        /// The file of the key.
        private_key: PathBuf,
    },
    /// Certificate and key do not fit each other.
    #[error("the certificate towards the Immuni backend: {0}")]
    Tls(#[from] rustls::Error),
    /// The host's name cannot stand in a certificate.
    #[error("the host of the Immuni backend is no name that a certificate can have")]
    Name,
}
