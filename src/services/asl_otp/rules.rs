//! The rules of `invioCodiceOtp` (§5.1, §5.2).

use sistema_ts_actors::relay::OtpPost;
use sistema_ts_model::{CodiceFiscale, Outcome};

use crate::services::call::Call;
use crate::services::rules::{Mistakes, past_date};
use crate::services::service::Judged;
use crate::soap::Fields;
use crate::soap::messages::asl_otp::RawAslOtp;

/// A request in which every value is right in itself.
#[derive(Debug)]
pub struct Request {
    /// The operator whom the access record names.
    pub(super) operator: CodiceFiscale,
    pub(super) fiscal_code: CodiceFiscale,
    pub(super) post: OtpPost,
}

/// What the access record names of a request (§5.2).
#[derive(Debug)]
pub struct Named {
    /// The health operator: of a user, whose credentials they are; of a region, whom the message names, if that is well-formed.
    pub(super) operator: Option<CodiceFiscale>,
}

/// Judges a message. Whether a region's operator is registered is not known yet.
pub(super) fn judge(mut fields: Fields<'_>, call: &Call) -> Judged<Named, Request> {
    let raw = RawAslOtp::take(&mut fields);
    let mut mistakes = Mistakes::default();
    mistakes.authentication(&raw.authentication_kind, Some(&raw.pin_code), &call.caller);
    let operator = operator(&mut mistakes, &raw, call);
    let otp = mistakes.otp(&raw.otp);
    let today = call.at.rome_day();
    // Never a date found through the person: without one, today.
    let symptoms = match raw.symptoms_started_on.text {
        None => Some(today),
        Some(_) => mistakes.optional(&raw.symptoms_started_on, |text| past_date(text, today)),
    };
    let fiscal_code = mistakes.fiscal_code(&raw.fiscal_code);
    mistakes.judge(Named { operator }, |named| {
        Some(Request {
            operator: named.operator.clone()?,
            fiscal_code: fiscal_code?,
            post: OtpPost::new(otp?, symptoms?),
        })
    })
}

/// A region names its operator; a user may name nobody else than itself.
fn operator(mistakes: &mut Mistakes, raw: &RawAslOtp<'_>, call: &Call) -> Option<CodiceFiscale> {
    let named = match raw.operator.text {
        Some(_) => mistakes.fiscal_code(&raw.operator),
        None => None,
    };
    let Some(user) = &call.user else {
        if raw.operator.text.is_none() {
            mistakes.note(raw.operator.name, Outcome::OperatorRequired);
        }
        return named;
    };
    if named.is_some_and(|named| named != user.fiscal_code) {
        mistakes.note(raw.operator.name, Outcome::OperatorNotOwn);
    }
    Some(user.fiscal_code.clone())
}

#[cfg(test)]
mod tests;
