//! The register key: a file outside the data folder, without which the register names no operator and checks no password.
//!
//! From it are derived the key that seals the operators' fiscal codes and the *pepper* that every password hash takes in, so
//! that who has the register alone can neither read the ones nor guess the others.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac, rand};
use sistema_ts_model::{Caller, CodiceFiscale};
use thiserror::Error;
use zeroize::Zeroizing;

use super::UserId;
use crate::durable;
use crate::keys::cut;
use crate::permissions::{PermissionError, check_secret_file};

const KEY_LENGTH: usize = 32;
const TAG_LENGTH: usize = 16;
/// No key file is longer; what is longer is another file.
const LONGEST_FILE: u64 = 256;

/// Why there is no usable register key. No text holds key material.
#[derive(Debug, Error)]
pub enum RegisterKeyError {
    /// The file is there already.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// The file cannot be read or written.
    #[error("the register key {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The file is not a register key.
    #[error("{} does not hold a register key", .0.display())]
    Content(PathBuf),
    /// The file holds another key than the one that it is to hold.
    #[error("{} holds another register key than the one that is handed over", .0.display())]
    Differs(PathBuf),
    /// Others can read the file, or put another in its place.
    #[error(transparent)]
    Permissions(#[from] PermissionError),
    /// The cryptographic library failed, for want of random bytes.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// The register key, ready for use.
pub struct RegisterKey {
    secret: Zeroizing<[u8; KEY_LENGTH]>,
    seal: LessSafeKey,
    people: hmac::Key,
    check: [u8; 16],
}

impl std::fmt::Debug for RegisterKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RegisterKey(..)")
    }
}

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY_LENGTH
    }
}

impl RegisterKey {
    /// The first line of its file.
    pub(crate) const HEADER: &str = "sistema-ts register key 1";

    /// What its file holds.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        text_of(&self.secret)
    }

    /// Puts the key that is this text where there is none, or where it is already.
    ///
    /// # Errors
    /// [`RegisterKeyError::Differs`] if there is another: nothing is replaced.
    pub(crate) fn put(path: &Path, text: &str) -> Result<(), RegisterKeyError> {
        let key = Self::parse(path, text)?;
        let failed = |reason| file_error(path, reason);
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        match durable::put_bytes(path, key.to_text().as_bytes()) {
            Err(reason) if reason.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::check_same(path, text)
            }
            other => other.map_err(failed),
        }
    }

    /// Whether the key that is this text is the one that is there.
    ///
    /// # Errors
    /// [`RegisterKeyError::Differs`] if it is another.
    pub(crate) fn check_same(path: &Path, text: &str) -> Result<(), RegisterKeyError> {
        let (there, key) = (Self::load(path)?, Self::parse(path, text)?);
        match there.check_value() == key.check_value() {
            true => Ok(()),
            false => Err(RegisterKeyError::Differs(path.to_owned())),
        }
    }

    /// Makes a new key in a new file, readable by its owner alone; its folder is created if need be.
    ///
    /// # Errors
    /// [`RegisterKeyError::Exists`] if the file is there already.
    pub fn create(path: &Path) -> Result<Self, RegisterKeyError> {
        let mut secret = Zeroizing::new([0; KEY_LENGTH]);
        rand::fill(secret.as_mut()).map_err(|_| RegisterKeyError::Crypto)?;
        let text = text_of(&secret);
        let failed = |reason: std::io::Error| match reason.kind() {
            std::io::ErrorKind::AlreadyExists => RegisterKeyError::Exists(path.to_owned()),
            _ => file_error(path, reason),
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(|reason| file_error(path, reason))?;
        Self::from_secret(secret)
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// [`RegisterKeyError`], among others if other users of the machine can read the file.
    pub fn load(path: &Path) -> Result<Self, RegisterKeyError> {
        let failed = |reason| file_error(path, reason);
        let file = File::open(path).map_err(failed)?;
        check_secret_file(path)?;
        let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize));
        file.take(LONGEST_FILE)
            .read_to_string(&mut text)
            .map_err(|_| RegisterKeyError::Content(path.to_owned()))?;
        Self::parse(path, &text)
    }

    /// The key that is this text, which is, or is to be, in a file.
    fn parse(path: &Path, text: &str) -> Result<Self, RegisterKeyError> {
        let wrong = || RegisterKeyError::Content(path.to_owned());
        // A key that was kept elsewhere comes back as an editor saves it: with a byte order mark, other line ends, an empty line more.
        let mut lines = text
            .trim_start_matches('\u{feff}')
            .lines()
            .map(str::trim_end);
        let (header, digits) = (lines.next(), lines.next().unwrap_or_default());
        let has_more = lines.any(|line| !line.is_empty());
        if header != Some(Self::HEADER) || digits.len() != 2 * KEY_LENGTH || has_more {
            return Err(wrong());
        }
        let mut secret = Zeroizing::new([0; KEY_LENGTH]);
        for (byte, pair) in secret.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Self::from_secret(secret)
    }

    fn from_secret(secret: Zeroizing<[u8; KEY_LENGTH]>) -> Result<Self, RegisterKeyError> {
        let sealing = derive(&secret, "sistema-ts register fiscal codes")?;
        let unbound = UnboundKey::new(&AES_256_GCM, sealing.as_ref())
            .map_err(|_| RegisterKeyError::Crypto)?;
        let people = derive(&secret, "sistema-ts register people")?;
        let check_value = derive(&secret, "sistema-ts register check")?;
        let mut check = [0; 16];
        check.copy_from_slice(&check_value[..16]);
        Ok(RegisterKey {
            secret,
            seal: LessSafeKey::new(unbound),
            people: hmac::Key::new(hmac::HMAC_SHA256, people.as_ref()),
            check,
        })
    }

    /// What shows that two holders hold the same key, and says nothing else about it.
    #[must_use]
    pub fn check_value(&self) -> [u8; 16] {
        self.check
    }

    /// The secret that every hash of password and pincode takes in.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn pepper(&self) -> Result<Zeroizing<[u8; 32]>, RegisterKeyError> {
        derive(&self.secret, "sistema-ts register pepper")
    }

    /// A key for a purpose of its own, which tells nothing about this one or about that of another purpose. The purpose is a name in the
    /// code, never changed.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn derived(&self, purpose: &str) -> Result<Zeroizing<[u8; 32]>, RegisterKeyError> {
        derive(&self.secret, &format!("sistema-ts derived {purpose}"))
    }

    /// What stands for a person among the operators of a caller: a keyed hash, by which nobody is found without the key.
    #[must_use]
    pub fn person(&self, caller: &Caller, fiscal_code: &CodiceFiscale) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.people);
        // No caller's key holds a zero byte, so that no two pairs have the same text.
        context.update(caller.to_key().as_bytes());
        context.update(&[0]);
        context.update(fiscal_code.expose().as_bytes());
        cut(context.sign())
    }

    /// Seals an operator's fiscal code for the entry of one user, under a random nonce.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn seal_user(
        &self,
        user: &UserId,
        fiscal_code: &CodiceFiscale,
    ) -> Result<Vec<u8>, RegisterKeyError> {
        self.seal_for(user.as_str().as_bytes(), fiscal_code)
    }

    /// Seals the fiscal code of an operator of a caller, for the entry of that person there.
    ///
    /// # Errors
    /// [`RegisterKeyError::Crypto`] if the cryptographic library fails.
    pub fn seal_operator(
        &self,
        caller: &Caller,
        fiscal_code: &CodiceFiscale,
    ) -> Result<Vec<u8>, RegisterKeyError> {
        self.seal_for(
            &operator_entry(caller, &self.person(caller, fiscal_code)),
            fiscal_code,
        )
    }

    /// Opens what [`RegisterKey::seal_operator`] sealed for the same caller and person.
    #[must_use]
    pub fn open_operator(
        &self,
        caller: &Caller,
        person: &[u8; 16],
        sealed: &[u8],
    ) -> Option<CodiceFiscale> {
        self.open_for(&operator_entry(caller, person), sealed)
    }

    fn seal_for(
        &self,
        entry: &[u8],
        fiscal_code: &CodiceFiscale,
    ) -> Result<Vec<u8>, RegisterKeyError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| RegisterKeyError::Crypto)?;
        let text = fiscal_code.expose().as_bytes();
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len() + TAG_LENGTH);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(text);
        let aad = Aad::from(entry);
        let tag = self
            .seal
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aad,
                &mut sealed[NONCE_LEN..],
            )
            .map_err(|_| RegisterKeyError::Crypto)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`RegisterKey::seal_user`] sealed for the same user.
    #[must_use]
    pub fn open_user(&self, user: &UserId, sealed: &[u8]) -> Option<CodiceFiscale> {
        self.open_for(user.as_str().as_bytes(), sealed)
    }

    fn open_for(&self, entry: &[u8], sealed: &[u8]) -> Option<CodiceFiscale> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let aad = Aad::from(entry);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.seal.open_in_place(nonce, aad, &mut text).ok()?;
        CodiceFiscale::parse(std::str::from_utf8(text).ok()?).ok()
    }
}

fn text_of(secret: &[u8; KEY_LENGTH]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str(RegisterKey::HEADER);
    text.push('\n');
    for byte in secret {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
    text.push('\n');
    text
}

/// The entry of an operator, told apart from every user's: no user id holds a zero byte.
fn operator_entry(caller: &Caller, person: &[u8; 16]) -> Vec<u8> {
    [b"operator\0", caller.to_key().as_bytes(), person].concat()
}

fn file_error(path: &Path, reason: std::io::Error) -> RegisterKeyError {
    RegisterKeyError::File {
        path: path.to_owned(),
        reason,
    }
}

fn derive(
    secret: &[u8; KEY_LENGTH],
    purpose: &str,
) -> Result<Zeroizing<[u8; KEY_LENGTH]>, RegisterKeyError> {
    let mut derived = Zeroizing::new([0; KEY_LENGTH]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"sistema-ts register")
        .extract(secret)
        .expand(&[purpose.as_bytes()], Length)
        .and_then(|okm| okm.fill(derived.as_mut()))
        .map_err(|_| RegisterKeyError::Crypto)?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    //! A failure means that a fiscal code could be read without the key or under another user's name, that a key could be lost
    //! by overwriting it, or that it lies open.
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::samples::fiscal_code;

    #[test]
    fn a_key_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/register-key");
        let made = RegisterKey::create(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(matches!(
            RegisterKey::create(&path),
            Err(RegisterKeyError::Exists(_))
        ));
        let read = RegisterKey::load(&path).unwrap();
        assert_eq!(made.check_value(), read.check_value());
        assert_eq!(*made.pepper().unwrap(), *read.pepper().unwrap());
        let user = UserId::parse("mario.rossi").unwrap();
        let sealed = made.seal_user(&user, &fiscal_code(1)).unwrap();
        assert_eq!(read.open_user(&user, &sealed), Some(fiscal_code(1)));
    }

    #[test]
    fn a_sealed_code_opens_for_its_own_user_and_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("one")).unwrap();
        let other = RegisterKey::create(&folder.path().join("two")).unwrap();
        let (mario, luigi) = (
            UserId::parse("mario").unwrap(),
            UserId::parse("luigi").unwrap(),
        );
        let sealed = key.seal_user(&mario, &fiscal_code(1)).unwrap();
        assert_eq!(key.open_user(&luigi, &sealed), None);
        assert_eq!(other.open_user(&mario, &sealed), None);
        assert_eq!(key.open_user(&mario, &sealed[..20]), None);
        assert_eq!(key.open_user(&mario, &[]), None);
        assert_ne!(key.check_value(), other.check_value());
        assert_ne!(
            sealed,
            key.seal_user(&mario, &fiscal_code(1)).unwrap(),
            "the nonce is random"
        );
        assert!(
            !sealed
                .windows(8)
                .any(|part| b"RSSMRA80A01H501U".windows(8).any(|plain| plain == part))
        );
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        RegisterKey::create(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for (wrong, mode) in [
            (text.clone(), 0o604),
            (text.replace("key 1", "key 2"), 0o600),
            (text[..text.len() - 2].to_owned(), 0o600),
            (format!("{text}more\n"), 0o600),
            (String::new(), 0o600),
        ] {
            std::fs::write(&path, wrong).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = RegisterKey::load(&path).unwrap_err();
            match mode {
                0o604 => assert!(matches!(error, RegisterKeyError::Permissions(_))),
                _ => assert!(matches!(error, RegisterKeyError::Content(_))),
            }
        }
    }

    #[test]
    fn a_key_is_read_as_an_editor_saves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = RegisterKey::create(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for saved in [
            format!("\u{feff}{text}"),
            text.replace('\n', "\r\n"),
            format!("\u{feff}{}\r\n\r\n", text.replace('\n', " \r\n")),
            text.trim_end().to_owned(),
        ] {
            std::fs::write(&path, &saved).unwrap();
            let read = RegisterKey::load(&path).unwrap();
            assert_eq!(read.check_value(), key.check_value(), "{saved:?}");
        }
    }

    #[test]
    fn an_operators_code_opens_for_its_own_caller_and_person_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        let region = |code| Caller::Region(sistema_ts_model::RegionCode::parse(code).unwrap());
        let (one, two) = (region("010"), region("020"));
        let person = key.person(&one, &fiscal_code(1));
        let sealed = key.seal_operator(&one, &fiscal_code(1)).unwrap();
        assert_eq!(
            key.open_operator(&one, &person, &sealed),
            Some(fiscal_code(1))
        );
        assert_eq!(key.open_operator(&two, &person, &sealed), None);
        assert_eq!(
            key.open_operator(&one, &key.person(&two, &fiscal_code(1)), &sealed),
            None
        );
        assert_ne!(
            person,
            key.person(&two, &fiscal_code(1)),
            "the same person is another elsewhere"
        );
        assert_eq!(person, key.person(&one, &fiscal_code(1)));
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        assert_eq!(format!("{key:?}"), "RegisterKey(..)");
    }
}
