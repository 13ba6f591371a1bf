//! Authorities that are not accepted themselves and sign client certificates under one that is. Nothing but the chains that clients show tells
//! of them.

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::authorities::Authority;
use super::certificate::ClientCertificate;
use super::signature;

/// The intermediates by which a handshake has verified a chain, if one of its certificates is not known yet, as `knows` says.
///
/// A client may send more than its chain, in any order, and made-up certificates among it. So the path from the accepted authority down is sought
/// as the handshake has sought it, and what does not stand on it is no intermediate. Where all is known, as nearly always, that costs a comparison
/// of each.
pub(super) fn unknown(
    certificate: &ClientCertificate,
    knows: impl Fn(&CertificateDer<'_>) -> bool,
    roots: &RootCertStore,
    provider: &CryptoProvider,
) -> Vec<Authority> {
    let Some((own, above)) = certificate.chain.split_first() else {
        return Vec::new();
    };
    if above.iter().all(&knows) {
        return Vec::new();
    }
    let Ok(own) = EndEntityCert::try_from(own) else {
        return Vec::new();
    };
    let path = own.verify_for_usage(
        provider.signature_verification_algorithms.all,
        &roots.roots,
        above,
        UnixTime::now(),
        KeyUsage::client_auth(),
        None,
        None,
    );
    // It has verified a moment ago; the end of a certificate's time may lie between.
    let Ok(path) = path else {
        return Vec::new();
    };
    path.intermediate_certificates()
        .map(|intermediate| intermediate.der())
        .filter(|intermediate| !knows(intermediate))
        .filter_map(|intermediate| Authority::read(&intermediate))
        .collect()
}

/// Those of the intermediates that stand below these authorities, at once or below another of them.
pub(super) fn still_below(
    authorities: &[Authority],
    mut intermediates: Vec<Authority>,
    provider: &CryptoProvider,
) -> Vec<Authority> {
    let mut below: Vec<Authority> = Vec::new();
    loop {
        let (found, others) = intermediates.into_iter().partition::<Vec<_>, _>(|one| {
            let mut above = authorities.iter().chain(&below);
            above.any(|authority| {
                authority.name == one.issuer_name
                    && signature::verify(&one.certificate, &authority.public_key, provider).is_ok()
            })
        });
        if found.is_empty() {
            return below;
        }
        below.extend(found);
        intermediates = others;
    }
}
