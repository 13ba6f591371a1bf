//! A failure means that a repeated request is refused for how its letters were encoded, or that another one is taken for it.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::StructureDescription;

use super::*;

#[test]
fn a_description_in_another_form_is_the_same_content() {
    let content = |text: &str| {
        let mut content = Content::of_form(1);
        let description = StructureDescription::parse(text).unwrap();
        content.push_structure(&StructureReference::Description(description));
        content.under(&RequestKey::parse("key").unwrap()).content
    };
    let composed = content("Citt\u{e0}");
    assert_eq!(content("Citta\u{300}"), composed);
    for other in ["Citta", "Citt\u{e1}", "citt\u{e0}", "Citt\u{e0} "] {
        assert_ne!(content(other), composed, "{other}");
    }
    // Of a text in NFC the form is what it always was.
    assert_eq!(
        composed,
        [&b"\x01D\x00\x06"[..], "Citt\u{e0}".as_bytes()].concat()
    );
}
