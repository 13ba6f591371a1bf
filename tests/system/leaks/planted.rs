//! Values that must not come out again, each used in one place only, so that one that does tells where it went in.

use crate::support::fiscal_code;

/// Every value given out, with where it was put.
#[derive(Default)]
pub struct Planted {
    values: Vec<(String, String)>,
}

impl Planted {
    /// The codice fiscale of a person who is nowhere else.
    pub fn person(&mut self, place: &str) -> String {
        let value = fiscal_code(700_000 + self.values.len());
        self.note(place, value)
    }

    /// A codice fiscale that is none: its check letter is another.
    pub fn wrong_person(&mut self, place: &str) -> String {
        let mut value = fiscal_code(700_000 + self.values.len());
        let check = value.pop().unwrap();
        value.push(if check == 'Z' {
            'A'
        } else {
            char::from(check as u8 + 1)
        });
        self.note(place, value)
    }

    /// A mobile number, without the plus sign.
    pub fn number(&mut self, place: &str) -> String {
        let value = format!("393479{:09}", 518_000_000 + self.values.len() * 7_919);
        self.note(place, value)
    }

    /// A pincode.
    pub fn pincode(&mut self, place: &str) -> String {
        let value = format!("{}", 6_180_339_887 + self.values.len() * 104_729);
        self.note(place, value)
    }

    /// A password, the local part of an e-mail address, a key: letters and digits.
    pub fn word(&mut self, place: &str) -> String {
        let value = format!("zQ7riservato{:04}kW", self.values.len());
        self.note(place, value)
    }

    /// A value that was given elsewhere.
    pub fn note(&mut self, place: &str, value: String) -> String {
        self.values.push((place.to_owned(), value.clone()));
        value
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(place, value)| (&**place, &**value))
    }
}
