//! The rules of `verificaPositivita` (Table 9).

use sistema_ts_model::{CardDigits, CardDigitsError, CodiceFiscale, Cun, Outcome, SessionId};

use crate::services::call::Call;
use crate::services::rules::Mistakes;
use crate::services::service::Judged;
use crate::soap::Fields;
use crate::soap::messages::verification::RawVerification;

/// A request in which every value is right in itself.
#[derive(Debug)]
pub struct Request {
    pub(super) operator: CodiceFiscale,
    pub(super) digits: CardDigits,
    pub(super) cun: Cun,
}

/// What the access record names of a request (§3.4).
#[derive(Debug)]
pub struct Named {
    pub(super) operator: Option<CodiceFiscale>,
    pub(super) cun: Option<Cun>,
    /// The session that was opened, if one was.
    pub(super) session: Option<SessionId>,
}

/// Judges a message. Whether its operator is registered is not known yet.
pub(super) fn judge(mut fields: Fields<'_>, call: &Call) -> Judged<Named, Request> {
    let raw = RawVerification::take(&mut fields);
    let mut mistakes = Mistakes::default();
    mistakes.authentication(&raw.authentication_kind, None, &call.caller);
    let operator = mistakes.fiscal_code(&raw.operator);
    let digits = mistakes.required(&raw.card, |text| {
        CardDigits::parse_spoken(text).map_err(|error| match error {
            CardDigitsError::Foreign { .. } => Outcome::ForeignSymbol,
            CardDigitsError::Length | CardDigitsError::Digit { .. } => Outcome::CardDigitsMalformed,
        })
    });
    let cun = mistakes.spoken_cun(&raw.cun);
    let named = Named {
        operator,
        cun,
        session: None,
    };
    mistakes.judge(named, |named| {
        Some(Request {
            operator: named.operator.clone()?,
            digits: digits?,
            cun: cun?,
        })
    })
}

#[cfg(test)]
mod tests;
