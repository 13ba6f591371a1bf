//! Searching everything that a server wrote for a value, in the forms that a value may take on its way.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;

use crate::support::client::Answer;

/// What was written, piece by piece, each with a name to tell where something was found.
#[derive(Default)]
pub struct Evidence {
    pieces: Vec<(String, Vec<u8>)>,
}

impl Evidence {
    pub fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.pieces.push((name.into(), bytes.into()));
    }

    /// An answer with its headers.
    pub fn add_answer(&mut self, name: impl Into<String>, answer: &Answer) {
        let mut bytes = Vec::new();
        for (header, value) in &answer.headers {
            bytes.extend_from_slice(format!("{header}: {value}\n").as_bytes());
        }
        bytes.extend_from_slice(&answer.body);
        self.add(name, bytes);
    }

    /// All files in a folder and in those within it, with their names.
    pub fn add_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                self.add_folder(&path);
            } else if path.is_file() {
                // Besides there is the server's socket, which holds nothing.
                let mut bytes = path.as_os_str().as_encoded_bytes().to_vec();
                bytes.extend(std::fs::read(&path).unwrap());
                self.add(format!("file {}", path.display()), bytes);
            }
        }
    }

    /// Where a value is, in any of its forms: "form in piece".
    pub fn find(&self, value: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (form, bytes) in forms(value) {
            let finder = memmem::Finder::new(&bytes);
            for (name, piece) in &self.pieces {
                if finder.find(piece).is_some() {
                    found.push(format!("{form} in {name}"));
                }
            }
        }
        found
    }
}

/// A value as it is, in capitals and in small letters, each also in both UTF-16; in hexadecimal digits; in Base64 (either alphabet) wherever it
/// begins in the encoded text; and a number as SQLite and others store one in binary.
fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms: BTreeSet<(Vec<u8>, &'static str)> = BTreeSet::new();
    for text in [value.to_owned(), value.to_uppercase(), value.to_lowercase()] {
        let units: Vec<u16> = text.encode_utf16().collect();
        let little = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        forms.insert((little, "UTF-16LE"));
        forms.insert((big, "UTF-16BE"));
        let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        forms.insert((hexadecimal.to_uppercase().into(), "hexadecimal"));
        forms.insert((hexadecimal.into(), "hexadecimal"));
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(text.as_bytes());
            // Characters that also hold bits of what stands before or behind it are left out.
            let first = [0, 2, 3][before];
            let last = bytes.len() / 3 * 4 + [0, 1, 2][bytes.len() % 3];
            for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let encoded = engine.encode(&bytes);
                forms.insert((encoded[first..last].into(), "Base64"));
            }
        }
        forms.insert((text.into_bytes(), "text"));
    }
    // Below ten digits the bytes are so few that they occur by chance.
    if let (10.., Ok(number)) = (value.len(), value.parse::<u64>()) {
        forms.insert((number.to_be_bytes()[2..].to_vec(), "big-endian number"));
        forms.insert((number.to_le_bytes()[..6].to_vec(), "little-endian number"));
    }
    forms
        .into_iter()
        .map(|(bytes, form)| (form, bytes))
        .collect()
}

#[test]
fn every_form_is_found_wherever_it_begins() {
    let value = "BNCLRA75E41F205R";
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for before in ["", "x", "xy", "xyz"] {
        let text = format!("{before}{value}?");
        for (form, written) in [
            ("text", text.clone().into_bytes()),
            ("text", text.to_lowercase().into_bytes()),
            ("UTF-16LE", utf16(&text)),
            ("Base64", STANDARD_NO_PAD.encode(&text).into_bytes()),
        ] {
            let mut evidence = Evidence::default();
            evidence.add("piece", written);
            evidence.add("nothing", "nothing");
            let found = evidence.find(value);
            assert!(
                found.contains(&format!("{form} in piece")),
                "{before}: {form}: {found:?}"
            );
            assert!(evidence.find("VRDGPP62D15L219E").is_empty());
        }
    }
    let mut evidence = Evidence::default();
    evidence.add("piece", 393_479_000_017_123_u64.to_be_bytes());
    assert_eq!(
        evidence.find("393479000017123"),
        ["big-endian number in piece"]
    );
}
