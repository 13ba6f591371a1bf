//! Descriptions of structures in the forms that one text has in Unicode.
//! A failure is one structure taken for two because of how its letters were encoded, two taken for one, or a text that is not kept as it was sent.

use proptest::prelude::*;
use sistema_ts_model::{
    StructureDescription, StructureError, StructureId, StructureReference, nfc,
};
use unicode_normalization::UnicodeNormalization as _;

fn described(text: &str) -> StructureDescription {
    StructureDescription::parse(text).unwrap()
}

#[test]
fn one_text_is_one_structure_in_all_its_canonical_forms() {
    for forms in [
        // Composed, and with marks of their own.
        &["Città di Forlì", "Citta\u{300} di Forli\u{300}"][..],
        // One mark composed, the other not; and the marks in either order.
        &[
            "\u{1ed9}",
            "o\u{323}\u{302}",
            "o\u{302}\u{323}",
            "\u{1ecd}\u{302}",
            "\u{f4}\u{323}",
        ],
        // Hangul.
        &[
            "\u{d55c}\u{ae00}",
            "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}",
            "\u{d558}\u{11ab}\u{ae00}",
        ],
        // Ångström and ohm signs, which are canonically letters.
        &["\u{212b}\u{2126}", "\u{c5}\u{3a9}", "A\u{30a}\u{3a9}"],
        // What NFC never composes.
        &["\u{958}", "\u{915}\u{93c}"],
    ] {
        for one in forms {
            for other in forms {
                assert!(
                    described(one).is_same_as(&described(other)),
                    "{one} {other}"
                );
                let [one, other] =
                    [one, other].map(|text| StructureReference::Description(described(text)));
                assert!(one.is_same_as(&other));
            }
            // Kept as it was sent.
            assert_eq!(described(one).as_str(), *one);
        }
    }
}

#[test]
fn what_only_looks_alike_is_another_structure() {
    for (one, other) in [
        // Compatibility forms are not folded.
        ("ﬁ", "fi"),
        ("①", "1"),
        ("Ａ", "A"),
        ("x²", "x2"),
        ("a\u{a0}b", "a b"),
        // Case, blanks and marks count.
        ("Casa", "casa"),
        ("Casa", "Casa "),
        ("Citta", "Città"),
        ("e\u{301}", "e\u{300}"),
        // Marks of one class keep their order.
        ("o\u{300}\u{301}", "o\u{301}\u{300}"),
        // Cyrillic.
        ("А", "A"),
    ] {
        assert!(
            !described(one).is_same_as(&described(other)),
            "{one} {other}"
        );
    }
}

#[test]
fn its_length_is_that_of_its_nfc() {
    let longest = "à".repeat(256);
    let decomposed: String = longest.nfd().collect();
    assert_eq!(decomposed.chars().count(), 512);
    assert!(described(&decomposed).is_same_as(&described(&longest)));
    for text in [
        format!("{longest}à"),
        format!("{decomposed}a\u{300}"),
        "a\u{300}".repeat(1_000_000),
    ] {
        let error = StructureDescription::parse(&text).err();
        assert_eq!(error, Some(StructureError::DescriptionLength));
    }
    // Three Hangul letters each, which NFC makes one.
    let hangul: String = "\u{ac01}".repeat(256).nfd().collect();
    assert!(StructureDescription::parse(&hangul).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_the_same_as_its_forms_and_kept(text in "\\PC{1,80}") {
        let Ok(sent) = StructureDescription::parse(&text) else {
            return Ok(());
        };
        prop_assert_eq!(sent.as_str(), &text);
        let composed: String = text.nfc().collect();
        prop_assert_eq!(sent.normalized(), composed.as_str());
        prop_assert_eq!(nfc(&composed), composed.as_str());
        for form in [composed, text.nfd().collect()] {
            if let Ok(form) = StructureDescription::parse(&form) {
                prop_assert!(sent.is_same_as(&form));
            }
        }
    }

    #[test]
    fn texts_of_another_nfc_are_other_structures(one in "\\PC{1,20}", other in "\\PC{1,20}") {
        if let (Ok(one), Ok(other)) = (StructureDescription::parse(&one), StructureDescription::parse(&other)) {
            let is_same = one.as_str().nfc().eq(other.as_str().nfc());
            prop_assert_eq!(one.is_same_as(&other), is_same);
        }
    }
}

#[test]
fn an_identifier_and_a_description_are_never_the_same_structure() {
    let identifier = |text: &str| StructureReference::Identifier(StructureId::parse(text).unwrap());
    let described =
        StructureReference::Description(StructureDescription::parse("010-101-000123").unwrap());
    let one = identifier("010-101-000123");
    assert!(one.is_same_as(&identifier("010-101-000123")));
    assert!(!one.is_same_as(&identifier("010-101-000124")));
    assert!(!one.is_same_as(&described) && !described.is_same_as(&one));
}
