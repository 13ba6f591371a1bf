//! The revocation list: read from its file, added to, signed anew.

use std::path::Path;

use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, RevocationReason, RevokedCertParams,
    SerialNumber, SigningKey,
};
use time::OffsetDateTime;
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::parse_x509_pem;
use x509_parser::revocation_list::CertificateRevocationList;

use super::error::PkiError;
use super::serial::strip_zeros;

/// A certificate that is no longer valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Since when.
    pub since: OffsetDateTime,
}

/// The content of a revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationList {
    /// The list's number: each is one more than that of the list before.
    pub number: u64,
    /// What is revoked, oldest first.
    pub revoked: Vec<Revoked>,
}

impl RevocationList {
    /// The list of a new authority.
    pub(super) fn first() -> Self {
        RevocationList {
            number: 1,
            revoked: Vec::new(),
        }
    }

    /// Adds a certificate; `false` if it is there already.
    pub(super) fn add(&mut self, serial: Vec<u8>, since: OffsetDateTime) -> bool {
        if self.revoked.iter().any(|revoked| revoked.serial == serial) {
            return false;
        }
        self.revoked.push(Revoked { serial, since });
        true
    }

    /// Reads the list in PEM from a file.
    ///
    /// # Errors
    /// [`PkiError::File`] and [`PkiError::Content`].
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        let pem = std::fs::read(path).map_err(|reason| PkiError::File {
            path: path.to_owned(),
            reason,
        })?;
        parse(&pem).ok_or_else(|| PkiError::Content {
            path: path.to_owned(),
            expected: "a numbered revocation list in PEM",
        })
    }

    pub(super) fn signed_by(
        &self,
        issuer: &Issuer<'_, impl SigningKey>,
        this_update: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Result<String, PkiError> {
        let revoked_certs = self
            .revoked
            .iter()
            .map(|revoked| RevokedCertParams {
                serial_number: SerialNumber::from_slice(&revoked.serial),
                revocation_time: revoked.since,
                // RFC 5280 §5.3.1 asks to leave out the reason rather than to write "unspecified".
                reason_code: None::<RevocationReason>,
                invalidity_date: None,
            })
            .collect();
        let params = CertificateRevocationListParams {
            this_update,
            next_update,
            crl_number: SerialNumber::from_slice(&self.number.to_be_bytes()),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(issuer)?.pem()?)
    }
}

fn parse(pem: &[u8]) -> Option<RevocationList> {
    let (_, block) = parse_x509_pem(pem).ok()?;
    if block.label != "X509 CRL" {
        return None;
    }
    let (_, list) = x509_parser::parse_x509_crl(&block.contents).ok()?;
    let revoked = list
        .iter_revoked_certificates()
        .map(|revoked| Revoked {
            serial: strip_zeros(revoked.raw_serial()).to_vec(),
            since: revoked.revocation_date.to_datetime(),
        })
        .collect();
    Some(RevocationList {
        number: number_of(&list)?,
        revoked,
    })
}

fn number_of(list: &CertificateRevocationList<'_>) -> Option<u64> {
    list.extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::CRLNumber(number) => u64::try_from(number).ok(),
            _ => None,
        })
}
