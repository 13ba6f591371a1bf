//! Codes as people dictate, type and paste them.
//! A failure is a code refused, or read as another, for what a person or a program put between its symbols; or a letter of another alphabet taken
//! for the Latin one that it looks like.

use proptest::prelude::*;
use sistema_ts_model::{
    CUN_COUNT, CardDigits, CardDigitsError, CodeError, CodiceFiscale, CodiceFiscaleError,
    CodiceFiscaleOptions, Cun, Otp, symbols_of,
};

/// What stands between symbols and says nothing: each kind that the documents name, and what programs put there unseen.
const SEPARATORS: [&str; 48] = [
    " ", "\t", "\n", "\r\n", "\u{a0}", "\u{202f}", "\u{2007}", "\u{2009}", "\u{3000}",
    "\u{2028}", // blanks and line ends
    "-", " - ", "\u{2010}", "\u{2011}", "\u{2012}", "\u{2013}", "\u{2014}", "\u{2015}", "\u{2212}",
    "\u{fe63}", "\u{ff0d}", // dashes
    ".", "\u{b7}", "\u{2022}", "\u{2026}", ":", "\u{ff1a}", "\u{2236}", "_", "__",
    "\u{203f}", // dots, colons, underscores
    "\u{ad}", "\u{200b}", "\u{200c}", "\u{200d}", "\u{feff}", "\u{2060}", "\u{180e}", "\u{34f}",
    "\u{fe0f}", // what is not seen
    "\u{200e}", "\u{200f}", "\u{61c}", "\u{202a}", "\u{202c}", "\u{202e}", "\u{2066}",
    "\u{2069}", // marks of direction
];

/// Letters and digits that look like right ones, and are of other alphabets: Cyrillic, Greek, full-width, mathematical, Arabic, Cherokee.
const LOOK_ALIKES: [(char, &str); 14] = [
    ('A', "АΑＡ𝐀"),
    ('E', "ЕΕＥ"),
    ('H', "НΗＨ"),
    ('I', "ІΙＩ"),
    ('J', "ЈＪ"),
    ('K', "КΚＫ"),
    ('S', "ЅＳᏚ"),
    ('X', "ХΧＸ"),
    ('Y', "УΥＹ"),
    ('Z', "ΖＺᏃ"),
    ('1', "１١𝟏"),
    ('3', "З３٣"),
    ('5', "５٥"),
    ('8', "８٨"),
];

/// A text with separators around each of its characters and some letters in lower case.
fn spoken(text: &str, separators: &[Vec<&'static str>], lower: u32) -> String {
    let mut spoken = separators[0].concat();
    for (index, symbol) in text.chars().enumerate() {
        let is_lower = lower >> (index % 32) & 1 == 1;
        spoken.push(if is_lower {
            symbol.to_ascii_lowercase()
        } else {
            symbol
        });
        spoken.push_str(&separators[1 + index].concat());
    }
    spoken
}

fn separators() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    let some = prop::collection::vec(prop::sample::select(&SEPARATORS[..]), 0..3);
    prop::collection::vec(some, 18)
}

fn cun() -> impl Strategy<Value = Cun> {
    (0..CUN_COUNT).prop_map(|number| Cun::from_number(number).unwrap())
}

proptest! {
    #[test]
    fn a_spoken_cun_is_understood(
        cun in cun(),
        prefix in prop::sample::select(vec!["CUN-", "CUN", ""]),
        separators in separators(),
        lower in any::<u32>(),
    ) {
        let text = cun.to_string();
        let spoken = spoken(&format!("{prefix}{}", &text[4..]), &separators, lower);
        prop_assert_eq!(Cun::parse_spoken(&spoken), Ok(cun), "{:?}", spoken);
        // The other services take the wire's form alone.
        prop_assert_eq!(Cun::parse(&spoken).is_ok(), spoken == text);
    }

    #[test]
    fn a_spoken_one_time_code_is_understood_and_a_cun_is_none(
        cun in cun(),
        separators in separators(),
        lower in any::<u32>(),
    ) {
        let code = &cun.to_string()[4..];
        let otp = spoken(code, &separators, lower);
        let read = Otp::parse_spoken(&otp).unwrap();
        prop_assert_eq!(read.expose(), code, "{:?}", otp);
        prop_assert_eq!(Otp::parse(&otp).is_ok(), otp == code);
        let cun = spoken(&format!("CUN{code}"), &separators, lower);
        prop_assert_eq!(Otp::parse_spoken(&cun).err(), Some(CodeError::UnexpectedPrefix));
    }

    #[test]
    fn spoken_digits_of_a_card_are_understood(digits in "[0-9]{8}", separators in separators()) {
        let spoken = spoken(&digits, &separators, 0);
        let read = CardDigits::parse_spoken(&spoken).unwrap();
        prop_assert_eq!(read.expose(), &digits, "{:?}", spoken);
        prop_assert_eq!(CardDigits::parse(&spoken).is_ok(), spoken == digits);
    }

    #[test]
    fn a_typed_codice_fiscale_is_understood(separators in separators(), lower in any::<u32>()) {
        for code in ["RSSMRA80A01H501U", "12345670017"] {
            let spoken = spoken(code, &separators, lower);
            let read = CodiceFiscale::parse_spoken(&spoken, CodiceFiscaleOptions::default());
            let read = read.unwrap();
            prop_assert_eq!(read.expose(), code, "{:?}", spoken);
        }
    }

    #[test]
    fn a_look_alike_of_another_alphabet_is_told_and_never_taken(
        cun in cun(),
        place in 0..10_usize,
        pick in any::<prop::sample::Index>(),
    ) {
        let all: Vec<char> = LOOK_ALIKES.iter().flat_map(|(_, alike)| alike.chars()).collect();
        let mut symbols: Vec<char> = cun.to_string().chars().skip(4).collect();
        symbols[place] = all[pick.index(all.len())];
        let text: String = symbols.into_iter().collect();
        let error = Some(CodeError::Foreign { position: place + 1 });
        prop_assert_eq!(Cun::parse_spoken(&text).err(), error);
        prop_assert_eq!(Cun::parse_spoken(&format!("cun - {text}")).err(), error);
        prop_assert_eq!(Otp::parse_spoken(&text).err(), error);
    }

    #[test]
    fn any_text_is_judged_without_a_panic_and_nothing_is_read_into_it(text in any::<String>()) {
        // What is read holds each of its letters and digits in the text, in this order, and no other.
        let given: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let given = given.to_ascii_uppercase();
        if let Ok(cun) = Cun::parse_spoken(&text) {
            let bare = &cun.to_string()[4..];
            prop_assert_eq!(given.strip_prefix("CUN").unwrap_or(&given), bare);
        }
        if let Ok(otp) = Otp::parse_spoken(&text) {
            prop_assert_eq!(otp.expose(), &given);
        }
        if let Ok(digits) = CardDigits::parse_spoken(&text) {
            prop_assert_eq!(digits.expose(), &given);
        }
    }
}

#[test]
fn every_look_alike_is_of_another_alphabet() {
    for (latin, alike) in LOOK_ALIKES {
        assert!(latin.is_ascii());
        for character in alike.chars() {
            let text = format!("8000012{character}");
            let error = CardDigits::parse_spoken(&text).err();
            assert_eq!(
                error,
                Some(CardDigitsError::Foreign { position: 8 }),
                "{character} {latin}"
            );
            let text = format!("RSSMRA80A01H501{character}");
            let error = CodiceFiscale::parse(&text).err();
            assert_eq!(
                error,
                Some(CodiceFiscaleError::Foreign { position: 16 }),
                "{character} {latin}"
            );
        }
    }
}

#[test]
fn what_says_something_is_not_taken_out() {
    for text in [
        "59FU36KR4/6",
        "59FU36KR4,6",
        "59FU36KR4+6",
        "59FU36KR4*6",
        "59FU36KR4#6",
        "59FU36KR4\x006",
        "59FU36KR4é6",
    ] {
        assert!(Cun::parse_spoken(text).is_err(), "{text:?}");
        assert!(Otp::parse_spoken(text).is_err(), "{text:?}");
    }
    assert!(CardDigits::parse_spoken("+80000123").is_err());
    assert!(CardDigits::parse_spoken("8000012,3").is_err());
}

#[test]
fn a_long_text_is_refused_by_its_length_alone() {
    let long = "\u{200b}".repeat(4_000_000) + "59FU36KR46";
    assert_eq!(Cun::parse_spoken(&long), Err(CodeError::Length));
    assert_eq!(Otp::parse_spoken(&long).err(), Some(CodeError::Length));
    assert_eq!(
        CardDigits::parse_spoken(&long).err(),
        Some(CardDigitsError::Length)
    );
}

#[test]
fn a_text_of_256_bytes_is_looked_at_and_a_longer_one_is_not() {
    assert_eq!(symbols_of(&"a".repeat(256)).unwrap().len(), 256);
    assert!(symbols_of(&"a".repeat(257)).is_none());
}
