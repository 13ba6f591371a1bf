//! From the bytes of a file to what it holds.

use std::borrow::Cow;

use rustls_pki_types::pem::{self, PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, X509Certificate, X509CertificationRequest,
};
use zeroize::Zeroizing;

/// Why a file does not give what it should. No text repeats any of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Nothing of the wanted kind.
    #[error("no {wanted} in it: {instead}")]
    Missing {
        /// What was looked for.
        wanted: &'static str,
        /// What is there.
        instead: &'static str,
    },
    /// More than one private key: which is meant nobody can tell.
    #[error("more than one private key in it")]
    SeveralKeys,
    /// A private key that asks for a password.
    #[error(
        "its private key is protected by a password, for which the server cannot ask: `openssl pkey -in FILE -out NEW` takes the password off"
    )]
    EncryptedKey,
    /// A PKCS#12 bundle (`.p12`, `.pfx`).
    #[error(
        "a PKCS#12 bundle (.p12, .pfx), which is not read: `openssl pkcs12 -in FILE -nodes -out NEW` makes PEM of it"
    )]
    Pkcs12,
    /// A PKCS#7 bundle (`.p7b`, `.p7c`).
    #[error(
        "a PKCS#7 bundle (.p7b), which is not read: `openssl pkcs7 -in FILE -print_certs -out NEW` makes PEM of it (with `-inform der` if it is binary)"
    )]
    Pkcs7,
    /// A key store of Java.
    #[error(
        "a key store of Java, which is not read: `keytool -importkeystore -srckeystore FILE -destkeystore NEW.p12 -deststoretype PKCS12` makes PKCS#12 of it, and `openssl pkcs12 -in NEW.p12 -nodes -out NEW` PEM of that"
    )]
    JavaKeyStore,
    /// A private key in OpenSSH's own form.
    #[error(
        "a private key of OpenSSH, which is not read: `ssh-keygen -p -m PEM -f FILE` rewrites it"
    )]
    OpenSshKey,
    /// A certificate with OpenSSL's own additions.
    #[error(
        "a certificate with trust settings of OpenSSL: `openssl x509 -in FILE -out NEW` takes them off"
    )]
    TrustedCertificate,
    /// A PEM section without an end.
    #[error("a PEM section does not end: the file is cut")]
    Unended,
    /// A PEM section's first line is not one.
    #[error("a PEM section begins wrongly")]
    BadBegin,
    /// Not base64.
    #[error("broken base64 in a PEM section")]
    Base64,
    /// Not what its PEM section or its beginning says.
    #[error("a broken {0}: its DER encoding cannot be read")]
    Broken(&'static str),
}

const CERTIFICATE: &str = "certificate";
const PRIVATE_KEY: &str = "private key";
const REVOCATION_LIST: &str = "revocation list";

/// What a file holds, in its order.
#[derive(Debug, Default)]
pub struct Content {
    certificates: Vec<CertificateDer<'static>>,
    private_keys: Vec<PrivateKeyDer<'static>>,
    revocation_lists: Vec<CertificateRevocationListDer<'static>>,
    /// What there is besides, by name.
    other: Option<&'static str>,
}

impl Content {
    /// Reads everything that is in it.
    ///
    /// # Errors
    /// [`ContentError`] if it is of a kind that is not read, or broken. A file with nothing of interest is read, and empty.
    pub fn read(bytes: &[u8]) -> Result<Self, ContentError> {
        let mut content = Self::default();
        if !content.read_der(bytes)? {
            content.read_pem(bytes)?;
        }
        Ok(content)
    }

    /// The certificates, at least one.
    ///
    /// # Errors
    /// [`ContentError`]
    pub fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, ContentError> {
        let content = Self::read(bytes)?;
        content.missing(CERTIFICATE, content.certificates.is_empty())?;
        Ok(content.certificates)
    }

    /// The one private key; certificates beside it are no matter.
    ///
    /// # Errors
    /// [`ContentError`]
    pub fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, ContentError> {
        let mut content = Self::read(bytes)?;
        content.missing(PRIVATE_KEY, content.private_keys.is_empty())?;
        if content.private_keys.len() > 1 {
            return Err(ContentError::SeveralKeys);
        }
        Ok(content.private_keys.remove(0))
    }

    /// The revocation lists, at least one.
    ///
    /// # Errors
    /// [`ContentError`]
    pub fn revocation_lists(
        bytes: &[u8],
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, ContentError> {
        let content = Self::read(bytes)?;
        content.missing(REVOCATION_LIST, content.revocation_lists.is_empty())?;
        Ok(content.revocation_lists)
    }

    fn missing(&self, wanted: &'static str, is_missing: bool) -> Result<(), ContentError> {
        if !is_missing {
            return Ok(());
        }
        let instead = if !self.certificates.is_empty() {
            "it holds a certificate"
        } else if !self.private_keys.is_empty() {
            "it holds a private key"
        } else if !self.revocation_lists.is_empty() {
            "it holds a revocation list"
        } else {
            self.other
                .unwrap_or("neither PEM nor DER of any such thing")
        };
        Err(ContentError::Missing { wanted, instead })
    }

    /// Reads binary content, if it is such: one object after the other.
    fn read_der(&mut self, bytes: &[u8]) -> Result<bool, ContentError> {
        if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
            return Err(ContentError::JavaKeyStore);
        }
        let mut rest = bytes;
        while let Some(length) = length_of_sequence(rest) {
            let (object, after) = rest.split_at(length);
            if !self.add_der(object)? {
                // Text may begin with "0" by chance; but after an object nothing else may follow.
                return match rest.len() == bytes.len() {
                    true => Ok(false),
                    false => Err(ContentError::Broken("sequence of objects")),
                };
            }
            rest = after;
        }
        let found = rest.len() < bytes.len();
        // A line end after the object does no harm; anything else is a file that was cut or is not what it seems.
        match found && !rest.trim_ascii().is_empty() {
            true => Err(ContentError::Broken("sequence of objects")),
            false => Ok(found),
        }
    }

    fn add_der(&mut self, object: &[u8]) -> Result<bool, ContentError> {
        if is_whole(X509Certificate::from_der(object)) {
            self.certificates.push(object.to_vec().into());
        } else if is_whole(CertificateRevocationList::from_der(object)) {
            self.revocation_lists.push(object.to_vec().into());
        } else if is_whole(X509CertificationRequest::from_der(object)) {
            self.other = Some("it holds a certificate request, which nobody has signed yet");
        } else if begins_with(object, OID_SIGNED_DATA) {
            return Err(ContentError::Pkcs7);
        } else if begins_with(object, PFX_VERSION) {
            return Err(ContentError::Pkcs12);
        } else if let Ok(key) = PrivateKeyDer::try_from(object.to_vec()) {
            self.private_keys.push(key);
        } else if begins_with(object, &[0x30]) && has_near_begin(object, OID_PBES2) {
            return Err(ContentError::EncryptedKey);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn read_pem(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        let text = one_byte_text(bytes);
        if text.trim_ascii().is_empty() {
            self.other = Some("it is empty");
            return Ok(());
        }
        let plain = self.plain_lines(&text)?;
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(&plain) {
            let (kind, der) = section.map_err(|error| told(&error))?;
            match kind {
                SectionKind::Certificate => {
                    if !is_whole(X509Certificate::from_der(&der)) {
                        return Err(ContentError::Broken(CERTIFICATE));
                    }
                    self.certificates.push(der.into());
                }
                SectionKind::Crl => {
                    if !is_whole(CertificateRevocationList::from_der(&der)) {
                        return Err(ContentError::Broken(REVOCATION_LIST));
                    }
                    self.revocation_lists.push(der.into());
                }
                // What a key is, its own encoding says best: programs have written the wrong label over it.
                SectionKind::PrivateKey
                | SectionKind::RsaPrivateKey
                | SectionKind::EcPrivateKey => {
                    let key = PrivateKeyDer::try_from(der)
                        .map_err(|_| ContentError::Broken(PRIVATE_KEY))?;
                    self.private_keys.push(key);
                }
                SectionKind::Csr => {
                    self.other =
                        Some("it holds a certificate request, which nobody has signed yet");
                }
                SectionKind::PublicKey => self.other = Some("it holds a public key"),
                _ => {}
            }
        }
        Ok(())
    }

    /// The text with nothing in it that is allowed to people and not to a strict reader of PEM; kinds that are not read end it.
    fn plain_lines(&mut self, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        let mut is_inside = false;
        for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = line.trim_ascii();
            if let Some(label) = label_of(line) {
                is_inside = true;
                match label {
                    b"ENCRYPTED PRIVATE KEY" => return Err(ContentError::EncryptedKey),
                    b"OPENSSH PRIVATE KEY" => return Err(ContentError::OpenSshKey),
                    b"TRUSTED CERTIFICATE" => return Err(ContentError::TrustedCertificate),
                    b"PKCS7" | b"CMS" | b"PKCS #7 SIGNED DATA" => return Err(ContentError::Pkcs7),
                    _ => {}
                }
            } else if line.starts_with(b"-----END ") {
                is_inside = false;
            } else if !is_inside || line.contains(&b':') {
                // Text around sections, and headers within them (RFC 1421), of which one matters.
                if is_inside && line.starts_with(b"Proc-Type:") && has(line, b"ENCRYPTED") {
                    return Err(ContentError::EncryptedKey);
                }
                continue;
            }
            let line: &[u8] = match line {
                // What older programs call a certificate.
                b"-----BEGIN X509 CERTIFICATE-----" => b"-----BEGIN CERTIFICATE-----",
                b"-----END X509 CERTIFICATE-----" => b"-----END CERTIFICATE-----",
                line => line,
            };
            plain.extend_from_slice(line);
            plain.push(b'\n');
        }
        if plain.is_empty() {
            self.other = Some("neither PEM nor DER of any such thing");
        }
        Ok(plain)
    }
}

/// `1.2.840.113549.1.7.2`, signed data, as the first element of a PKCS#7 bundle.
const OID_SIGNED_DATA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
];

/// `1.2.840.113549.1.5`, the arc of encryption by password (PKCS#5).
const OID_PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];

/// The version of a PKCS#12 bundle, 3, and the sequence that follows it.
const PFX_VERSION: &[u8] = &[0x02, 0x01, 0x03, 0x30];

fn is_whole<T, E>(parsed: Result<(&[u8], T), E>) -> bool {
    matches!(parsed, Ok(([], _)))
}

/// Length of the DER sequence at the beginning, header included, if there is one and it is complete.
fn length_of_sequence(bytes: &[u8]) -> Option<usize> {
    let (header, length) = header_of(bytes)?;
    let whole = header.checked_add(length)?;
    (bytes[0] == 0x30 && whole <= bytes.len()).then_some(whole)
}

/// Length of header and content of the DER element at the beginning.
fn header_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.get(1)?;
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    let digits = bytes.get(2..2 + count)?;
    if !(1..=4).contains(&count) {
        return None;
    }
    let length = digits
        .iter()
        .fold(0, |length, &digit| length << 8 | usize::from(digit));
    Some((2 + count, length))
}

/// Whether the content of the sequence begins so.
fn begins_with(sequence: &[u8], content: &[u8]) -> bool {
    header_of(sequence).is_some_and(|(header, _)| sequence[header..].starts_with(content))
}

fn has_near_begin(bytes: &[u8], part: &[u8]) -> bool {
    has(&bytes[..bytes.len().min(32)], part)
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn label_of(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")
}

/// The text without byte order mark; of UTF-16 each character that ASCII has, and a question mark for the others.
fn one_byte_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    let of_pairs = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let pairs = bytes.chunks_exact(2);
        let text: Vec<u8> = pairs
            .map(|pair| u8::try_from(unit([pair[0], pair[1]])).unwrap_or(b'?'))
            .collect();
        Cow::Owned(text)
    };
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => Cow::Borrowed(text),
        [0xff, 0xfe, text @ ..] => of_pairs(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => of_pairs(text, u16::from_be_bytes),
        text => Cow::Borrowed(text),
    }
}

/// `Display` of a PEM error may quote the input; its kind is enough.
fn told(error: &pem::Error) -> ContentError {
    match error {
        pem::Error::MissingSectionEnd { .. } => ContentError::Unended,
        pem::Error::IllegalSectionStart { .. } => ContentError::BadBegin,
        _ => ContentError::Base64,
    }
}

#[cfg(test)]
mod tests;
