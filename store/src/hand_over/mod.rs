//! The secrets that all servers of a store must have alike, sealed by one for another: the ring of day keys and the register key never lie anywhere
//! in the clear but where they belong.
//!
//! The receiving server makes a key pair of one use and a *request* with the public half. The giving one seals to that. Each of the two files has a
//! *fingerprint*, which whoever made it reads out and the other types in: so the secrets go to no stranger, and come from none. Sealing is HPKE
//! (RFC 9180) in its base mode, with X25519, HKDF-SHA256 and AES-256-GCM.

mod error;
mod fingerprint;

use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use zeroize::Zeroizing;

use crate::durable::{self, with_suffix};
use crate::keys::KeyRing;
use crate::permissions::check_secret_file;
use crate::register::RegisterKey;

pub use error::HandOverError;
pub use fingerprint::Fingerprint;

/// What each file says that it is.
const REQUEST: &str = "hand-over request";
const PRIVATE: &str = "hand-over private key";
const SEALED: &str = "hand-over";
/// What sealed bytes are bound to, beside the receiver's key.
const INFO: &[u8] = b"sistema-ts hand-over 1";
/// An X25519 key, private or public.
const KEY_LENGTH: usize = 32;

/// Where a server has, or is to have, its secrets.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The ring of day keys. The private key of a request lies beside it until that is answered.
    pub ring: PathBuf,
    /// The register key.
    pub register_key: PathBuf,
}

/// What was done with what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Ring and register key are in their places.
    Both,
    /// The ring has the renewal that it lacked.
    Renewal,
}

impl Secrets {
    /// Makes a key pair, and the request for another server in a new file.
    ///
    /// # Errors
    /// [`HandOverError::HasRing`] if there is a ring here and the request is not for its renewal, [`HandOverError::HasNoRing`] the other way round,
    /// [`HandOverError::Exists`] if there is a file already. A request that was not answered is given up for the new one.
    pub fn request(&self, to: &Path, is_renewal: bool) -> Result<Fingerprint, HandOverError> {
        self.check_ring(is_renewal)?;
        let (public, private) = SUITE
            .generate_key_pair()
            .map_err(|_| HandOverError::Crypto)?;
        let own = self.private_key_file();
        if let Some(folder) = own.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|reason| HandOverError::file(folder, reason))?;
        }
        refuse_if_there(to)?;
        let lines = Zeroizing::new(format!(
            "private {}\npublic {}\n",
            *to_hex(private.secret_bytes()),
            *to_hex(&public.0)
        ));
        // That of a request before, which is given up.
        durable::destroy(&own).map_err(|reason| HandOverError::file(&own, reason))?;
        durable::replace(&own, PRIVATE, &lines)
            .map_err(|reason| HandOverError::file(&own, reason))?;
        let lines = format!("public {}\n", *to_hex(&public.0));
        durable::replace(to, REQUEST, &lines).map_err(|reason| HandOverError::file(to, reason))?;
        Ok(Fingerprint::of(&[REQUEST.as_bytes(), &public.0]))
    }

    /// Seals ring and register key for the server that made a request, into a new file. `typed` is the request's fingerprint as its maker has read it
    /// out.
    ///
    /// # Errors
    /// [`HandOverError::Fingerprint`] if the request has another one, [`HandOverError::Exists`] if there is a file already; then nothing is written.
    pub fn seal(
        &self,
        request: &Path,
        typed: &str,
        to: &Path,
    ) -> Result<Fingerprint, HandOverError> {
        let [public] = read(request, REQUEST, ["public"])?;
        if public.len() != KEY_LENGTH {
            return Err(HandOverError::Damaged(request.to_owned()));
        }
        Fingerprint::of(&[REQUEST.as_bytes(), &public]).check(typed, request)?;
        refuse_if_there(to)?;
        let ring = KeyRing::text(&self.ring)?;
        let key = RegisterKey::load(&self.register_key)?.to_text();
        let both = Zeroizing::new([ring.as_bytes(), key.as_bytes()].concat());
        let receiver = HpkePublicKey(public.to_vec());
        let (EncapsulatedSecret(enclosed), sealed) = SUITE
            .seal(INFO, &public, &both, &receiver)
            .map_err(|_| HandOverError::Crypto)?;
        let lines = format!(
            "for {}\nkey {}\nsealed {}\n",
            *to_hex(&public),
            *to_hex(&enclosed),
            *to_hex(&sealed)
        );
        durable::replace(to, SEALED, &lines).map_err(|reason| HandOverError::file(to, reason))?;
        Ok(Fingerprint::of(&[
            SEALED.as_bytes(),
            &public,
            &enclosed,
            &sealed,
        ]))
    }

    /// Opens what was sealed for the request that was made here, and puts it in its places; then nothing can open it any more. `typed` is its
    /// fingerprint as whoever sealed it has read it out. Interrupted at any moment, it can be done again.
    ///
    /// # Errors
    /// [`HandOverError`]; then nothing here has changed, but that a register key may be there without its ring.
    pub fn open(
        &self,
        file: &Path,
        typed: &str,
        is_renewal: bool,
    ) -> Result<Opened, HandOverError> {
        let [meant, enclosed, sealed] = read(file, SEALED, ["for", "key", "sealed"])?;
        Fingerprint::of(&[SEALED.as_bytes(), &meant, &enclosed, &sealed]).check(typed, file)?;
        let own = self.private_key_file();
        if !own.exists() {
            return Err(HandOverError::NoRequest(own));
        }
        check_secret_file(&own)?;
        let [private, public] = read(&own, PRIVATE, ["private", "public"])?;
        if meant != public {
            return Err(HandOverError::ForAnother(file.to_owned()));
        }
        let private = HpkePrivateKey::from(private.to_vec());
        let both = SUITE
            .open(
                &EncapsulatedSecret(enclosed.to_vec()),
                INFO,
                &public,
                &sealed,
                &private,
            )
            .map_err(|_| HandOverError::Damaged(file.to_owned()))?;
        let both = Zeroizing::new(both);
        let damaged = || HandOverError::Damaged(file.to_owned());
        let text = std::str::from_utf8(&both).map_err(|_| damaged())?;
        let place = text.find(RegisterKey::HEADER).ok_or_else(damaged)?;
        let (ring, key) = text.split_at(place);
        let opened = match is_renewal {
            true => {
                self.check_ring(true)?;
                RegisterKey::check_same(&self.register_key, key)?;
                KeyRing::put_renewal(&self.ring, ring)?;
                Opened::Renewal
            }
            false => {
                KeyRing::check_place(&self.ring, ring)?;
                // The ring last: where there is one, all is done.
                RegisterKey::put(&self.register_key, key)?;
                KeyRing::put(&self.ring, ring)?;
                Opened::Both
            }
        };
        durable::destroy(&own).map_err(|reason| HandOverError::file(&own, reason))?;
        Ok(opened)
    }

    fn check_ring(&self, is_renewal: bool) -> Result<(), HandOverError> {
        match (self.ring.exists(), is_renewal) {
            (true, false) => Err(HandOverError::HasRing(self.ring.clone())),
            (false, true) => Err(HandOverError::HasNoRing(self.ring.clone())),
            _ => Ok(()),
        }
    }

    fn private_key_file(&self) -> PathBuf {
        with_suffix(&self.ring, ".hand-over")
    }
}

fn refuse_if_there(path: &Path) -> Result<(), HandOverError> {
    match path.exists() {
        true => Err(HandOverError::Exists(path.to_owned())),
        false => Ok(()),
    }
}

/// The values of a file's lines, of which there must be these and no others.
fn read<const N: usize>(
    path: &Path,
    kind: &str,
    names: [&str; N],
) -> Result<[Zeroizing<Vec<u8>>; N], HandOverError> {
    let lines = durable::read(path, kind)
        .map_err(|fault| HandOverError::Unreadable {
            path: path.to_owned(),
            fault,
        })?
        .ok_or_else(|| HandOverError::file(path, std::io::ErrorKind::NotFound.into()))?;
    let lines = Zeroizing::new(lines);
    let damaged = || HandOverError::Damaged(path.to_owned());
    if lines.len() != N {
        return Err(damaged());
    }
    let mut values = std::array::from_fn(|_| Zeroizing::new(Vec::new()));
    for ((value, line), name) in values.iter_mut().zip(lines.iter()).zip(names) {
        let digits = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '));
        *value = digits.and_then(from_hex).ok_or_else(damaged)?;
    }
    Ok(values)
}

fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    if !text.len().is_multiple_of(2) {
        return None;
    }
    for pair in text.as_bytes().chunks_exact(2) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        bytes.push((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
