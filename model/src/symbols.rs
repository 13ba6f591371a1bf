//! The 25 symbols of CUN and OTP, and their check symbol (§2.4.1.1).

/// The 25 symbols, in the order of the document, which is also the order that the check symbol is looked up in.
pub const ALPHABET: [u8; 25] = *b"AEFHIJKLQRSUWXYZ123456789";

/// The pairs of symbols whose confusion the check symbol never notices, wherever they stand in the body. Of single
/// substitutions it misses beside these only `1`/`X` at odd places and `A`/`Z` at even places (the first symbol stands
/// at place 1).
///
/// Of two neighbours exchanged it misses those of these pairs and `W`/`Y`, and of the ninth with the check symbol one
/// in thirty. Symbols exchanged at the distance of two have the same sum, so those it never notices.
pub const UNDETECTED_PAIRS: [(char, char); 5] =
    [('4', 'E'), ('5', 'F'), ('7', 'H'), ('8', 'I'), ('9', 'J')];

/// The symbols in ASCII order: the rank of a symbol here is its digit in [`Cun::number`](crate::Cun::number), so that
/// the order of numbers is the order of the texts.
pub(crate) const SORTED: [u8; 25] = *b"123456789AEFHIJKLQRSUWXYZ";

/// What a byte that is none of the 25 symbols has in [`RANK`].
pub(crate) const NO_RANK: u8 = u8::MAX;

/// The rank of each byte in [`SORTED`].
pub(crate) const RANK: [u8; 256] = {
    let mut ranks = [NO_RANK; 256];
    let mut rank = 0;
    while rank < SORTED.len() {
        ranks[SORTED[rank] as usize] = rank as u8;
        rank += 1;
    }
    ranks
};

/// The values of `A` to `Z` at odd places, in the codice fiscale's check sum (decree 23 December 1976); a digit has the
/// value of the letter with its rank (`0` that of `A`).
const ODD_LETTERS: [u8; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// What a byte outside `A`–`Z` and `0`–`9` has in [`ODD`] and [`EVEN`].
pub(crate) const NO_VALUE: u8 = u8::MAX;

/// The value of each byte at an odd place (the first place is 1).
pub(crate) const ODD: [u8; 256] = values(true);

/// The value of each byte at an even place.
pub(crate) const EVEN: [u8; 256] = values(false);

const fn values(odd: bool) -> [u8; 256] {
    let mut table = [NO_VALUE; 256];
    let mut letter = 0;
    while letter < 26 {
        let value = if odd {
            ODD_LETTERS[letter]
        } else {
            letter as u8
        };
        table[b'A' as usize + letter] = value;
        if letter < 10 {
            table[b'0' as usize + letter] = value;
        }
        letter += 1;
    }
    table
}

/// The check symbol of nine symbols: the codice fiscale's sum (odd places by the odd table, even places by the even
/// one) modulo 25, looked up in [`ALPHABET`]. `59FU36KR4` has `6`.
///
/// The body may hold any of `A`–`Z` and `0`–`9`, as in the apps; `None` if it holds another byte. The types of this
/// crate are narrower: they take the 25 symbols only.
#[must_use]
pub fn check_symbol(body: &[u8; 9]) -> Option<u8> {
    let mut sum = 0_usize;
    for (index, byte) in body.iter().enumerate() {
        let table = if index % 2 == 0 { &ODD } else { &EVEN };
        let value = table[usize::from(*byte)];
        if value == NO_VALUE {
            return None;
        }
        sum += usize::from(value);
    }
    Some(ALPHABET[sum % ALPHABET.len()])
}
