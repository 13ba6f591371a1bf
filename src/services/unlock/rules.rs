//! The rules of `sbloccoCodiceImmuni` (Table 11).

use sistema_ts_actors::relay::OtpPost;
use sistema_ts_model::{
    AuthenticationKind, CodiceFiscale, CodiceFiscaleOptions, Finding, Outcome, SessionId,
};

use crate::services::endpoint::Call;
use crate::services::rules::{Mistakes, well_formed};
use crate::soap::messages::unlock::{AUTHENTICATION, REQUEST, RawUnlock};

/// A request in which every value is right in itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operator: CodiceFiscale,
    pub(super) session: SessionId,
    pub(super) post: OtpPost,
}

/// What the access record names of a request (§3.4): what is well-formed of it.
pub(super) struct Named {
    pub(super) operator: Option<CodiceFiscale>,
    pub(super) authentication: Option<AuthenticationKind>,
    pub(super) session: Option<SessionId>,
}

impl Named {
    pub(super) fn of(raw: &RawUnlock<'_>, options: CodiceFiscaleOptions) -> Self {
        Self {
            operator: well_formed(&raw.operator.text, |text| {
                CodiceFiscale::parse_with(text, options)
            }),
            authentication: well_formed(&raw.authentication_kind.text, AuthenticationKind::parse),
            session: well_formed(&raw.session.text, SessionId::parse),
        }
    }
}

/// Judges a message.
///
/// # Errors
/// All its mistakes.
pub(super) fn validate(
    raw: &RawUnlock<'_>,
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Result<Request, Vec<Finding>> {
    let mut mistakes = Mistakes::of(&REQUEST);
    mistakes.authentication(
        AUTHENTICATION,
        (&raw.authentication_kind.text, &None),
        &call.caller,
    );
    let otp = mistakes.otp(raw.otp.node, &raw.otp.text);
    let symptoms = &raw.symptoms_started_on;
    let symptoms = mistakes.past_date(symptoms.node, &symptoms.text, call.at.rome_day());
    let operator = mistakes.fiscal_code(raw.operator.node, &raw.operator.text, options);
    let session = mistakes.required(raw.session.node, &raw.session.text, |text| {
        SessionId::parse(text).map_err(|_| Outcome::VerificationIdMalformed)
    });
    match (otp, symptoms, operator, session) {
        (Some(otp), Some(symptoms), Some(operator), Some(session)) if mistakes.is_empty() => {
            Ok(Request {
                operator,
                session,
                post: OtpPost::new(otp, symptoms),
            })
        }
        _ => Err(mistakes.into_findings()),
    }
}

#[cfg(test)]
mod tests;
