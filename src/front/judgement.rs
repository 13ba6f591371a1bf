//! Whether a client's certificate counts: one judgement, for open connections after a change, and for the command
//! that registers certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::CertificateError as Rejection;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::material::verifier_of;
use super::signature;
use super::trust_error::TrustError;

/// Why a certificate proves nothing. The texts are for whoever registers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// No accepted authority stands above it.
    #[error(
        "no authority of tls.client_authority_file has signed it, nor has any that the file shows above it"
    )]
    UnknownAuthority,
    /// Its time, or that of a certificate above it, is over.
    #[error("it has expired, or a certificate above it has")]
    Expired,
    /// Its time has not begun.
    #[error("it is not valid yet, or a certificate above it is not")]
    NotYetValid,
    /// It is made for something else.
    #[error("its extended key usage is not client authentication (clientAuth)")]
    Purpose,
    /// It is an authority's own.
    #[error("it is the certificate of an authority (CA:TRUE), not of a client")]
    Authority,
    /// X.509 v1 or v2.
    #[error("it is not of version 3 of X.509")]
    Version,
    /// An algorithm of its signature, or of one above it.
    #[error(
        "it, or a certificate above it, is signed by an algorithm that is not supported: ECDSA with P-256, P-384 or P-521, Ed25519, and RSA of 2048 bits or more with SHA-256 or better are"
    )]
    SignatureAlgorithm,
    /// A signature that is not right.
    #[error(
        "the key that signed it, or a certificate above it, is not that of the authority of that name, or it is an RSA key of less than 2048 bits"
    )]
    Signature,
    /// The kind or length of its own key.
    #[error(
        "its key is none with which a client can prove itself: ECDSA with P-256, P-384 or P-521, Ed25519, and RSA (rsaEncryption) of 2048 to 8192 bits are"
    )]
    Key,
    /// A critical extension that is not understood.
    #[error("it, or a certificate above it, has a critical extension that is not understood")]
    Extension,
    /// The constraints of an authority above it.
    #[error("an authority above it may not sign it: name constraints or length of the path")]
    Constraints,
    /// Not readable.
    #[error("its encoding cannot be read")]
    Malformed,
    /// Any other reason of the verifier.
    #[error("the verifier of handshakes refuses it")]
    Other,
}

impl CertificateFault {
    /// What the verifier meant.
    pub(super) fn of(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::UnknownIssuer => Self::UnknownAuthority,
            Rejection::Expired | Rejection::ExpiredContext { .. } => Self::Expired,
            Rejection::NotValidYet | Rejection::NotValidYetContext { .. } => Self::NotYetValid,
            Rejection::InvalidPurpose | Rejection::InvalidPurposeContext { .. } => Self::Purpose,
            Rejection::UnhandledCriticalExtension => Self::Extension,
            Rejection::BadEncoding => Self::Malformed,
            Rejection::BadSignature => Self::Signature,
            Rejection::UnsupportedSignatureAlgorithmContext { .. }
            | Rejection::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::SignatureAlgorithm
            }
            // What rustls has no name for is the name that the library below gives it.
            Rejection::Other(other) => match other.to_string().as_str() {
                "CaUsedAsEndEntity" | "EndEntityUsedAsCa" => Self::Authority,
                "UnsupportedCertVersion" => Self::Version,
                "NameConstraintViolation" | "PathLenConstraintViolated" => Self::Constraints,
                "UnsupportedCriticalExtension" => Self::Extension,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Judges a chain, own certificate first, as a handshake does. `now` is in seconds since 1970.
///
/// # Errors
/// [`CertificateFault`]
pub(super) fn judge(
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'_>],
    now: i64,
) -> Result<(), CertificateFault> {
    let (own, above) = chain.split_first().ok_or(CertificateFault::Malformed)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now.unsigned_abs()));
    match verifier.verify_client_cert(own, above, at) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(rejection)) => Err(CertificateFault::of(&rejection)),
        Err(_) => Err(CertificateFault::Other),
    }
}

/// The authorities of a file, to judge certificates outside a handshake.
pub struct ClientAuthorities {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthorities {
    /// Reads the file that the server reads.
    ///
    /// # Errors
    /// [`TrustError`]
    pub fn read(file: &Path) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let content = std::fs::read(file).map_err(|source| TrustError::Read {
            file: file.to_owned(),
            source,
        })?;
        let verifier = verifier_of(&content, file, &provider)?.verifier;
        Ok(Self { verifier })
    }

    /// Whether a handshake would take a client with this chain, own certificate first, at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`CertificateFault`]: the reason why not.
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: i64) -> Result<(), CertificateFault> {
        let own = chain.first().ok_or(CertificateFault::Malformed)?;
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| CertificateFault::Malformed)?;
        judge(&*self.verifier, chain, now)?;
        // The rest of a handshake, where the client proves that it has the key.
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match signature::proves_possession(parsed.public_key().raw, &provider) {
            true => Ok(()),
            false => Err(CertificateFault::Key),
        }
    }
}
