//! Revocation lists: which certificates count no more.
//!
//! rustls looks at a list only in a full handshake, and a kept-alive or resumed connection would outlive it. So the
//! lists are read into a set of our own that is asked at each request; the handshake itself asks none, so that a
//! revoked caller is told why in a readable answer instead of a TLS alert.

use std::collections::HashSet;

use x509_parser::prelude::{
    CertificateRevocationList, FromDer as _, ParsedExtension, X509Certificate, X509Extension,
};

use super::certificate::{RevocationKey, raw_name};

/// Why a revocation list is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RevocationListError {
    /// Not a revocation list.
    #[error("not a certificate revocation list: {0}")]
    Malformed(String),
    /// No known authority bears the issuer's name and may sign lists.
    #[error("no client authority may have issued it: {issuer}")]
    UnknownIssuer {
        /// Issuer's name as in the list.
        issuer: String,
    },
    /// The signature does not fit the authority's key.
    #[error("its signature is wrong: {issuer}")]
    Signature {
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
    /// list is better than none), and operators are to be told.
    pub next_update: Option<i64>,
    /// How many certificates it revokes.
    pub entries: usize,
}

/// Everything that is revoked, swapped in as a whole.
#[derive(Clone, Debug, Default)]
pub struct RevocationSet {
    revoked: HashSet<RevocationKey>,
    lists: Vec<RevocationListStatus>,
}

impl RevocationSet {
    /// Adds one DER list after checking its signature against `authorities` (DER certificates).
    ///
    /// # Errors
    /// [`RevocationListError`]; the set is then unchanged.
    pub fn add(
        &mut self,
        list_der: &[u8],
        authorities: &[impl AsRef<[u8]>],
    ) -> Result<(), RevocationListError> {
        let malformed = |error: String| RevocationListError::Malformed(error);
        let (rest, list) = CertificateRevocationList::from_der(list_der)
            .map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed("bytes after its end".into()));
        }
        if let Some(extension) = list
            .extensions()
            .iter()
            .find(|extension| !is_understood(extension))
        {
            return Err(RevocationListError::CriticalExtension {
                oid: extension.oid.to_id_string(),
            });
        }
        let issuer = list.issuer().to_string();
        let issuer_der = raw_name(list.issuer());
        let mut named = authorities
            .iter()
            .filter_map(|der| X509Certificate::from_der(der.as_ref()).ok())
            .map(|(_, authority)| authority)
            .filter(|authority| {
                raw_name(authority.subject()) == issuer_der && may_sign_lists(authority)
            })
            .peekable();
        if named.peek().is_none() {
            return Err(RevocationListError::UnknownIssuer { issuer });
        }
        if !named.any(|authority| list.verify_signature(authority.public_key()).is_ok()) {
            return Err(RevocationListError::Signature { issuer });
        }
        let before = self.revoked.len();
        self.revoked.extend(
            list.iter_revoked_certificates()
                .map(|entry| RevocationKey::new(issuer_der, entry.raw_serial())),
        );
        self.lists.push(RevocationListStatus {
            issuer,
            this_update: list.last_update().timestamp(),
            next_update: list.next_update().map(|time| time.timestamp()),
            entries: self.revoked.len() - before,
        });
        Ok(())
    }

    /// Whether any of `keys` is revoked.
    pub fn revokes(&self, keys: &[RevocationKey]) -> bool {
        !self.revoked.is_empty() && keys.iter().any(|key| self.revoked.contains(key))
    }

    /// The lists in force.
    pub fn lists(&self) -> &[RevocationListStatus] {
        &self.lists
    }
}

/// A certificate with a key usage must name `cRLSign` in it (RFC 5280 §6.3.3).
fn may_sign_lists(authority: &X509Certificate<'_>) -> bool {
    match authority.key_usage() {
        Ok(Some(usage)) => usage.value.crl_sign(),
        Ok(None) => true,
        Err(_) => false,
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
