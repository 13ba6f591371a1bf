//! The rules of `confermaSbloccoImmuni` (Table 13, §3.4).

use sistema_ts_model::{CodiceFiscale, Cun, Outcome, SessionId};
use sistema_ts_store::{ConfirmationKind, RecordedOption};

use crate::services::call::Call;
use crate::services::option_filter::RecordedOptions;
use crate::services::rules::{Mistakes, session_id};
use crate::services::service::Judged;
use crate::soap::messages::confirmation::{OPTION, RawConfirmation};
use crate::soap::{Fields, Row};

/// Most options of a request (§3.3.3). The schema does not say it: some generators make a single element of a bounded list.
const MOST_OPTIONS: usize = 10;

/// Longest key of an option, in characters.
const LONGEST_KEY: usize = 64;

/// Longest value of an option, in characters.
const LONGEST_VALUE: usize = 256;

/// A request in which every value is right in itself.
#[derive(Debug)]
pub struct Request {
    pub(super) kind: ConfirmationKind,
    pub(super) operator: CodiceFiscale,
    pub(super) session: Option<SessionId>,
    pub(super) cun: Cun,
}

/// What the access record names of a request (§3.4), and of the options what may stay.
#[derive(Debug)]
pub struct Named {
    pub(super) operator: Option<CodiceFiscale>,
    pub(super) kind: Option<ConfirmationKind>,
    pub(super) session: Option<SessionId>,
    pub(super) cun: Option<Cun>,
    pub(super) options: Vec<RecordedOption>,
}

/// Key and value of an option, if both are there.
fn pair<'r>(row: &'r Row<'_>) -> Option<(&'r str, &'r str)> {
    Some((row.values[0].as_deref()?, row.values[1].as_deref()?))
}

/// Judges a message. Whether its operator is registered is not known yet.
pub(super) fn judge(
    mut fields: Fields<'_>,
    call: &Call,
    recorded: &RecordedOptions,
) -> Judged<Named, Request> {
    let raw = RawConfirmation::take(&mut fields);
    let mut mistakes = Mistakes::default();
    mistakes.authentication(&raw.authentication_kind, None, &call.caller);
    let kind = mistakes.required(&raw.kind, |text| {
        ConfirmationKind::parse(text).ok_or(Outcome::CommunicationKindUnknown)
    });
    let operator = mistakes.fiscal_code(&raw.operator);
    let session = mistakes.optional(&raw.session, session_id);
    let cun = mistakes.spoken_cun(&raw.cun);
    let options = &fields.rows;
    let is_right = |option: &Row<'_>| {
        pair(option).is_some_and(|(key, value)| {
            key.chars().count() <= LONGEST_KEY && value.chars().count() <= LONGEST_VALUE
        })
    };
    if options.len() > MOST_OPTIONS {
        mistakes.note(OPTION, Outcome::OptionsTooMany);
    }
    if !options.iter().all(is_right) {
        mistakes.note(OPTION, Outcome::OptionMalformed);
    }
    let named = Named {
        operator,
        kind,
        session,
        cun,
        options: recorded.of(options.iter().take(MOST_OPTIONS).filter_map(pair)),
    };
    mistakes.judge(named, |named| {
        Some(Request {
            kind: kind?,
            operator: named.operator.clone()?,
            session,
            cun: cun?,
        })
    })
}

#[cfg(test)]
mod tests;
