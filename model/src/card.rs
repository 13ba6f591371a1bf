//! The digits of a health card that a person is asked for (§3.3.1).

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::ascii::SecretAscii;
use crate::spoken::{foreign_position, symbols_of};

/// Why a text is not the last eight digits of a health card. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardDigitsError {
    /// There are not eight characters.
    #[error("it must have 8 digits: the last 8 of the card's number")]
    Length,
    /// The character at `position` (1 to 8) is a letter or digit of another alphabet, which may look like a right one.
    #[error(
        "character {position} is a letter or digit of another alphabet, which may look like a right one: type it anew"
    )]
    Foreign {
        /// Which character, counted from 1.
        position: usize,
    },
    /// The character at `position` (1 to 8) is no digit.
    #[error("character {position} is not a digit")]
    Digit {
        /// Which character, counted from 1.
        position: usize,
    },
}

/// The last eight digits of a health card, leading zeros included. Secret: zeroed on drop, never printed. A check of
/// what the person knows, never a key.
#[derive(Clone, PartialEq, Eq)]
pub struct CardDigits(SecretAscii<8>);

impl CardDigits {
    /// Reads exactly eight ASCII digits.
    pub fn parse(value: &str) -> Result<Self, CardDigitsError> {
        match digits::<8>(value) {
            Ok(text) => Ok(Self(text)),
            Err(NotDigits::Length) => Err(CardDigitsError::Length),
            Err(NotDigits::Digit { position }) => Err(match foreign_position(value) {
                Some(position) => CardDigitsError::Foreign { position },
                None => CardDigitsError::Digit { position },
            }),
        }
    }

    /// Reads eight digits as a person dictated or typed them: blanks, dashes, dots, colons, underscores and what cannot be seen may stand
    /// anywhere.
    pub fn parse_spoken(value: &str) -> Result<Self, CardDigitsError> {
        Self::parse(&symbols_of(value).ok_or(CardDigitsError::Length)?)
    }

    /// The eight digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

// Its only field is.
impl ZeroizeOnDrop for CardDigits {}

impl fmt::Debug for CardDigits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CardDigits(..)")
    }
}

/// Why [`digits`] refused a text.
pub(crate) enum NotDigits {
    Length,
    Digit { position: usize },
}

/// Exactly `N` ASCII digits.
pub(crate) fn digits<const N: usize>(value: &str) -> Result<SecretAscii<N>, NotDigits> {
    // No character has more than four bytes: whatever is longer than N of them is not looked at.
    if value.len() > 4 * N || value.chars().count() != N {
        return Err(NotDigits::Length);
    }
    if let Some(index) = value
        .chars()
        .position(|character| !character.is_ascii_digit())
    {
        return Err(NotDigits::Digit {
            position: index + 1,
        });
    }
    SecretAscii::new(value.as_bytes()).ok_or(NotDigits::Length)
}
