//! The CUN, *codice univoco nazionale*: the code of a test result, valid in the whole nation (§2.4.1.1).

use std::fmt;

use aws_lc_rs::digest;
use rand::CryptoRng;

use crate::code::{CodeError, check_ten};
use crate::spoken::symbols_of;
use crate::symbols::{ALPHABET, EVEN, ODD, RANK, SORTED};

const PREFIX: &str = "CUN-";

/// How many CUNs there are: 25⁹.
pub const CUN_COUNT: u64 = 25_u64.pow(9);

/// How many CUNs begin with one symbol: 25⁸.
const PER_FIRST_SYMBOL: u64 = 25_u64.pow(8);

/// A CUN: `CUN-`, nine symbols of the 25, and their check symbol.
///
/// Held as the [number](Cun::number) of its nine symbols, eight bytes; ordered like its text. `{}` writes the text, and
/// is for answers and access records only: `{:?}` tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cun(u64);

impl Cun {
    /// Reads a CUN as it stands on the wire: `CUN-` and ten symbols in upper case, nothing else.
    pub fn parse(value: &str) -> Result<Self, CodeError> {
        match value.split_at_checked(PREFIX.len()) {
            Some((PREFIX, symbols)) => Self::parse_bare(symbols),
            Some((prefix, _)) if prefix.eq_ignore_ascii_case(PREFIX) => Err(CodeError::LowerCase),
            _ => Err(CodeError::Prefix),
        }
    }

    /// Reads the ten symbols of a CUN without its prefix, in upper case.
    pub fn parse_bare(value: &str) -> Result<Self, CodeError> {
        if value.starts_with(PREFIX) {
            return Err(CodeError::UnexpectedPrefix);
        }
        check_ten(value).map(|code| Self::of_symbols(&code))
    }

    /// Reads a CUN as a person dictated or typed it, for the call centre's services alone: the prefix may be missing,
    /// letters may be lower case, and blanks, dashes, dots, colons, underscores and what cannot be seen may stand anywhere.
    pub fn parse_spoken(value: &str) -> Result<Self, CodeError> {
        let symbols = symbols_of(value).ok_or(CodeError::Length)?;
        // Neither C nor N is one of the 25 symbols, so these three letters can only be the prefix.
        Self::parse_bare(symbols.strip_prefix("CUN").unwrap_or(&symbols))
    }

    /// Draws a CUN, every one equally likely: its nine symbols are uniform and independent.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self(uniform_below(CUN_COUNT, rng))
    }

    /// Draws a CUN that begins with `first`, every such one equally likely. With a first symbol drawn by
    /// [`FirstSymbol::random`] the result is distributed like that of [`Cun::random`].
    pub fn random_with_first(first: FirstSymbol, rng: &mut impl CryptoRng) -> Self {
        Self(u64::from(first.0) * PER_FIRST_SYMBOL + uniform_below(PER_FIRST_SYMBOL, rng))
    }

    /// The first of the ten symbols.
    #[must_use]
    pub fn first_symbol(self) -> FirstSymbol {
        // The number is below 25⁹, so the quotient is below 25.
        FirstSymbol((self.0 / PER_FIRST_SYMBOL) as u8)
    }

    /// The nine symbols as a number to base 25, from 0 to [`CUN_COUNT`] − 1, the first symbol weighing most. The digit
    /// of a symbol is its rank in ASCII order (`1` is 0, `Z` is 24), so numbers are ordered like the texts.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The CUN with this [number](Cun::number); `None` from [`CUN_COUNT`] on.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        (number < CUN_COUNT).then_some(Self(number))
    }

    /// The CUN as it stands on the wire, prefix and check symbol included: 14 bytes of ASCII.
    #[must_use]
    pub fn to_text(self) -> [u8; 14] {
        let mut text = *b"CUN-..........";
        let mut rest = self.0;
        let mut sum = 0_usize;
        for index in (0..9).rev() {
            let symbol = SORTED[(rest % 25) as usize];
            rest /= 25;
            let table = if index % 2 == 0 { &ODD } else { &EVEN };
            sum += usize::from(table[usize::from(symbol)]);
            text[4 + index] = symbol;
        }
        text[13] = ALPHABET[sum % ALPHABET.len()];
        text
    }

    /// The SHA-256 of the 14 bytes of [`to_text`](Cun::to_text): what the Immuni backend sends in place of the CUN.
    #[must_use]
    pub fn digest(self) -> [u8; 32] {
        let mut output = [0; 32];
        output.copy_from_slice(digest::digest(&digest::SHA256, &self.to_text()).as_ref());
        output
    }

    /// Of ten symbols that [`check_ten`] has let pass.
    fn of_symbols(code: &[u8; 10]) -> Self {
        Self(code[..9].iter().fold(0, |number, byte| {
            number * 25 + u64::from(RANK[usize::from(*byte)])
        }))
    }
}

impl fmt::Display for Cun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text consists of the prefix and of symbols of the alphabet, all ASCII.
        formatter.pad(std::str::from_utf8(&self.to_text()).expect("ASCII"))
    }
}

impl fmt::Debug for Cun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cun(..)")
    }
}

/// The first symbol of a CUN: one of 25.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FirstSymbol(u8);

impl FirstSymbol {
    /// Draws a symbol, every one equally likely.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        // Below 25, so it fits.
        Self(uniform_below(25, rng) as u8)
    }

    /// All 25, in the order of their [index](FirstSymbol::index).
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        (0..25).map(Self)
    }

    /// Its rank among the 25 in ASCII order: 0 (`1`) to 24 (`Z`). The CUNs that begin with it are those whose
    /// [number](Cun::number) divided by 25⁸ is this.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The one with this [index](FirstSymbol::index); `None` from 25 on.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        u8::try_from(index)
            .ok()
            .filter(|index| *index < 25)
            .map(Self)
    }

    /// The symbol itself, as ASCII.
    #[must_use]
    pub fn symbol(self) -> u8 {
        SORTED[usize::from(self.0)]
    }
}

/// A number from 0 to `bound` − 1, every one equally likely.
///
/// The upper half of a 128-bit product picks one of `bound` intervals of 64-bit numbers; the few draws that would make
/// some intervals longer than others are rejected (Lemire, "Fast random integer generation in an interval", 2019). For
/// 25⁹ that is one draw in five million.
fn uniform_below(bound: u64, rng: &mut impl CryptoRng) -> u64 {
    let rejected_below = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= rejected_below {
            return (product >> 64) as u64;
        }
    }
}
