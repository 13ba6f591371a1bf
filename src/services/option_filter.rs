//! Which of the options of a confirmation (`opzioni`, §3.3.3) reach its access record: those whose key the installation has named, as long as
//! the value does not look like personal data.
//!
//! What is in doubt is left out: a remark that is missing costs less than a fiscal code that stays for twelve months. A name of a person looks
//! like any word, so an installation names only keys under which nobody writes free text.

use sistema_ts_model::Cun;

/// Longest value that is recorded, in characters.
const LONGEST_VALUE: usize = 64;

/// So many digits, whatever stands between them, may be a telephone number, a card, a date of symptoms or a provisional fiscal code.
const SUSPICIOUS_DIGITS: usize = 6;

/// Length of a fiscal code.
const FISCAL_CODE: usize = 16;

/// Symbols of a CUN without its prefix, and of a one-time code.
const CODE: usize = 10;

/// The keys that are recorded.
#[derive(Debug, Clone, Default)]
pub struct RecordedOptions {
    keys: Vec<String>,
}

impl RecordedOptions {
    /// These keys, as the configuration names them.
    #[must_use]
    pub fn new(keys: &[String]) -> Self {
        Self {
            keys: keys.to_vec(),
        }
    }

    /// Those of the options, each key and value, that are recorded; in their order.
    #[must_use]
    pub fn of<'a>(
        &self,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(String, String)> {
        options
            .into_iter()
            .filter(|(key, value)| {
                self.keys.iter().any(|known| known == key) && may_be_recorded(value)
            })
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }
}

fn may_be_recorded(value: &str) -> bool {
    value.chars().count() <= LONGEST_VALUE
        && !value.chars().any(char::is_control)
        && !looks_personal(value)
}

/// Whether a text may hold a fiscal code, a CUN, a one-time code, a number of a card or telephone, a date, or an e-mail address; however it is
/// spaced or dashed, and in either case.
#[must_use]
pub fn looks_personal(text: &str) -> bool {
    // Digits of other scripts are digits to who reads them.
    if text
        .chars()
        .any(|letter| letter == '@' || (letter.is_numeric() && !letter.is_ascii()))
    {
        return true;
    }
    let compact: Vec<u8> = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_uppercase())
        .collect();
    compact
        .windows(SUSPICIOUS_DIGITS)
        .any(|window| window.iter().all(u8::is_ascii_digit))
        || compact.windows(FISCAL_CODE).any(is_like_a_fiscal_code)
        || compact.windows(CODE).any(is_like_a_code)
}

/// Letters and digits in the places of a fiscal code, with letters that stand for digits (omocodia); whatever its check letter, since a
/// mistyped one still names somebody.
fn is_like_a_fiscal_code(window: &[u8]) -> bool {
    window.iter().enumerate().all(|(place, byte)| match place {
        6 | 7 | 9 | 10 | 12..=14 => byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte),
        _ => byte.is_ascii_uppercase(),
    })
}

/// Ten symbols of the alphabet of §2.4.1.1 with a right check symbol, or with a digit among them, so that one that was misheard is known too.
fn is_like_a_code(window: &[u8]) -> bool {
    let is_symbol = |byte: &u8| b"AEFHIJKLQRSUWXYZ123456789".contains(byte);
    window.iter().all(is_symbol)
        && (window.iter().any(u8::is_ascii_digit)
            // Only ASCII is left.
            || std::str::from_utf8(window).is_ok_and(|text| Cun::parse_bare(text).is_ok()))
}

#[cfg(test)]
mod tests {
    //! Failure here means that something personal would stay in the access records for a year, or that a configured remark is lost for no
    //! reason.
    use super::*;

    #[test]
    fn only_keys_that_are_configured_are_recorded_in_their_order() {
        let options = [("esito", "caricato"), ("nota", "x"), ("canale", "telefono")];
        let recorded = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            RecordedOptions::new(&keys).of(options)
        };
        assert!(recorded(&[]).is_empty());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            recorded(&["canale", "esito"]),
            [pair("esito", "caricato"), pair("canale", "telefono")]
        );
        assert!(recorded(&["Esito"]).is_empty());
    }

    #[test]
    fn what_looks_personal_is_left_out_however_it_is_written() {
        for value in [
            "BNCLRA75E41F205R",
            "bnclra75e41f205r",
            "BNC LRA 75E41 F205 R",
            "cf:BNCLRA75E41F205R.",
            "BNCLRA75E41F205A",
            "BNCLRATRE4MFNLRR",
            "CUN-59FU36KR46",
            "59fu 36kr 46",
            "59-FU-36-KR-4-5",
            "otp 59FU36KR46 inviato",
            "80380001234567890123",
            "tessera 00012345",
            "12345678901",
            "+39 333 1234567",
            "333.12.34",
            "sintomi 2020-11-01",
            "01/11/20",
            "nessuno@esempio.it",
            "tel ３３３１２３４",
        ] {
            assert!(looks_personal(value), "{value}");
            assert!(!may_be_recorded(value), "{value}");
        }
    }

    #[test]
    fn plain_remarks_are_kept() {
        for value in [
            "",
            "caricato",
            "app aggiornata",
            "canale 2",
            "v1.10.3",
            "chiamata di 12 minuti",
            "richiamare dopo le 14:30",
            "perché l'assistito non trova il menù",
        ] {
            assert!(may_be_recorded(value), "{value}");
        }
    }

    #[test]
    fn long_values_and_controls_are_left_out() {
        let long = "è ".repeat(32);
        assert_eq!(long.chars().count(), LONGEST_VALUE);
        assert!(may_be_recorded(&long));
        assert!(!may_be_recorded(&format!("{long}e")));
        assert!(!may_be_recorded("una\nriga"));
    }
}
