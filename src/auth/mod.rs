//! Who calls: a region by its certificate, an operator of a structure by user id, password and pincode (§2.3).
//!
//! [`Authenticator::caller`] is asked at each request, also on an open connection, and costs two look-ups in memory. [`Authenticator::user`] costs a keyed hash while a right pair is remembered, and an Argon2id hash
//! otherwise, on threads of their own. Whatever is wrong with a pair, the answer and the work are the same: an unknown user, a wrong password, a
//! wrong or missing pincode, a disabled or expired user all pay one hash, and get [`BasicRefusal::Unauthorized`].
//!
//! Nobody is locked out. Passwords and pincodes are generated, so that a lock would protect nothing, and anybody could close it on another. A
//! right pair that is remembered passes without a check. A pair that was right before is checked before all others. The others wait in a room
//! that is fair among their sources ([`waiting_room`]). A source or user that fails too often waits behind those that do not ([`slowing`]), and
//! all failures together take at most half of the threads' time.

mod basic_header;
mod certificate;
mod credential;
mod hashing_pool;
mod refusals;
mod remembered;
mod slowing;
mod source;
mod user;
mod waiting_room;

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_model::{Caller, Clock, Timestamp};
use sistema_ts_store::register::{Register, RegisterKey, RegisterKeyError};
use thiserror::Error;

pub use self::basic_header::BasicCredentials;
pub use self::certificate::CallerRefusal;
pub(crate) use self::certificate::subject_agrees;
pub use self::credential::{
    Argon2Cost, CredentialError, CredentialHasher, Password, PasswordError, generate_password,
    generate_pincode,
};
pub use self::slowing::{FailureRate, SlowingSettings};

use crate::front::ConnectionInfo;

use self::hashing_pool::HashingPool;
use self::refusals::{FLOOD_PERIOD, Refusals};
use self::remembered::RememberedPairs;
use self::slowing::Slowing;
use self::user::ChecksUnderWay;

/// The value of the `WWW-Authenticate` header of every 401.
pub const CHALLENGE: &str = r#"Basic realm="Sistema TS", charset="UTF-8""#;

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

/// Why a user was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BasicRefusal {
    /// HTTP 401 with [`CHALLENGE`], and nothing about which part was wrong.
    #[error("the credentials are missing or not right")]
    Unauthorized,
    /// HTTP 503 with `Retry-After`: too many checks wait.
    #[error("too many checks of credentials wait")]
    Overloaded,
    /// HTTP 503 with `Retry-After`: the check could not be made.
    #[error("credentials cannot be checked")]
    Unavailable,
}

/// Finds out who calls. One for all listeners and threads.
pub struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    register: Arc<dyn Register>,
    clock: Arc<dyn Clock>,
    hasher: Arc<CredentialHasher>,
    pool: HashingPool,
    slowing: Slowing,
    remembered: RememberedPairs,
    refusals: Refusals,
    longest_wait: Duration,
    under_way: ChecksUnderWay,
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

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}
