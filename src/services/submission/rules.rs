//! The rules of `invioEsecuzioneTest` that need neither register nor store: from the values as they came to a submission
//! whose every part is right in itself, or to all its mistakes at once (§2.3, §2.4.1, Table 2).

use chrono::NaiveDate;
use sistema_ts_model::{
    AslCode, AuthenticationKind, Caller, CodiceFiscale, CodiceFiscaleError, CodiceFiscaleOptions,
    Contact, DateError, DateWindow, EmailAddress, Finding, MobileNumber, Outcome, RegionCode,
    RequestKey, StructureCode, StructureDescription, StructureId, StructureReference, TestKind,
    TestResult, parse_date,
};

use crate::soap::FieldText;
use crate::soap::messages::invio_esecuzione_test::{
    InvioEsecuzioneTest, REQUEST, RawStructure, node,
};

/// What the rules depend on beside the message.
#[derive(Debug, Clone, Copy)]
pub struct RuleContext<'a> {
    /// Who calls, already authenticated: a region by certificate, a structure by Basic and pincode.
    pub caller: &'a Caller,
    /// Today, in Rome.
    pub today: NaiveDate,
    /// Which forms of fiscal code this installation takes.
    pub fiscal_codes: CodiceFiscaleOptions,
}

/// A submission in which every value is right in itself. Whether its structure is registered is not known yet.
#[derive(Debug, Clone)]
pub struct ValidSubmission {
    /// How the region authenticated its user; `None` for a structure.
    pub authentication: Option<AuthenticationKind>,
    /// The caller's own key.
    pub request_key: Option<RequestKey>,
    /// The structure that took the swab; an identifier is of the caller's region, or the caller itself.
    pub structure: StructureReference,
    /// The patient.
    pub fiscal_code: CodiceFiscale,
    /// The day of the swab.
    pub swab_date: NaiveDate,
    /// The kind of test.
    pub kind: TestKind,
    /// What it found.
    pub result: TestResult,
    /// How to reach the patient.
    pub contact: Option<Contact>,
}

/// Judges a message.
///
/// # Errors
/// All its mistakes, in the order of the message's elements; for a caller that may not submit, that alone.
pub fn validate(
    raw: &InvioEsecuzioneTest<'_>,
    context: RuleContext<'_>,
) -> Result<ValidSubmission, Vec<Finding>> {
    if !matches!(context.caller, Caller::Region(_) | Caller::Structure(_)) {
        return Err(vec![Finding::whole(Outcome::ServiceNotAllowed)]);
    }
    let mut mistakes = Mistakes(Vec::new());
    let authentication = mistakes.authentication(raw, context.caller);
    let request_key = mistakes.optional(node::REQUEST_KEY, &raw.request_key, |text| {
        RequestKey::parse(text).map_err(|_| Outcome::RequestKeyMalformed)
    });
    let structure = mistakes.structure(raw, context.caller);
    let fiscal_code = mistakes.required(node::FISCAL_CODE, &raw.fiscal_code, |text| {
        CodiceFiscale::parse_with(text, context.fiscal_codes).map_err(fiscal_code_outcome)
    });
    let window = DateWindow {
        today: context.today,
    };
    let swab_date = mistakes.required(node::SWAB_DATE, &raw.swab_date, |text| {
        let date = parse_date(text).map_err(date_outcome)?;
        window.check(date).map_err(date_outcome)?;
        Ok(date)
    });
    let kind = mistakes.required(node::TEST_KIND, &raw.test_kind, |text| {
        TestKind::parse(text).map_err(|_| Outcome::TestKindUnknown)
    });
    let result = mistakes.required(node::TEST_RESULT, &raw.test_result, |text| {
        TestResult::parse(text).map_err(|_| Outcome::TestResultUnknown)
    });
    let contact = mistakes.contact(raw);

    // Whatever is `None` here has left its mistake behind.
    match (structure, fiscal_code, swab_date, kind, result) {
        (Some(structure), Some(fiscal_code), Some(swab_date), Some(kind), Some(result))
            if mistakes.0.is_empty() =>
        {
            Ok(ValidSubmission {
                authentication,
                request_key,
                structure,
                fiscal_code,
                swab_date,
                kind,
                result,
                contact,
            })
        }
        _ => Err(mistakes.0),
    }
}

/// The structure that a message names, if what it says of it is well-formed: for the look-up in the register and for the access record, also
/// of a message that has mistakes elsewhere.
pub fn structure_of(raw: &InvioEsecuzioneTest<'_>) -> Option<StructureReference> {
    if let Some(named) = &raw.structure {
        return Some(StructureReference::Identifier(StructureId {
            region: RegionCode::parse(named.region.as_ref()?).ok()?,
            asl: AslCode::parse(named.asl.as_ref()?).ok()?,
            structure: StructureCode::parse(named.structure.as_ref()?).ok()?,
        }));
    }
    StructureDescription::parse(raw.structure_description.as_ref()?)
        .ok()
        .map(StructureReference::Description)
}

/// The mistakes found so far.
struct Mistakes(Vec<Finding>);

impl Mistakes {
    fn note(&mut self, node: usize, outcome: Outcome) {
        self.0.push(Finding::on(REQUEST.name_of(node), outcome));
    }

    /// The value of an optional element; `None` if it is absent or wrong, and then noted.
    fn optional<T>(
        &mut self,
        node: usize,
        raw: &Option<FieldText<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Outcome>,
    ) -> Option<T> {
        match parse(raw.as_ref()?) {
            Ok(value) => Some(value),
            Err(outcome) => {
                self.note(node, outcome);
                None
            }
        }
    }

    /// The value of a required element; `None` if it is empty or wrong, and noted.
    fn required<T>(
        &mut self,
        node: usize,
        raw: &Option<FieldText<'_>>,
        parse: impl FnOnce(&str) -> Result<T, Outcome>,
    ) -> Option<T> {
        if raw.is_none() {
            self.note(node, Outcome::FieldRequired);
        }
        self.optional(node, raw, parse)
    }

    /// `tipoAutenticazione` comes with a certificate, `pinCode` with Basic.
    fn authentication(
        &mut self,
        raw: &InvioEsecuzioneTest<'_>,
        caller: &Caller,
    ) -> Option<AuthenticationKind> {
        let by_certificate = !matches!(caller, Caller::Structure(_));
        match (&raw.authentication_kind, by_certificate) {
            (None, true) => self.note(
                node::AUTHENTICATION_KIND,
                Outcome::AuthenticationKindRequired,
            ),
            (Some(_), false) => self.note(
                node::AUTHENTICATION_KIND,
                Outcome::AuthenticationKindNotAllowed,
            ),
            _ => {}
        }
        let kind = by_certificate
            .then(|| {
                self.optional(
                    node::AUTHENTICATION_KIND,
                    &raw.authentication_kind,
                    |text| {
                        AuthenticationKind::parse(text)
                            .map_err(|_| Outcome::AuthenticationKindUnknown)
                    },
                )
            })
            .flatten();
        // A structure's pincode was taken out of the message to prove who calls; without a right one nobody gets here.
        if by_certificate && raw.pin_code.is_some() {
            self.note(node::PIN_CODE, Outcome::PinCodeNotAllowed);
        }
        kind
    }

    /// A region names the identifier or the description, a structure its own identifier.
    fn structure(
        &mut self,
        raw: &InvioEsecuzioneTest<'_>,
        caller: &Caller,
    ) -> Option<StructureReference> {
        let by_structure = matches!(caller, Caller::Structure(_));
        let (has_identifier, has_description) =
            (raw.structure.is_some(), raw.structure_description.is_some());
        if !has_identifier && by_structure {
            self.note(node::STRUCTURE, Outcome::StructureIdentifierRequired);
        } else if !has_identifier && !has_description {
            self.note(node::STRUCTURE, Outcome::StructureRequired);
        }
        let identifier = raw
            .structure
            .as_ref()
            .and_then(|structure| self.identifier(structure, caller));
        if has_description && by_structure {
            self.note(
                node::STRUCTURE_DESCRIPTION,
                Outcome::StructureDescriptionNotAllowed,
            );
        } else if has_identifier && has_description {
            self.note(node::STRUCTURE_DESCRIPTION, Outcome::StructureTwice);
        }
        let description = self.optional(
            node::STRUCTURE_DESCRIPTION,
            &raw.structure_description,
            |text| {
                StructureDescription::parse(text)
                    .map_err(|_| Outcome::StructureDescriptionMalformed)
            },
        );
        identifier
            .map(StructureReference::Identifier)
            .or_else(|| description.map(StructureReference::Description))
    }

    fn identifier(&mut self, raw: &RawStructure<'_>, caller: &Caller) -> Option<StructureId> {
        let region = self.required(node::REGION, &raw.region, |text| {
            RegionCode::parse(text).map_err(|_| Outcome::RegionCodeUnknown)
        });
        if let (Some(region), Caller::Region(own)) = (region, caller)
            && region != *own
        {
            self.note(node::REGION, Outcome::StructureOfAnotherRegion);
        }
        let asl = self.required(node::ASL, &raw.asl, |text| {
            AslCode::parse(text).map_err(|_| Outcome::AslCodeMalformed)
        });
        let structure = self.required(node::STRUCTURE_CODE, &raw.structure, |text| {
            StructureCode::parse(text).map_err(|_| Outcome::StructureCodeMalformed)
        });
        let identifier = StructureId {
            region: region?,
            asl: asl?,
            structure: structure?,
        };
        if let Caller::Structure(own) = caller
            && identifier != *own
        {
            self.note(node::STRUCTURE, Outcome::StructureNotOwn);
        }
        Some(identifier)
    }

    /// A mobile number or an e-mail address, not both.
    fn contact(&mut self, raw: &InvioEsecuzioneTest<'_>) -> Option<Contact> {
        let mobile = self.optional(node::MOBILE_NUMBER, &raw.mobile_number, |text| {
            MobileNumber::parse(text).map_err(|_| Outcome::MobileNumberMalformed)
        });
        let email = self.optional(node::EMAIL_ADDRESS, &raw.email_address, |text| {
            EmailAddress::parse(text).map_err(|_| Outcome::EmailAddressMalformed)
        });
        if raw.mobile_number.is_some() && raw.email_address.is_some() {
            self.note(node::EMAIL_ADDRESS, Outcome::ContactTwice);
        }
        mobile.map(Contact::Mobile).or(email.map(Contact::Email))
    }
}

fn fiscal_code_outcome(error: CodiceFiscaleError) -> Outcome {
    match error {
        CodiceFiscaleError::Length => Outcome::FiscalCodeLength,
        CodiceFiscaleError::Character { .. } | CodiceFiscaleError::SerialZero => {
            Outcome::FiscalCodeForm
        }
        CodiceFiscaleError::LowerCase => Outcome::FiscalCodeLowerCase,
        CodiceFiscaleError::Month | CodiceFiscaleError::Day => Outcome::FiscalCodeBirth,
        CodiceFiscaleError::CheckLetter | CodiceFiscaleError::CheckDigit => {
            Outcome::FiscalCodeCheck
        }
        CodiceFiscaleError::StpEniNotAccepted => Outcome::FiscalCodeStpEni,
    }
}

fn date_outcome(error: DateError) -> Outcome {
    match error {
        DateError::Form | DateError::Calendar => Outcome::DateMalformed,
        DateError::TooOld => Outcome::DateTooOld,
        DateError::Future => Outcome::DateInFuture,
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
