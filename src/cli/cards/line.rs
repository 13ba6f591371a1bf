//! One line of a file of cards. What is wrong with it is told without what stands in it.

use chrono::NaiveDate;
use sistema_ts_model::{CardDigits, CodiceFiscale, parse_date};
use sistema_ts_store::cards::CardEntry;

use crate::plain_text::without_byte_order_mark;

/// The columns, in this order.
pub(super) const COLUMNS: [&str; 4] = [
    "codice_fiscale",
    "numero_tessera",
    "valida_dal",
    "valida_al",
];

/// Digits of the number of a card, and of the part of it that is asked for.
const NUMBER: usize = 20;
const LAST: usize = 8;

/// Whether this is the first line of a file of cards. Some programs put a byte order mark before it.
pub(super) fn is_header(line: &[u8]) -> bool {
    fields(without_byte_order_mark(line)).is_ok_and(|fields| fields == COLUMNS.map(str::as_bytes))
}

/// The card of a line, or what is wrong with it.
pub(super) fn card_of(line: &[u8]) -> Result<CardEntry, &'static str> {
    let [code, number, from, to] = fields(line)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8");
    let fiscal_code =
        CodiceFiscale::parse(text(code)?).map_err(|_| "codice_fiscale is not a right one")?;
    let number = text(number)?;
    // Of any other length it is no number of a card, and its last eight digits may not be those of one.
    let is_number =
        matches!(number.len(), LAST | NUMBER) && number.bytes().all(|byte| byte.is_ascii_digit());
    let digits = is_number
        .then(|| CardDigits::parse(&number[number.len() - LAST..]).ok())
        .flatten()
        .ok_or("numero_tessera must have 20 digits, or the last 8 alone")?;
    let valid_from =
        date(text(from)?).ok_or("valida_dal must be a date, YYYY-MM-DD or DD/MM/YYYY")?;
    let valid_to = match text(to)? {
        "" => None,
        text => {
            Some(date(text).ok_or("valida_al must be a date, YYYY-MM-DD or DD/MM/YYYY, or empty")?)
        }
    };
    if valid_to.is_some_and(|end| end < valid_from) {
        return Err("valida_al lies before valida_dal");
    }
    Ok(CardEntry {
        fiscal_code,
        digits,
        valid_from,
        valid_to,
    })
}

/// A date as it is written here: `YYYY-MM-DD`, without the zone that dates on the wire may have, or `DD/MM/YYYY`, as spreadsheets in Italy show
/// and save it. A file of cards is Italian, so that the day comes first; and no other order has the year at the end after slashes there.
fn date(text: &str) -> Option<NaiveDate> {
    if text.len() != 10 {
        return None;
    }
    if let [day, month, year] = text.split('/').collect::<Vec<_>>()[..]
        && (day.len(), month.len()) == (2, 2)
    {
        return parse_date(&format!("{year}-{month}-{day}")).ok();
    }
    parse_date(text).ok()
}

/// The four fields of a line. No value has a semicolon or a quotation mark in it, so these stand around a field or are a mistake.
fn fields(line: &[u8]) -> Result<[&[u8]; 4], &'static str> {
    let mut fields = [&b""[..]; 4];
    let mut count = 0;
    for field in line.split(|byte| *byte == b';') {
        *fields.get_mut(count).ok_or("it must have 4 columns")? = unquoted(field.trim_ascii())?;
        count += 1;
    }
    match count {
        4 => Ok(fields),
        _ => Err("it must have 4 columns"),
    }
}

fn unquoted(field: &[u8]) -> Result<&[u8], &'static str> {
    let inside = match field {
        [b'"', inside @ .., b'"'] => inside.trim_ascii(),
        _ => field,
    };
    match inside.contains(&b'"') {
        true => Err("a quotation mark is out of place"),
        false => Ok(inside),
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a right line is refused, that a wrong one is taken, or that what is said of it holds a part of it.
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const CODE: &str = "BNCLRA75E41F205R";

    #[test]
    fn a_header_is_the_columns_in_their_order() {
        for right in [
            "codice_fiscale;numero_tessera;valida_dal;valida_al",
            "\u{feff}codice_fiscale;numero_tessera;valida_dal;valida_al",
            "\u{feff}\"codice_fiscale\"; numero_tessera ;\"valida_dal\";valida_al",
        ] {
            assert!(is_header(right.as_bytes()), "{right}");
        }
        for wrong in [
            "",
            "codice_fiscale,numero_tessera,valida_dal,valida_al",
            "codice_fiscale;numero_tessera;valida_al;valida_dal",
            "codice_fiscale;numero_tessera;valida_dal;valida_al;",
            "codice_fiscale;numero_tessera;valida_dal",
        ] {
            assert!(!is_header(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn each_mistake_in_a_line_is_told_by_its_own_reason() {
        for (line, reason) in [
            ("BNCLRA75E41F205A;80000124;2020-01-01;", "codice_fiscale"),
            (";80000124;2020-01-01;", "codice_fiscale"),
            ("BNCLRA75E41F205R;;2020-01-01;", "numero_tessera"),
            ("BNCLRA75E41F205R;8000012;2020-01-01;", "numero_tessera"),
            (
                "BNCLRA75E41F205R;8038000123458000012;2020-01-01;",
                "numero_tessera",
            ),
            (
                "BNCLRA75E41F205R;803800012345800001234;2020-01-01;",
                "numero_tessera",
            ),
            ("BNCLRA75E41F205R;8,038E+19;2020-01-01;", "numero_tessera"),
            ("BNCLRA75E41F205R;8000 124;2020-01-01;", "numero_tessera"),
            ("BNCLRA75E41F205R;80000124;1/1/2020;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;01/13/2020;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;30/02/2020;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;2020/01/01;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;01/01/20;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;01-01-2020;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;01/01/2020 0:00;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;2020-02-30;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;2020-01-01Z;", "valida_dal"),
            ("BNCLRA75E41F205R;80000124;;", "valida_dal"),
            (
                "BNCLRA75E41F205R;80000124;2020-01-01;never",
                "valida_al must",
            ),
            (
                "BNCLRA75E41F205R;80000124;2020-01-02;2020-01-01",
                "valida_al lies",
            ),
            ("BNCLRA75E41F205R;80000124;2020-01-01", "4 columns"),
            ("BNCLRA75E41F205R;80000124;2020-01-01;;", "4 columns"),
            ("\"BNCLRA75E41F205R;80000124;2020-01-01;", "quotation"),
            ("BNCLRA75E41F205R\";80000124;2020-01-01;", "quotation"),
            ("\"BNCLRA75E41F205R;80000124\";2020-01-01;", "quotation"),
            ("\"BNCLRA75\"\"E41F205R\";80000124;2020-01-01;", "quotation"),
            ("BNCLRA75E41F205R;80000124;2020-01-01;\"", "quotation"),
        ] {
            let said = card_of(line.as_bytes()).err().unwrap();
            assert!(said.contains(reason), "{line}: {said}");
        }
        let latin = card_of(b"BNCLRA75E41F205R;8000012\xe8;2020-01-01;");
        assert_eq!(latin.err().unwrap(), "it is not UTF-8");
    }

    fn written_date(day: NaiveDate, is_italian: bool) -> String {
        day.format(if is_italian { "%d/%m/%Y" } else { "%Y-%m-%d" })
            .to_string()
    }

    proptest! {
        #[test]
        fn a_right_line_is_what_it_says_however_it_is_written(
            digits in "[0-9]{8}",
            before in prop_oneof![Just(String::new()), "[0-9]{12}"],
            from in 0_i64..40_000,
            days in proptest::option::of(0_i64..10_000),
            quotes in proptest::array::uniform4(any::<bool>()),
            blanks in proptest::array::uniform4("[ \t]{0,2}"),
            italian in proptest::array::uniform2(any::<bool>()),
        ) {
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            let day = |number| epoch + chrono::Duration::days(number);
            let (from, to) = (day(from), days.map(|days| day(from + days)));
            let values = [
                CODE.to_owned(),
                format!("{before}{digits}"),
                written_date(from, italian[0]),
                to.map(|day| written_date(day, italian[1])).unwrap_or_default(),
            ];
            let written: Vec<String> = (0..4)
                .map(|index| {
                    let (value, blank) = (&values[index], &blanks[index]);
                    match quotes[index] {
                        true => format!("{blank}\"{value}\"{blank}"),
                        false => format!("{blank}{value}{blank}"),
                    }
                })
                .collect();
            let card = card_of(written.join(";").as_bytes());
            let card = card.map_err(TestCaseError::fail)?;
            prop_assert_eq!(card.fiscal_code.expose(), CODE);
            prop_assert_eq!(card.digits.expose(), digits);
            prop_assert_eq!((card.valid_from, card.valid_to), (from, to));
        }

        #[test]
        fn no_line_makes_it_panic_and_no_reason_holds_a_part_of_it(
            line in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b';'), Just(b'"'), b'0'..=b'9', b'A'..=b'Z'], 0..80)
        ) {
            // What is said is one of these, whatever the line: they are constants.
            const REASONS: [&str; 8] = [
                "it is not UTF-8",
                "it must have 4 columns",
                "a quotation mark is out of place",
                "codice_fiscale is not a right one",
                "numero_tessera must have 20 digits, or the last 8 alone",
                "valida_dal must be a date, YYYY-MM-DD or DD/MM/YYYY",
                "valida_al must be a date, YYYY-MM-DD or DD/MM/YYYY, or empty",
                "valida_al lies before valida_dal",
            ];
            if let Err(reason) = card_of(&line) {
                prop_assert!(REASONS.contains(&reason));
            }
        }

        #[test]
        fn a_right_line_with_one_byte_changed_is_never_another_persons(
            place in 0_usize..16,
            byte in any::<u8>(),
        ) {
            let mut line = format!("{CODE};80000124;2020-01-01;").into_bytes();
            line[place] = byte;
            if let Ok(card) = card_of(&line) {
                // Case does not count, and blanks around it are no part of it; a code has a check character.
                let written = String::from_utf8(line[..16].to_vec()).unwrap();
                prop_assert_eq!(card.fiscal_code.expose(), written.to_ascii_uppercase());
            }
        }
    }
}
