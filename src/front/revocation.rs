//! Revocation lists: which certificates count no more.
//!
//! rustls looks at a list only in a full handshake, and a kept-alive or resumed connection would outlive it. So the
//! lists are read into a set of our own that is asked at each request; the handshake itself asks none, so that a
//! revoked caller is told why in a readable answer instead of a TLS alert.
//!
//! A list speaks for a *key*, not for a name: authorities are renewed under their old name, and what the old key revoked says nothing of the
//! new one's certificates. A list whose issuer is no accepted authority waits until a chain shows that issuer.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateRevocationListDer;
use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, ParsedExtension, X509Extension,
};

use super::authorities::Authority;
use super::certificate::{ClientCertificate, RevocationKey, raw_name};
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
    /// Whether an accepted authority has signed it. One that waits for a chain with its issuer has not been checked.
    pub is_verified: bool,
    /// Whether it is held against what the files say now: they have an older one of its issuer, or none.
    pub is_kept: bool,
}

/// A revocation list, read and checked.
#[derive(Debug)]
pub(super) struct RevocationList {
    der: CertificateRevocationListDer<'static>,
    issuer: String,
    issuer_name: Vec<u8>,
    /// The public key that signed it, if it is an accepted authority's.
    signer: Option<Vec<u8>>,
    /// Which of its issuer's lists it is, if there are several (issuing distribution point).
    scope: Vec<u8>,
    /// Its number without leading zeros, if it has one.
    number: Option<Vec<u8>>,
    this_update: i64,
    next_update: Option<i64>,
    revoked: HashSet<RevocationKey>,
}

impl RevocationList {
    /// Reads a list and checks its signature against `authorities`.
    pub(super) fn read(
        der: CertificateRevocationListDer<'static>,
        authorities: &[Authority],
        provider: &CryptoProvider,
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
        let signer = signer(&der, &list, authorities, provider)?;
        let revoked = list
            .iter_revoked_certificates()
            .map(|entry| RevocationKey::new(&issuer_name, entry.raw_serial()))
            .collect();
        Ok(Self {
            issuer: list.issuer().to_string(),
            signer,
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

    /// The key that signed it, if it is an accepted authority's.
    pub(super) fn signer(&self) -> Option<&[u8]> {
        self.signer.as_deref()
    }

    /// Issuer, key and part: of the lists that agree in these, the newest counts.
    pub(super) fn series(&self) -> Option<(&[u8], &[u8], &[u8])> {
        let signer = self.signer.as_deref()?;
        Some((&self.issuer_name, signer, &self.scope))
    }

    /// Whether it was made before another of its series: by their numbers, or if these do not tell, by their times.
    pub(super) fn is_older_than(&self, other: &Self) -> bool {
        match (&self.number, &other.number) {
            (Some(own), Some(others)) if own != others => (own.len(), own) < (others.len(), others),
            _ => self.this_update < other.this_update,
        }
    }

    /// Whether its issuer is this authority, which may not have been known when the list was read.
    fn is_of(&self, authority: &Authority, provider: &CryptoProvider) -> bool {
        match &self.signer {
            Some(signer) => *signer == authority.public_key && self.issuer_name == authority.name,
            None => {
                self.issuer_name == authority.name
                    && authority.may_sign_lists
                    && signature::verify(&self.der, &authority.public_key, provider).is_ok()
            }
        }
    }
}

/// The key of the authority that signed a list; `None` if it is of none of them.
fn signer(
    der: &[u8],
    list: &CertificateRevocationList<'_>,
    authorities: &[Authority],
    provider: &CryptoProvider,
) -> Result<Option<Vec<u8>>, RevocationListError> {
    let issuer_name = raw_name(list.issuer());
    let key_identifier = list.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityKeyIdentifier(identifier) = extension.parsed_extension()
        else {
            return None;
        };
        identifier
            .key_identifier
            .as_ref()
            .map(|identifier| identifier.0)
    });
    let issuer = || list.issuer().to_string();
    let mut fault = None;
    for authority in authorities {
        // Another key of that name says so itself.
        let is_another = matches!((key_identifier, &authority.key_identifier), (Some(wanted), Some(own)) if wanted != &**own);
        if authority.name != issuer_name || is_another {
            continue;
        }
        match signature::verify(der, &authority.public_key, provider) {
            Ok(()) if authority.may_sign_lists => return Ok(Some(authority.public_key.clone())),
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

/// Everything that is revoked, swapped in as a whole.
#[derive(Clone, Debug, Default)]
pub struct RevocationSet {
    authorities: Vec<Authority>,
    lists: Vec<(Arc<RevocationList>, bool)>,
}

impl RevocationSet {
    pub(super) fn new(authorities: Vec<Authority>) -> Self {
        Self {
            authorities,
            lists: Vec::new(),
        }
    }

    /// Adds a list; `is_kept` if the files do not hold it now.
    pub(super) fn add(&mut self, list: Arc<RevocationList>, is_kept: bool) {
        self.lists.push((list, is_kept));
    }

    /// Whether the certificate, or one of those above it, is revoked.
    pub fn revokes(&self, certificate: &ClientCertificate, provider: &CryptoProvider) -> bool {
        let keys = certificate.revocation_keys.iter().enumerate();
        keys.into_iter().any(|(place, key)| {
            self.lists.iter().any(|(list, _)| {
                list.revoked.contains(key) && self.speaks_of(list, certificate, place, provider)
            })
        })
    }

    /// Whether a list that has name and number of the certificate at `place` of a chain is that of the key that signed it. Asked for
    /// certificates only that a list seems to revoke.
    fn speaks_of(
        &self,
        list: &RevocationList,
        certificate: &ClientCertificate,
        place: usize,
        provider: &CryptoProvider,
    ) -> bool {
        // In whatever order they were shown.
        let others = certificate.chain.iter().enumerate();
        let shown = others
            .filter(|(other, _)| *other != place)
            .filter_map(|(_, der)| Authority::read(der));
        let known = self.authorities.iter().cloned();
        let mut issuers = known
            .chain(shown)
            .filter(|issuer| issuer.name == list.issuer_name);
        let own = &certificate.chain[place];
        issuers.any(|issuer| {
            list.is_of(&issuer, provider)
                && signature::verify(own, &issuer.public_key, provider).is_ok()
        })
    }

    /// The lists in force.
    pub fn lists(&self) -> Vec<RevocationListStatus> {
        let status = |(list, is_kept): &(Arc<RevocationList>, bool)| RevocationListStatus {
            issuer: list.issuer.clone(),
            this_update: list.this_update,
            next_update: list.next_update,
            entries: list.revoked.len(),
            is_verified: list.signer.is_some(),
            is_kept: *is_kept,
        };
        self.lists.iter().map(status).collect()
    }

    pub(super) fn in_force(&self) -> impl Iterator<Item = &Arc<RevocationList>> {
        self.lists.iter().map(|(list, _)| list)
    }

    /// The accepted authorities, for people, whose certificates no list can revoke.
    pub(super) fn authorities_without_list(&self, provider: &CryptoProvider) -> Vec<String> {
        let uncovered = |authority: &&Authority| !self.covers(authority, provider);
        let mut names: Vec<String> = self
            .authorities
            .iter()
            .filter(uncovered)
            .map(|authority| authority.title.clone())
            .collect();
        names.dedup();
        names
    }

    /// Whether there is a list of this authority's key.
    pub(super) fn covers(&self, authority: &Authority, provider: &CryptoProvider) -> bool {
        let mut lists = self.lists.iter();
        lists.any(|(list, _)| list.is_of(authority, provider))
    }

    /// Whether it is one of the accepted authorities.
    pub(super) fn accepts(&self, authority: &Authority) -> bool {
        let same = |known: &Authority| {
            known.public_key == authority.public_key && known.name == authority.name
        };
        self.authorities.iter().any(same)
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
