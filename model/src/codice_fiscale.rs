//! The codice fiscale: the code of a person, or of who has none yet (decree 23 December 1976).

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::ascii::SecretAscii;
use crate::spoken::{foreign_position, symbols_of};
use crate::symbols::{EVEN, NO_VALUE, ODD};

/// Why a text is not a codice fiscale. Its text never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodiceFiscaleError {
    /// There are not 16 characters (nor 11, for a provisional one).
    #[error("it must have 16 characters, or 11 digits if it is provisional")]
    Length,
    /// The character at `position` may not stand there: a letter where a digit must be, or the like.
    #[error("character {position} may not stand in its place")]
    Character {
        /// Which character, counted from 1.
        position: usize,
    },
    /// The character at `position` is a letter or digit of another alphabet, which may look like a right one.
    #[error(
        "character {position} is a letter or digit of another alphabet, which may look like a right one: type it anew"
    )]
    Foreign {
        /// Which character, counted from 1.
        position: usize,
    },
    /// All characters are right but for lower case.
    #[error("its letters must be upper case")]
    LowerCase,
    /// The ninth character is no letter of a month.
    #[error("character 9 is not the letter of a month")]
    Month,
    /// The day of birth is not 1 to 31, or 41 to 71.
    #[error("characters 10 and 11 are not a day of birth")]
    Day,
    /// The last character is not the check letter of those before it.
    #[error("the check letter does not match")]
    CheckLetter,
    /// The last digit of a provisional code is not the check digit of those before it.
    #[error("the check digit does not match")]
    CheckDigit,
    /// A provisional code whose serial number, the first seven digits, is zero.
    #[error("its first 7 digits must not all be zero")]
    SerialZero,
    /// It is an STP or ENI code, for which [`CodiceFiscaleOptions::accept_stp_eni`] is not set.
    #[error("STP and ENI codes are not accepted")]
    StpEniNotAccepted,
}

/// What is accepted beside the ordinary and the provisional form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodiceFiscaleOptions {
    /// Whether STP codes (foreigners temporarily present) and ENI codes (Europeans not enrolled) count: the three
    /// letters and 13 digits, without a check character. A setting, off by default.
    pub accept_stp_eni: bool,
}

/// Which form a codice fiscale has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodiceFiscaleKind {
    /// 16 characters with check letter, whether or not some digits are replaced by letters (omocodia).
    Ordinary,
    /// 11 digits with check digit.
    Provisional,
    /// `STP` and 13 digits.
    Stp,
    /// `ENI` and 13 digits.
    Eni,
}

/// A codice fiscale. Secret: zeroed on drop, never printed.
///
/// Two people who would have the same code get different ones by *omocodia*: digits are replaced by letters, and the
/// check letter follows. Any subset of the seven digits may be replaced. A variant is another person's code: equality
/// and hash are of the text as it stands.
///
/// The wire wants upper case. Lower case is refused with an error of its own rather than folded: the text is the
/// identity, and two spellings of it would be two people in every keyed hash.
///
/// Neither the name's letters (which must be consonants before vowels) nor the municipality are looked at more closely
/// than that they are letters: nobody is refused for a code that was really issued.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CodiceFiscale(SecretAscii<16>);

impl CodiceFiscale {
    /// Reads an ordinary or provisional code; STP and ENI are refused.
    pub fn parse(value: &str) -> Result<Self, CodiceFiscaleError> {
        Self::parse_with(value, CodiceFiscaleOptions::default())
    }

    /// The same, with what `options` accept in addition.
    pub fn parse_with(
        value: &str,
        options: CodiceFiscaleOptions,
    ) -> Result<Self, CodiceFiscaleError> {
        let bytes = value.as_bytes();
        if let Ok(code) = <&[u8; 16]>::try_from(bytes)
            && value.is_ascii()
        {
            check_sixteen(code, options)?;
        } else if let Ok(code) = <&[u8; 11]>::try_from(bytes)
            && value.is_ascii()
        {
            check_provisional(code)?;
        } else {
            return Err(not_ascii(value));
        }
        SecretAscii::new(bytes)
            .map(Self)
            .ok_or(CodiceFiscaleError::Length)
    }

    /// Reads a code as a person typed or pasted it: letters may be lower case, and blanks, dashes, dots, colons, underscores and what cannot be
    /// seen may stand anywhere. For what administrators type alone: on the wire a code is taken to the letter.
    pub fn parse_spoken(
        value: &str,
        options: CodiceFiscaleOptions,
    ) -> Result<Self, CodiceFiscaleError> {
        let symbols = symbols_of(value).ok_or(CodiceFiscaleError::Length)?;
        Self::parse_with(&symbols, options)
    }

    /// The text, in upper case.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Which form it has.
    #[must_use]
    pub fn kind(&self) -> CodiceFiscaleKind {
        let bytes = self.expose().as_bytes();
        if bytes.len() == 11 {
            CodiceFiscaleKind::Provisional
        } else if is_stp_eni(bytes) {
            if bytes[0] == b'S' {
                CodiceFiscaleKind::Stp
            } else {
                CodiceFiscaleKind::Eni
            }
        } else {
            CodiceFiscaleKind::Ordinary
        }
    }

    /// The code with omocodia undone, digits in their places and the check letter anew. For comparing what a code says,
    /// never to identify a person: the result is somebody else's code.
    #[must_use]
    pub fn normalized(&self) -> Self {
        if self.kind() != CodiceFiscaleKind::Ordinary {
            return self.clone();
        }
        let mut code = zeroize::Zeroizing::new([0; 16]);
        code.copy_from_slice(self.expose().as_bytes());
        for place in DIGIT_PLACES {
            code[place] = b'0' + DIGIT_VALUE[usize::from(code[place])];
        }
        code[15] = check_letter(&code);
        // 16 ASCII characters, as before.
        Self(SecretAscii::new(code.as_slice()).expect("16 ASCII characters"))
    }
}

// Its only field is.
impl ZeroizeOnDrop for CodiceFiscale {}

impl fmt::Debug for CodiceFiscale {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CodiceFiscale(..)")
    }
}

/// The places, from 0, of the digits that omocodia may replace: year and day of birth, number of the municipality.
const DIGIT_PLACES: [usize; 7] = [6, 7, 9, 10, 12, 13, 14];

/// What a byte that neither is a digit nor stands for one has in [`DIGIT_VALUE`].
const NO_DIGIT: u8 = u8::MAX;

/// The digit that each byte is or, by omocodia, stands for.
const DIGIT_VALUE: [u8; 256] = {
    const REPLACEMENTS: [u8; 10] = *b"LMNPQRSTUV";
    let mut table = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 10 {
        table[b'0' as usize + digit] = digit as u8;
        table[REPLACEMENTS[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

fn check_sixteen(code: &[u8; 16], options: CodiceFiscaleOptions) -> Result<(), CodiceFiscaleError> {
    let mut lower_case = false;
    for (index, byte) in code.iter().enumerate() {
        let upper = byte.to_ascii_uppercase();
        let fits = if matches!(index, 6 | 7 | 9 | 10 | 12 | 13 | 14) {
            DIGIT_VALUE[usize::from(upper)] != NO_DIGIT
        } else {
            upper.is_ascii_uppercase()
        };
        if !fits {
            return match is_stp_eni(code) {
                true if options.accept_stp_eni => Ok(()),
                true => Err(CodiceFiscaleError::StpEniNotAccepted),
                false => Err(CodiceFiscaleError::Character {
                    position: index + 1,
                }),
            };
        }
        lower_case |= upper != *byte;
    }
    if lower_case {
        return Err(CodiceFiscaleError::LowerCase);
    }
    if !b"ABCDEHLMPRST".contains(&code[8]) {
        return Err(CodiceFiscaleError::Month);
    }
    let day = DIGIT_VALUE[usize::from(code[9])] * 10 + DIGIT_VALUE[usize::from(code[10])];
    // A woman's day of birth has 40 added to it.
    if !matches!(day, 1..=31 | 41..=71) {
        return Err(CodiceFiscaleError::Day);
    }
    if code[15] != check_letter(code) {
        return Err(CodiceFiscaleError::CheckLetter);
    }
    Ok(())
}

/// Whether it is one of the two prefixes and 13 digits. No ordinary code looks like that: its fourth is a letter.
fn is_stp_eni(code: &[u8]) -> bool {
    code.len() == 16
        && (code.starts_with(b"STP") || code.starts_with(b"ENI"))
        && code[3..].iter().all(u8::is_ascii_digit)
}

/// The check letter of the first 15 characters, which are letters and digits.
fn check_letter(code: &[u8; 16]) -> u8 {
    let sum: usize = code[..15]
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            let value = if index % 2 == 0 {
                ODD[usize::from(*byte)]
            } else {
                EVEN[usize::from(*byte)]
            };
            debug_assert_ne!(value, NO_VALUE);
            usize::from(value)
        })
        .sum();
    // Below 26, so it fits.
    b'A' + (sum % 26) as u8
}

/// The provisional form: seven digits of a serial number, three of the office, and a check digit by Luhn's rule.
fn check_provisional(code: &[u8; 11]) -> Result<(), CodiceFiscaleError> {
    if let Some(index) = code.iter().position(|byte| !byte.is_ascii_digit()) {
        return Err(CodiceFiscaleError::Character {
            position: index + 1,
        });
    }
    let sum: u32 = code
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            let digit = u32::from(byte - b'0');
            if index % 2 == 0 {
                digit
            } else {
                2 * digit / 10 + 2 * digit % 10
            }
        })
        .sum();
    if !sum.is_multiple_of(10) {
        return Err(CodiceFiscaleError::CheckDigit);
    }
    if code[..7].iter().all(|byte| *byte == b'0') {
        return Err(CodiceFiscaleError::SerialZero);
    }
    Ok(())
}

/// What is wrong with a text that is not 16 or 11 ASCII characters.
fn not_ascii(value: &str) -> CodiceFiscaleError {
    // No character has more than four bytes: whatever is longer than 16 of them is not looked at.
    if value.len() > 64 || !matches!(value.chars().count(), 11 | 16) {
        return CodiceFiscaleError::Length;
    }
    if let Some(position) = foreign_position(value) {
        return CodiceFiscaleError::Foreign { position };
    }
    let position = value.chars().take_while(char::is_ascii).count() + 1;
    CodiceFiscaleError::Character { position }
}
