//! The rules of `elencoTestEffettuati` (Table 6).

use chrono::{Duration, NaiveDate};
use sistema_ts_model::{
    Caller, CodiceFiscaleOptions, Finding, Outcome, StructureReference, TestKind, Timestamp,
};
use sistema_ts_store::ListingScope;

use super::KNOWN_BEFORE;
use crate::services::endpoint::Call;
use crate::services::rules::{Mistakes, StructureRule};
use crate::soap::messages::listing::{AUTHENTICATION, REQUEST, RawListing, STRUCTURE_NODES};
use crate::soap::messages::shared::RawStructure;

/// Longest interval, in days, both ends included.
const LONGEST_INTERVAL: i64 = 31;

/// The most that an answer may be asked for.
const MOST_ELEMENTS: usize = 1_000_000;

/// A request in which every value is right in itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) scope: ListingScope,
    /// First moment, included.
    pub(super) from: Timestamp,
    /// Last moment, excluded.
    pub(super) to: Timestamp,
    /// Tests in the answer, at most.
    pub(super) maximum: usize,
    pub(super) bookmark: Option<String>,
}

/// Judges a message.
///
/// # Errors
/// All its mistakes.
pub(super) fn validate(
    raw: &RawListing<'_>,
    identifier: &Option<RawStructure<'_>>,
    call: &Call,
    options: CodiceFiscaleOptions,
) -> Result<Request, Vec<Finding>> {
    let mut mistakes = Mistakes::of(&REQUEST);
    mistakes.authentication(
        AUTHENTICATION,
        (&raw.authentication_kind.text, &raw.pin_code.text),
        &call.caller,
    );
    let structure = mistakes.structure(
        STRUCTURE_NODES,
        (identifier, &raw.structure_description.text),
        &call.caller,
        StructureRule::Optional,
    );
    let interval = interval(&mut mistakes, raw, call.at.rome_day());
    let kind = mistakes.test_kind(raw.test_kind.node, &raw.test_kind.text);
    let operator = mistakes.fiscal_code(raw.operator.node, &raw.operator.text, options);
    // A user lists as itself alone.
    if let (Some(user), Some(operator)) = (&call.user, &operator)
        && user.fiscal_code != *operator
    {
        mistakes.note(raw.operator.node, Outcome::OperatorNotOwn);
    }
    let maximum = mistakes.optional(raw.maximum.node, &raw.maximum.text, |text| {
        // As xs:int, which allows a sign.
        let number = text.parse::<usize>().ok();
        number
            .filter(|number| (1..=MOST_ELEMENTS).contains(number))
            .ok_or(Outcome::MaximumElementsOutOfRange)
    });
    match (interval, kind, operator, scope(&call.caller, structure)) {
        (Some((from, to)), Some(TestKind::Molecular), Some(_), Some(scope))
            if mistakes.is_empty() =>
        {
            Ok(Request {
                scope,
                from,
                to,
                maximum: maximum.unwrap_or(KNOWN_BEFORE),
                bookmark: raw.bookmark.text.as_ref().map(|text| text.to_string()),
            })
        }
        _ => Err(mistakes.into_findings()),
    }
}

/// The interval of communication, from its first moment to that after its last.
fn interval(
    mistakes: &mut Mistakes,
    raw: &RawListing<'_>,
    today: NaiveDate,
) -> Option<(Timestamp, Timestamp)> {
    let first = mistakes.past_date(raw.first_day.node, &raw.first_day.text, today);
    let last = mistakes.past_date(raw.last_day.node, &raw.last_day.text, today);
    let (first, last) = (first?, last?);
    let days = (last - first).num_days() + 1;
    if days < 1 {
        mistakes.note(raw.last_day.node, Outcome::IntervalReversed);
    } else if days > LONGEST_INTERVAL {
        mistakes.note(raw.last_day.node, Outcome::IntervalTooLong);
    }
    Some((
        Timestamp::start_of_rome_day(first),
        Timestamp::start_of_rome_day(last + Duration::days(1)),
    ))
}

/// A region lists all its tests, or those of what it names; a structure its own.
fn scope(caller: &Caller, structure: Option<StructureReference>) -> Option<ListingScope> {
    match (caller, structure) {
        (Caller::Region(region), None) => Some(ListingScope::Region(*region)),
        (Caller::Region(_), Some(StructureReference::Identifier(id))) => {
            Some(ListingScope::Structure(id))
        }
        (Caller::Region(region), Some(StructureReference::Description(description))) => {
            Some(ListingScope::Description(*region, description))
        }
        (Caller::Structure(id), _) => Some(ListingScope::Structure(*id)),
        (Caller::CallCenter(_) | Caller::Immuni, _) => None,
    }
}

#[cfg(test)]
mod tests;
