//! What of the options of a confirmation (`opzioni`, §3.3.3) reaches its access record (§3.4): every key that is a plain name, and with it the value
//! if that is one plain token, or if the installation has named the key; else only how long the value was. Nothing that looks like personal data
//! is recorded, as a key or as a value.
//!
//! What is in doubt is left out: a remark that is missing costs less than a fiscal code that stays for twelve months. A name of a person looks
//! like any word, so an installation names only keys under which nobody writes free text.

use sistema_ts_model::Cun;
use sistema_ts_store::{RecordedOption, RecordedValue};

/// Longest key that is recorded, in characters.
const LONGEST_KEY: usize = 64;

/// Longest value of a key that the installation has named, in characters.
const LONGEST_VALUE: usize = 64;

/// Longest value of any other key, in characters.
const LONGEST_TOKEN: usize = 32;

/// So many digits, whatever stands between them, may be a telephone number, a card, a date of symptoms or a provisional fiscal code.
const SUSPICIOUS_DIGITS: usize = 6;

/// Length of a fiscal code.
const FISCAL_CODE: usize = 16;

/// Symbols of a CUN without its prefix, and of a one-time code.
const CODE: usize = 10;

/// The keys whose values are recorded, whatever their form.
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

    /// What is recorded of the options, each key and value; in their order.
    #[must_use]
    pub fn of<'a>(
        &self,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<RecordedOption> {
        options
            .into_iter()
            .filter(|(key, _)| is_plain(key, LONGEST_KEY))
            .map(|(key, value)| RecordedOption {
                key: key.to_owned(),
                value: self.value_of(key, value),
            })
            .collect()
    }

    fn value_of(&self, key: &str, value: &str) -> RecordedValue {
        let is_named = self.keys.iter().any(|known| known == key);
        if is_plain(value, LONGEST_TOKEN) || (is_named && may_be_recorded(value)) {
            RecordedValue::Text(value.to_owned())
        } else {
            // Bounded by the longest value that a message may have.
            RecordedValue::Length(u32::try_from(value.chars().count()).unwrap_or(u32::MAX))
        }
    }
}

/// Whether this is one token of letters, digits, dots, underscores and dashes that does not look personal.
fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !looks_personal(text)
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
    window.iter().enumerate().all(|(index, byte)| match index {
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
mod tests;
