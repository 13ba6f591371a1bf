//! Failure here means that a mistake in a verification goes unnoticed, is told under another code or on another element than it should be,
//! hides another mistake, or that a right one is refused.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::Finding;

use super::*;
use crate::services::rules::testing::{
    CODE, FISCAL_CODE, Form, Judged, Mistaken, WRONG_AUTHENTICATIONS, WRONG_FISCAL_CODES,
    by_call_centre,
};
use crate::soap::messages::verification::REQUEST;

fn rules(fields: Fields<'_>) -> Result<Request, Vec<Finding>> {
    judge(fields, &by_call_centre()).request
}

fn form() -> Form<'static, Request> {
    Form {
        message: &REQUEST,
        right: vec![
            ("tipoAutenticazione", "2F".to_owned()),
            ("codiceFiscaleOperatore", FISCAL_CODE.to_owned()),
            ("numeroTesseraSanitaria", "00012345".to_owned()),
            ("cun", format!("CUN-{CODE}")),
        ],
        rules: &rules,
    }
}

/// What is wrong with a code that was dictated.
const WRONG_CUNS: &[(&str, Outcome)] = &[
    ("", Outcome::FieldRequired),
    ("CUN-59FU36KR4", Outcome::CunMalformed),
    ("CUN-59FU36KR4O", Outcome::CunMalformed),
    ("CUN-59FU36KR45", Outcome::CunCheck),
    ("59fu 36kr 45", Outcome::CunCheck),
    // A Cyrillic letter that looks like the Latin one.
    ("CUN-59FU36КR46", Outcome::ForeignSymbol),
    // In the prefix, and everywhere.
    ("СUN-59FU36KR46", Outcome::ForeignSymbol),
    ("ＣＵＮ－５９ＦＵ３６ＫＲ４６", Outcome::ForeignSymbol),
];

const TABLE: &[Mistaken] = &[
    ("tipoAutenticazione", WRONG_AUTHENTICATIONS),
    ("codiceFiscaleOperatore", WRONG_FISCAL_CODES),
    (
        "numeroTesseraSanitaria",
        &[
            ("", Outcome::FieldRequired),
            ("0001234", Outcome::CardDigitsMalformed),
            ("000123456", Outcome::CardDigitsMalformed),
            ("0001 234", Outcome::CardDigitsMalformed),
            ("0001234O", Outcome::CardDigitsMalformed),
            ("+00012345", Outcome::CardDigitsMalformed),
            ("0001234٥", Outcome::ForeignSymbol),
            ("80380001234500012345", Outcome::CardDigitsMalformed),
        ],
    ),
    ("cun", WRONG_CUNS),
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
fn a_right_verification_is_taken_as_it_was_meant() {
    let right = form().with(&[]).unwrap();
    assert_eq!(right.operator.expose(), FISCAL_CODE);
    assert_eq!(right.digits.expose(), "00012345");
    for spoken in [
        "59FU36KR46",
        "cun-59fu36kr46",
        "CUN 59FU 36KR 46",
        "cun59-fu36-kr46",
        "CUN:59FU.36KR_46",
        "\u{feff}CUN\u{2013}59FU\u{202f}36KR\u{200b}46\u{200f}",
        "CUN-59FU\n36KR\t46",
    ] {
        let taken: Judged<Request> = form().with(&[("cun", spoken)]);
        assert_eq!(taken.unwrap().cun, right.cun, "{spoken}");
    }
    for spoken in [
        "0001 2345",
        "00.01.23.45",
        "000-12345",
        "0001\u{a0}2345\u{200e}",
        "00_01:23\u{ad}45",
    ] {
        let taken: Judged<Request> = form().with(&[("numeroTesseraSanitaria", spoken)]);
        assert_eq!(taken.unwrap().digits.expose(), "00012345", "{spoken}");
    }
}

#[test]
fn an_access_record_names_what_is_right_of_a_wrong_message() {
    let message = Form {
        rules: &|fields| Ok(judge(fields, &by_call_centre()).named),
        message: &REQUEST,
        right: form().right,
    };
    let named = message.with(&[("cun", "?"), ("numeroTesseraSanitaria", "?")]);
    let named = named.unwrap();
    assert_eq!(named.operator.unwrap().expose(), FISCAL_CODE);
    assert!(named.cun.is_none());
    let named = message.with(&[("codiceFiscaleOperatore", "?")]).unwrap();
    assert!(named.operator.is_none());
    assert_eq!(named.cun.unwrap().to_string(), format!("CUN-{CODE}"));
}

#[test]
fn debug_shows_no_value() {
    let shown = format!("{:?}", form().with(&[]).unwrap());
    for value in ["RSSMRA", "00012345", CODE] {
        assert!(!shown.contains(value), "{shown}");
    }
}
