//! The configuration: one TOML file, environment variables over it, hard bounds on both.
//!
//! A key that nobody reads is a mistake that nobody sees, so unknown keys are refused, in the file and among the variables
//! that begin with [`ENVIRONMENT_PREFIX`] and name a section. Every bound is checked at start, all faults are told at once, and no message
//! repeats a value. `sistema-ts.sample.toml` documents every key; a test compares it with the defaults here.

use std::path::{Path, PathBuf};

use thiserror::Error;

use self::reading::Reading;
use crate::plain_text::{NotText, text_of};

mod check;
mod configuration;
mod convert;
mod environment;
mod reading;
mod sections;

pub use configuration::Configuration;
pub use convert::{BASIC_LISTENER, MUTUAL_TLS_LISTENER, STATUS_LISTENER};
pub use environment::{CONFIGURATION_FILE_VARIABLE, ENVIRONMENT_PREFIX};
pub use sections::{
    AdmissionSection, AslSection, AuthenticationSection, CallCenterSection, ControlSection,
    ImmuniSection, LimitsSection, ListenerSection, LogFormat, LogLevel, LoggingSection,
    ProxySection, RegisterSection, StatusSection, StoreSection, TlsSection,
};

/// Why a configuration is not accepted. No text repeats a value of the configuration.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The file is no text.
    #[error("the configuration file {}: {reason}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: NotText,
    },
    /// What was set cannot be read, names no key, or is out of bounds.
    #[error(
        "the configuration{} cannot be used:\n  {}",
        path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default(),
        faults.join("\n  ")
    )]
    Wrong {
        /// The file, if there is one.
        path: Option<PathBuf>,
        /// Everything that is wrong, in the file, in the environment and with the bounds.
        faults: Vec<String>,
    },
}

impl Configuration {
    /// Reads `file` (none: the defaults alone), lays this process's environment over it and checks the outcome.
    ///
    /// Relative paths are taken from the folder of the file, or without one from the working folder.
    ///
    /// # Errors
    /// [`ConfigurationError`], with everything that is wrong at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigurationError> {
        Self::load_from(file, std::env::vars_os())
    }

    /// As [`Configuration::load`], with a given environment.
    ///
    /// # Errors
    /// [`ConfigurationError`], with everything that is wrong at once.
    pub fn load_from(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Self, ConfigurationError> {
        let bytes = file.map(std::fs::read).transpose();
        let bytes = bytes.map_err(|reason| ConfigurationError::Unreadable {
            path: file.unwrap_or(Path::new("")).to_owned(),
            reason,
        })?;
        let text = text_of(bytes.as_deref().unwrap_or_default());
        let text = text.map_err(|reason| ConfigurationError::NotText {
            path: file.unwrap_or(Path::new("")).to_owned(),
            reason,
        })?;
        let mut reading = Reading::new();
        reading.file(text);
        environment::read(&mut reading, environment);
        let mut read = reading.finish();
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        read.configuration.resolve_paths(folder);
        read.check();
        match read.faults.is_empty() {
            true => Ok(read.configuration),
            false => Err(ConfigurationError::Wrong {
                path: file.map(Path::to_owned),
                faults: read.faults,
            }),
        }
    }

    fn resolve_paths(&mut self, folder: &Path) {
        for path in [
            &mut self.tls.certificate_file,
            &mut self.tls.private_key_file,
            &mut self.tls.second_certificate_file,
            &mut self.tls.second_private_key_file,
            &mut self.tls.client_authority_file,
            &mut self.tls.client_revocation_list_file,
            &mut self.store.data_folder,
            &mut self.store.key_ring_file,
            &mut self.register.key_file,
            &mut self.immuni.authority_file,
            &mut self.immuni.client_certificate_file,
            &mut self.immuni.client_private_key_file,
            &mut self.control.socket_file,
        ]
        .into_iter()
        .chain(self.backends.paths_mut())
        {
            // `join` keeps an absolute path; an empty one stays empty, for the check to refuse.
            if !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
