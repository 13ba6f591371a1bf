//! What finds out who calls, and what all checks of credentials share.

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_model::{Caller, Clock, Timestamp};
use sistema_ts_store::register::{Register, RegisterKey, RegisterKeyError};
use thiserror::Error;

use super::certificate::{self, CallerRefusal};
use super::checks_under_way::ChecksUnderWay;
use super::credential::{Argon2Cost, CredentialError, CredentialHasher};
use super::hashing_pool::HashingPool;
use super::refusals::{FLOOD_PERIOD, Refusals};
use super::remembered::RememberedPairs;
use super::slowing::{Slowing, SlowingSettings};
use crate::front::ConnectionInfo;

/// How credentials are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticatorSettings {
    /// Cost of the hash that stands in for that of an unknown user; the same that new credentials get.
    pub cost: Argon2Cost,
    /// Threads that hash, at least 1.
    pub hashing_threads: usize,
    /// Checks that may wait for them, of each standing; at least 1.
    pub hashing_queue: usize,
    /// How long a check waits at most: whoever asked has hardly more patience.
    pub longest_wait: Duration,
    /// How long a right pair lets in after its last use; zero lets none in without a check. At most twelve hours after its check in any case.
    pub remember: Duration,
    /// From when on failures slow.
    pub slowing: SlowingSettings,
}

/// Why the authenticator could not start.
#[derive(Debug, Error)]
pub enum AuthenticatorError {
    /// The register key gave no pepper.
    #[error(transparent)]
    Key(#[from] RegisterKeyError),
    /// The cost is not one that Argon2 takes, or there are no random bytes.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A hashing thread could not be started.
    #[error("a hashing thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// Finds out who calls. One for all listeners and threads.
pub struct Authenticator {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) register: Arc<dyn Register>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hasher: Arc<CredentialHasher>,
    pub(super) pool: HashingPool,
    pub(super) slowing: Slowing,
    pub(super) remembered: RememberedPairs,
    pub(super) refusals: Refusals,
    pub(super) longest_wait: Duration,
    pub(super) under_way: ChecksUnderWay,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Authenticator(..)")
    }
}

impl Authenticator {
    /// Starts the hashing threads.
    ///
    /// # Errors
    /// [`AuthenticatorError`].
    pub fn new(
        register: Arc<dyn Register>,
        key: &RegisterKey,
        clock: Arc<dyn Clock>,
        settings: AuthenticatorSettings,
    ) -> Result<Self, AuthenticatorError> {
        let hasher = Arc::new(CredentialHasher::new(key, settings.cost)?);
        let pool = HashingPool::start(&hasher, settings.hashing_threads, settings.hashing_queue)?;
        Ok(Authenticator {
            shared: Arc::new(Shared {
                register,
                clock,
                hasher,
                pool,
                slowing: Slowing::new(settings.slowing),
                remembered: RememberedPairs::new(settings.remember),
                refusals: Refusals::new(FLOOD_PERIOD),
                longest_wait: settings.longest_wait,
                under_way: ChecksUnderWay::new()?,
            }),
        })
    }

    /// The caller that a connection's certificate stands for, if it is valid, registered and enabled at this moment, its
    /// subject agrees with the register, and a call centre calls from one of its networks.
    ///
    /// # Errors
    /// [`CallerRefusal`].
    pub fn caller(&self, connection: &ConnectionInfo) -> Result<Caller, CallerRefusal> {
        let now = self.shared.clock.now();
        let certificate = connection.valid_certificate(now.millis().div_euclid(1_000))?;
        let source = connection.source.map(|source| source.ip());
        certificate::identify(&self.shared.register.snapshot(), certificate, source)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}
