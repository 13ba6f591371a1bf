//! The configuration: one TOML file, environment variables over it, hard bounds on both.
//!
//! A key that nobody reads is a mistake that nobody sees, so unknown keys are refused, in the file and among the variables
//! that begin with [`ENVIRONMENT_PREFIX`]. Every bound is checked at start, all faults are told at once, and no message
//! repeats a value. `sistema-ts.sample.toml` documents every key; a test compares it with the defaults here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod check;
mod convert;
mod environment;
mod sections;

pub use convert::{BASIC_LISTENER, MUTUAL_TLS_LISTENER, STATUS_LISTENER};
pub use environment::{CONFIGURATION_FILE_VARIABLE, ENVIRONMENT_PREFIX};
pub use sections::{
    AdmissionSection, AslSection, AuthenticationSection, CallCenterSection, ControlSection,
    ImmuniSection, LimitsSection, ListenerSection, LogFormat, LogLevel, LoggingSection,
    ProxySection, RegisterSection, StatusSection, StoreSection, TlsSection,
};

/// Everything that can be set, with relative paths already resolved and every bound checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Listener for callers with a certificate.
    #[serde(default = "sections::default_mutual_tls")]
    pub mutual_tls: ListenerSection,
    /// Listener for callers with user id, password and pincode.
    #[serde(default = "sections::default_basic")]
    pub basic: ListenerSection,
    /// Listener for health and metrics.
    #[serde(default)]
    pub status: StatusSection,
    /// Proxies.
    #[serde(default)]
    pub proxy: ProxySection,
    /// Limits of the public listeners.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Certificates and keys.
    #[serde(default)]
    pub tls: TlsSection,
    /// The store.
    #[serde(default)]
    pub store: StoreSection,
    /// The register of callers and users.
    #[serde(default)]
    pub register: RegisterSection,
    /// Load that is taken on.
    #[serde(default)]
    pub admission: AdmissionSection,
    /// Passwords and pincodes.
    #[serde(default)]
    pub authentication: AuthenticationSection,
    /// The services of the call centres.
    #[serde(default)]
    pub call_center: CallCenterSection,
    /// The codes of the ASL.
    #[serde(default)]
    pub asl: AslSection,
    /// The Immuni backend.
    #[serde(default)]
    pub immuni: ImmuniSection,
    /// The socket of the commands.
    #[serde(default)]
    pub control: ControlSection,
    /// The operational log.
    #[serde(default)]
    pub logging: LoggingSection,
}

impl Default for Configuration {
    /// The defaults as they are written, paths unresolved.
    fn default() -> Self {
        Configuration {
            mutual_tls: sections::default_mutual_tls(),
            basic: sections::default_basic(),
            status: StatusSection::default(),
            proxy: ProxySection::default(),
            limits: LimitsSection::default(),
            tls: TlsSection::default(),
            store: StoreSection::default(),
            register: RegisterSection::default(),
            admission: AdmissionSection::default(),
            authentication: AuthenticationSection::default(),
            call_center: CallCenterSection::default(),
            asl: AslSection::default(),
            immuni: ImmuniSection::default(),
            control: ControlSection::default(),
            logging: LoggingSection::default(),
        }
    }
}

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
    /// The file is not TOML, or a key is unknown, missing or of the wrong type.
    #[error("the configuration file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which line.
        reason: String,
    },
    /// An environment variable of ours is unknown or of the wrong type.
    #[error("the environment variable {variable}: {reason}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// One or more values are out of bounds.
    #[error("the configuration is out of bounds:\n  {}", .0.join("\n  "))]
    Bounds(Vec<String>),
}

impl Configuration {
    /// Reads `file` (none: the defaults alone), lays this process's environment over it and checks the outcome.
    ///
    /// Relative paths are taken from the folder of the file, or without one from the working folder.
    ///
    /// # Errors
    /// [`ConfigurationError`], with every value out of bounds at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigurationError> {
        Self::load_from(file, std::env::vars_os())
    }

    /// As [`Configuration::load`], with a given environment.
    ///
    /// # Errors
    /// [`ConfigurationError`], with every value out of bounds at once.
    pub fn load_from(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<Self, ConfigurationError> {
        let text = match file {
            None => String::new(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|reason| ConfigurationError::Unreadable {
                    path: path.to_owned(),
                    reason,
                })?
            }
        };
        let wrong_file = |reason: &toml::de::Error| ConfigurationError::File {
            path: file.unwrap_or(Path::new("(none)")).to_owned(),
            reason: describe(&text, reason),
        };
        // Read once as it stands, so that a mistake in the file is told with its line.
        toml::from_str::<Configuration>(&text).map_err(|reason| wrong_file(&reason))?;
        let mut table =
            toml::from_str::<toml::Table>(&text).map_err(|reason| wrong_file(&reason))?;
        let mut configuration = environment::overlay(&mut table, environment)?;
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        configuration.resolve_paths(folder);
        configuration.check()?;
        Ok(configuration)
    }

    fn resolve_paths(&mut self, folder: &Path) {
        for path in [
            &mut self.tls.certificate_file,
            &mut self.tls.private_key_file,
            &mut self.tls.client_authority_file,
            &mut self.tls.client_revocation_list_file,
            &mut self.store.data_folder,
            &mut self.store.key_ring_file,
            &mut self.register.key_file,
            &mut self.immuni.authority_file,
            &mut self.immuni.client_certificate_file,
            &mut self.immuni.client_private_key_file,
            &mut self.control.socket_file,
        ] {
            // `join` keeps an absolute path; an empty one stays empty, for the check to refuse.
            if !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
    }
}

/// What the TOML reader found, with its line but without the text of the line.
fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = without_value(error.message());
    match error.span() {
        Some(span) => {
            let line = 1 + text[..span.start.min(text.len())].matches('\n').count();
            format!("line {line}: {message}")
        }
        None => message.to_owned(),
    }
}

/// The reader's message without the value that it repeats: `invalid value: integer -3, expected u64` is `expected u64`.
/// The names of keys stay.
fn without_value(message: &str) -> &str {
    let names_a_key = message.starts_with("unknown field") || message.starts_with("missing field");
    match message.find("expected") {
        Some(position) if !names_a_key => &message[position..],
        _ => message,
    }
}

#[cfg(test)]
mod tests;
