//! Password and pincode: how they are made, hashed and compared.
//!
//! One Argon2id hash covers both, so that neither can be tried without the other, and takes in a *pepper* from the register key,
//! so that the register alone is not enough to try at all. The hash is kept as a PHC string.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::RngExt as _;
use sistema_ts_model::PinCode;
use sistema_ts_store::register::{CredentialHash, RegisterKey, RegisterKeyError};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;

/// Letters and digits that are not taken for one another.
const PASSWORD_ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

/// Twenty of 57 characters: 116 bits.
const GENERATED_PASSWORD_LENGTH: usize = 20;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB; at least 8.
    pub memory_kibibytes: u32,
    /// Passes; at least 1.
    pub passes: u32,
}

/// Why a hash could not be made or read.
#[derive(Debug, Error)]
pub enum CredentialError {
    /// Argon2 does not take this cost.
    #[error("Argon2 does not take the configured cost")]
    Cost,
    /// The stored hash is none that this program makes.
    #[error("a stored credential is damaged")]
    Damaged,
    /// The register key gave no pepper.
    #[error(transparent)]
    Key(#[from] RegisterKeyError),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a password has 12 to 128 characters, printable ASCII (all clients encode it alike), no blank at either end"
)]
pub struct PasswordError;

/// A password. Never printed; zeroed on drop.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a new password.
    ///
    /// # Errors
    /// [`PasswordError`] if it is not 12 to 128 characters of printable ASCII, or begins or ends with a blank.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !(12..=128).contains(&text.len()) || !printable || text.trim() != text {
            return Err(PasswordError);
        }
        Ok(Password(Zeroizing::new(text.to_owned())))
    }

    /// The password, to hash it or to hand it over once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

/// A random password.
#[must_use]
pub fn generate_password() -> Password {
    let mut rng = rand::rng();
    let mut text = Zeroizing::new(String::with_capacity(GENERATED_PASSWORD_LENGTH));
    for _ in 0..GENERATED_PASSWORD_LENGTH {
        text.push(char::from(
            PASSWORD_ALPHABET[rng.random_range(0..PASSWORD_ALPHABET.len())],
        ));
    }
    Password(text)
}

/// A random pincode.
#[must_use]
pub fn generate_pincode() -> PinCode {
    let mut rng = rand::rng();
    let mut text = Zeroizing::new(String::with_capacity(10));
    for _ in 0..10 {
        text.push(char::from(b'0' + rng.random_range(0..10_u8)));
    }
    PinCode::parse(&text).expect("ten digits are a pincode")
}

/// What is hashed: the pincode, which has ten digits always, and then the password. No two pairs give the same bytes.
pub(super) fn secret_of(password: &str, pincode: &PinCode) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new(Vec::with_capacity(10 + password.len()));
    secret.extend_from_slice(pincode.expose().as_bytes());
    secret.extend_from_slice(password.as_bytes());
    secret
}

/// The working memory of one hashing thread, kept between hashes.
#[derive(Default)]
pub(super) struct Workspace(Vec<Block>);

/// Hashes under one register key.
pub struct CredentialHasher {
    pepper: Zeroizing<[u8; 32]>,
    cost: Argon2Cost,
}

impl fmt::Debug for CredentialHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CredentialHasher(..)")
    }
}

impl CredentialHasher {
    /// A hasher whose new hashes have this cost.
    ///
    /// # Errors
    /// [`CredentialError::Cost`] if Argon2 does not take it.
    pub fn new(key: &RegisterKey, cost: Argon2Cost) -> Result<Self, CredentialError> {
        params(cost)?;
        Ok(CredentialHasher {
            pepper: key.pepper()?,
            cost,
        })
    }

    /// Hashes a new pair under a random salt.
    ///
    /// # Errors
    /// [`CredentialError::Random`].
    pub fn hash(
        &self,
        password: &Password,
        pincode: &PinCode,
    ) -> Result<CredentialHash, CredentialError> {
        let salt = random::<SALT_LENGTH>()?;
        let secret = secret_of(password.expose(), pincode);
        let hash = self.compute(&secret, &salt, self.cost, &mut Workspace::default())?;
        Ok(write(self.cost, &salt, hash.as_ref()))
    }

    /// A hash that no pair has: what is compared for a user that there is not, at the same cost.
    pub(super) fn nobody(&self) -> Result<CredentialHash, CredentialError> {
        Ok(write(
            self.cost,
            &random::<SALT_LENGTH>()?,
            &random::<HASH_LENGTH>()?,
        ))
    }

    /// Whether `secret` is what was hashed.
    pub(super) fn verify(
        &self,
        stored: &CredentialHash,
        secret: &[u8],
        workspace: &mut Workspace,
    ) -> Result<bool, CredentialError> {
        let (cost, salt, expected) = read(stored).ok_or(CredentialError::Damaged)?;
        let hash = self.compute(secret, &salt, cost, workspace)?;
        Ok(bool::from(hash.as_slice().ct_eq(&expected)))
    }

    fn compute(
        &self,
        secret: &[u8],
        salt: &[u8],
        cost: Argon2Cost,
        workspace: &mut Workspace,
    ) -> Result<Zeroizing<[u8; HASH_LENGTH]>, CredentialError> {
        let params = params(cost)?;
        let blocks = params.block_count();
        let argon2 = Argon2::new_with_secret(
            self.pepper.as_ref(),
            Algorithm::Argon2id,
            Version::V0x13,
            params,
        )
        .map_err(|_| CredentialError::Cost)?;
        workspace.0.resize(blocks, Block::default());
        let mut hash = Zeroizing::new([0; HASH_LENGTH]);
        argon2
            .hash_password_into_with_memory(secret, salt, hash.as_mut(), &mut workspace.0)
            .map_err(|_| CredentialError::Cost)?;
        Ok(hash)
    }
}

fn params(cost: Argon2Cost) -> Result<Params, CredentialError> {
    Params::new(cost.memory_kibibytes, cost.passes, 1, Some(HASH_LENGTH))
        .map_err(|_| CredentialError::Cost)
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], CredentialError> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| CredentialError::Random)?;
    Ok(bytes)
}

fn write(cost: Argon2Cost, salt: &[u8], hash: &[u8]) -> CredentialHash {
    CredentialHash::new(&format!(
        "$argon2id$v=19$m={},t={},p=1${}${}",
        cost.memory_kibibytes,
        cost.passes,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    ))
}

fn read(stored: &CredentialHash) -> Option<(Argon2Cost, Vec<u8>, Vec<u8>)> {
    let rest = stored.expose().strip_prefix("$argon2id$v=19$m=")?;
    let mut parts = rest.split('$');
    let (memory, rest) = parts.next()?.split_once(",t=")?;
    let passes = rest.strip_suffix(",p=1")?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let cost = Argon2Cost {
        memory_kibibytes: memory.parse().ok()?,
        passes: passes.parse().ok()?,
    };
    (parts.next().is_none() && hash.len() == HASH_LENGTH).then_some((cost, salt, hash))
}

#[cfg(test)]
mod tests {
    //! A failure means that a wrong pair is taken or a right one is not, that password and pincode can be tried apart, that a
    //! stolen register is enough to try, or that a secret is printed.
    #![allow(clippy::unwrap_used)]
    use super::*;

    const COST: Argon2Cost = Argon2Cost {
        memory_kibibytes: 64,
        passes: 1,
    };

    fn hasher() -> CredentialHasher {
        let folder = tempfile::tempdir().unwrap();
        let key = RegisterKey::create(&folder.path().join("key")).unwrap();
        CredentialHasher::new(&key, COST).unwrap()
    }

    fn verify(
        hasher: &CredentialHasher,
        stored: &CredentialHash,
        password: &str,
        pincode: &str,
    ) -> bool {
        let secret = secret_of(password, &PinCode::parse(pincode).unwrap());
        hasher
            .verify(stored, &secret, &mut Workspace::default())
            .unwrap()
    }

    #[test]
    fn the_right_pair_alone_is_taken() {
        let hasher = hasher();
        let password = Password::parse("correct horse battery").unwrap();
        let stored = hasher
            .hash(&password, &PinCode::parse("0123456789").unwrap())
            .unwrap();
        assert!(verify(
            &hasher,
            &stored,
            "correct horse battery",
            "0123456789"
        ));
        assert!(!verify(
            &hasher,
            &stored,
            "correct horse batterz",
            "0123456789"
        ));
        assert!(!verify(
            &hasher,
            &stored,
            "correct horse battery",
            "0123456788"
        ));
        assert!(!verify(&hasher, &stored, "", "0123456789"));
        let other = self::tests::hasher();
        assert!(
            !verify(&other, &stored, "correct horse battery", "0123456789"),
            "the pepper counts"
        );
    }

    #[test]
    fn no_two_pairs_are_the_same_bytes() {
        let one = secret_of("12345", &PinCode::parse("0123456789").unwrap());
        let other = secret_of("2345", &PinCode::parse("0123456789").unwrap());
        assert_ne!(*one, *other);
        assert_eq!(one.len(), 15);
    }

    #[test]
    fn the_same_pair_is_hashed_differently_each_time() {
        let hasher = hasher();
        let (password, pincode) = (generate_password(), generate_pincode());
        let one = hasher.hash(&password, &pincode).unwrap();
        assert_ne!(one, hasher.hash(&password, &pincode).unwrap());
        assert!(one.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    }

    #[test]
    fn nobody_is_nobody_at_the_same_cost() {
        let hasher = hasher();
        let nobody = hasher.nobody().unwrap();
        assert!(!verify(&hasher, &nobody, "", "0000000000"));
        assert_eq!(read(&nobody).unwrap().0, COST);
    }

    #[test]
    fn a_workspace_serves_hashes_of_different_cost() {
        let hasher = hasher();
        let key_cost = Argon2Cost {
            memory_kibibytes: 128,
            passes: 2,
        };
        let dearer = CredentialHasher {
            pepper: hasher.pepper.clone(),
            cost: key_cost,
        };
        let (password, pincode) = (generate_password(), generate_pincode());
        let secret = secret_of(password.expose(), &pincode);
        let mut workspace = Workspace::default();
        for stored in [
            hasher.hash(&password, &pincode).unwrap(),
            dearer.hash(&password, &pincode).unwrap(),
            hasher.hash(&password, &pincode).unwrap(),
        ] {
            assert!(hasher.verify(&stored, &secret, &mut workspace).unwrap());
        }
    }

    #[test]
    fn a_damaged_hash_is_an_error_and_no_match() {
        let hasher = hasher();
        for text in [
            "",
            "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA",
            "$argon2id$v=19$m=64,t=1,p=1$AAAA$",
            "x",
        ] {
            let outcome =
                hasher.verify(&CredentialHash::new(text), b"x", &mut Workspace::default());
            assert!(matches!(outcome, Err(CredentialError::Damaged)), "{text}");
        }
    }

    #[test]
    fn generated_credentials_are_of_the_stated_form_and_differ() {
        let (one, other) = (generate_password(), generate_password());
        assert!(Password::parse(one.expose()).is_ok());
        assert_eq!(one.expose().len(), GENERATED_PASSWORD_LENGTH);
        assert_ne!(one.expose(), other.expose());
        assert!(
            generate_pincode() != generate_pincode() || generate_pincode() != generate_pincode()
        );
        assert_eq!(format!("{one:?}"), "Password(..)");
    }

    #[test]
    fn a_password_is_one_that_every_client_encodes_alike() {
        for wrong in [
            "elevenchars",
            "con la è dentro",
            " leading blank",
            "tab\tinside it",
            &"a".repeat(129),
        ] {
            assert!(Password::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Password::parse("twelve chars").is_ok());
    }
}
