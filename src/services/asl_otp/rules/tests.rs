//! Failure here means that a mistake in the code of an ASL goes unnoticed, is told under another code or on another element than it should be,
//! hides another mistake, or that a right one is refused.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::services::rules::testing::{
    CODE, FISCAL_CODE, Form, Mistaken, OTHER_FISCAL_CODE, WRONG_AUTHENTICATIONS, WRONG_CODES,
    WRONG_DATES, WRONG_FISCAL_CODES, WRONG_PIN_CODES, by_region, by_user,
};
use crate::soap::messages::asl_otp::REQUEST;

fn by_a_region() -> Form<'static, Request> {
    Form {
        message: &REQUEST,
        right: vec![
            ("tipoAutenticazione", "CNS".to_owned()),
            ("codiceFiscaleOperatore", FISCAL_CODE.to_owned()),
            ("codiceOtp", CODE.to_owned()),
            ("dataInizioSintomi", "2020-10-30".to_owned()),
            ("codiceFiscaleAssistito", OTHER_FISCAL_CODE.to_owned()),
        ],
        rules: &|fields| judge(fields, &by_region()).request,
    }
}

fn by_a_user() -> Form<'static, Request> {
    let right = vec![
        ("codiceOtp", CODE.to_owned()),
        ("codiceFiscaleAssistito", OTHER_FISCAL_CODE.to_owned()),
    ];
    Form {
        message: &REQUEST,
        right,
        rules: &|fields| judge(fields, &by_user()).request,
    }
}

const OF_BOTH: [Mistaken; 3] = [
    ("codiceOtp", WRONG_CODES),
    ("dataInizioSintomi", WRONG_DATES),
    ("codiceFiscaleAssistito", WRONG_FISCAL_CODES),
];

#[test]
fn every_mistake_of_a_region_is_told_on_its_element_alone_and_with_all_others() {
    let (_, wrong) = WRONG_FISCAL_CODES.split_first().unwrap();
    let table: Vec<Mistaken> = [
        ("tipoAutenticazione", WRONG_AUTHENTICATIONS),
        ("pinCode", WRONG_PIN_CODES),
        ("codiceFiscaleOperatore", wrong),
    ]
    .into_iter()
    .chain(OF_BOTH)
    .collect();
    by_a_region().tell_every_mistake(&table);
    assert_eq!(
        by_a_region()
            .with(&[("codiceFiscaleOperatore", "")])
            .unwrap_err(),
        [("codiceFiscaleOperatore", Outcome::OperatorRequired)]
    );
}

#[test]
fn every_mistake_of_a_user_is_told_on_its_element_alone_and_with_all_others() {
    let table: Vec<Mistaken> = [
        (
            "tipoAutenticazione",
            &[("2F", Outcome::AuthenticationKindNotAllowed)][..],
        ),
        (
            "codiceFiscaleOperatore",
            &[
                (OTHER_FISCAL_CODE, Outcome::OperatorNotOwn),
                ("RSSMRA80A01H501X", Outcome::FiscalCodeCheck),
            ],
        ),
    ]
    .into_iter()
    .chain(OF_BOTH)
    .collect();
    by_a_user().tell_every_mistake(&table);
    // A user may name itself.
    let own = [("codiceFiscaleOperatore", FISCAL_CODE)];
    assert!(by_a_user().with(&own).is_ok());
}

#[test]
fn whatever_stands_in_the_elements_there_is_a_judgement() {
    by_a_region().judge_anything();
    by_a_user().judge_anything();
}

#[test]
fn a_right_code_is_taken_and_its_date_may_be_missing() {
    let right = by_a_region().with(&[]).unwrap();
    assert_eq!(right.fiscal_code.expose(), OTHER_FISCAL_CODE);
    for form in [by_a_region(), by_a_user()] {
        for day in ["", "2020-05-04", "2020-10-31"] {
            assert!(form.with(&[("dataInizioSintomi", day)]).is_ok(), "{day:?}");
        }
    }
}

#[test]
fn the_operator_of_record_is_the_users_own_or_the_one_whom_the_region_names() {
    for (call, named, expected) in [
        (by_user(), OTHER_FISCAL_CODE, Some(FISCAL_CODE)),
        (by_user(), "", Some(FISCAL_CODE)),
        (by_region(), OTHER_FISCAL_CODE, Some(OTHER_FISCAL_CODE)),
        (by_region(), "RSSMRA80A01H501X", None),
        (by_region(), "", None),
    ] {
        let message = Form {
            message: &REQUEST,
            right: by_a_region().right,
            rules: &|fields| Ok(judge(fields, &call).named.operator),
        };
        let operator = message.with(&[("codiceFiscaleOperatore", named)]).unwrap();
        let operator = operator.as_ref().map(CodiceFiscale::expose);
        assert_eq!(operator, expected, "{:?} {named:?}", call.caller);
    }
}

#[test]
fn debug_shows_no_value() {
    let shown = format!("{:?}", by_a_region().with(&[]).unwrap());
    for value in ["VRDGPP", CODE, "2020"] {
        assert!(!shown.contains(value), "{shown}");
    }
}
