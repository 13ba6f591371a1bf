//! What every command works with.

use std::sync::Arc;

use sistema_ts_model::{Clock as _, SystemClock, Timestamp};
use sistema_ts_store::register::{
    Act, Actor, Register, RegisterChange, RegisterError, RegisterKey, RegisterKeyError,
};

use super::notice::TellTheServer;
use super::output::Output;
use crate::auth::CredentialHasher;
use crate::cli::error::AdminError;
use crate::config::Configuration;

/// What the system keeps as the login of a process that nobody's login has started.
const NO_LOGIN: u32 = u32::MAX;

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
        let register = configuration.archives().register(
            Arc::clone(&key),
            Arc::new(TellTheServer::at(configuration.control_socket())),
            None,
        )?;
        Ok(Context {
            register,
            key,
            configuration,
            output,
            now: SystemClock.now(),
        })
    }

    /// Makes a change as whoever runs this command.
    pub(super) async fn change(&self, change: RegisterChange) -> Result<(), AdminError> {
        Ok(self.register.change(change, self.act()).await?)
    }

    /// Who runs this command, and when.
    pub(super) fn act(&self) -> Act {
        Act {
            by: command_actor(),
            at: self.now,
        }
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
    match archives.has_register() {
        Ok(true) => {
            let register = archives.register_place();
            let key = configuration.register.key_file.clone();
            AdminError::KeyLost { register, key }
        }
        Ok(false) => RegisterError::NotFound(archives.data_folder).into(),
        Err(error) => error.into(),
    }
}

/// Who runs this command, as the system tells it.
fn command_actor() -> Actor {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    let login: Option<u32> = login.and_then(|text| text.trim().parse().ok());
    Actor::Command {
        // SAFETY: takes nothing, changes nothing and never fails.
        user: unsafe { libc::geteuid() },
        login: login.filter(|number| *number != NO_LOGIN),
    }
}
