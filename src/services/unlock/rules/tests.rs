//! Failure here means that a mistake in an unlock goes unnoticed, is told under another code or on another element than it should be,
//! hides another mistake, or that a right one is refused.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::{Finding, Outcome};

use super::*;
use crate::services::rules::testing::{
    CODE, FISCAL_CODE, Form, Mistaken, UUID, WRONG_AUTHENTICATIONS, WRONG_CODES, WRONG_DATES,
    WRONG_FISCAL_CODES, WRONG_SESSIONS, by_call_centre,
};
use crate::soap::messages::unlock::REQUEST;

fn rules(fields: Fields<'_>) -> Result<Request, Vec<Finding>> {
    judge(fields, &by_call_centre()).request
}

fn form() -> Form<'static, Request> {
    Form {
        message: &REQUEST,
        right: vec![
            ("tipoAutenticazione", "CIE".to_owned()),
            ("codiceOtp", CODE.to_owned()),
            ("dataInizioSintomi", "2020-10-30".to_owned()),
            ("codiceFiscaleOperatore", FISCAL_CODE.to_owned()),
            ("idVerificaTampone", UUID.to_owned()),
        ],
        rules: &rules,
    }
}

const TABLE: &[Mistaken] = &[
    ("tipoAutenticazione", WRONG_AUTHENTICATIONS),
    ("codiceOtp", WRONG_CODES),
    ("dataInizioSintomi", WRONG_DATES),
    ("codiceFiscaleOperatore", WRONG_FISCAL_CODES),
    ("idVerificaTampone", WRONG_SESSIONS),
];

#[test]
fn every_mistake_is_told_on_its_element_alone_and_with_all_others() {
    form().tell_every_mistake(TABLE);
    for element in ["dataInizioSintomi", "idVerificaTampone"] {
        assert_eq!(
            form().with(&[(element, "")]).unwrap_err(),
            [(element, Outcome::FieldRequired)]
        );
    }
}

#[test]
fn whatever_stands_in_the_elements_there_is_a_judgement() {
    form().judge_anything();
}

#[test]
fn a_right_unlock_is_taken_as_it_was_meant() {
    let right = form().with(&[]).unwrap();
    assert_eq!(right.operator.expose(), FISCAL_CODE);
    assert_eq!(right.session.to_text(), UUID);
    let upper = UUID.to_ascii_uppercase();
    let also = form().with(&[("idVerificaTampone", &upper)]).unwrap();
    assert_eq!(also.session, right.session);
    for spoken in ["59fu 36kr46", "59FU-36KR-46", "\u{feff}59FU.36KR\u{200b}46"] {
        assert!(form().with(&[("codiceOtp", spoken)]).is_ok(), "{spoken}");
    }
    // A program puts the verification's id in, and nobody types it.
    let parted = UUID.replacen('-', " -", 1);
    assert_eq!(
        form().with(&[("idVerificaTampone", &parted)]).unwrap_err(),
        [("idVerificaTampone", Outcome::VerificationIdMalformed)]
    );
    // The first and the last day that are allowed.
    for day in ["2020-05-04", "2020-10-31", "2020-10-31+01:00"] {
        assert!(form().with(&[("dataInizioSintomi", day)]).is_ok(), "{day}");
    }
}

#[test]
fn an_access_record_names_what_is_right_of_a_wrong_message() {
    let message = Form {
        rules: &|fields| Ok(judge(fields, &by_call_centre()).named),
        message: &REQUEST,
        right: form().right,
    };
    let named = message.with(&[("codiceOtp", "?"), ("tipoAutenticazione", "?")]);
    let named = named.unwrap();
    assert_eq!(named.operator.unwrap().expose(), FISCAL_CODE);
    assert_eq!(named.session.unwrap().to_text(), UUID);
    assert!(named.authentication.is_none());
    let named = message.with(&[("codiceFiscaleOperatore", "?"), ("idVerificaTampone", "?")]);
    let named = named.unwrap();
    assert_eq!(named.authentication, Some(AuthenticationKind::Cie));
    assert!(named.operator.is_none() && named.session.is_none());
}

#[test]
fn debug_shows_no_value() {
    let shown = format!("{:?}", form().with(&[]).unwrap());
    for value in ["RSSMRA", CODE, "2020", &UUID[..8]] {
        assert!(!shown.contains(value), "{shown}");
    }
}
