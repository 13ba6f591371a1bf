//! The rules of `sbloccoCodiceImmuni` (Table 11).

use sistema_ts_actors::relay::OtpPost;
use sistema_ts_model::{AuthenticationKind, CodiceFiscale, SessionId};

use crate::services::call::Call;
use crate::services::rules::{Mistakes, session_id};
use crate::services::service::Judged;
use crate::soap::Fields;
use crate::soap::messages::unlock::RawUnlock;

/// A request in which every value is right in itself.
#[derive(Debug)]
pub struct Request {
    pub(super) operator: CodiceFiscale,
    pub(super) session: SessionId,
    pub(super) post: OtpPost,
}

/// What the access record names of a request (§3.4).
#[derive(Debug)]
pub struct Named {
    pub(super) operator: Option<CodiceFiscale>,
    pub(super) authentication: Option<AuthenticationKind>,
    pub(super) session: Option<SessionId>,
}

/// Judges a message. Whether its operator is registered is not known yet.
pub(super) fn judge(mut fields: Fields<'_>, call: &Call) -> Judged<Named, Request> {
    let raw = RawUnlock::take(&mut fields);
    let mut mistakes = Mistakes::default();
    let authentication = mistakes.authentication(&raw.authentication_kind, None, &call.caller);
    let otp = mistakes.otp(&raw.otp);
    let symptoms = mistakes.past_date(&raw.symptoms_started_on, call.at.rome_day());
    let operator = mistakes.fiscal_code(&raw.operator);
    let session = mistakes.required(&raw.session, session_id);
    let named = Named {
        operator,
        authentication,
        session,
    };
    mistakes.judge(named, |named| {
        Some(Request {
            operator: named.operator.clone()?,
            session: session?,
            post: OtpPost::new(otp?, symptoms?),
        })
    })
}

#[cfg(test)]
mod tests;
