//! The rules of `confermaSbloccoImmuni` (Table 13, §3.4).

use sistema_ts_model::{CodiceFiscale, CodiceFiscaleOptions, Cun, Finding, Outcome, SessionId};
use sistema_ts_store::{ConfirmationKind, RecordedOption};

use crate::services::endpoint::Call;
use crate::services::option_filter::RecordedOptions;
use crate::services::rules::{Mistakes, cun_outcome, well_formed};
use crate::soap::Row;
use crate::soap::messages::confirmation::{AUTHENTICATION, OPTION, REQUEST, RawConfirmation};

/// Most options of a request (§3.3.3). The schema does not say it: some generators make a single element of a bounded list.
const MOST_OPTIONS: usize = 10;

/// Longest key of an option, in characters.
const LONGEST_KEY: usize = 64;

/// Longest value of an option, in characters.
const LONGEST_VALUE: usize = 256;

/// A request in which every value is right in itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: ConfirmationKind,
    pub(super) operator: CodiceFiscale,
    pub(super) session: Option<SessionId>,
    pub(super) cun: Cun,
}

/// What the access record names of a request (§3.4): what is well-formed of it, and of the options what may stay.
pub(super) struct Named {
    pub(super) operator: Option<CodiceFiscale>,
    pub(super) kind: Option<ConfirmationKind>,
    pub(super) session: Option<SessionId>,
    pub(super) cun: Option<Cun>,
    pub(super) options: Vec<RecordedOption>,
}

impl Named {
    pub(super) fn of(
        raw: &RawConfirmation<'_>,
        rows: &[Row<'_>],
        options: CodiceFiscaleOptions,
        recorded: &RecordedOptions,
    ) -> Self {
        Self {
            operator: well_formed(&raw.operator.text, |text| {
                CodiceFiscale::parse_with(text, options)
            }),
            kind: raw
                .kind
                .text
                .as_ref()
                .and_then(|text| ConfirmationKind::parse(text)),
            session: well_formed(&raw.session.text, SessionId::parse),
            cun: well_formed(&raw.cun.text, Cun::parse_spoken),
            options: recorded.of(rows.iter().take(MOST_OPTIONS).filter_map(pair)),
        }
    }
}

/// Key and value of an option, if both are there.
fn pair<'r>(row: &'r Row<'_>) -> Option<(&'r str, &'r str)> {
    Some((row.values[0].as_deref()?, row.values[1].as_deref()?))
}

/// Judges a message.
///
/// # Errors
/// All its mistakes.
pub(super) fn validate(
    raw: &RawConfirmation<'_>,
    rows: &[Row<'_>],
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Result<Request, Vec<Finding>> {
    let mut mistakes = Mistakes::of(&REQUEST);
    mistakes.authentication(
        AUTHENTICATION,
        (&raw.authentication_kind.text, &None),
        &call.caller,
    );
    let kind = mistakes.required(raw.kind.node, &raw.kind.text, |text| {
        ConfirmationKind::parse(text).ok_or(Outcome::CommunicationKindUnknown)
    });
    let operator = mistakes.fiscal_code(raw.operator.node, &raw.operator.text, options);
    let session = mistakes.optional(raw.session.node, &raw.session.text, |text| {
        SessionId::parse(text).map_err(|_| Outcome::VerificationIdMalformed)
    });
    let cun = mistakes.required(raw.cun.node, &raw.cun.text, |text| {
        Cun::parse_spoken(text).map_err(cun_outcome)
    });
    let is_right = |row: &Row<'_>| {
        pair(row).is_some_and(|(key, value)| {
            key.chars().count() <= LONGEST_KEY && value.chars().count() <= LONGEST_VALUE
        })
    };
    if rows.len() > MOST_OPTIONS {
        mistakes.note(OPTION, Outcome::OptionsTooMany);
    }
    if !rows.iter().all(is_right) {
        mistakes.note(OPTION, Outcome::OptionMalformed);
    }
    match (kind, operator, cun) {
        (Some(kind), Some(operator), Some(cun)) if mistakes.is_empty() => Ok(Request {
            kind,
            operator,
            session,
            cun,
        }),
        _ => Err(mistakes.into_findings()),
    }
}

#[cfg(test)]
mod tests;
