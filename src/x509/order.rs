//! Certificates come in any order; which is first, keys and names tell.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The chain of a private key, given the DER of its public key (SubjectPublicKeyInfo): its certificate first, then each certificate's issuer
/// as far as there are any. What belongs to another chain is left out. `None` if no certificate is that key's.
#[must_use]
pub fn chain_for_key(
    certificates: &[CertificateDer<'static>],
    public_key: &[u8],
) -> Option<Vec<CertificateDer<'static>>> {
    let parsed = parse_all(certificates)?;
    let first = parsed
        .iter()
        .position(|certificate| certificate.public_key().raw == public_key)?;
    let mut order = vec![first];
    let mut last = first;
    while let Some(next) = issuer_of(&parsed, last).filter(|next| !order.contains(next)) {
        order.push(next);
        last = next;
    }
    let chain = order.into_iter().map(|index| certificates[index].clone());
    Some(chain.collect())
}

/// The certificate that issued none of the others, then the others: a file may hold the authorities above a certificate, too. `None` if several
/// could be meant.
#[must_use]
pub fn end_entity(
    certificates: &[CertificateDer<'static>],
) -> Option<Vec<CertificateDer<'static>>> {
    let parsed = parse_all(certificates)?;
    let issues = |index: usize| {
        let mut others = (0..parsed.len()).filter(|&other| other != index);
        others.any(|other| issuer_of(&parsed, other) == Some(index))
    };
    let mut ends = (0..parsed.len()).filter(|&index| !issues(index));
    let (first, second) = (ends.next()?, ends.next());
    if second.is_some() {
        return None;
    }
    let rest = (0..parsed.len()).filter(|&index| index != first);
    let order = std::iter::once(first).chain(rest);
    Some(order.map(|index| certificates[index].clone()).collect())
}

/// The first and the last second, since 1970, at which every certificate of a chain is valid.
#[must_use]
pub fn validity_of_chain(chain: &[CertificateDer<'_>]) -> (i64, i64) {
    let parsed = chain.iter().filter_map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some((
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        ))
    });
    parsed.fold((i64::MIN, i64::MAX), |all, one| {
        (all.0.max(one.0), all.1.min(one.1))
    })
}

fn parse_all<'a>(certificates: &'a [CertificateDer<'static>]) -> Option<Vec<X509Certificate<'a>>> {
    let parsed = certificates.iter().map(|certificate| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        Some(parsed)
    });
    parsed.collect()
}

/// The first other certificate that bears the name of this one's issuer.
fn issuer_of(parsed: &[X509Certificate<'_>], index: usize) -> Option<usize> {
    let issuer = parsed[index].issuer().as_raw();
    let bears = |other: &usize| *other != index && parsed[*other].subject().as_raw() == issuer;
    (0..parsed.len()).find(bears)
}
