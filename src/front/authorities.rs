//! What there is to know of an authority that signs client certificates.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::certificate::raw_name;

/// An authority: a name and a key. The same name with another key is another authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// Its certificate: one of them, if it was renewed with its key.
    pub(super) certificate: CertificateDer<'static>,
    /// The name in DER of the authority that signed the certificate.
    pub(super) issuer_name: Vec<u8>,
    /// Its name in DER.
    pub(super) name: Vec<u8>,
    /// Its name for people.
    pub(super) title: String,
    /// Its public key in DER (SubjectPublicKeyInfo).
    pub(super) public_key: Vec<u8>,
    /// What it calls its key, if it does.
    pub(super) key_identifier: Option<Vec<u8>>,
    /// Whether it may sign revocation lists: a certificate with a key usage must name `cRLSign` in it (RFC 5280 §6.3.3).
    pub(super) may_sign_lists: bool,
}

impl Authority {
    /// From its certificate; `None` if that cannot be read.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let key_identifier = certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
                _ => None,
            });
        Some(Self {
            certificate: der.to_vec().into(),
            issuer_name: raw_name(certificate.issuer()).to_vec(),
            name: raw_name(certificate.subject()).to_vec(),
            title: certificate.subject().to_string(),
            public_key: certificate.public_key().raw.to_vec(),
            key_identifier,
            may_sign_lists: match certificate.key_usage() {
                Ok(Some(usage)) => usage.value.crl_sign(),
                Ok(None) => true,
                Err(_) => false,
            },
        })
    }
}
