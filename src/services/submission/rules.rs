//! The rules of `invioEsecuzioneTest` that need neither register nor store: from the values as they came to a submission
//! whose every part is right in itself, or to all its mistakes at once (§2.3, §2.4.1, Table 2); and what a repeated submission must repeat.

use sistema_ts_model::{
    AuthenticationKind, Contact, EmailAddress, MobileNumber, Outcome, RequestKey,
    StructureReference, Swab, TestResult,
};
use sistema_ts_store::Repeatable;

use crate::services::call::Call;
use crate::services::repeatable::Content;
use crate::services::rules::{Mistakes, StructureRule};
use crate::services::service::Judged;
use crate::soap::Fields;
use crate::soap::messages::submission::RawSubmission;

/// A submission in which every value is right in itself.
#[derive(Debug, Clone)]
pub struct Request {
    /// How the region authenticated its user; `None` for a structure.
    pub authentication: Option<AuthenticationKind>,
    /// The caller's own key.
    pub request_key: Option<RequestKey>,
    /// The swab; the identifier of its structure is of the caller's region, or the caller itself.
    pub swab: Swab,
}

/// What the access record names of a submission (§2.5).
#[derive(Debug)]
pub struct Named {
    /// The structure, if what the message says of it is well-formed.
    pub structure: Option<StructureReference>,
}

/// Judges a message. Whether its structure is registered is not known yet. Mistakes are told in the order of the message's elements.
#[must_use]
pub fn judge(mut fields: Fields<'_>, call: &Call) -> Judged<Named, Request> {
    let raw = RawSubmission::take(&mut fields);
    let mut mistakes = Mistakes::default();
    let authentication =
        mistakes.authentication(&raw.authentication_kind, Some(&raw.pin_code), &call.caller);
    let request_key = mistakes.request_key(&raw.request_key);
    let structure = mistakes.structure(&raw.structure, &call.caller, StructureRule::Required);
    let fiscal_code = mistakes.fiscal_code(&raw.fiscal_code);
    let swab_date = mistakes.past_date(&raw.swab_date, call.at.rome_day());
    let kind = mistakes.test_kind(&raw.test_kind);
    let result = mistakes.required(&raw.test_result, |text| {
        TestResult::parse(text).map_err(|_| Outcome::TestResultUnknown)
    });
    let contact = contact(&mut mistakes, &raw);
    mistakes.judge(Named { structure }, |named| {
        Some(Request {
            authentication,
            request_key,
            swab: Swab {
                structure: named.structure.clone()?,
                fiscal_code: fiscal_code?,
                swab_date: swab_date?,
                kind: kind?,
                result: result?,
                contact,
            },
        })
    })
}

/// A mobile number or an e-mail address, not both.
fn contact(mistakes: &mut Mistakes, raw: &RawSubmission<'_>) -> Option<Contact> {
    let mobile = mistakes.optional(&raw.mobile_number, |text| {
        MobileNumber::parse(text).map_err(|_| Outcome::MobileNumberMalformed)
    });
    let email = mistakes.optional(&raw.email_address, |text| {
        EmailAddress::parse(text).map_err(|_| Outcome::EmailAddressMalformed)
    });
    if raw.mobile_number.text.is_some() && raw.email_address.text.is_some() {
        mistakes.note(raw.email_address.name, Outcome::ContactTwice);
    }
    mobile.map(Contact::Mobile).or(email.map(Contact::Email))
}

/// Version of the form below.
const FORM: u8 = 1;

/// The key of a submission that has one, with what a repetition must repeat: all that it says but fiscal code, contact and pincode.
pub(super) fn repeatable(submission: &Request) -> Option<Repeatable> {
    let key = submission.request_key.as_ref()?;
    let mut content = Content::of_form(FORM);
    content.push(submission.authentication.map_or("", |kind| kind.as_str()));
    content.push_structure(&submission.swab.structure);
    content.push(&submission.swab.swab_date.to_string());
    content.push(submission.swab.kind.as_str());
    content.push(submission.swab.result.as_str());
    Some(content.under(key))
}

#[cfg(test)]
mod tests;
