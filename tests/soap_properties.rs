//! What holds for every body.
//!
//! Failure here means that a value changes on its way through some spelling of XML, that a body cut short is taken for a whole
//! one, or that some body makes the reader panic.
#![allow(clippy::unwrap_used)]

mod soap_support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use soap_support::read_all;
use soap_support::writer::{Choices, ELEMENTS, Values, write};

/// A character that XML 1.0 allows; the awkward ones are frequent.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => select(vec!['a', 'Z', '0', ' ', '\'', '"', '<', '>', '&', ']', '\n', '\r', '\t', '-', ';', '#']),
        2 => select(vec!['à', '€', '\u{85}', '\u{A0}', '\u{2028}', '\u{FEFF}', '\u{FFFD}', '\u{1F600}', '\u{10FFFF}']),
        2 => any::<char>().prop_filter("allowed in XML", |character| {
            matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
        }),
    ]
}

/// A value without blanks at its ends, not empty.
fn text() -> impl Strategy<Value = String> {
    vec(character(), 1..24)
        .prop_map(|characters| {
            characters
                .into_iter()
                .collect::<String>()
                .trim_matches([' ', '\t', '\n', '\r'])
                .to_owned()
        })
        .prop_filter("not blank", |text| !text.is_empty())
}

fn values() -> impl Strategy<Value = Values> {
    vec(proptest::option::weighted(0.7, text()), ELEMENTS.len()).prop_map(|texts| Values {
        elements: ELEMENTS
            .iter()
            .zip(texts)
            .map(|(&(name, in_structure, required), text)| (name, in_structure, required, text))
            .collect(),
    })
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..400)
}

/// Pieces of which hostile bodies are made.
const PIECES: [&str; 40] = [
    "<",
    ">",
    "/>",
    "</",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [",
    "]>",
    "&",
    ";",
    "&#x",
    "&amp;",
    "'",
    "\"",
    "=",
    " ",
    "\n",
    "xmlns",
    "xmlns:e",
    ":",
    "e:Envelope",
    "e:Body",
    "http://schemas.xmlsoap.org/soap/envelope/",
    "urn:sistemats:invioEsecuzioneTest:v1",
    "InvioEsecuzioneTestRichiesta",
    "pinCode",
    "identificativoStruttura",
    "a",
    "à",
    "<?xml version='1.0' encoding='UTF-8'?>",
    "\u{FEFF}",
    "x:nil='true'",
    "<a>",
    "</a>",
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>",
    "<e:Body><InvioEsecuzioneTestRichiesta xmlns='urn:sistemats:invioEsecuzioneTest:v1'>",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_spelling_of_a_message_is_read_as_it_was_meant(values in values(), choices in choices()) {
        let body = write(&mut Choices::new(choices), &values);
        let expected: Vec<Option<String>> = values.elements.into_iter().map(|(.., text)| text).collect();
        let read = read_all(body.as_bytes());
        prop_assert_eq!(read, Ok(expected), "{}", body);
    }

    #[test]
    fn whatever_comes_there_is_an_answer_and_no_panic(bytes in vec(any::<u8>(), 0..600)) {
        // Random bytes are no envelope.
        prop_assert!(read_all(&bytes).is_err());
    }

    #[test]
    fn pieces_of_markup_in_any_order_make_no_panic(pieces in vec(select(PIECES.to_vec()), 0..80)) {
        let _ = read_all(pieces.concat().as_bytes());
    }

    #[test]
    fn damaged_messages_make_no_panic(
        values in values(),
        choices in choices(),
        damages in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut body = write(&mut Choices::new(choices), &values).into_bytes();
        for (place, byte, kind) in damages {
            let at = place.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => { body.remove(at); }
                _ => { let end = (at + usize::from(byte)).min(body.len()); let part = body[at..end].to_vec(); body.splice(at..at, part); }
            }
        }
        let _ = read_all(&body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_message_cut_short_is_never_taken(values in values(), choices in choices()) {
        let body = write(&mut Choices::new(choices), &values).into_bytes();
        prop_assert!(read_all(&body).is_ok());
        for length in 0..body.len() {
            prop_assert!(read_all(&body[..length]).is_err(), "{}", String::from_utf8_lossy(&body[..length]));
        }
    }
}
