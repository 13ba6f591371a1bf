//! Identifiers of transactions, of sessions, and of a caller's own requests.

use std::fmt;

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::ascii::AsciiText;
use crate::cun::Cun;

/// `identificativoTransazione`: the CUN of an accepted submission, a UUID of everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionId {
    /// An accepted `invioEsecuzioneTest`: the transaction is the CUN.
    Cun(Cun),
    /// Any other transaction.
    Uuid(Uuid),
}

impl TransactionId {
    /// A new one of the second kind.
    #[must_use]
    pub fn random() -> Self {
        Self::Uuid(Uuid::new_v4())
    }

    /// Reads what [`Display`](fmt::Display) writes; `None` for anything else.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        Cun::parse(value)
            .map(Self::Cun)
            .ok()
            .or_else(|| parse_uuid(value).map(Self::Uuid))
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cun(cun) => cun.fmt(formatter),
            Self::Uuid(uuid) => {
                formatter.pad(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }
    }
}

/// A text that is not the id of a session. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be the identifier that the verification returned: 36 characters, hexadecimal digits and dashes"
)]
pub struct SessionIdError;

/// `idVerificaTampone`: an unguessable name of the session that a verification opened (§3.3.1). `{:?}` tells nothing,
/// since whoever knows it may use the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    /// A new one, from the system's generator: 122 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads 36 characters, hexadecimal digits of either case with dashes in their places.
    pub fn parse(value: &str) -> Result<Self, SessionIdError> {
        parse_uuid(value).map(Self).ok_or(SessionIdError)
    }

    /// The session with this UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    #[must_use]
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }

    /// SHA-256 of the 16 bytes of the UUID: what a CUN's row keeps of a session (contract, "Readings settled here").
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut output = [0; 32];
        output.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        output
    }

    /// The 36 characters, in lower case, for the answer and the access record alone.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.hyphenated().to_string()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionId(..)")
    }
}

/// Of the ways to write a UUID, the one with dashes alone.
fn parse_uuid(value: &str) -> Option<Uuid> {
    if value.len() != 36 {
        return None;
    }
    Uuid::try_parse(value).ok()
}

/// Why a text is not the key of a request. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestKeyError {
    /// There are not 1 to 64 characters.
    #[error("it must have 1 to 64 characters")]
    Length,
    /// The character at `position` is not printable ASCII, or is a blank at one of the ends.
    #[error("character {position} is not printable ASCII, or is a blank at an end")]
    Character {
        /// Which character, counted from 1.
        position: usize,
    },
}

/// `identificativoRichiesta`: the caller's own name of a request, by which a retry is recognised. 1 to 64 printable
/// ASCII characters; a blank may stand between others. `{:?}` tells nothing, since a caller may put anything into it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey(AsciiText<64>);

impl RequestKey {
    /// Takes the text as it is.
    pub fn parse(value: &str) -> Result<Self, RequestKeyError> {
        // No character has more than four bytes: whatever is longer than 64 of them is not looked at.
        if value.is_empty() || value.len() > 4 * 64 || value.chars().count() > 64 {
            return Err(RequestKeyError::Length);
        }
        if let Some(index) = value
            .chars()
            .position(|character| !matches!(character, ' '..='~'))
        {
            return Err(RequestKeyError::Character {
                position: index + 1,
            });
        }
        if value.starts_with(' ') {
            return Err(RequestKeyError::Character { position: 1 });
        }
        if value.ends_with(' ') {
            return Err(RequestKeyError::Character {
                position: value.len(),
            });
        }
        AsciiText::new(value.as_bytes())
            .map(Self)
            .ok_or(RequestKeyError::Length)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RequestKey(..)")
    }
}
