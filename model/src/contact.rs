//! How a patient may be reached: a mobile number or an e-mail address (§2.4.1, table 2).

use std::fmt;

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::ascii::SecretAscii;

/// Why a text is not a mobile number. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MobileNumberError {
    /// There are not 6 to 15 characters after a leading `+`, if there is one.
    #[error("it must have 6 to 15 digits, after a + if there is one")]
    Length,
    /// The character at `position` is no digit (nor a `+` in the first place).
    #[error("character {position} is not a digit")]
    Digit {
        /// Which character, counted from 1.
        position: usize,
    },
}

/// A mobile number: `\+?[0-9]{6,15}`, kept as it was given. Secret: zeroed on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MobileNumber(SecretAscii<16>);

impl MobileNumber {
    /// Reads 6 to 15 digits, with or without a `+` before them.
    pub fn parse(value: &str) -> Result<Self, MobileNumberError> {
        let digits = value.strip_prefix('+').unwrap_or(value);
        let plus = value.len() - digits.len();
        // No character has more than four bytes: whatever is longer than 15 of them is not looked at.
        if digits.len() > 4 * 15 || !(6..=15).contains(&digits.chars().count()) {
            return Err(MobileNumberError::Length);
        }
        if let Some(index) = digits
            .chars()
            .position(|character| !character.is_ascii_digit())
        {
            return Err(MobileNumberError::Digit {
                position: plus + index + 1,
            });
        }
        SecretAscii::new(value.as_bytes())
            .map(Self)
            .ok_or(MobileNumberError::Length)
    }

    /// The number as it was given.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

// Its only field is.
impl ZeroizeOnDrop for MobileNumber {}

impl fmt::Debug for MobileNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MobileNumber(..)")
    }
}

/// Why a text is not an e-mail address. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailAddressError {
    /// There are none, or more than 254 characters.
    #[error("it must have 1 to 254 characters")]
    Length,
    /// There is not exactly one `@`.
    #[error("it must have exactly one @")]
    At,
    /// What stands before the `@` is not 1 to 64 of the allowed characters, with single dots between them.
    #[error(
        "the part before the @ must have 1 to 64 letters, digits and !#$%&'*+-/=?^_`{{|}}~, single dots between them"
    )]
    Local,
    /// What stands after the `@` is not the name of a domain.
    #[error("the part after the @ must be a domain: letters, digits and dashes, with a dot")]
    Domain,
}

/// An e-mail address of up to 254 characters, kept as it was given. Secret: zeroed on drop, never printed.
///
/// The syntax is that which mail servers of patients really use: an unquoted local part of ASCII (RFC 5322's dot-atom,
/// at most 64 characters) and a domain of at least two labels (letters, digits, dashes inside; 63 characters each),
/// the last of which is not a number. Quoted local parts, comments, address literals and non-ASCII addresses are
/// refused: they are mistakes far more often than they are meant.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(Zeroizing<String>);

impl EmailAddress {
    /// The most characters of an address.
    pub const MAX_CHARACTERS: usize = 254;

    /// Takes the address as it is; nothing is folded.
    pub fn parse(value: &str) -> Result<Self, EmailAddressError> {
        if value.is_empty()
            || value.len() > 4 * Self::MAX_CHARACTERS
            || value.chars().count() > Self::MAX_CHARACTERS
        {
            return Err(EmailAddressError::Length);
        }
        let (local, domain) = value.split_once('@').ok_or(EmailAddressError::At)?;
        if domain.contains('@') {
            return Err(EmailAddressError::At);
        }
        if !is_local_part(local) {
            return Err(EmailAddressError::Local);
        }
        if !is_domain(domain) {
            return Err(EmailAddressError::Domain);
        }
        Ok(Self(Zeroizing::new(value.to_owned())))
    }

    /// The address as it was given.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

// Its only field is.
impl ZeroizeOnDrop for EmailAddress {}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(..)")
    }
}

fn is_local_part(local: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    local.len() <= 64 && local.split('.').all(is_atom)
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = domain
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    domain.contains('.') && domain.split('.').all(is_label) && !last_is_number
}

/// A text that [`Contact::to_sealed_text`] did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the stored form of a contact")]
pub struct SealedContactError;

/// A patient's contact: one of the two, never both (§2.4.1). Prints nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// `numeroCellulare`
    Mobile(MobileNumber),
    /// `contattoEmail`
    Email(EmailAddress),
}

impl Contact {
    /// The text to be sealed for storing: `M` and the number, or `E` and the address.
    #[must_use]
    pub fn to_sealed_text(&self) -> Zeroizing<String> {
        let (kind, value) = match self {
            Self::Mobile(number) => ('M', number.expose()),
            Self::Email(address) => ('E', address.expose()),
        };
        // The capacity is exact, so that no growth leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(1 + value.len()));
        text.push(kind);
        text.push_str(value);
        text
    }

    /// Reads what [`to_sealed_text`](Contact::to_sealed_text) wrote.
    pub fn from_sealed_text(text: &str) -> Result<Self, SealedContactError> {
        match text.split_at_checked(1) {
            Some(("M", number)) => MobileNumber::parse(number)
                .map(Self::Mobile)
                .map_err(|_| SealedContactError),
            Some(("E", address)) => EmailAddress::parse(address)
                .map(Self::Email)
                .map_err(|_| SealedContactError),
            _ => Err(SealedContactError),
        }
    }
}
