//! Failure here means that a mistake in a cancellation goes unnoticed, is told under another code or on another element than it should be,
//! hides another mistake, or that a right one is refused.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::{Caller, Outcome};

use super::*;
use crate::services::rules::testing::{
    CODE, FISCAL_CODE, Form, Mistaken, WRONG_AUTHENTICATIONS, WRONG_FISCAL_CODES, WRONG_PIN_CODES,
    by_region, by_user,
};
use crate::soap::messages::cancellation::REQUEST;

fn by_a_region() -> Form<'static, Request> {
    Form {
        message: &REQUEST,
        right: vec![
            ("tipoAutenticazione", "2F".to_owned()),
            ("identificativoRichiesta", "a-1".to_owned()),
            ("codiceRegione", "010".to_owned()),
            ("codiceAsl", "101".to_owned()),
            ("codiceStruttura", "000123".to_owned()),
            ("codiceFiscaleAssistito", FISCAL_CODE.to_owned()),
            ("identificativoTransazione", format!("CUN-{CODE}")),
            ("tipologiaTest", "M".to_owned()),
        ],
        rules: &|fields| judge(fields, &by_region()).request,
    }
}

fn by_a_user() -> Form<'static, Request> {
    let mut form = by_a_region();
    form.right.remove(0);
    Form {
        rules: &|fields| judge(fields, &by_user()).request,
        ..form
    }
}

/// What is wrong with the codes of a structure that a region names.
const OF_A_STRUCTURE: [Mistaken; 3] = [
    (
        "codiceRegione",
        &[
            ("", Outcome::FieldRequired),
            ("043", Outcome::RegionCodeUnknown),
            ("020", Outcome::StructureOfAnotherRegion),
        ],
    ),
    (
        "codiceAsl",
        &[
            ("", Outcome::FieldRequired),
            ("1O1", Outcome::AslCodeMalformed),
        ],
    ),
    (
        "codiceStruttura",
        &[
            ("", Outcome::FieldRequired),
            ("1234567", Outcome::StructureCodeMalformed),
        ],
    ),
];

const NO_IDENTIFIER: [(&str, &str); 3] = [
    ("codiceRegione", ""),
    ("codiceAsl", ""),
    ("codiceStruttura", ""),
];

const OF_BOTH: [Mistaken; 4] = [
    (
        "identificativoRichiesta",
        &[("è", Outcome::RequestKeyMalformed)],
    ),
    ("codiceFiscaleAssistito", WRONG_FISCAL_CODES),
    (
        "identificativoTransazione",
        &[
            ("", Outcome::FieldRequired),
            ("CUN-59FU36KR45", Outcome::CunCheck),
            // Software sends a code to the letter.
            ("59FU36KR46", Outcome::CunMalformed),
            ("cun-59fu36kr46", Outcome::CunMalformed),
            ("CUN-59FU 36KR46", Outcome::CunMalformed),
        ],
    ),
    (
        "tipologiaTest",
        &[
            ("", Outcome::FieldRequired),
            ("A", Outcome::TestKindUnknown),
        ],
    ),
];

#[test]
fn every_mistake_of_a_region_is_told_on_its_element_alone_and_with_all_others() {
    let table: Vec<Mistaken> = [
        ("tipoAutenticazione", WRONG_AUTHENTICATIONS),
        ("pinCode", WRONG_PIN_CODES),
    ]
    .into_iter()
    .chain(OF_A_STRUCTURE.into_iter().take(2))
    .chain(OF_BOTH)
    .collect();
    by_a_region().tell_every_mistake(&table);
    let (element, texts) = OF_A_STRUCTURE[2];
    for (text, outcome) in texts {
        let told = by_a_region().with(&[(element, text)]).unwrap_err();
        assert_eq!(told, [(element, *outcome)]);
    }
}

#[test]
fn every_mistake_of_a_user_is_told_on_its_element_alone_and_with_all_others() {
    let table: Vec<Mistaken> = [
        (
            "tipoAutenticazione",
            &[("2F", Outcome::AuthenticationKindNotAllowed)][..],
        ),
        (
            "descrizioneStruttura",
            &[("Drive-in", Outcome::StructureDescriptionNotAllowed)],
        ),
    ]
    .into_iter()
    .chain(OF_BOTH)
    .collect();
    by_a_user().tell_every_mistake(&table);
    let another = by_a_user().with(&[("codiceStruttura", "9")]).unwrap_err();
    assert_eq!(
        another,
        [("identificativoStruttura", Outcome::StructureNotOwn)]
    );
    let none = by_a_user().with(&NO_IDENTIFIER).unwrap_err();
    assert_eq!(
        none,
        [(
            "identificativoStruttura",
            Outcome::StructureIdentifierRequired
        )]
    );
}

#[test]
fn a_region_names_its_structure_in_one_of_two_ways() {
    let described = [&NO_IDENTIFIER[..], &[("descrizioneStruttura", "Drive-in")]].concat();
    let described = by_a_region().with(&described).unwrap();
    assert!(matches!(
        described.structure,
        StructureReference::Description(_)
    ));
    for (changes, element, outcome) in [
        (
            &NO_IDENTIFIER[..],
            "identificativoStruttura",
            Outcome::StructureRequired,
        ),
        (
            &[("descrizioneStruttura", "Drive-in")],
            "descrizioneStruttura",
            Outcome::StructureTwice,
        ),
    ] {
        let told = by_a_region().with(changes).unwrap_err();
        assert_eq!(told, [(element, outcome)]);
    }
}

#[test]
fn whatever_stands_in_the_elements_there_is_a_judgement() {
    by_a_region().judge_anything();
    by_a_user().judge_anything();
}

#[test]
fn a_right_cancellation_is_taken_as_it_was_meant() {
    let right = by_a_region().with(&[]).unwrap();
    assert_eq!(right.authentication, Some(AuthenticationKind::TwoFactor));
    assert_eq!(right.request_key.unwrap().as_str(), "a-1");
    assert_eq!(right.fiscal_code.expose(), FISCAL_CODE);
    assert_eq!(right.cun.to_string(), format!("CUN-{CODE}"));
    assert_eq!(right.kind, TestKind::Molecular);
    let by_user = by_a_user()
        .with(&[("identificativoRichiesta", "")])
        .unwrap();
    assert!(by_user.authentication.is_none() && by_user.request_key.is_none());
    let Caller::Structure(own) = self::by_user().caller else {
        panic!("a user's caller is its structure");
    };
    assert_eq!(by_user.structure, StructureReference::Identifier(own));
}

#[test]
fn a_repetition_must_repeat_all_that_a_cancellation_says_but_the_person() {
    let content = |changes: &[(&str, &str)]| {
        let cancellation = by_a_region().with(changes).unwrap();
        repeatable(&cancellation).unwrap().content
    };
    let same = content(&[]);
    assert_eq!(
        content(&[("codiceFiscaleAssistito", "VRDGPP62D15L219E")]),
        same
    );
    let another = Cun::from_number(77).unwrap().to_string();
    for change in [
        ("tipoAutenticazione", "CIE"),
        ("codiceStruttura", "000124"),
        ("codiceAsl", "102"),
        ("identificativoTransazione", &*another),
    ] {
        assert_ne!(content(&[change]), same, "{change:?}");
    }
}

#[test]
fn debug_shows_no_value_of_the_person() {
    let shown = format!("{:?}", by_a_region().with(&[]).unwrap());
    for value in ["RSSMRA", CODE] {
        assert!(!shown.contains(value), "{shown}");
    }
}
