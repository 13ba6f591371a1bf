//! Failure here means that a mistake in the request of a list goes unnoticed, is told under another code or on another element than it should be,
//! hides another mistake, or that a right one is refused.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::StructureId;

use super::*;
use crate::services::rules::testing::{
    FISCAL_CODE, Form, Mistaken, OTHER_FISCAL_CODE, WRONG_AUTHENTICATIONS, WRONG_FISCAL_CODES,
    WRONG_PIN_CODES, by_region, by_user,
};
use crate::soap::messages::listing::REQUEST;

fn by_a_region() -> Form<'static, Request<String>> {
    Form {
        message: &REQUEST,
        right: vec![
            ("tipoAutenticazione", "2F".to_owned()),
            ("dataInizioIntervallo", "2020-10-01".to_owned()),
            ("dataFineIntervallo", "2020-10-31".to_owned()),
            ("tipologiaTest", "M".to_owned()),
            ("identificativoUtente", FISCAL_CODE.to_owned()),
            ("massimoElementi", "100".to_owned()),
            ("segnalibro", "segna".to_owned()),
        ],
        rules: &|fields| judge(fields, &by_region()).request,
    }
}

fn by_a_user() -> Form<'static, Request<String>> {
    let mut form = by_a_region();
    form.right.remove(0);
    for (name, text) in IDENTIFIER {
        form.right.push((name, text.to_owned()));
    }
    Form {
        rules: &|fields| judge(fields, &by_user()).request,
        ..form
    }
}

const IDENTIFIER: [(&str, &str); 3] = [
    ("codiceRegione", "010"),
    ("codiceAsl", "101"),
    ("codiceStruttura", "000123"),
];

const DATES: &[(&str, Outcome)] = &[
    ("", Outcome::FieldRequired),
    ("30/10/2020", Outcome::DateMalformed),
    ("2020-11-01", Outcome::DateInFuture),
    ("2020-05-03", Outcome::DateTooOld),
];

const OF_BOTH: [Mistaken; 4] = [
    ("dataInizioIntervallo", DATES),
    ("dataFineIntervallo", DATES),
    (
        "tipologiaTest",
        &[
            ("", Outcome::FieldRequired),
            ("A", Outcome::TestKindUnknown),
        ],
    ),
    (
        "massimoElementi",
        &[
            ("0", Outcome::MaximumElementsOutOfRange),
            ("1000001", Outcome::MaximumElementsOutOfRange),
            ("-1", Outcome::MaximumElementsOutOfRange),
            ("++5", Outcome::MaximumElementsOutOfRange),
            ("5.0", Outcome::MaximumElementsOutOfRange),
            ("٥", Outcome::MaximumElementsOutOfRange),
            (
                "99999999999999999999999",
                Outcome::MaximumElementsOutOfRange,
            ),
        ],
    ),
];

#[test]
fn every_mistake_of_a_region_is_told_on_its_element_alone_and_with_all_others() {
    let table: Vec<Mistaken> = [
        ("tipoAutenticazione", WRONG_AUTHENTICATIONS),
        ("pinCode", WRONG_PIN_CODES),
        ("identificativoUtente", WRONG_FISCAL_CODES),
    ]
    .into_iter()
    .chain(OF_BOTH)
    .collect();
    by_a_region().tell_every_mistake(&table);
}

#[test]
fn every_mistake_of_a_user_is_told_on_its_element_alone_and_with_all_others() {
    let table: Vec<Mistaken> = [
        (
            "tipoAutenticazione",
            &[("2F", Outcome::AuthenticationKindNotAllowed)][..],
        ),
        (
            "identificativoUtente",
            &[
                ("", Outcome::FieldRequired),
                (OTHER_FISCAL_CODE, Outcome::OperatorNotOwn),
                ("RSSMRA80A01H501X", Outcome::FiscalCodeCheck),
            ],
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
}

#[test]
fn whatever_stands_in_the_elements_there_is_a_judgement() {
    by_a_region().judge_anything();
    by_a_user().judge_anything();
}

#[test]
fn an_interval_has_one_to_thirty_one_days_from_midnight_to_midnight_in_rome() {
    for (first, last, told) in [
        ("2020-10-31", "2020-10-31", None),
        ("2020-10-01", "2020-10-31", None),
        ("2020-09-30", "2020-10-31", Some(Outcome::IntervalTooLong)),
        ("2020-10-31", "2020-10-30", Some(Outcome::IntervalReversed)),
    ] {
        let interval = [
            ("dataInizioIntervallo", first),
            ("dataFineIntervallo", last),
        ];
        let judged = by_a_region().with(&interval);
        let expected = told.map(|outcome| vec![("dataFineIntervallo", outcome)]);
        assert_eq!(judged.err(), expected, "{first} {last}");
    }
    // The day on which the hour is set back has 25 hours.
    let day = [
        ("dataInizioIntervallo", "2020-10-25"),
        ("dataFineIntervallo", "2020-10-25"),
    ];
    let listing = by_a_region().with(&day).unwrap();
    assert_eq!(listing.to.millis_since(listing.from), 25 * 60 * 60 * 1_000);
    assert_eq!(listing.from.rome_day().to_string(), "2020-10-25");
    assert_eq!(listing.to.rome_day().to_string(), "2020-10-26");
}

#[test]
fn a_region_lists_all_its_tests_or_those_of_what_it_names_and_a_user_its_structures() {
    let own = StructureId::parse("010-101-000123").unwrap();
    let scope = |form: Form<'_, Request<String>>, changes: &[(&str, &str)]| {
        form.with(changes).map(|listing| listing.scope)
    };
    assert!(matches!(
        scope(by_a_region(), &[]),
        Ok(ListingScope::Region(region)) if region.as_str() == "010"
    ));
    assert!(matches!(
        scope(by_a_region(), &IDENTIFIER),
        Ok(ListingScope::Structure(id)) if id == own
    ));
    assert!(matches!(
        scope(by_a_region(), &[("descrizioneStruttura", "Drive-in")]),
        Ok(ListingScope::Description(region, text)) if region.as_str() == "010" && text.as_str() == "Drive-in"
    ));
    assert!(matches!(
        scope(by_a_user(), &[]),
        Ok(ListingScope::Structure(id)) if id == own
    ));
    let both = [&IDENTIFIER[..], &[("descrizioneStruttura", "Drive-in")]].concat();
    assert_eq!(
        scope(by_a_region(), &both).unwrap_err(),
        [("descrizioneStruttura", Outcome::StructureTwice)]
    );
    assert_eq!(
        scope(
            by_a_region(),
            &[("codiceRegione", "020"), IDENTIFIER[1], IDENTIFIER[2]]
        )
        .unwrap_err(),
        [("codiceRegione", Outcome::StructureOfAnotherRegion)]
    );
    assert_eq!(
        scope(by_a_user(), &[("codiceStruttura", "9")]).unwrap_err(),
        [("identificativoStruttura", Outcome::StructureNotOwn)]
    );
}

#[test]
fn the_maximum_and_the_bookmark_may_be_left_out() {
    let right = by_a_region().with(&[]).unwrap();
    assert_eq!(
        (right.maximum, right.bookmark.as_deref()),
        (100, Some("segna"))
    );
    let none = [("massimoElementi", ""), ("segnalibro", "")];
    let none = by_a_region().with(&none).unwrap();
    assert_eq!((none.maximum, none.bookmark), (KNOWN_BEFORE, None));
    for (text, number) in [("1", 1), ("+7", 7), ("007", 7), ("1000000", MOST_ELEMENTS)] {
        let listing = by_a_region().with(&[("massimoElementi", text)]).unwrap();
        assert_eq!(listing.maximum, number, "{text}");
    }
}
