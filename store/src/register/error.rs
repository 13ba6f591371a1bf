//! Why a register did not do what it was asked.

use sistema_ts_model::RegionCode;
use thiserror::Error;

use super::MAXIMUM_LISTING_OPERATORS;

/// Why the register did not do what it was asked. No text holds a fiscal code or a credential.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// There is one with this name already.
    #[error("{0} is registered already")]
    Exists(String),
    /// There is none with this name.
    #[error("{0} is not registered")]
    Missing(String),
    /// The certificate belongs to a caller already.
    #[error("the certificate is registered already, for {0}")]
    CertificateInUse(String),
    /// A region has as many operators who may list as it can.
    #[error(
        "region {0} already has {MAXIMUM_LISTING_OPERATORS} operators with the profile elencoTestEffettuati (§2.4.3)"
    )]
    TooManyListingOperators(RegionCode),
    /// A caller of this kind has no networks, or the network is that of all addresses.
    #[error("the network of all addresses is refused, and networks are for call centres alone")]
    NetworkRefused,
    /// Operators of this caller cannot hold this service, or the caller has no operators.
    #[error("operators of {0} cannot have this profile")]
    ProfileRefused(String),
    /// A caller of this kind has no administrators of its own.
    #[error("{0} has no administrators of its own: regions and call centres alone have")]
    AdministratorRefused(String),
    /// Something that stays needs what was to be removed.
    #[error("{entry} is in use, and was not removed ({by})")]
    InUse {
        /// What was to be removed.
        entry: String,
        /// How many entries of which kind need it.
        by: String,
    },
    /// The journal could not note the change, so that it was not made.
    #[error("the change was not made, because it cannot be noted: {0}")]
    NotNoted(String),
    /// Too many changes wait for the register. Nothing was done.
    #[error("the register has no room for more work right now")]
    Overloaded,
    /// A change was made or was not; the register shows which, once it can be read.
    #[error("whether the register was changed is not known: {0}")]
    UnknownOutcome(String),
    /// The register cannot be reached, is busy for too long, or is shutting down. Nothing was done.
    #[error("the register is unavailable: {0}")]
    Unavailable(String),
    /// There is a register where one was to be made.
    #[error("there is a register in {0} already")]
    AlreadyMade(std::path::PathBuf),
    /// There is no register where one was expected.
    #[error(
        "there is no register in {0}: is its disk mounted? Put `register.db` back, or for a new installation make one with `sistema-ts admin init`"
    )]
    NotFound(std::path::PathBuf),
    /// There is no register on a cluster where one was expected.
    #[error(
        "there is no register in {0}: for a new installation make one with `sistema-ts admin init`"
    )]
    NotMade(String),
    /// The register was written under another key.
    #[error("the register was made with another register key")]
    WrongKey,
    /// The register was written by a later version of this program.
    #[error(
        "the register has version {found}, which this program does not know; it knows up to {known}"
    )]
    TooNew {
        /// The register's version.
        found: i64,
        /// The last that this program knows.
        known: i64,
    },
    /// What was read cannot be, in any version.
    #[error("the register is damaged: {0}")]
    Corrupt(&'static str),
}

impl RegisterError {
    /// A short name for metrics and logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            RegisterError::Exists(_) => "exists",
            RegisterError::Missing(_) => "missing",
            RegisterError::CertificateInUse(_) => "certificate_in_use",
            RegisterError::TooManyListingOperators(_) => "too_many_listing_operators",
            RegisterError::NetworkRefused => "network_refused",
            RegisterError::ProfileRefused(_) => "profile_refused",
            RegisterError::AdministratorRefused(_) => "administrator_refused",
            RegisterError::InUse { .. } => "in_use",
            RegisterError::NotNoted(_) => "not_noted",
            RegisterError::UnknownOutcome(_) => "unknown_outcome",
            RegisterError::Overloaded => "overloaded",
            RegisterError::Unavailable(_) => "unavailable",
            RegisterError::AlreadyMade(_) => "already_made",
            RegisterError::NotFound(_) | RegisterError::NotMade(_) => "not_found",
            RegisterError::WrongKey => "wrong_key",
            RegisterError::TooNew { .. } => "too_new",
            RegisterError::Corrupt(_) => "corrupt",
        }
    }
}
