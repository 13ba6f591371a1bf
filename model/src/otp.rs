//! The one-time code that an Immuni app shows (§3.3.2, §5.1).

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::ascii::SecretAscii;
use crate::code::{CodeError, check_ten};

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
