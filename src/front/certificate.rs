//! A client certificate, read once per connection.

use std::fmt;

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A certificate that cannot be read although the handshake took it.
#[derive(Debug, thiserror::Error)]
#[error("the client certificate cannot be read: {0}")]
pub struct CertificateError(String);

/// Which certificate of which issuer: SHA-256 over the issuer's encoded name and the serial number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RevocationKey([u8; 32]);

impl RevocationKey {
    /// From the DER encoding of the issuer's name and the content bytes of the serial number.
    pub fn new(issuer_der: &[u8], serial: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(issuer_der.len() as u64).to_be_bytes());
        context.update(issuer_der);
        // One number, one key: however many zeros an encoder put before it.
        let leading = serial.iter().take_while(|&&byte| byte == 0).count();
        context.update(&serial[leading..]);
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

impl fmt::Debug for RevocationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "RevocationKey({:02x}{:02x}…)",
            self.0[0], self.0[1]
        )
    }
}

/// The parts of a subject that say who a caller claims to be (`docs/administration.md`: `C=IT`, `O` = kind, `OU` = code, `CN` =
/// name). An attribute that is there more than once counts as absent: which one is meant nobody can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateSubject {
    /// `C`
    pub country: Option<Box<str>>,
    /// `O`
    pub organization: Option<Box<str>>,
    /// `OU`
    pub organizational_unit: Option<Box<str>>,
    /// `CN`
    pub common_name: Option<Box<str>>,
}

/// A client certificate whose chain the handshake has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The chain as sent, own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// SHA-256 of the own certificate: what the register lists.
    pub fingerprint: [u8; 32],
    /// Content bytes of the serial number.
    pub serial: Box<[u8]>,
    /// Issuer's name for people, e.g. `C=IT, O=…, CN=…`.
    pub issuer: Box<str>,
    /// Who it is made out to.
    pub subject: CertificateSubject,
    /// Seconds since 1970 from which it is valid.
    pub not_before: i64,
    /// Last second since 1970 at which it is valid.
    pub not_after: i64,
    /// Keys of every certificate of the chain in revocation lists.
    pub(crate) revocation_keys: Box<[RevocationKey]>,
}

impl ClientCertificate {
    /// Reads a chain as rustls hands it over, own certificate first.
    ///
    /// # Errors
    /// [`CertificateError`] when the chain is empty or a certificate is not well-formed.
    pub fn from_chain(chain: &[CertificateDer<'_>]) -> Result<Self, CertificateError> {
        let own = chain
            .first()
            .ok_or_else(|| CertificateError("no certificate".into()))?;
        let parsed = parse(own)?;
        let mut revocation_keys = vec![key_of(&parsed)];
        for above in &chain[1..] {
            revocation_keys.push(key_of(&parse(above)?));
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, own).as_ref());
        let name = parsed.subject();
        Ok(Self {
            fingerprint,
            serial: parsed.raw_serial().into(),
            issuer: parsed.issuer().to_string().into(),
            subject: CertificateSubject {
                country: only(name.iter_country()),
                organization: only(name.iter_organization()),
                organizational_unit: only(name.iter_organizational_unit()),
                common_name: only(name.iter_common_name()),
            },
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            revocation_keys: revocation_keys.into(),
            chain: chain
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
        })
    }

    /// The fingerprint as 64 lower-case hexadecimal digits.
    pub fn fingerprint_hex(&self) -> String {
        use fmt::Write as _;
        self.fingerprint
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                // Writing into a String does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err(CertificateError("bytes after its end".into())),
        Err(error) => Err(CertificateError(error.to_string())),
    }
}

fn key_of(certificate: &X509Certificate<'_>) -> RevocationKey {
    RevocationKey::new(raw_name(certificate.issuer()), certificate.raw_serial())
}

/// The DER encoding of a name.
pub(super) fn raw_name<'a>(name: &'a X509Name<'_>) -> &'a [u8] {
    name.as_raw()
}

fn only<'a>(
    mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
) -> Option<Box<str>> {
    let first = attributes.next()?.as_str().ok()?;
    attributes.next().is_none().then(|| first.into())
}
