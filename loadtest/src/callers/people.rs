//! Made-up people: codici fiscali that are valid and nobody's.

use std::io::{self, Write};

use chrono::{Days, NaiveDate};
use sistema_ts_model::CodiceFiscale;

/// Before this come the digits of a card that nobody is asked for.
const CARD_PREFIX: &str = "803800000000";
/// Cards are valid for so long around today.
const CARD_DAYS: u64 = 1_000;

/// A small generator of numbers that look random, the same for the same seed: a run can be repeated.
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// Begins anew.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below `limit`, even enough for what is small beside 2⁶⁴.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }
}

/// The last eight digits of the health card of the person `index`, always the same ones.
pub fn card_digits(index: usize) -> [u8; 8] {
    let mut value = Numbers::new(index as u64).below(100_000_000);
    let mut digits = [0; 8];
    for place in digits.iter_mut().rev() {
        *place = digit(value);
        value /= 10;
    }
    digits
}

/// Writes the health cards of people, as `sistema-ts cards import` reads them.
pub fn write_cards(file: &mut dyn Write, people: &[[u8; 16]], today: NaiveDate) -> io::Result<()> {
    let from = today
        .checked_sub_days(Days::new(CARD_DAYS))
        .unwrap_or(today);
    let to = today
        .checked_add_days(Days::new(CARD_DAYS))
        .unwrap_or(today);
    writeln!(file, "codice_fiscale;numero_tessera;valida_dal;valida_al")?;
    for (index, code) in people.iter().enumerate() {
        let (code, digits) = (String::from_utf8_lossy(code), card_digits(index));
        let digits = String::from_utf8_lossy(&digits);
        writeln!(file, "{code};{CARD_PREFIX}{digits};{from};{to}")?;
    }
    Ok(())
}

/// `count` valid codes of 16 characters. They begin with `ZZZ` and `QQQ`, which no real name gives.
pub fn fiscal_codes(count: usize, numbers: &mut Numbers) -> Vec<[u8; 16]> {
    (0..count).map(|_| fiscal_code(numbers)).collect()
}

fn fiscal_code(numbers: &mut Numbers) -> [u8; 16] {
    let mut code = *b"ZZZQQQ00A01A000?";
    let year = numbers.below(100);
    let day = 1 + numbers.below(28) + 40 * numbers.below(2);
    let place = numbers.below(1000);
    code[6] = digit(year / 10);
    code[7] = digit(year);
    code[8] = b"ABCDEHLMPRST"[numbers.below(12)];
    code[9] = digit(day / 10);
    code[10] = digit(day);
    code[11] = b"ABCDEFGHIL"[numbers.below(10)];
    code[12] = digit(place / 100);
    code[13] = digit(place / 10);
    code[14] = digit(place);
    // The model checks letters and does not hand them out: the one that it accepts is right.
    for letter in b'A'..=b'Z' {
        code[15] = letter;
        if std::str::from_utf8(&code).is_ok_and(|text| CodiceFiscale::parse(text).is_ok()) {
            break;
        }
    }
    code
}

/// The last decimal digit, as a character.
fn digit(value: usize) -> u8 {
    b"0123456789"[value % 10]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_valid_and_they_differ() {
        let codes = fiscal_codes(5_000, &mut Numbers::new(7));
        for code in &codes {
            CodiceFiscale::parse(std::str::from_utf8(code).unwrap()).unwrap();
        }
        let distinct: HashSet<_> = codes.iter().collect();
        assert!(distinct.len() > 4_950, "{} distinct codes", distinct.len());
    }

    #[test]
    fn cards_are_known_again_and_differ() {
        let distinct: HashSet<_> = (0..5_000).map(card_digits).collect();
        assert!(distinct.len() > 4_950, "{} distinct cards", distinct.len());
        assert_eq!(card_digits(7), card_digits(7));
        assert!(card_digits(7).iter().all(u8::is_ascii_digit));
    }

    #[test]
    fn fewer_people_are_the_first_of_more() {
        let people = |count| fiscal_codes(count, &mut Numbers::new(1));
        assert_eq!(people(10), people(100)[..10]);
    }

    #[test]
    fn the_same_seed_gives_the_same_people() {
        let codes = |seed| fiscal_codes(10, &mut Numbers::new(seed));
        assert_eq!(codes(1), codes(1));
        assert_ne!(codes(1), codes(2));
    }
}
