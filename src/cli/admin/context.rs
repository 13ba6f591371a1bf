//! What every command works with.

use std::sync::Arc;

use sistema_ts_model::{Clock as _, SystemClock, Timestamp};
use sistema_ts_store::register::{Register, RegisterError, RegisterKey, RegisterKeyError};

use super::output::Output;
use crate::auth::CredentialHasher;
use crate::cli::error::AdminError;
use crate::config::Configuration;

/// What every command works with.
pub(super) struct Context {
    pub(super) register: Arc<dyn Register>,
    pub(super) key: Arc<RegisterKey>,
    pub(super) configuration: Configuration,
    pub(super) output: Output,
    pub(super) now: Timestamp,
}

impl Context {
    pub(super) fn open(configuration: Configuration, output: Output) -> Result<Self, AdminError> {
        let key = match RegisterKey::load(&configuration.register.key_file) {
            Ok(key) => Arc::new(key),
            Err(RegisterKeyError::File { reason, .. })
                if reason.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(missing_key(&configuration));
            }
            Err(error) => return Err(error.into()),
        };
        let register = configuration.archives().register(Arc::clone(&key), None)?;
        Ok(Context {
            register,
            key,
            configuration,
            output,
            now: SystemClock.now(),
        })
    }

    pub(super) fn hasher(&self) -> Result<CredentialHasher, AdminError> {
        Ok(CredentialHasher::new(
            &self.key,
            self.configuration.argon2_cost(),
        )?)
    }
}

/// Without a key: either nothing was made yet, or the key is lost.
fn missing_key(configuration: &Configuration) -> AdminError {
    let archives = configuration.archives();
    if archives.has_register() {
        let register = archives.register_place();
        let key = configuration.register.key_file.clone();
        AdminError::KeyLost { register, key }
    } else {
        RegisterError::NotFound(archives.data_folder).into()
    }
}
