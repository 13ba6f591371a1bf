//! The one-time code that an Immuni app shows (§3.3.2, §5.1).

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::ascii::SecretAscii;
use crate::code::{CodeError, check_ten};
use crate::spoken::symbols_of;

/// An OTP: ten symbols with a right check symbol, without prefix. Secret: zeroed on drop, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Otp(SecretAscii<10>);

impl Otp {
    /// Reads ten symbols in upper case.
    pub fn parse(value: &str) -> Result<Self, CodeError> {
        if value.starts_with("CUN-") {
            return Err(CodeError::UnexpectedPrefix);
        }
        let code = zeroize::Zeroizing::new(check_ten(value)?);
        // Ten ASCII symbols fit in ten places.
        Ok(Self(
            SecretAscii::new(code.as_slice()).expect("ten ASCII symbols"),
        ))
    }

    /// Reads a code as a person dictated or typed it: letters may be lower case, and blanks, dashes, dots, colons, underscores and what cannot
    /// be seen may stand anywhere. What begins with `CUN` is a CUN.
    pub fn parse_spoken(value: &str) -> Result<Self, CodeError> {
        let symbols = symbols_of(value).ok_or(CodeError::Length)?;
        // Neither C nor N is one of the 25 symbols.
        if symbols.starts_with("CUN") {
            return Err(CodeError::UnexpectedPrefix);
        }
        Self::parse(&symbols)
    }

    /// The ten symbols, for the relay to the Immuni backend alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

// Its only field is.
impl ZeroizeOnDrop for Otp {}

impl fmt::Debug for Otp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Otp(..)")
    }
}
