//! The server that is tested.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::error::LoadtestError;
use crate::wire::tls::{client_config, plain_config};

/// Where a server listens, and how to connect to it.
#[derive(Clone)]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The name that its certificate must have.
    pub server_name: ServerName<'static>,
    /// The Host header.
    pub host: String,
    /// Trust and certificate.
    pub tls: Arc<ClientConfig>,
    /// Where the client's certificate came from, if it has one.
    pub(crate) identity: Option<Identity>,
}

/// The files of a client's certificate, and of the authority that it trusts.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
}

/// An address as it is written, `https://name:port`; nobody has been asked where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// Name and port as they were written.
    host: String,
    with_port: String,
    /// The name, or the number without brackets.
    pub(crate) name: String,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, LoadtestError> {
        let host = url
            .strip_prefix("https://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|rest| !rest.is_empty() && !rest.contains(['/', '@', '?', '#']))
            .ok_or_else(|| {
                LoadtestError::Address("the address must be like https://name:port".into())
            })?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let with_port = if bracketed || !host.contains(':') {
            format!("{host}:443")
        } else {
            host.to_owned()
        };
        let name = with_port.rsplit_once(':').map_or("", |(name, _)| name);
        Ok(Self {
            host: host.to_owned(),
            name: name
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            with_port,
        })
    }
}

impl Target {
    /// Whether it is this machine's loopback.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// The name in the address, without the port.
    #[must_use]
    pub fn name(&self) -> String {
        self.server_name.to_str().into_owned()
    }

    /// The same requests for a server at this address, with a certificate of `localhost` that this authority has signed.
    pub(crate) fn at_mirror(
        &self,
        address: SocketAddr,
        authority: CertificateDer<'static>,
    ) -> Result<Self, LoadtestError> {
        Ok(Self {
            address,
            // A constant that is a name.
            server_name: ServerName::try_from("localhost")
                .map_err(|error| LoadtestError::Address(error.to_string()))?,
            host: self.host.clone(),
            tls: plain_config(authority)?,
            identity: None,
        })
    }

    /// The same server, with the certificate that the files have by now; the same client where there are none.
    pub(crate) fn renewed(&self) -> Result<Self, LoadtestError> {
        let Some(identity) = &self.identity else {
            return Ok(self.clone());
        };
        let files = (
            identity.certificate.as_path(),
            identity.private_key.as_path(),
        );
        Ok(Self {
            tls: client_config(&identity.authority, Some(files))?,
            ..self.clone()
        })
    }

    /// One that nobody is at, for tests of what is sent nowhere.
    #[cfg(test)]
    pub(crate) fn nowhere(authority: CertificateDer<'static>) -> Result<Self, LoadtestError> {
        Ok(Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            server_name: ServerName::try_from("localhost")
                .map_err(|error| LoadtestError::Address(error.to_string()))?,
            host: "localhost".into(),
            tls: plain_config(authority)?,
            identity: None,
        })
    }

    /// Reads `https://name:port`, the authority of the server's certificate, and the client's certificate and key (PEM files).
    pub fn new(
        url: &str,
        ca: &Path,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, LoadtestError> {
        let Url {
            host,
            with_port,
            name,
        } = Url::parse(url)?;
        let address = with_port
            .to_socket_addrs()
            .map_err(|error| LoadtestError::Address(format!("{with_port}: {error}")))?
            .next()
            .ok_or_else(|| LoadtestError::Address(format!("{with_port} has no address")))?;
        let server_name = ServerName::try_from(name).map_err(|_| {
            LoadtestError::Address(format!(
                "{with_port} has no name that a certificate can have"
            ))
        })?;
        Ok(Self {
            address,
            server_name,
            host,
            tls: client_config(ca, identity)?,
            identity: identity.map(|(certificate, private_key)| Identity {
                authority: ca.to_owned(),
                certificate: certificate.to_owned(),
                private_key: private_key.to_owned(),
            }),
        })
    }
}
