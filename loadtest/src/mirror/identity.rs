//! The mirror's authority and certificate, made for the moment.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::LoadtestError;

/// A certificate for `localhost` and 127.0.0.1, and the authority that signed it.
pub(crate) struct Identity {
    /// What a client must trust.
    pub(crate) authority: CertificateDer<'static>,
    /// The same as PEM.
    pub(crate) authority_pem: String,
    /// The server's side of TLS, which asks for no client certificate.
    pub(crate) tls: Arc<ServerConfig>,
}

impl Identity {
    /// Makes one, with keys on P-256 as the server's own are.
    pub(crate) fn new() -> Result<Self, LoadtestError> {
        let failed = |error: rcgen::Error| LoadtestError::Usage(format!("a certificate: {error}"));
        let mut parameters =
            CertificateParams::new(vec!["loadtest mirror".into()]).map_err(failed)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(failed)?;
        let authority = CertifiedIssuer::self_signed(parameters, key).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let names = vec!["localhost".into(), "127.0.0.1".into()];
        let certificate = CertificateParams::new(names)
            .and_then(|parameters| parameters.signed_by(&key, &authority))
            .map_err(failed)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
        Ok(Self {
            authority: authority.der().clone(),
            authority_pem: authority.pem(),
            tls: Arc::new(tls),
        })
    }
}
