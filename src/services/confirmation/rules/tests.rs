//! Failure here means that a mistake in a confirmation goes unnoticed, is told under another code or on another element than it should be,
//! hides another mistake, or that a right one is refused.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::Finding;
use sistema_ts_store::RecordedValue;

use super::*;
use crate::services::rules::testing::{
    CODE, FISCAL_CODE, Form, Mistaken, UUID, WRONG_AUTHENTICATIONS, WRONG_FISCAL_CODES,
    WRONG_SESSIONS, by_call_centre,
};
use crate::soap::messages::confirmation::REQUEST;

fn rules(fields: Fields<'_>) -> Result<Request, Vec<Finding>> {
    judge(fields, &by_call_centre(), &RecordedOptions::default()).request
}

fn form() -> Form<'static, Request> {
    Form {
        message: &REQUEST,
        right: vec![
            ("tipoAutenticazione", "SPID".to_owned()),
            ("idTipoComunicazione", "C".to_owned()),
            ("codiceFiscaleOperatore", FISCAL_CODE.to_owned()),
            ("idVerificaTampone", UUID.to_owned()),
            ("cun", format!("CUN-{CODE}")),
            ("opzioni", option("canale", "telefono")),
        ],
        rules: &rules,
    }
}

fn option(key: &str, value: &str) -> String {
    format!("<t:opzione><t:chiave>{key}</t:chiave><t:valore>{value}</t:valore></t:opzione>")
}

const TABLE: &[Mistaken] = &[
    ("tipoAutenticazione", WRONG_AUTHENTICATIONS),
    (
        "idTipoComunicazione",
        &[
            ("", Outcome::FieldRequired),
            ("c", Outcome::CommunicationKindUnknown),
            ("CA", Outcome::CommunicationKindUnknown),
        ],
    ),
    ("codiceFiscaleOperatore", WRONG_FISCAL_CODES),
    ("idVerificaTampone", WRONG_SESSIONS),
    (
        "cun",
        &[
            ("", Outcome::FieldRequired),
            ("CUN-59FU36KR4", Outcome::CunMalformed),
            ("CUN-59FU36KR45", Outcome::CunCheck),
        ],
    ),
];

#[test]
fn every_mistake_is_told_on_its_element_alone_and_with_all_others() {
    form().tell_every_mistake(TABLE);
}

#[test]
fn whatever_stands_in_the_elements_there_is_a_judgement() {
    form().judge_anything();
}

#[test]
fn a_right_confirmation_is_taken_as_it_was_meant() {
    let right = form().with(&[]).unwrap();
    assert_eq!(right.kind, ConfirmationKind::Confirm);
    assert_eq!(right.operator.expose(), FISCAL_CODE);
    assert_eq!(right.session.unwrap().to_text(), UUID);
    assert_eq!(right.cun.to_string(), format!("CUN-{CODE}"));
    let annulled = form()
        .with(&[
            ("idTipoComunicazione", "A"),
            ("idVerificaTampone", ""),
            ("cun", "59fu 36kr 46"),
            ("opzioni", ""),
        ])
        .unwrap();
    assert_eq!(annulled.kind, ConfirmationKind::Annul);
    assert!(annulled.session.is_none());
    assert_eq!(annulled.cun, right.cun);
}

#[test]
fn options_have_a_key_and_a_value_and_their_lengths_are_counted_in_characters() {
    let long = |length: usize| "è".repeat(length);
    for (key, value, is_right) in [
        ("k", "v", true),
        (&*long(64), &*long(256), true),
        (&*long(65), "v", false),
        ("k", &*long(257), false),
        ("", "v", false),
        ("k", "", false),
    ] {
        // Also where only one of several is wrong, and then told once.
        let options = [option("a", "b"), option(key, value), option(key, value)].concat();
        let told = form().with(&[("opzioni", &options)]).err();
        let expected = (!is_right).then(|| vec![("opzione", Outcome::OptionMalformed)]);
        assert_eq!(told, expected, "{} {}", key.len(), value.len());
    }
    let ten = option("k", "v").repeat(10);
    assert!(form().with(&[("opzioni", &ten)]).is_ok());
    for count in [11, 100] {
        let many = option("k", "v").repeat(count);
        let told = form().with(&[("opzioni", &many)]).err();
        assert_eq!(told, Some(vec![("opzione", Outcome::OptionsTooMany)]));
    }
}

#[test]
fn an_access_record_names_what_is_right_and_the_options_that_may_stay() {
    let message = Form {
        rules: &|fields| {
            let recorded = RecordedOptions::new(&["canale".to_owned()]);
            Ok(judge(fields, &by_call_centre(), &recorded).named)
        },
        message: &REQUEST,
        right: form().right,
    };
    let options = [
        option("nota", "due parole"),
        option("canale", "telefono fisso"),
        option("canale", FISCAL_CODE),
        option("canale", ""),
        option(FISCAL_CODE, "x"),
    ]
    .concat();
    let named = message
        .with(&[("cun", "?"), ("opzioni", &options)])
        .unwrap();
    assert_eq!(named.operator.unwrap().expose(), FISCAL_CODE);
    assert_eq!(named.kind, Some(ConfirmationKind::Confirm));
    assert_eq!(named.session.unwrap().to_text(), UUID);
    assert!(named.cun.is_none());
    let recorded: Vec<_> = named
        .options
        .iter()
        .map(|option| (option.key.as_str(), option.value.clone()))
        .collect();
    let length = RecordedValue::Length;
    let text = |text: &str| RecordedValue::Text(text.to_owned());
    assert_eq!(
        recorded,
        [
            ("nota", length(10)),
            ("canale", text("telefono fisso")),
            ("canale", length(16)),
        ]
    );
}

#[test]
fn debug_shows_no_value() {
    let shown = format!("{:?}", form().with(&[]).unwrap());
    for value in ["RSSMRA", CODE, &UUID[..8]] {
        assert!(!shown.contains(value), "{shown}");
    }
}
