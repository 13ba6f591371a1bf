//! One revocation list: read, checked by signature, and compared with others.

use std::collections::HashSet;

use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateRevocationListDer;
use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, ParsedExtension, X509Extension,
};

use super::authorities::Authority;
use super::certificate::{RevocationKey, raw_name};
use super::signature::{self, SignatureFault};

/// Why a revocation list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RevocationListError {
    /// Not a revocation list.
    #[error("not a certificate revocation list: {0}")]
    Malformed(String),
    /// The signature does not fit the authority's key.
    #[error("its signature is wrong: {issuer}")]
    Signature {
        /// Issuer's name as in the list.
        issuer: String,
    },
    /// The signature was made by an algorithm that is not taken in handshakes either.
    #[error("it is signed by an algorithm that is not supported, here as in handshakes: {issuer}")]
    Algorithm {
        /// Issuer's name as in the list.
        issuer: String,
    },
    /// The authority's certificate does not let it sign lists.
    #[error("its issuer's certificate does not allow signing lists (key usage cRLSign): {issuer}")]
    Usage {
        /// Issuer's name as in the list.
        issuer: String,
    },
    /// A critical extension that we do not know: the list does not mean what it seems to.
    #[error(
        "critical extension {oid} is not understood (delta and indirect lists are not supported)"
    )]
    CriticalExtension {
        /// Its object identifier.
        oid: String,
    },
}

/// One list that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationListStatus {
    /// Issuer's name for people.
    pub issuer: String,
    /// When it was made, seconds since 1970.
    pub this_update: i64,
    /// When its successor is due, seconds since 1970, if it says so. A list past this time stays in force (a stale
    /// list is better than none), and operators are told.
    pub next_update: Option<i64>,
    /// How many certificates it revokes.
    pub entries: usize,
    /// Whether an accepted authority has signed it, or an intermediate that a client's chain has shown. The signature of any other has not
    /// been checked.
    pub is_verified: bool,
    /// Whether it is held against what the files say now: they have an older one of its issuer, or none.
    pub is_kept: bool,
}

/// A revocation list, read. Who signed it is another question: [`RevocationList::signer`].
#[derive(Debug)]
pub(super) struct RevocationList {
    der: CertificateRevocationListDer<'static>,
    issuer: String,
    issuer_name: Vec<u8>,
    /// What its issuer calls the key that signed it, if the list says so.
    key_identifier: Option<Vec<u8>>,
    /// Which of its issuer's lists it is, if there are several (issuing distribution point).
    scope: Vec<u8>,
    /// Its number without leading zeros, if it has one.
    number: Option<Vec<u8>>,
    this_update: i64,
    next_update: Option<i64>,
    revoked: HashSet<RevocationKey>,
}

impl RevocationList {
    /// Reads a list.
    pub(super) fn read(
        der: CertificateRevocationListDer<'static>,
    ) -> Result<Self, RevocationListError> {
        let malformed = |error: String| RevocationListError::Malformed(error);
        let (rest, list) = CertificateRevocationList::from_der(&der)
            .map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes after its end".into()));
        }
        let unknown = list
            .extensions()
            .iter()
            .find(|extension| !is_understood(extension));
        if let Some(extension) = unknown {
            return Err(RevocationListError::CriticalExtension {
                oid: extension.oid.to_id_string(),
            });
        }
        let issuer_name = raw_name(list.issuer()).to_vec();
        let revoked = list
            .iter_revoked_certificates()
            .map(|entry| RevocationKey::new(&issuer_name, entry.raw_serial()))
            .collect();
        Ok(Self {
            issuer: list.issuer().to_string(),
            key_identifier: key_identifier_of(&list),
            scope: scope_of(&list),
            number: number_of(&list),
            this_update: list.last_update().timestamp(),
            next_update: list.next_update().map(|time| time.timestamp()),
            revoked,
            issuer_name,
            der,
        })
    }

    /// The list itself.
    pub(super) fn der(&self) -> &CertificateRevocationListDer<'static> {
        &self.der
    }

    /// Issuer's name in DER.
    pub(super) fn issuer_name(&self) -> &[u8] {
        &self.issuer_name
    }

    /// Which of its issuer's lists it is, if there are several.
    pub(super) fn scope(&self) -> &[u8] {
        &self.scope
    }

    /// Whether it is of the same issuer, key and part as another by what both say themselves.
    pub(super) fn claims_as(&self, other: &Self) -> bool {
        self.issuer_name == other.issuer_name
            && self.key_identifier == other.key_identifier
            && self.scope == other.scope
    }

    /// Whether it was made before another of its issuer, key and part: by their numbers, or if these do not tell, by their times.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        match (&self.number, &other.number) {
            (Some(own), Some(others)) if own != others => (own.len(), own) < (others.len(), others),
            _ => self.this_update < other.this_update,
        }
    }

    /// Whether it revokes the certificate with this key, if its issuer is that certificate's.
    pub(super) fn has(&self, key: &RevocationKey) -> bool {
        self.revoked.contains(key)
    }

    /// Whether this authority has signed it and may sign lists.
    pub(super) fn is_signed_by(&self, authority: &Authority, provider: &CryptoProvider) -> bool {
        self.issuer_name == authority.name
            && authority.may_sign_lists
            && signature::verify(&self.der, &authority.public_key, provider).is_ok()
    }

    /// The key of the one of `authorities` that signed it; `None` if none of them has its issuer's name and key.
    ///
    /// # Errors
    /// One of them seems to be its issuer and has not signed it, may not sign lists, or signs with what handshakes do not take.
    pub(super) fn signer(
        &self,
        authorities: &[Authority],
        provider: &CryptoProvider,
    ) -> Result<Option<Vec<u8>>, RevocationListError> {
        let issuer = || self.issuer.clone();
        let mut fault = None;
        for authority in authorities {
            // Another key of that name says so itself.
            let is_another = matches!((&self.key_identifier, &authority.key_identifier), (Some(wanted), Some(own)) if wanted != own);
            if authority.name != self.issuer_name || is_another {
                continue;
            }
            match signature::verify(&self.der, &authority.public_key, provider) {
                Ok(()) if authority.may_sign_lists => {
                    return Ok(Some(authority.public_key.clone()));
                }
                Ok(()) => fault = Some(RevocationListError::Usage { issuer: issuer() }),
                Err(SignatureFault::Unsupported) => {
                    fault = Some(RevocationListError::Algorithm { issuer: issuer() });
                }
                Err(SignatureFault::Wrong | SignatureFault::Malformed) if fault.is_none() => {
                    fault = Some(RevocationListError::Signature { issuer: issuer() });
                }
                Err(_) => {}
            }
        }
        fault.map_or(Ok(None), Err)
    }

    /// What there is to tell of it.
    pub(super) fn status(&self, is_verified: bool, is_kept: bool) -> RevocationListStatus {
        RevocationListStatus {
            issuer: self.issuer.clone(),
            this_update: self.this_update,
            next_update: self.next_update,
            entries: self.revoked.len(),
            is_verified,
            is_kept,
        }
    }
}

/// Whether a list with this extension still means what it seems to. A list split by distribution point or kind of
/// certificate is fine, since all loaded lists are joined; an indirect one speaks for other issuers.
fn is_understood(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        ParsedExtension::IssuingDistributionPoint(point) => !point.indirect_crl,
        _ => !extension.critical,
    }
}

fn scope_of(list: &CertificateRevocationList<'_>) -> Vec<u8> {
    let point = list.extensions().iter().find(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::IssuingDistributionPoint(_)
        )
    });
    point.map(|point| point.value.to_vec()).unwrap_or_default()
}

fn number_of(list: &CertificateRevocationList<'_>) -> Option<Vec<u8>> {
    list.extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::CRLNumber(number) => Some(number.to_bytes_be()),
            _ => None,
        })
}

fn key_identifier_of(list: &CertificateRevocationList<'_>) -> Option<Vec<u8>> {
    list.extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(identifier) => identifier
                .key_identifier
                .as_ref()
                .map(|identifier| identifier.0.to_vec()),
            _ => None,
        })
}
