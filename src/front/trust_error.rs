//! Why a listener's TLS files cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use sistema_ts_store::permissions::PermissionError;

use super::revocation::RevocationListError;
use crate::x509::ContentError;

/// Why the TLS files of a listener cannot be used. Never holds any of their content.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {source}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: ContentError,
    },
    /// Others can read a private key, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// No certificate of the file is that of the private key.
    #[error("{}: no certificate in it is that of the private key in {}", certificate.display(), private_key.display())]
    OtherKey {
        /// The file of certificates.
        certificate: PathBuf,
        /// The file of the key.
        private_key: PathBuf,
    },
    /// Two pairs of certificate and key with one kind of key: no client would be shown the second.
    #[error("the two server certificates must have keys of different kinds, ECDSA and RSA")]
    SameKind,
    /// A revocation list is not acceptable.
    #[error("{}: {source}", file.display())]
    RevocationList {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: RevocationListError,
    },
    /// Certificate and key do not fit each other or the protocol.
    #[error("certificate or key not usable: {0}")]
    Tls(#[from] rustls::Error),
    /// The authorities cannot verify anybody.
    #[error("client authorities not usable: {0}")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
}

impl TrustError {
    pub(super) fn content(file: &Path, source: ContentError) -> Self {
        Self::Content {
            file: file.to_owned(),
            source,
        }
    }
}
