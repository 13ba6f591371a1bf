//! Why the cluster cannot be used, in words that say what is to be done.

use std::path::PathBuf;

use rustls::{CertificateError, InvalidMessage};
use scylla::errors::{
    BrokenConnectionError, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind,
    DbError, MetadataError, NewSessionError,
};
use sistema_ts_store::permissions::PermissionError;
use thiserror::Error;

use crate::migrations::MigrationError;
use crate::settings::CqlSettings;

/// Why the cluster cannot be used. No text holds a password.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// No node answers, or none can be spoken with.
    #[error("no node of the cluster ({nodes}) can be used: {reason}")]
    Nodes {
        /// Which were tried.
        nodes: String,
        /// Why the last of them cannot be.
        reason: String,
    },
    /// The nodes do not let this role in.
    #[error(
        "the cluster does not let the role {role:?} in: it is not there or may not sign in, or its password is not the one in {}",
        password_file.display()
    )]
    Credentials {
        /// Who wanted in.
        role: String,
        /// Where its password was read.
        password_file: PathBuf,
    },
    /// The nodes let nobody in who does not sign in.
    #[error("the cluster asks who this is: set cql.role and cql.password_file")]
    NoRole,
    /// A role without its password.
    #[error(
        "cql.role is set and cql.password_file is not: name the file with that role's password"
    )]
    NoPassword,
    /// This role lacks a right.
    #[error(
        "the database role {role:?} lacks the right {permission} on {resource}: `sistema-ts roles` gives roles their rights"
    )]
    Rights {
        /// Which role.
        role: String,
        /// What it may not do.
        permission: String,
        /// To what, as the nodes name it.
        resource: String,
    },
    /// The tables are not as their version says, or this role may not see them.
    #[error(
        "the cluster's schema is not of this version ({statement} cannot be prepared: {reason}): run `sistema-ts migrate`"
    )]
    Schema {
        /// The statement that could not be prepared.
        statement: &'static str,
        /// What the nodes say of it: its text has no values yet.
        reason: String,
    },
    /// The schema is not of this version.
    #[error(transparent)]
    Version(#[from] MigrationError),
    /// A file of the configuration cannot be used.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Others can read a file with a secret, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// The store's threads cannot be started.
    #[error("the threads of the store cannot be started: {0}")]
    Threads(std::io::Error),
}

impl ConnectError {
    /// Why no session could be opened by these settings.
    pub(crate) fn of(error: &NewSessionError, settings: &CqlSettings) -> Self {
        let reason = match last_connection(error) {
            None => error.to_string(),
            Some(ConnectionError::ConnectionSetupRequestError(setup)) => match setup.get_error() {
                ConnectionSetupRequestErrorKind::MissingAuthentication => return Self::NoRole,
                ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _) => {
                    return Self::Credentials {
                        role: settings.role.clone(),
                        password_file: settings.password_file.clone(),
                    };
                }
                ConnectionSetupRequestErrorKind::BrokenConnection(broken) => {
                    ended(broken, settings)
                }
                other => other.to_string(),
            },
            Some(ConnectionError::BrokenConnection(broken)) => ended(broken, settings),
            Some(ConnectionError::IoError(error)) => {
                let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
                tls.map_or_else(|| error.to_string(), |tls| of_tls(tls, settings))
            }
            Some(other) => other.to_string(),
        };
        Self::Nodes {
            nodes: settings.nodes.join(", "),
            reason,
        }
    }
}

/// The error of the connection that was tried last.
fn last_connection(error: &NewSessionError) -> Option<&ConnectionError> {
    match error {
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
            ConnectionPoolError::Broken {
                last_connection_error,
            },
        )) => Some(last_connection_error),
        _ => None,
    }
}

fn ended(broken: &BrokenConnectionError, settings: &CqlSettings) -> String {
    match settings.authority_file.as_os_str().is_empty() {
        true => format!(
            "it has ended the connection. If it wants TLS, set cql.authority_file ({broken})"
        ),
        false => broken.to_string(),
    }
}

fn of_tls(error: &rustls::Error, settings: &CqlSettings) -> String {
    let authorities = settings.authority_file.display();
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            format!("its certificate is not signed by an authority in {authorities}")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is not for its address, which must stand there as an IP address among the alternative names".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate has ended".to_owned(),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS, which cql.authority_file asks for".to_owned()
        }
        other => format!("TLS: {other}"),
    }
}
