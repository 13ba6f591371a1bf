//! Connecting to the nodes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

pub use crate::connect_error::ConnectError;
use crate::password::{FromFile, read_password};
use crate::settings::CqlSettings;
use crate::tables::Keyspace;

/// A node that has not answered for this part of a statement's time limit is asked whether it is there; without an answer within as long its
/// connection is given up.
const KEEPALIVE_PART: u32 = 5;
/// How long a node may take to accept a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

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
        if settings.password_file.as_os_str().is_empty() {
            return Err(ConnectError::NoPassword);
        }
        // A file that cannot be used is told now, and not by a connection that fails.
        read_password(&settings.password_file)?;
        builder = builder.authenticator_provider(Arc::new(FromFile {
            role: settings.role.clone(),
            file: settings.password_file.clone(),
        }));
    }
    if !settings.authority_file.as_os_str().is_empty() {
        builder = builder.tls_context(Some(tls(&settings.authority_file)?));
    }
    let built = builder.build().await;
    built.map_err(|error| ConnectError::of(&error, settings))
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
