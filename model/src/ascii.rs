//! Short ASCII texts held in place, without allocation: plain ([`AsciiText`]) and secret ([`SecretAscii`]).

use std::hash::{Hash, Hasher};

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The text in `bytes`, which its makers have checked to be ASCII.
fn text(bytes: &[u8]) -> &str {
    // Both types below are made from ASCII bytes only, and ASCII is UTF-8.
    std::str::from_utf8(bytes).expect("made from ASCII only")
}

/// The text in an array whose rest is zero, and its length; `None` if it is longer than `N` or not ASCII.
fn padded<const N: usize>(value: &[u8]) -> Option<([u8; N], u8)> {
    if value.len() > N || !value.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    bytes[..value.len()].copy_from_slice(value);
    Some((bytes, u8::try_from(value.len()).ok()?))
}

/// At most `N` ASCII characters (`N` < 256). The rest of the array is zero, so that derived equality is the text's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AsciiText<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> AsciiText<N> {
    /// `None` if the text is longer than `N` or not ASCII.
    pub(crate) fn new(value: &[u8]) -> Option<Self> {
        let (bytes, length) = padded(value)?;
        Some(Self { bytes, length })
    }

    pub(crate) fn as_str(&self) -> &str {
        text(&self.bytes[..usize::from(self.length)])
    }
}

impl<const N: usize> Ord for AsciiText<N> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl<const N: usize> PartialOrd for AsciiText<N> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The same for personal data: overwritten on drop, compared without an early exit, and never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct SecretAscii<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> SecretAscii<N> {
    /// `None` if the text is longer than `N` or not ASCII.
    pub(crate) fn new(value: &[u8]) -> Option<Self> {
        let (bytes, length) = padded(value)?;
        Some(Self { bytes, length })
    }

    pub(crate) fn expose(&self) -> &str {
        text(&self.bytes[..usize::from(self.length)])
    }
}

impl<const N: usize> PartialEq for SecretAscii<N> {
    fn eq(&self, other: &Self) -> bool {
        let difference = self
            .bytes
            .iter()
            .zip(&other.bytes)
            .fold(self.length ^ other.length, |sum, (a, b)| sum | (a ^ b));
        difference == 0
    }
}

impl<const N: usize> Eq for SecretAscii<N> {}

impl<const N: usize> Hash for SecretAscii<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}
