//! TLS as a client.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::LoadtestError;

/// Trusts the authorities in `ca` alone, and shows the certificate of `identity` (its chain and its key, PEM files), if any.
pub fn client_config(
    ca: &Path,
    identity: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, LoadtestError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match identity {
        Some((chain, key)) => {
            let key_der =
                PrivateKeyDer::from_pem_file(key).map_err(|error| LoadtestError::Pem {
                    path: key.to_owned(),
                    reason: error.to_string(),
                })?;
            builder
                .with_client_auth_cert(certificates(chain)?, key_der)
                .map_err(|error| LoadtestError::Pem {
                    path: key.to_owned(),
                    reason: format!("with {}: {error}", chain.display()),
                })?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Trusts one authority and shows no certificate.
pub fn plain_config(
    authority: CertificateDer<'static>,
) -> Result<Arc<ClientConfig>, LoadtestError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadtestError> {
    let wrong = |reason: String| LoadtestError::Pem {
        path: path.to_owned(),
        reason,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("no certificate in it".into()));
    }
    Ok(certificates)
}
