//! A certificate authority for development, tests and demonstrations, kept in one folder.
//!
//! An installation gets its certificates from its own authority; what this one makes has the same form (subject, usages,
//! P-256 keys), so that everything is tried with what it will meet. The folder holds `ca.crt`, `ca.key` and `ca.crl`, and
//! each certificate with its key beside them. The revocation list is the whole state of the authority: a new list is made
//! from the one before.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, RsaKeySize, SanType,
};
use time::{Duration, OffsetDateTime};

mod error;
mod files;
mod revocation;
mod serial;
mod subject;

pub use error::PkiError;
pub use files::{Issued, fingerprint, fingerprint_of_file, read_certificate, read_chain};
pub use revocation::{RevocationList, Revoked};
pub use subject::{Kind, Subject, SubjectError};

use serial::{random_serial, strip_zeros};

/// Longest life of a certificate of a client or of the server, in days.
pub const MAXIMUM_CERTIFICATE_DAYS: u32 = 825;

/// Longest life of the authority, in days.
pub const MAXIMUM_AUTHORITY_DAYS: u32 = 7_305;

/// Longest time between two revocation lists, in days.
pub const MAXIMUM_LIST_DAYS: u32 = 366;

/// How far certificates reach back, so that a peer whose clock is late takes a fresh one.
const BACKDATED: Duration = Duration::minutes(5);

/// The authority in its folder.
pub struct Authority {
    folder: PathBuf,
    certificate_der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority with an empty revocation list in `folder`, which is created if need be.
    ///
    /// # Errors
    /// [`PkiError::Exists`] if there is one already, [`PkiError::Days`] outside 1 to [`MAXIMUM_AUTHORITY_DAYS`].
    pub fn create(
        folder: &Path,
        name: &str,
        days: u32,
        list_days: u32,
    ) -> Result<(Self, Issued), PkiError> {
        let subject = Subject::new(Kind::Authority, None, name)?;
        let (not_before, not_after) = validity(days, MAXIMUM_AUTHORITY_DAYS)?;
        files::create_folder(folder)?;
        let mut params = params(&subject, not_before, not_after)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?;
        let issued = files::write_pair(folder, "ca", &certificate, &key, &params)?;
        let authority = Authority {
            folder: folder.to_owned(),
            certificate_der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        };
        authority.write_list(&RevocationList::first(), list_days)?;
        Ok((authority, issued))
    }

    /// Opens the authority in `folder`.
    ///
    /// # Errors
    /// [`PkiError::File`] and [`PkiError::Content`].
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let certificate_der = files::read_certificate(&folder.join("ca.crt"))?;
        let key_file = folder.join("ca.key");
        let key = files::read_private_key(&key_file)?;
        let issuer = Issuer::from_ca_cert_der(&certificate_der.clone().into(), key)?;
        Ok(Authority {
            folder: folder.to_owned(),
            certificate_der,
            issuer,
        })
    }

    /// Makes the certificate and key of a server, `<stem>.crt` and `<stem>.key`, for the given DNS names and IP addresses.
    ///
    /// # Errors
    /// [`PkiError::ServerNames`] without a good name, [`PkiError::Exists`], [`PkiError::Days`].
    pub fn issue_server(
        &self,
        stem: &str,
        names: &[String],
        days: u32,
    ) -> Result<Issued, PkiError> {
        self.issue_server_with(
            stem,
            names,
            days,
            &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        )
    }

    /// The same with an RSA key of 2048 bits, for clients that cannot use the other.
    ///
    /// # Errors
    /// As [`Self::issue_server`].
    pub fn issue_rsa_server(
        &self,
        stem: &str,
        names: &[String],
        days: u32,
    ) -> Result<Issued, PkiError> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        self.issue_server_with(stem, names, days, &key)
    }

    fn issue_server_with(
        &self,
        stem: &str,
        names: &[String],
        days: u32,
        key: &KeyPair,
    ) -> Result<Issued, PkiError> {
        let first = names.first().ok_or(PkiError::ServerNames)?;
        let subject = Subject::new(Kind::Server, None, first)?;
        let names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) if is_dns_name(name) => Ok(SanType::DnsName(
                    name.as_str()
                        .try_into()
                        .map_err(|_| PkiError::ServerNames)?,
                )),
                Err(_) => Err(PkiError::ServerNames),
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.issue(
            stem,
            &subject,
            names,
            ExtendedKeyUsagePurpose::ServerAuth,
            days,
            key,
        )
    }

    /// Makes the certificate and key of a client, `<stem>.crt` and `<stem>.key`.
    ///
    /// # Errors
    /// [`PkiError::Exists`], [`PkiError::Days`].
    pub fn issue_client(
        &self,
        stem: &str,
        subject: &Subject,
        days: u32,
    ) -> Result<Issued, PkiError> {
        self.issue(
            stem,
            subject,
            Vec::new(),
            ExtendedKeyUsagePurpose::ClientAuth,
            days,
            &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
        )
    }

    fn issue(
        &self,
        stem: &str,
        subject: &Subject,
        names: Vec<SanType>,
        usage: ExtendedKeyUsagePurpose,
        days: u32,
        key: &KeyPair,
    ) -> Result<Issued, PkiError> {
        let (not_before, not_after) = validity(days, MAXIMUM_CERTIFICATE_DAYS)?;
        let mut params = params(subject, not_before, not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.subject_alt_names = names;
        let certificate = params.signed_by(key, &self.issuer)?;
        files::write_pair(&self.folder, stem, &certificate, key, &params)
    }

    /// Adds certificates to the revocation list and writes the list anew, with the next number.
    ///
    /// # Errors
    /// [`PkiError::Foreign`] and [`PkiError::AlreadyRevoked`]; then nothing was changed.
    pub fn revoke(
        &self,
        certificates: &[PathBuf],
        list_days: u32,
    ) -> Result<RevocationList, PkiError> {
        // Two revocations at once must not each write a list without the other's certificate.
        let _lock = files::lock(&self.folder)?;
        let mut list = self.read_list()?;
        for path in certificates {
            let der = files::read_certificate(path)?;
            let serial = self.serial_of_own(path, &der)?;
            if !list.add(serial, OffsetDateTime::now_utc()) {
                return Err(PkiError::AlreadyRevoked(path.clone()));
            }
        }
        list.number += 1;
        self.write_list(&list, list_days)?;
        Ok(list)
    }

    /// Writes the revocation list anew with the next number, so that it does not run out.
    ///
    /// # Errors
    /// [`PkiError::File`], [`PkiError::Content`], [`PkiError::Days`].
    pub fn renew_list(&self, list_days: u32) -> Result<RevocationList, PkiError> {
        let _lock = files::lock(&self.folder)?;
        let mut list = self.read_list()?;
        list.number += 1;
        self.write_list(&list, list_days)?;
        Ok(list)
    }

    /// Where the revocation list lies.
    #[must_use]
    pub fn list_file(&self) -> PathBuf {
        self.folder.join("ca.crl")
    }

    fn read_list(&self) -> Result<RevocationList, PkiError> {
        RevocationList::read(&self.list_file())
    }

    fn write_list(&self, list: &RevocationList, days: u32) -> Result<(), PkiError> {
        let (this_update, next_update) = validity(days, MAXIMUM_LIST_DAYS)?;
        let pem = list.signed_by(&self.issuer, this_update, next_update)?;
        files::replace(&self.list_file(), pem.as_bytes())
    }

    /// The serial number of a certificate, if this authority's key signed it.
    fn serial_of_own(&self, path: &Path, der: &[u8]) -> Result<Vec<u8>, PkiError> {
        let unreadable = || PkiError::Content {
            path: path.to_owned(),
            expected: "a certificate in PEM",
        };
        let (_, certificate) =
            x509_parser::parse_x509_certificate(der).map_err(|_| unreadable())?;
        let (_, authority) =
            x509_parser::parse_x509_certificate(&self.certificate_der).map_err(|_| unreadable())?;
        let own = certificate.issuer() == authority.subject()
            && signed_by(
                &certificate,
                authority.public_key().subject_public_key.data.as_ref(),
            );
        if own {
            Ok(strip_zeros(certificate.raw_serial()).to_vec())
        } else {
            Err(PkiError::Foreign(path.to_owned()))
        }
    }
}

/// Whether a P-256 key made the certificate's signature.
fn signed_by(
    certificate: &x509_parser::certificate::X509Certificate<'_>,
    public_key: &[u8],
) -> bool {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key)
        .verify(
            certificate.tbs_certificate.as_ref(),
            certificate.signature_value.data.as_ref(),
        )
        .is_ok()
}

fn params(
    subject: &Subject,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Result<CertificateParams, PkiError> {
    let mut name = DistinguishedName::new();
    // The schema of X.520 wants a country as PrintableString; the other names may hold accents.
    let country = "IT".try_into().map(DnValue::PrintableString)?;
    name.push(DnType::CountryName, country);
    name.push(DnType::OrganizationName, subject.organization());
    if let Some(unit) = subject.unit() {
        name.push(DnType::OrganizationalUnitName, unit);
    }
    name.push(DnType::CommonName, subject.name());
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(random_serial()?);
    Ok(params)
}

fn validity(days: u32, maximum: u32) -> Result<(OffsetDateTime, OffsetDateTime), PkiError> {
    if !(1..=maximum).contains(&days) {
        return Err(PkiError::Days { maximum });
    }
    let now = OffsetDateTime::now_utc();
    Ok((now - BACKDATED, now + Duration::days(i64::from(days))))
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
