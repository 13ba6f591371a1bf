//! Reading and writing CUNs and OTPs, and their numbers.
//! A failure is a code read as another or refused though right, an error that is not the precise one, or an order or
//! number that does not agree with the text.

use proptest::prelude::*;
use sistema_ts_model::{CUN_COUNT, CodeError, Cun, FirstSymbol, Otp};

fn cun() -> impl Strategy<Value = Cun> {
    (0..CUN_COUNT).prop_map(|number| Cun::from_number(number).unwrap())
}

proptest! {
    #[test]
    fn a_cun_is_read_back_from_all_that_is_written_of_it(cun in cun()) {
        let text = cun.to_string();
        prop_assert_eq!(text.as_bytes(), &cun.to_text());
        prop_assert_eq!(Cun::parse(&text), Ok(cun));
        prop_assert_eq!(Cun::parse_bare(&text[4..]), Ok(cun));
        prop_assert_eq!(Cun::from_number(cun.number()), Some(cun));
        let otp = Otp::parse(&text[4..]).unwrap();
        prop_assert_eq!(otp.expose(), &text[4..]);
    }

    #[test]
    fn order_of_codes_of_numbers_and_of_texts_is_one(one in cun(), other in cun()) {
        prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        prop_assert_eq!(one.cmp(&other), one.number().cmp(&other.number()));
    }

    #[test]
    fn the_first_symbol_is_the_first_of_the_text(cun in cun()) {
        let first = cun.first_symbol();
        prop_assert_eq!(first.symbol(), cun.to_text()[4]);
        prop_assert_eq!(first.index() as u64, cun.number() / 25_u64.pow(8));
        prop_assert_eq!(FirstSymbol::from_index(first.index()), Some(first));
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,60}") {
        let strict = Cun::parse(&text).is_ok();
        prop_assert!(!strict || Cun::parse_spoken(&text).is_ok());
        prop_assert!(Cun::parse_bare(&text).is_ok() == Otp::parse(&text).is_ok());
    }

    #[test]
    fn a_symbol_outside_the_alphabet_is_found_at_its_place(cun in cun(), index in 0..10_usize, wrong in any::<char>()) {
        prop_assume!(!"AEFHIJKLQRSUWXYZ123456789".contains(wrong.to_ascii_uppercase()));
        let is_latin = matches!(wrong, '\0'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
        let error = match wrong.is_alphanumeric() && !is_latin {
            true => CodeError::Foreign { position: index + 1 },
            false => CodeError::Symbol { position: index + 1 },
        };
        let mut symbols: Vec<char> = cun.to_string().chars().skip(4).collect();
        symbols[index] = wrong;
        let text: String = symbols.into_iter().collect();
        prop_assert_eq!(Cun::parse_bare(&text), Err(error));
        prop_assert_eq!(Cun::parse(&format!("CUN-{text}")), Err(error));
        prop_assert_eq!(Otp::parse(&text).err(), Some(error));
    }
}

#[test]
fn every_mistake_in_a_cun_has_its_error() {
    let cases = [
        ("", CodeError::Prefix),
        ("9K2RAY8UUQ", CodeError::Prefix),
        ("CUN9K2RAY8UUQ", CodeError::Prefix),
        (" CUN-9K2RAY8UUQ", CodeError::Prefix),
        ("CU", CodeError::Prefix),
        ("CÙN-9K2RAY8UUQ", CodeError::Prefix),
        ("cun-9K2RAY8UUQ", CodeError::LowerCase),
        ("CUN-9k2RAY8UUQ", CodeError::LowerCase),
        ("CUN-", CodeError::Length),
        ("CUN-9K2RAY8UU", CodeError::Length),
        ("CUN-9K2RAY8UUQQ", CodeError::Length),
        ("CUN-9K2RAY8UUQ ", CodeError::Length),
        // Ten bytes, nine characters.
        ("CUN-9K2RAY8Uè", CodeError::Length),
        ("CUN-9K2RAY8UUè", CodeError::Symbol { position: 10 }),
        ("CUN-9K2ROY8Uèè", CodeError::Symbol { position: 5 }),
        ("CUN-9k2ROY8UUQ", CodeError::Symbol { position: 5 }),
        ("CUN-CUN-9K2RAY8UUQ", CodeError::UnexpectedPrefix),
        ("CUN-9K2RAY8UUA", CodeError::Check { hint: false }),
        ("CUN-9KZRAY8UUQ", CodeError::Check { hint: true }),
    ];
    for (text, error) in cases {
        assert_eq!(Cun::parse(text), Err(error), "{text:?}");
    }
    assert_eq!(
        Otp::parse("CUN-9K2RAY8UUQ").err(),
        Some(CodeError::UnexpectedPrefix)
    );
    assert_eq!(Otp::parse("9k2ray8uuq").err(), Some(CodeError::LowerCase));
}

#[test]
fn a_long_text_is_refused_by_its_length_alone() {
    let long = "CUN-".to_owned() + &"A".repeat(10_000_000);
    assert_eq!(Cun::parse(&long), Err(CodeError::Length));
    assert_eq!(Cun::parse_spoken(&long), Err(CodeError::Length));
    assert_eq!(Otp::parse(&long[4..]).err(), Some(CodeError::Length));
    // Thirteen characters of four bytes are looked at, for the longest code with a prefix has as many; fourteen are not.
    assert_eq!(
        Otp::parse(&"𝐀".repeat(13)).err(),
        Some(CodeError::Foreign { position: 1 })
    );
    assert_eq!(Otp::parse(&"𝐀".repeat(14)).err(), Some(CodeError::Length));
}

#[test]
fn numbers_of_cuns_go_from_zero_to_one_below_their_count() {
    assert_eq!(CUN_COUNT, 3_814_697_265_625);
    assert_eq!(Cun::from_number(CUN_COUNT), None);
    assert_eq!(Cun::from_number(u64::MAX), None);
    assert_eq!(
        &Cun::from_number(0).unwrap().to_text()[..13],
        b"CUN-111111111"
    );
    assert_eq!(
        &Cun::from_number(CUN_COUNT - 1).unwrap().to_text()[..13],
        b"CUN-ZZZZZZZZZ"
    );
    assert_eq!(FirstSymbol::from_index(25), None);
    let symbols: Vec<u8> = FirstSymbol::all().map(FirstSymbol::symbol).collect();
    assert_eq!(symbols, b"123456789AEFHIJKLQRSUWXYZ");
}
