//! Connecting to the nodes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use sistema_ts_store::permissions::{PermissionError, check_secret_file};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::migrations::MigrationError;
use crate::settings::CqlSettings;
use crate::tables::Keyspace;

/// A node that has not answered for this part of a statement's time limit is asked whether it is there; without an answer within as long its
/// connection is given up.
const KEEPALIVE_PART: u32 = 5;
/// How long a node may take to accept a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the cluster cannot be used. No text holds a password.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// No node answers, or none lets this role in.
    #[error("no node of the cluster ({nodes}) can be used: {reason}")]
    Nodes {
        /// Which were tried.
        nodes: String,
        /// What the driver says.
        reason: String,
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

/// Opens a session as the role of the settings.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(settings: &CqlSettings) -> Result<Session, ConnectError> {
    let keyspaces = Keyspace::ALL.map(|keyspace| {
        let (prefix, name) = (&settings.keyspace_prefix, keyspace.name());
        format!("{prefix}_{name}")
    });
    let limit = Duration::from_millis(settings.statement_timeout_milliseconds as u64);
    let keepalive = limit / KEEPALIVE_PART;
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.nodes)
        .keyspaces_to_fetch(keyspaces)
        .prefer_datacenter(settings.datacenter.clone())
        .connection_timeout(CONNECTION_TIMEOUT)
        .keepalive_interval(keepalive)
        .keepalive_timeout(keepalive)
        .auto_await_schema_agreement(true);
    if !settings.role.is_empty() {
        let password = read_password(&settings.password_file)?;
        builder = builder.user(&settings.role, password.as_str());
    }
    if !settings.authority_file.as_os_str().is_empty() {
        builder = builder.tls_context(Some(tls(&settings.authority_file)?));
    }
    builder.build().await.map_err(|error| ConnectError::Nodes {
        nodes: settings.nodes.join(", "),
        reason: error.to_string(),
    })
}

fn read_password(file: &Path) -> Result<Zeroizing<String>, ConnectError> {
    check_secret_file(file)?;
    let text = std::fs::read_to_string(file).map_err(|reason| in_file(file, reason))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

fn tls(file: &Path) -> Result<Arc<rustls::ClientConfig>, ConnectError> {
    let mut authorities = rustls::RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|reason| in_file(file, reason))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|reason| in_file(file, reason))?;
        let added = authorities.add(certificate);
        added.map_err(|reason| in_file(file, reason))?;
    }
    if authorities.is_empty() {
        return Err(in_file(file, "it holds no certificate"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|reason| in_file(file, reason))?;
    let configuration = versions.with_root_certificates(authorities);
    Ok(Arc::new(configuration.with_no_client_auth()))
}

fn in_file(file: &Path, reason: impl ToString) -> ConnectError {
    ConnectError::File {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}
