//! The rules of `verificaPositivita` (Table 9).

use sistema_ts_model::{
    CardDigits, CardDigitsError, CodiceFiscale, CodiceFiscaleOptions, Cun, Finding, Outcome,
};

use crate::services::endpoint::Call;
use crate::services::rules::{Mistakes, cun_outcome, well_formed};
use crate::soap::messages::verification::{AUTHENTICATION, REQUEST, RawVerification};

/// A request in which every value is right in itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) operator: CodiceFiscale,
    pub(super) digits: CardDigits,
    pub(super) cun: Cun,
}

/// What the access record names of a request (§3.4).
pub(super) struct Named {
    pub(super) operator: Option<CodiceFiscale>,
    pub(super) cun: Option<Cun>,
}

impl Named {
    pub(super) fn of(raw: &RawVerification<'_>, options: CodiceFiscaleOptions) -> Self {
        Self {
            operator: well_formed(&raw.operator.text, |text| {
                CodiceFiscale::parse_with(text, options)
            }),
            cun: well_formed(&raw.cun.text, Cun::parse_spoken),
        }
    }
}

/// Judges a message.
///
/// # Errors
/// All its mistakes.
pub(super) fn validate(
    raw: &RawVerification<'_>,
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Result<Request, Vec<Finding>> {
    let mut mistakes = Mistakes::of(&REQUEST);
    let kind = mistakes.authentication(
        AUTHENTICATION,
        (&raw.authentication_kind.text, &None),
        &call.caller,
    );
    let operator = mistakes.fiscal_code(raw.operator.node, &raw.operator.text, options);
    let digits = mistakes.required(raw.card.node, &raw.card.text, |text| {
        CardDigits::parse_spoken(text).map_err(|error| match error {
            CardDigitsError::Foreign { .. } => Outcome::ForeignSymbol,
            CardDigitsError::Length | CardDigitsError::Digit { .. } => Outcome::CardDigitsMalformed,
        })
    });
    let cun = mistakes.required(raw.cun.node, &raw.cun.text, |text| {
        Cun::parse_spoken(text).map_err(cun_outcome)
    });
    match (kind, operator, digits, cun) {
        (Some(_), Some(operator), Some(digits), Some(cun)) if mistakes.is_empty() => Ok(Request {
            operator,
            digits,
            cun,
        }),
        _ => Err(mistakes.into_findings()),
    }
}

#[cfg(test)]
mod tests;
