//! Failure here means that a mistake in a submission goes unnoticed, is told under another code or on another element than
//! it should be, hides another mistake, or that a right submission is refused.
#![allow(clippy::unwrap_used)]

use sistema_ts_model::{Caller, RegionCode, StructureId};

use super::*;
use crate::services::rules::testing::{FISCAL_CODE, Form, call_by, moment};
use crate::soap::messages::submission::REQUEST;

fn region() -> Caller {
    Caller::Region(RegionCode::parse("010").unwrap())
}

fn structure() -> Caller {
    Caller::Structure(StructureId::parse("010-101-000123").unwrap())
}

/// A right submission of the caller, with some elements replaced (an empty text leaves the element empty).
fn judge(
    caller: &Caller,
    changes: &[(&str, &str)],
) -> Result<Request, Vec<(&'static str, Outcome)>> {
    let mut values: Vec<(&str, &str)> = vec![
        ("tipoAutenticazione", "2F"),
        ("pinCode", "1234567890"),
        ("codiceRegione", "010"),
        ("codiceAsl", "101"),
        ("codiceStruttura", "000123"),
        ("codiceFiscaleAssistito", FISCAL_CODE),
        ("dataPrelievo", "2020-10-30"),
        ("tipologiaTest", "M"),
        ("esitoTest", "P"),
    ];
    match caller {
        Caller::Structure(_) => values.retain(|(name, _)| *name != "tipoAutenticazione"),
        _ => values.retain(|(name, _)| *name != "pinCode"),
    }
    let call = call_by(*caller);
    let form = Form {
        message: &REQUEST,
        right: values
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        rules: &|fields| super::judge(fields, &call).request,
    };
    form.with(changes)
}

const NO_IDENTIFIER: [(&str, &str); 3] = [
    ("codiceRegione", ""),
    ("codiceAsl", ""),
    ("codiceStruttura", ""),
];

fn without_identifier<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    NO_IDENTIFIER.iter().chain(more).copied().collect()
}

#[test]
fn right_submissions_are_taken_as_they_were_meant() {
    let by_region = judge(&region(), &[]).unwrap();
    assert_eq!(
        by_region.authentication,
        Some(AuthenticationKind::TwoFactor)
    );
    assert_eq!(
        by_region.swab.structure,
        StructureReference::Identifier(StructureId::parse("010-101-000123").unwrap())
    );
    assert_eq!(by_region.swab.fiscal_code.expose(), FISCAL_CODE);
    assert_eq!(by_region.swab.result, TestResult::Positive);
    assert!(by_region.swab.contact.is_none() && by_region.request_key.is_none());

    let by_structure = judge(&structure(), &[("contattoEmail", "a@b.it")]).unwrap();
    assert_eq!(by_structure.authentication, None);
    assert!(matches!(by_structure.swab.contact, Some(Contact::Email(_))));

    let described = judge(
        &region(),
        &without_identifier(&[
            ("descrizioneStruttura", "Drive-in «Nord»"),
            ("numeroCellulare", "+39333123456"),
            ("identificativoRichiesta", "a-1"),
            ("dataPrelievo", "2020-10-31+02:00"),
        ]),
    )
    .unwrap();
    assert!(matches!(
        described.swab.structure,
        StructureReference::Description(text) if text.as_str() == "Drive-in «Nord»"
    ));
    assert!(matches!(described.swab.contact, Some(Contact::Mobile(_))));
    assert_eq!(described.request_key.unwrap().as_str(), "a-1");
    assert_eq!(described.swab.swab_date, moment().rome_day());
}

#[test]
fn a_repetition_must_repeat_all_that_a_submission_says_but_the_person() {
    let content = |changes: &[(&str, &str)]| {
        let with_key: Vec<_> = [("identificativoRichiesta", "a-1")]
            .iter()
            .chain(changes)
            .copied()
            .collect();
        let submission = judge(&region(), &with_key).unwrap();
        repeatable(&submission).unwrap().content
    };
    let same = content(&[]);
    for change in [
        ("codiceFiscaleAssistito", "VRDGPP62D15L219E"),
        ("numeroCellulare", "+39333123456"),
    ] {
        assert_eq!(content(&[change]), same, "{change:?}");
    }
    for change in [
        ("tipoAutenticazione", "CIE"),
        ("codiceStruttura", "000124"),
        ("codiceAsl", "102"),
        ("dataPrelievo", "2020-10-29"),
        ("esitoTest", "N"),
    ] {
        assert_ne!(content(&[change]), same, "{change:?}");
    }
    assert!(repeatable(&judge(&region(), &[]).unwrap()).is_none());
}

#[test]
fn each_mistake_has_its_own_outcome() {
    use Outcome::*;
    let long = "x".repeat(257);
    let key = "k".repeat(65);
    type Case<'a> = (Caller, &'a [(&'a str, &'a str)], &'a str, Outcome);
    let cases: &[Case<'_>] = &[
        (
            region(),
            &[("tipoAutenticazione", "")],
            "tipoAutenticazione",
            AuthenticationKindRequired,
        ),
        (
            region(),
            &[("tipoAutenticazione", "cns")],
            "tipoAutenticazione",
            AuthenticationKindUnknown,
        ),
        (
            structure(),
            &[("tipoAutenticazione", "2F")],
            "tipoAutenticazione",
            AuthenticationKindNotAllowed,
        ),
        (
            structure(),
            &[("tipoAutenticazione", "XX")],
            "tipoAutenticazione",
            AuthenticationKindNotAllowed,
        ),
        (region(), &[("pinCode", "1")], "pinCode", PinCodeNotAllowed),
        (
            region(),
            &[("identificativoRichiesta", &key)],
            "identificativoRichiesta",
            RequestKeyMalformed,
        ),
        (
            region(),
            &[("identificativoRichiesta", "è")],
            "identificativoRichiesta",
            RequestKeyMalformed,
        ),
        (
            region(),
            &NO_IDENTIFIER,
            "identificativoStruttura",
            StructureRequired,
        ),
        (
            structure(),
            &NO_IDENTIFIER,
            "identificativoStruttura",
            StructureIdentifierRequired,
        ),
        (
            region(),
            &[("descrizioneStruttura", "ab")],
            "descrizioneStruttura",
            StructureTwice,
        ),
        (
            structure(),
            &[("descrizioneStruttura", "ab")],
            "descrizioneStruttura",
            StructureDescriptionNotAllowed,
        ),
        (
            region(),
            &[("codiceRegione", "043")],
            "codiceRegione",
            RegionCodeUnknown,
        ),
        (
            region(),
            &[("codiceRegione", "")],
            "codiceRegione",
            FieldRequired,
        ),
        (
            region(),
            &[("codiceRegione", "020")],
            "codiceRegione",
            StructureOfAnotherRegion,
        ),
        (
            region(),
            &[("codiceAsl", "1O1")],
            "codiceAsl",
            AslCodeMalformed,
        ),
        (region(), &[("codiceAsl", "")], "codiceAsl", FieldRequired),
        (
            region(),
            &[("codiceStruttura", "1234567")],
            "codiceStruttura",
            StructureCodeMalformed,
        ),
        (
            region(),
            &[("codiceStruttura", "")],
            "codiceStruttura",
            FieldRequired,
        ),
        (
            structure(),
            &[("codiceStruttura", "123")],
            "identificativoStruttura",
            StructureNotOwn,
        ),
        (
            structure(),
            &[("codiceRegione", "020")],
            "identificativoStruttura",
            StructureNotOwn,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "")],
            "codiceFiscaleAssistito",
            FieldRequired,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "RSSMRA80A01H501")],
            "codiceFiscaleAssistito",
            FiscalCodeLength,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "RSSMRA80A0?H501U")],
            "codiceFiscaleAssistito",
            FiscalCodeForm,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "RSSMRA80A01H501X")],
            "codiceFiscaleAssistito",
            FiscalCodeCheck,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "rssmra80a01h501u")],
            "codiceFiscaleAssistito",
            FiscalCodeLowerCase,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "RSSMRA80A99H501U")],
            "codiceFiscaleAssistito",
            FiscalCodeBirth,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "STP1234567890123")],
            "codiceFiscaleAssistito",
            FiscalCodeStpEni,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "12345678901")],
            "codiceFiscaleAssistito",
            FiscalCodeCheck,
        ),
        (
            region(),
            &[("codiceFiscaleAssistito", "00000000000")],
            "codiceFiscaleAssistito",
            FiscalCodeForm,
        ),
        (
            region(),
            &[("dataPrelievo", "")],
            "dataPrelievo",
            FieldRequired,
        ),
        (
            region(),
            &[("dataPrelievo", "30/10/2020")],
            "dataPrelievo",
            DateMalformed,
        ),
        (
            region(),
            &[("dataPrelievo", "2020-02-30")],
            "dataPrelievo",
            DateMalformed,
        ),
        (
            region(),
            &[("dataPrelievo", "2020-11-01")],
            "dataPrelievo",
            DateInFuture,
        ),
        (
            region(),
            &[("dataPrelievo", "2020-05-03")],
            "dataPrelievo",
            DateTooOld,
        ),
        (
            region(),
            &[("tipologiaTest", "")],
            "tipologiaTest",
            FieldRequired,
        ),
        (
            region(),
            &[("tipologiaTest", "A")],
            "tipologiaTest",
            TestKindUnknown,
        ),
        (region(), &[("esitoTest", "")], "esitoTest", FieldRequired),
        (
            region(),
            &[("esitoTest", "p")],
            "esitoTest",
            TestResultUnknown,
        ),
        (
            region(),
            &[("numeroCellulare", "333 12345")],
            "numeroCellulare",
            MobileNumberMalformed,
        ),
        (
            region(),
            &[("contattoEmail", "nessuno")],
            "contattoEmail",
            EmailAddressMalformed,
        ),
        (
            region(),
            &[("contattoEmail", "a@b.it"), ("numeroCellulare", "333123")],
            "contattoEmail",
            ContactTwice,
        ),
    ];
    for (caller, changes, field, outcome) in cases {
        let name = format!("{caller:?} {changes:?}");
        assert_eq!(
            judge(caller, changes).unwrap_err(),
            [(*field, *outcome)],
            "{name}"
        );
    }
    let described = without_identifier(&[("descrizioneStruttura", &long)]);
    assert_eq!(
        judge(&region(), &described).unwrap_err(),
        [("descrizioneStruttura", StructureDescriptionMalformed)]
    );
    // Exactly 180 days ago is still allowed.
    assert!(judge(&region(), &[("dataPrelievo", "2020-05-04")]).is_ok());
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_message() {
    use Outcome::*;
    let found = judge(
        &region(),
        &[
            ("tipoAutenticazione", "?"),
            ("pinCode", "1"),
            ("identificativoRichiesta", "é"),
            ("codiceRegione", "020"),
            ("codiceAsl", "1"),
            ("codiceStruttura", "a b"),
            ("descrizioneStruttura", "\t x\u{85}y "),
            ("codiceFiscaleAssistito", "X"),
            ("dataPrelievo", "ieri"),
            ("tipologiaTest", "R"),
            ("esitoTest", "?"),
            ("numeroCellulare", "0"),
            ("contattoEmail", "@"),
        ],
    )
    .unwrap_err();
    assert_eq!(
        found,
        [
            ("tipoAutenticazione", AuthenticationKindUnknown),
            ("pinCode", PinCodeNotAllowed),
            ("identificativoRichiesta", RequestKeyMalformed),
            ("codiceRegione", StructureOfAnotherRegion),
            ("codiceAsl", AslCodeMalformed),
            ("codiceStruttura", StructureCodeMalformed),
            ("descrizioneStruttura", StructureTwice),
            ("descrizioneStruttura", StructureDescriptionMalformed),
            ("codiceFiscaleAssistito", FiscalCodeLength),
            ("dataPrelievo", DateMalformed),
            ("tipologiaTest", TestKindUnknown),
            ("esitoTest", TestResultUnknown),
            ("numeroCellulare", MobileNumberMalformed),
            ("contattoEmail", EmailAddressMalformed),
            ("contattoEmail", ContactTwice),
        ]
    );
}

#[test]
fn debug_shows_no_value_of_the_patient() {
    let valid = judge(&region(), &[("contattoEmail", "mario@esempio.it")]).unwrap();
    let shown = format!("{valid:?}");
    assert!(
        !shown.contains("RSSMRA") && !shown.contains("mario"),
        "{shown}"
    );
}
