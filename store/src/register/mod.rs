//! The register: who may call, with which certificates and credentials (§6.2).
//!
//! A running server asks [`Register::snapshot`], which costs it an atomic increment: all callers and users lie in memory, and a
//! change swaps in a new snapshot whole. The command line changes the register beside the running server. Nothing that a stranger
//! does is written into it.

use std::sync::Arc;

use async_trait::async_trait;

mod change;
mod error;
mod key;
mod network;
mod profiles;
pub mod rules;
mod snapshot;
mod types;

pub use change::{Act, Actor, NoJournal, RegisterChange, RegisterJournal};
pub use error::RegisterError;
pub use key::{RegisterKey, RegisterKeyError};
pub use network::canonical_network;
pub use profiles::{MAXIMUM_LISTING_OPERATORS, Profiles};
pub use snapshot::RegisterSnapshot;
pub use types::{
    AdministratorId, CertificateHolder, CredentialHash, Fingerprint, IdentifierError, NewUser,
    RegisteredAdministrator, RegisteredCaller, RegisteredCertificate, RegisteredOperator,
    RegisteredStructure, RegisteredUser, USER_SERVICES, UserId, Workplace,
};

/// A register of callers, structures and users.
///
/// Every change is durable when [`Register::change`] returns.
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

    /// Makes one change, if the [rules](rules) allow it. The register's journal hears of it as [`RegisterJournal`] says.
    ///
    /// Every server, and every command, may change the register at any time. Each change is one decision: what the rules looked at still holds
    /// when it is made. An error means that nothing was changed, but for [`RegisterError::UnknownOutcome`]. Repeating a change is always allowed:
    /// one that was made already is made again or refused as [`RegisterError::Exists`] or [`RegisterError::Missing`].
    async fn change(&self, change: RegisterChange, act: Act) -> Result<(), RegisterError>;
}
