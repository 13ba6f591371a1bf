//! The register: who may call, with which certificates and credentials (§6.2).
//!
//! A running server asks [`Register::snapshot`], which costs it an atomic increment: all callers and users lie in memory, and a
//! change swaps in a new snapshot whole. The command line changes the register beside the running server. Nothing that a stranger
//! does is written into it.

use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;
use sistema_ts_model::{
    Caller, CodiceFiscale, RegionCode, StructureDescription, StructureId, Timestamp,
};
use thiserror::Error;

mod key;
mod network;
mod profiles;
pub mod rules;
mod snapshot;
mod types;

pub use key::{RegisterKey, RegisterKeyError};
pub use network::canonical_network;
pub use profiles::Profiles;
pub use snapshot::RegisterSnapshot;
pub use types::{
    CredentialHash, Fingerprint, IdentifierError, NewUser, RegisteredCaller, RegisteredCertificate,
    RegisteredOperator, RegisteredStructure, RegisteredUser, UserId,
};

/// At most so many operators of one region may hold the profile of `elencoTestEffettuati` (§2.4.3).
pub const MAXIMUM_LISTING_OPERATORS: usize = 3;

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
    /// Too many changes wait for the register. Nothing was done.
    #[error("the register has no room for more work right now")]
    Overloaded,
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
            RegisterError::Overloaded => "overloaded",
            RegisterError::Unavailable(_) => "unavailable",
            RegisterError::AlreadyMade(_) => "already_made",
            RegisterError::NotFound(_) => "not_found",
            RegisterError::WrongKey => "wrong_key",
            RegisterError::TooNew { .. } => "too_new",
            RegisterError::Corrupt(_) => "corrupt",
        }
    }
}

/// A register of callers, structures and users.
///
/// Every change is durable when its method returns.
#[async_trait]
pub trait Register: Send + Sync {
    /// What is registered, as of at most the poll interval ago; changes made through this register are in it at once.
    fn snapshot(&self) -> Arc<RegisterSnapshot>;

    /// Whether the last look for changes succeeded: if not, the snapshot may be old and the server is not ready.
    fn is_current(&self) -> bool;

    /// Whether the register that is read is the one that administrators write: if not (its file was removed, or another one that cannot be used
    /// was put in its place), nobody may be let in by it. As of at most the poll interval ago, and cheap enough for every request.
    fn is_in_place(&self) -> bool;

    /// Looks for changes now instead of at the next poll.
    async fn refresh(&self) -> Result<(), RegisterError>;

    /// Registers a caller that proves itself by certificate, enabled and without certificates yet.
    async fn add_caller(
        &self,
        caller: Caller,
        name: &str,
        now: Timestamp,
    ) -> Result<(), RegisterError>;

    /// Enables or disables such a caller.
    async fn set_caller_enabled(&self, caller: Caller, enabled: bool) -> Result<(), RegisterError>;

    /// Adds a certificate to a caller. Several are valid at once, as a renewal needs.
    async fn add_certificate(
        &self,
        caller: Caller,
        fingerprint: Fingerprint,
        not_after: Timestamp,
        now: Timestamp,
    ) -> Result<(), RegisterError>;

    /// Removes a certificate from a caller.
    async fn remove_certificate(
        &self,
        caller: Caller,
        fingerprint: Fingerprint,
    ) -> Result<(), RegisterError>;

    /// Adds a network from which a call centre calls, in its [`canonical_network`] form.
    async fn add_network(
        &self,
        caller: Caller,
        network: IpNet,
        now: Timestamp,
    ) -> Result<(), RegisterError>;

    /// Removes a network from a call centre.
    async fn remove_network(&self, caller: Caller, network: IpNet) -> Result<(), RegisterError>;

    /// Registers an operator of a region or a call centre, enabled (§2.4.3, §3.3, §5.2).
    async fn add_operator(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
        profiles: Profiles,
        now: Timestamp,
    ) -> Result<(), RegisterError>;

    /// Enables or disables an operator.
    async fn set_operator_enabled(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
        enabled: bool,
    ) -> Result<(), RegisterError>;

    /// Replaces the services that an operator may ask for.
    async fn set_operator_profiles(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
        profiles: Profiles,
    ) -> Result<(), RegisterError>;

    /// Removes an operator, with all that the register knows of the person; access records keep theirs (§3.4, §5.2).
    async fn remove_operator(
        &self,
        caller: Caller,
        fiscal_code: CodiceFiscale,
    ) -> Result<(), RegisterError>;

    /// Registers a structure, enabled.
    async fn add_structure(
        &self,
        id: StructureId,
        description: &StructureDescription,
        now: Timestamp,
    ) -> Result<(), RegisterError>;

    /// Enables or disables a structure, and with it all its users.
    async fn set_structure_enabled(
        &self,
        id: StructureId,
        enabled: bool,
    ) -> Result<(), RegisterError>;

    /// Registers a user of a registered structure, enabled.
    async fn add_user(&self, user: NewUser, now: Timestamp) -> Result<(), RegisterError>;

    /// Enables or disables a user.
    async fn set_user_enabled(&self, user: &UserId, enabled: bool) -> Result<(), RegisterError>;

    /// Gives a user new credentials and a new end of validity.
    async fn set_user_credential(
        &self,
        user: &UserId,
        credential: CredentialHash,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), RegisterError>;

    /// Sets the end of a user's credentials; `None` is never.
    async fn set_user_expiry(
        &self,
        user: &UserId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), RegisterError>;

    /// Replaces the services that a user may call.
    async fn set_user_profiles(
        &self,
        user: &UserId,
        profiles: Profiles,
    ) -> Result<(), RegisterError>;
}
