//! The pincode of a structure's operator (§2.3).

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::ascii::SecretAscii;
use crate::card::{NotDigits, digits};

/// Why a text is not a pincode. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinCodeError {
    /// There are not ten characters.
    #[error("it must have 10 digits")]
    Length,
    /// The character at `position` (1 to 10) is no digit.
    #[error("character {position} is not a digit")]
    Digit {
        /// Which character, counted from 1.
        position: usize,
    },
}

/// A pincode: ten digits, leading zeros included. Secret: zeroed on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PinCode(SecretAscii<10>);

impl PinCode {
    /// Reads exactly ten ASCII digits.
    pub fn parse(value: &str) -> Result<Self, PinCodeError> {
        match digits::<10>(value) {
            Ok(text) => Ok(Self(text)),
            Err(NotDigits::Length) => Err(PinCodeError::Length),
            Err(NotDigits::Digit { position }) => Err(PinCodeError::Digit { position }),
        }
    }

    /// The ten digits, for their check alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

// Its only field is.
impl ZeroizeOnDrop for PinCode {}

impl fmt::Debug for PinCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PinCode(..)")
    }
}
