//! Who calls: a region by its certificate, an operator of a structure by user id, password and pincode (§2.3).
//!
//! [`Authenticator::caller`] and [`Authenticator::region`] are asked at each request, also on an open connection, and cost two
//! look-ups in memory. [`Authenticator::user`] costs a keyed hash while a right pair is remembered, and an Argon2id hash
//! otherwise: on threads of their own, behind a bounded queue, after a budget for each source address, and after the attempt was
//! counted. Whatever is wrong with a pair, the answer and the work are the same: an unknown user, a wrong password, a wrong
//! or missing pincode, a locked, disabled or expired user all pay one counted attempt and one hash, and get
//! [`BasicRefusal::Unauthorized`].

mod basic_header;
mod certificate;
mod credential;
mod hashing_pool;
mod remembered;
mod source_budget;
mod user;

use std::sync::Arc;
use std::time::Duration;

use sistema_ts_model::{Caller, Clock, RegionCode, Timestamp};
use sistema_ts_store::register::{LockoutPolicy, Register, RegisterKey, RegisterKeyError};
use thiserror::Error;

pub use self::basic_header::BasicCredentials;
pub use self::certificate::CallerRefusal;
pub(crate) use self::certificate::subject_agrees;
pub use self::credential::{
    Argon2Cost, CredentialError, CredentialHasher, Password, PasswordError, generate_password,
    generate_pincode,
};
pub use self::source_budget::BudgetSettings;

use crate::front::ConnectionInfo;

use self::hashing_pool::HashingPool;
use self::remembered::RememberedPairs;
use self::source_budget::SourceBudget;
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
    /// Checks that may wait for them, at least 1.
    pub hashing_queue: usize,
    /// How long a right pair is remembered; zero remembers none.
    pub remember: Duration,
    /// When a user is locked out.
    pub lockout: LockoutPolicy,
    /// How many failures a source address may cause.
    pub budget: BudgetSettings,
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
    /// HTTP 503 with `Retry-After`: too many checks are under way, in all or from this source.
    #[error("too many checks of credentials are under way")]
    Overloaded,
    /// HTTP 503 with `Retry-After`: the register cannot count attempts, so none is checked.
    #[error("the register is unavailable")]
    Unavailable,
}

/// Finds out who calls. One for all listeners and threads.
pub struct Authenticator {
    shared: Arc<Shared>,
}

struct Shared {
    register: Arc<dyn Register>,
    clock: Arc<dyn Clock>,
    settings: AuthenticatorSettings,
    hasher: Arc<CredentialHasher>,
    pool: HashingPool,
    budget: SourceBudget,
    remembered: RememberedPairs,
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
        let pool = HashingPool::start(
            Arc::clone(&hasher),
            settings.hashing_threads,
            settings.hashing_queue,
        )?;
        Ok(Authenticator {
            shared: Arc::new(Shared {
                register,
                clock,
                settings,
                hasher,
                pool,
                budget: SourceBudget::new(settings.budget),
                remembered: RememberedPairs::new(settings.remember),
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

    /// As [`Authenticator::caller`], for a service that serves regions alone.
    ///
    /// # Errors
    /// [`CallerRefusal`]; [`CallerRefusal::OtherKind`] for a caller that is no region.
    pub fn region(&self, connection: &ConnectionInfo) -> Result<RegionCode, CallerRefusal> {
        match self.caller(connection)? {
            Caller::Region(region) => Ok(region),
            _ => Err(CallerRefusal::OtherKind),
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}
