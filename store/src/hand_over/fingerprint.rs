//! What two people compare by voice.

use std::fmt;
use std::path::Path;

use aws_lc_rs::digest;

use super::error::HandOverError;

/// Letters and digits that are not taken for one another.
const SYMBOLS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Sixteen of them are 80 bits: nobody finds other bytes with the same in the time in which it is used.
const LENGTH: usize = 16;

/// What two people compare by voice, to know that both have the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; LENGTH]);

impl Fingerprint {
    /// That of these bytes, in this order and of these lengths.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        let mut symbols = [0; LENGTH];
        for (index, symbol) in symbols.iter_mut().enumerate() {
            // Five bits each, of the first ten bytes: never the last byte of 32.
            let (byte, shift) = (index * 5 / 8, index * 5 % 8);
            let two = u16::from_be_bytes([digest.as_ref()[byte], digest.as_ref()[byte + 1]]);
            *symbol = SYMBOLS[usize::from(two >> (11 - shift) & 31)];
        }
        Self(symbols)
    }

    /// Whether somebody has typed this one, in whatever case and however grouped.
    pub(super) fn check(self, typed: &str, file: &Path) -> Result<(), HandOverError> {
        let symbols = typed.bytes().filter(|byte| !matches!(byte, b' ' | b'-'));
        match symbols.map(|byte| byte.to_ascii_uppercase()).eq(self.0) {
            true => Ok(()),
            false => Err(HandOverError::Fingerprint(file.to_owned())),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, symbol) in self.0.iter().enumerate() {
            if index > 0 && index.is_multiple_of(4) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{}", char::from(*symbol))?;
        }
        Ok(())
    }
}
