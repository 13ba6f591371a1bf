//! What the check symbol notices, and exactly what it does not.
//! A failure is a mistake in typing that is missed though not listed here, or listed here though it is noticed.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sistema_ts_model::{ALPHABET, CodeError, Cun, Otp, UNDETECTED_PAIRS, check_symbol};

/// The table of the document's algorithm, written the other way round: the characters of each value at odd places.
/// (`0` to `25`; a digit has the value of the letter of its rank.)
const ODD_BY_VALUE: [&str; 26] = [
    "B1", "A0", "K", "P", "L", "C2", "Q", "D3", "R", "E4", "V", "O", "S", "F5", "T", "G6", "U",
    "H7", "M", "I8", "N", "J9", "W", "Z", "Y", "X",
];

fn reference_check(body: &str) -> char {
    let sum: usize = body
        .chars()
        .zip(1..)
        .map(|(symbol, place)| {
            if place % 2 == 1 {
                ODD_BY_VALUE
                    .iter()
                    .position(|symbols| symbols.contains(symbol))
                    .unwrap()
            } else {
                symbol
                    .to_digit(10)
                    .map_or_else(|| usize::from(symbol as u8 - b'A'), |digit| digit as usize)
            }
        })
        .sum();
    "AEFHIJKLQRSUWXYZ123456789".chars().nth(sum % 25).unwrap()
}

fn wide_body() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[A-Z0-9]{9}").unwrap()
}

proptest! {
    #[test]
    fn agrees_with_a_table_written_the_other_way_round(body in wide_body()) {
        let bytes: [u8; 9] = body.as_bytes().try_into().unwrap();
        prop_assert_eq!(check_symbol(&bytes).map(char::from), Some(reference_check(&body)));
    }
}

#[test]
fn refuses_what_is_in_no_table() {
    let others = (0..=u8::MAX).filter(|byte| !byte.is_ascii_uppercase() && !byte.is_ascii_digit());
    for (byte, place) in others.flat_map(|byte| (0..9).map(move |place| (byte, place))) {
        let mut body = *b"59FU36KR4";
        body[place] = byte;
        assert_eq!(check_symbol(&body), None, "{byte} at {place}");
    }
}

#[test]
fn the_example_of_the_contract_has_its_check_symbol() {
    assert_eq!(check_symbol(b"59FU36KR4"), Some(b'6'));
}

/// Codes to make mistakes in. The check is of a sum, so what one mistake does to it does not depend on the rest of the
/// code; a few hundred codes that hold every symbol at every place show all there is.
fn codes() -> Vec<[u8; 10]> {
    let mut rng = StdRng::seed_from_u64(20_260_118);
    let codes: Vec<[u8; 10]> = (0..600)
        .map(|_| Cun::random(&mut rng).to_text()[4..].try_into().unwrap())
        .collect();
    for place in 0..10 {
        for symbol in ALPHABET {
            assert!(
                codes.iter().any(|code| code[place] == symbol),
                "{} at {place}",
                char::from(symbol)
            );
        }
    }
    codes
}

fn is_accepted(code: &[u8; 10]) -> bool {
    let text = std::str::from_utf8(code).unwrap();
    let verdict = Otp::parse(text);
    assert_eq!(verdict.is_ok(), Cun::parse_bare(text).is_ok());
    assert!(matches!(verdict, Ok(_) | Err(CodeError::Check { .. })));
    verdict.is_ok()
}

/// Two symbols, the lesser first.
fn pair(one: u8, other: u8) -> (char, char) {
    (char::from(one.min(other)), char::from(one.max(other)))
}

#[test]
fn misses_exactly_these_single_substitutions() {
    let mut missed = BTreeSet::new();
    for code in codes() {
        for index in 0..10 {
            for symbol in ALPHABET.into_iter().filter(|symbol| *symbol != code[index]) {
                let mut wrong = code;
                wrong[index] = symbol;
                if is_accepted(&wrong) {
                    missed.insert((index + 1, pair(code[index], symbol)));
                }
            }
        }
    }

    let mut expected = BTreeSet::new();
    for place in 1..=9 {
        expected.extend(UNDETECTED_PAIRS.map(|symbols| (place, symbols)));
        expected.insert((
            place,
            if place % 2 == 1 {
                ('1', 'X')
            } else {
                ('A', 'Z')
            },
        ));
    }
    assert_eq!(
        UNDETECTED_PAIRS,
        [('4', 'E'), ('5', 'F'), ('7', 'H'), ('8', 'I'), ('9', 'J')]
    );
    assert_eq!(missed, expected);
}

#[test]
fn misses_exactly_these_exchanges_of_neighbours_in_the_body() {
    let mut missed = BTreeSet::new();
    // The two symbols are put into place, so a few codes are enough around them.
    for code in codes().into_iter().take(30) {
        for index in 0..8 {
            for (first, second) in ALPHABET.into_iter().flat_map(|a| ALPHABET.map(|b| (a, b))) {
                if first == second {
                    continue;
                }
                let mut right = code;
                (right[index], right[index + 1]) = (first, second);
                right[9] = check_symbol(right.first_chunk().unwrap()).unwrap();
                right.swap(index, index + 1);
                if is_accepted(&right) {
                    missed.insert((index + 1, pair(first, second)));
                }
            }
        }
    }

    let expected: BTreeSet<_> = (1..=8)
        .flat_map(|place| {
            UNDETECTED_PAIRS
                .into_iter()
                .chain([('W', 'Y')])
                .map(move |symbols| (place, symbols))
        })
        .collect();
    assert_eq!(missed, expected);
}

#[test]
fn misses_exactly_these_exchanges_of_the_ninth_with_the_check_symbol() {
    // These depend on the eight symbols before, but only on their sum: 25 sums, 25 ninth symbols.
    let mut tried = BTreeSet::new();
    let mut missed = BTreeSet::new();
    for code in codes() {
        for ninth in ALPHABET {
            let mut right = code;
            right[8] = ninth;
            right[9] = check_symbol(right.first_chunk().unwrap()).unwrap();
            tried.insert((ninth, right[9]));
            let mut wrong = right;
            wrong.swap(8, 9);
            if wrong != right && is_accepted(&wrong) {
                missed.insert((char::from(right[8]), char::from(right[9])));
            }
        }
    }
    assert_eq!(
        tried.len(),
        625,
        "every ninth symbol with every check symbol"
    );
    let either_way = ["2S", "5K", "6L", "7Q", "8R", "9H", "AJ", "XY", "XZ", "YZ"];
    let expected: BTreeSet<_> = either_way
        .iter()
        .map(|symbols| {
            (
                symbols.chars().next().unwrap(),
                symbols.chars().nth(1).unwrap(),
            )
        })
        .flat_map(|(one, other)| [(one, other), (other, one)])
        .collect();
    assert_eq!(missed, expected);
}

#[test]
fn never_notices_an_exchange_at_the_distance_of_two() {
    for code in codes() {
        for index in 0..7 {
            let mut wrong = code;
            wrong.swap(index, index + 2);
            assert!(is_accepted(&wrong));
        }
    }
}

#[test]
fn hints_at_look_alikes_only_where_one_of_them_helps() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut hints = 0;
    for code in codes() {
        // 5 for S and S for 5 is a mistake that the check symbol notices at every place.
        if let Some(index) = code.iter().position(|symbol| *symbol == b'S') {
            let mut wrong = code;
            wrong[index] = b'5';
            assert_eq!(
                Cun::parse_bare(std::str::from_utf8(&wrong).unwrap()),
                Err(CodeError::Check { hint: true })
            );
            hints += 1;
        }
        // A body without any symbol that has a look-alike, and a wrong check symbol that has none either.
        let mut plain: [u8; 10] = std::array::from_fn(|_| b"AHKQRXY69"[rng.random_range(0..9)]);
        let right = check_symbol(plain.first_chunk().unwrap()).unwrap();
        plain[9] = if right == b'K' { b'Q' } else { b'K' };
        assert_eq!(
            Cun::parse_bare(std::str::from_utf8(&plain).unwrap()),
            Err(CodeError::Check { hint: false })
        );
    }
    assert!(hints > 100, "{hints}");
}
