//! Why a load test could not be done at all. What goes wrong with single requests is counted instead.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadtestError {
    /// A file of the command line could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A certificate or key is not what it should be.
    #[error("{path}: {reason}")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificates and keys do not make a TLS client.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The address is not one.
    #[error("{0}")]
    Address(String),
    /// A scenario or an environment is not what it should be.
    #[error(transparent)]
    Mistake(#[from] crate::scenario::Mistake),
    /// A value of the command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The server is not there, or is not the one that the environment says.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        host: String,
        /// Why not.
        reason: String,
    },
    /// Not all connections could be opened, so nothing was measured.
    #[error("only {opened} of {wanted} connections could be opened: {reason}")]
    Connect {
        /// How many were.
        opened: usize,
        /// How many were asked for.
        wanted: usize,
        /// What stopped the first that failed.
        reason: String,
    },
    /// The ledger cannot go on.
    #[error("the ledger: {0}")]
    Ledger(#[from] crate::ledger::LedgerError),
    /// What is there could not be read back, so that nothing can be said of the truth.
    #[error("reading what the server holds: {0}")]
    Sweep(#[from] crate::ledger::SweepError),
    /// The operating system refused its readiness events.
    #[error("events: {0}")]
    Events(#[source] io::Error),
}

impl LoadtestError {
    /// What a failure to read or write this file is.
    pub(crate) fn file(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |cause| Self::File {
            path: path.to_owned(),
            cause,
        }
    }
}
