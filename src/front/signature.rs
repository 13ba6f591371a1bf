//! Signatures of certificates and lists, checked with the algorithms that handshakes are checked with, and no others.

use rustls::crypto::CryptoProvider;
use rustls_pki_types::alg_id;
use x509_parser::asn1_rs::{Any, FromDer as _};

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureFault {
    /// Made by an algorithm that handshakes do not take either: whether it is right nobody looked.
    Unsupported,
    /// Not made by that key.
    Wrong,
    /// Not a signed structure.
    Malformed,
}

/// Checks the signature of a certificate or revocation list in DER (`SEQUENCE { content, algorithm, signature }`) by a public key in DER
/// (SubjectPublicKeyInfo).
pub(super) fn verify(
    signed: &[u8],
    public_key: &[u8],
    provider: &CryptoProvider,
) -> Result<(), SignatureFault> {
    let (content, algorithm, signature) = parts(signed).ok_or(SignatureFault::Malformed)?;
    let (key_algorithm, key) = key_parts(public_key).ok_or(SignatureFault::Malformed)?;
    let algorithms = provider.signature_verification_algorithms.all;
    let mut fitting = algorithms
        .iter()
        .filter(|known| {
            known.signature_alg_id().as_ref() == algorithm
                && known.public_key_alg_id().as_ref() == key_algorithm
        })
        .peekable();
    if fitting.peek().is_none() {
        return Err(SignatureFault::Unsupported);
    }
    match fitting.any(|known| known.verify_signature(key, content, signature).is_ok()) {
        true => Ok(()),
        false => Err(SignatureFault::Wrong),
    }
}

/// Whether a client can prove in a handshake that it has the private key of this public one (SubjectPublicKeyInfo in DER).
pub(super) fn proves_possession(public_key: &[u8], provider: &CryptoProvider) -> bool {
    let Some((algorithm, key)) = key_parts(public_key) else {
        return false;
    };
    let mut algorithms = provider
        .signature_verification_algorithms
        .mapping
        .iter()
        .flat_map(|(_, algorithms)| algorithms.iter());
    if !algorithms.any(|known| known.public_key_alg_id().as_ref() == algorithm) {
        return false;
    }
    // Of RSA keys the verifiers take so many bits, and say of others that the signature is wrong.
    algorithm != alg_id::RSA_ENCRYPTION.as_ref()
        || modulus_bits(key).is_some_and(|bits| (2_048..=8_192).contains(&bits))
}

/// Bits of an RSA key's modulus.
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let (_, sequence) = Any::from_der(key).ok()?;
    let (_, modulus) = Any::from_der(sequence.data).ok()?;
    let digits = modulus.data;
    let zeros = digits.iter().take_while(|&&byte| byte == 0).count();
    let first = digits.get(zeros)?;
    Some((digits.len() - zeros) * 8 - first.leading_zeros() as usize)
}

/// What is signed, the algorithm's content and the signature.
fn parts(signed: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (_, whole) = Any::from_der(signed).ok()?;
    let (after_content, _) = Any::from_der(whole.data).ok()?;
    let content = &whole.data[..whole.data.len() - after_content.len()];
    let (after_algorithm, algorithm) = Any::from_der(after_content).ok()?;
    let (_, signature) = Any::from_der(after_algorithm).ok()?;
    Some((content, algorithm.data, bits(signature.data)?))
}

/// The algorithm's content and the key's bits.
fn key_parts(public_key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, whole) = Any::from_der(public_key).ok()?;
    let (after, algorithm) = Any::from_der(whole.data).ok()?;
    let (_, key) = Any::from_der(after).ok()?;
    Some((algorithm.data, bits(key.data)?))
}

/// A bit string's whole bytes: none of these has bits left over.
fn bits(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(&[0])
}

#[cfg(test)]
mod tests {
    //! A failure means that a client's key is taken for unusable, or an unusable one for good.
    #![allow(clippy::unwrap_used)]
    use rcgen::{KeyPair, PublicKeyData as _};

    use super::*;

    #[test]
    fn no_point_of_a_curve_is_taken_for_a_short_rsa_key() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        // The bytes of a point look like DER now and then.
        for _ in 0..2_000 {
            let key = KeyPair::generate().unwrap();
            assert!(proves_possession(&key.subject_public_key_info(), &provider));
        }
    }
}
