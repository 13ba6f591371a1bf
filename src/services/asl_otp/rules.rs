//! The rules of `invioCodiceOtp` (§5.1, §5.2).

use sistema_ts_actors::relay::OtpPost;
use sistema_ts_model::{CodiceFiscale, CodiceFiscaleOptions, Finding, Outcome};

use crate::services::endpoint::Call;
use crate::services::rules::{Mistakes, past_date, well_formed};
use crate::soap::messages::asl_otp::{AUTHENTICATION, REQUEST, RawAslOtp};

/// A request in which every value is right in itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) fiscal_code: CodiceFiscale,
    pub(super) post: OtpPost,
}

/// The health operator that the access record names (§5.2): of a user, whose credentials they are; of a region, whom the message names, if that
/// is well-formed.
pub(super) fn operator_of(
    raw: &RawAslOtp<'_>,
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Option<CodiceFiscale> {
    match &call.user {
        Some(user) => Some(user.fiscal_code.clone()),
        None => well_formed(&raw.operator.text, |text| {
            CodiceFiscale::parse_with(text, options)
        }),
    }
}

/// Judges a message.
///
/// # Errors
/// All its mistakes.
pub(super) fn validate(
    raw: &RawAslOtp<'_>,
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Result<Request, Vec<Finding>> {
    let mut mistakes = Mistakes::of(&REQUEST);
    mistakes.authentication(
        AUTHENTICATION,
        (&raw.authentication_kind.text, &raw.pin_code.text),
        &call.caller,
    );
    match (&call.user, &raw.operator.text) {
        (None, None) => mistakes.note(raw.operator.node, Outcome::OperatorRequired),
        (user, Some(_)) => {
            let operator = mistakes.fiscal_code(raw.operator.node, &raw.operator.text, options);
            if let (Some(user), Some(operator)) = (user, operator)
                && user.fiscal_code != operator
            {
                mistakes.note(raw.operator.node, Outcome::OperatorNotOwn);
            }
        }
        (Some(_), None) => {}
    }
    let otp = mistakes.otp(raw.otp.node, &raw.otp.text);
    let today = call.at.rome_day();
    let symptoms = &raw.symptoms_started_on;
    // Never a date found through the person: without one, today.
    let symptoms = match &symptoms.text {
        None => Some(today),
        Some(_) => mistakes.optional(symptoms.node, &symptoms.text, |text| past_date(text, today)),
    };
    let fiscal_code = mistakes.fiscal_code(raw.fiscal_code.node, &raw.fiscal_code.text, options);
    match (otp, symptoms, fiscal_code) {
        (Some(otp), Some(symptoms), Some(fiscal_code)) if mistakes.is_empty() => Ok(Request {
            fiscal_code,
            post: OtpPost::new(otp, symptoms),
        }),
        _ => Err(mistakes.into_findings()),
    }
}

#[cfg(test)]
mod tests;
