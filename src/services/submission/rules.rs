//! The rules of `invioEsecuzioneTest` that need neither register nor store: from the values as they came to a submission
//! whose every part is right in itself, or to all its mistakes at once (§2.3, §2.4.1, Table 2).

use chrono::NaiveDate;
use sistema_ts_model::{
    AuthenticationKind, Caller, CodiceFiscale, CodiceFiscaleOptions, Contact, EmailAddress,
    Finding, MobileNumber, Outcome, RequestKey, StructureReference, TestKind, TestResult,
};

use crate::services::rules::{Mistakes, StructureRule};
use crate::soap::messages::submission::{REQUEST, RawSubmission, node};

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
pub struct Request {
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
    raw: &RawSubmission<'_>,
    context: RuleContext<'_>,
) -> Result<Request, Vec<Finding>> {
    if !matches!(context.caller, Caller::Region(_) | Caller::Structure(_)) {
        return Err(vec![Finding::whole(Outcome::ServiceNotAllowed)]);
    }
    let mut mistakes = Mistakes::of(&REQUEST);
    let authentication = mistakes.authentication(
        node::AUTHENTICATION,
        (&raw.authentication_kind, &raw.pin_code),
        context.caller,
    );
    let request_key = mistakes.request_key(node::REQUEST_KEY, &raw.request_key);
    let structure = mistakes.structure(
        node::STRUCTURE_NODES,
        (&raw.structure, &raw.structure_description),
        context.caller,
        StructureRule::Required,
    );
    let fiscal_code =
        mistakes.fiscal_code(node::FISCAL_CODE, &raw.fiscal_code, context.fiscal_codes);
    let swab_date = mistakes.past_date(node::SWAB_DATE, &raw.swab_date, context.today);
    let kind = mistakes.test_kind(node::TEST_KIND, &raw.test_kind);
    let result = mistakes.required(node::TEST_RESULT, &raw.test_result, |text| {
        TestResult::parse(text).map_err(|_| Outcome::TestResultUnknown)
    });
    let contact = contact(&mut mistakes, raw);

    // Whatever is `None` here has left its mistake behind.
    match (structure, fiscal_code, swab_date, kind, result) {
        (Some(structure), Some(fiscal_code), Some(swab_date), Some(kind), Some(result))
            if mistakes.is_empty() =>
        {
            Ok(Request {
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
        _ => Err(mistakes.into_findings()),
    }
}

/// A mobile number or an e-mail address, not both.
fn contact(mistakes: &mut Mistakes, raw: &RawSubmission<'_>) -> Option<Contact> {
    let mobile = mistakes.optional(node::MOBILE_NUMBER, &raw.mobile_number, |text| {
        MobileNumber::parse(text).map_err(|_| Outcome::MobileNumberMalformed)
    });
    let email = mistakes.optional(node::EMAIL_ADDRESS, &raw.email_address, |text| {
        EmailAddress::parse(text).map_err(|_| Outcome::EmailAddressMalformed)
    });
    if raw.mobile_number.is_some() && raw.email_address.is_some() {
        mistakes.note(node::EMAIL_ADDRESS, Outcome::ContactTwice);
    }
    mobile.map(Contact::Mobile).or(email.map(Contact::Email))
}

#[cfg(test)]
mod tests;
