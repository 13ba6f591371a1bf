//! The server's certificates: one, or one of each kind of key, of which each client is shown the one that it can use.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::settings::PairFiles;
use super::trust_error::TrustError;
use crate::x509::{self, Content};

/// Contents of [`PairFiles`].
#[derive(PartialEq, Eq)]
pub(super) struct PairMaterial {
    pub(super) certificate_chain: Vec<u8>,
    pub(super) private_key: zeroize::Zeroizing<Vec<u8>>,
}

/// From when until when a certificate of the server is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificateStatus {
    /// Kind of its key: `ecdsa`, `rsa`, `ed25519` or another of TLS.
    pub key_kind: &'static str,
    /// The first second at which it and all above it are valid, since 1970.
    pub not_before: i64,
    /// The last one.
    pub not_after: i64,
}

/// The certificates of one listener.
#[derive(Debug)]
pub(super) struct ServerCertificates {
    /// In the order of preference: what costs least first.
    keys: Vec<Arc<CertifiedKey>>,
}

impl ServerCertificates {
    /// Reads the pairs: one, or two with different kinds of key.
    pub(super) fn read(
        pairs: &[(&PairFiles, &PairMaterial)],
        provider: &CryptoProvider,
    ) -> Result<Self, TrustError> {
        let keys = pairs
            .iter()
            .map(|(files, material)| certified_key(files, material, provider));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
        let mut kinds = keys.windows(2);
        if kinds.any(|two| two[0].key.algorithm() == two[1].key.algorithm()) {
            return Err(TrustError::SameKind);
        }
        Ok(Self { keys })
    }

    /// From when until when each is valid.
    pub(super) fn status(&self) -> Vec<ServerCertificateStatus> {
        let status = |key: &Arc<CertifiedKey>| {
            let (not_before, not_after) = x509::validity_of_chain(&key.cert);
            ServerCertificateStatus {
                key_kind: kind_of(key.key.algorithm()),
                not_before,
                not_after,
            }
        };
        self.keys.iter().map(status).collect()
    }

    /// The first whose key can sign in a way that the client takes. The schemes are those that fit its cipher suites, too: rustls has left out
    /// the others.
    fn choose(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        // If none does the first one, so that the client is told in TLS's own words what the two have not in common.
        let chosen = self.keys.iter().find(fits).or(self.keys.first());
        chosen.cloned()
    }
}

impl ResolvesServerCert for ServerCertificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(client_hello.signature_schemes())
    }
}

fn certified_key(
    files: &PairFiles,
    material: &PairMaterial,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TrustError> {
    let (chain_file, key_file) = (&files.certificate_chain, &files.private_key);
    let certificates = Content::certificates(&material.certificate_chain)
        .map_err(|source| TrustError::content(chain_file, source))?;
    let key = Content::private_key(&material.private_key)
        .map_err(|source| TrustError::content(key_file, source))?;
    let key = provider.key_provider.load_private_key(key)?;
    let public_key = key.public_key();
    let chain = public_key.and_then(|public_key| x509::chain_for_key(&certificates, &public_key));
    let chain = chain.ok_or_else(|| TrustError::OtherKey {
        certificate: chain_file.clone(),
        private_key: key_file.clone(),
    })?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

fn kind_of(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::ECDSA => "ecdsa",
        SignatureAlgorithm::RSA => "rsa",
        SignatureAlgorithm::ED25519 => "ed25519",
        _ => "other",
    }
}
