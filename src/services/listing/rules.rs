//! The rules of `elencoTestEffettuati` (Table 6).

use chrono::{Duration, NaiveDate};
use sistema_ts_model::{Caller, CodiceFiscale, Outcome, StructureReference, Timestamp};
use sistema_ts_store::ListingScope;

use crate::services::call::Call;
use crate::services::rules::{Mistakes, StructureRule};
use crate::services::service::Judged;
use crate::soap::Fields;
use crate::soap::messages::listing::RawListing;

/// Tests up to which it is known before the first byte whether there are more; also the most that an answer holds unless `massimoElementi`
/// says otherwise.
pub(super) const KNOWN_BEFORE: usize = 25_000;

/// Longest interval, in days, both ends included.
const LONGEST_INTERVAL: i64 = 31;

/// The most that an answer may be asked for.
const MOST_ELEMENTS: usize = 1_000_000;

/// A request in which every value is right in itself; its bookmark is a [`String`], then what that says.
#[derive(Debug)]
pub struct Request<B> {
    /// Who asks.
    pub(super) operator: CodiceFiscale,
    pub(super) scope: ListingScope,
    /// First moment, included.
    pub(super) from: Timestamp,
    /// Last moment, excluded.
    pub(super) to: Timestamp,
    /// Tests in the answer, at most.
    pub(super) maximum: usize,
    pub(super) bookmark: Option<B>,
}

impl<A> Request<A> {
    /// The same with another bookmark.
    pub(super) fn with<B>(self, bookmark: Option<B>) -> Request<B> {
        Request {
            operator: self.operator,
            scope: self.scope,
            from: self.from,
            to: self.to,
            maximum: self.maximum,
            bookmark,
        }
    }
}

/// What the access record names of a request (§2.5).
#[derive(Debug)]
pub struct Named {
    pub(super) structure: Option<StructureReference>,
    pub(super) operator: Option<CodiceFiscale>,
}

/// Judges a message. Whether its structure and its operator are registered, and what its bookmark says, is not known yet.
pub(super) fn judge(mut fields: Fields<'_>, call: &Call) -> Judged<Named, Request<String>> {
    let raw = RawListing::take(&mut fields);
    let mut mistakes = Mistakes::default();
    mistakes.authentication(&raw.authentication_kind, Some(&raw.pin_code), &call.caller);
    let structure = mistakes.structure(&raw.structure, &call.caller, StructureRule::Optional);
    let interval = interval(&mut mistakes, &raw, call.at.rome_day());
    mistakes.test_kind(&raw.test_kind);
    let operator = mistakes.fiscal_code(&raw.operator);
    // A user lists as itself alone.
    if let (Some(user), Some(operator)) = (&call.user, &operator)
        && user.fiscal_code != *operator
    {
        mistakes.note(raw.operator.name, Outcome::OperatorNotOwn);
    }
    let maximum = mistakes.optional(&raw.maximum, |text| {
        // As xs:int, which allows a sign.
        let number = text.parse::<usize>().ok();
        number
            .filter(|number| (1..=MOST_ELEMENTS).contains(number))
            .ok_or(Outcome::MaximumElementsOutOfRange)
    });
    let named = Named {
        structure,
        operator,
    };
    mistakes.judge(named, |named| {
        let (from, to) = interval?;
        Some(Request {
            operator: named.operator.clone()?,
            scope: scope(&call.caller, named.structure.as_ref())?,
            from,
            to,
            maximum: maximum.unwrap_or(KNOWN_BEFORE),
            bookmark: raw.bookmark.text.as_ref().map(|text| text.to_string()),
        })
    })
}

/// The interval of communication, from its first moment to that after its last.
fn interval(
    mistakes: &mut Mistakes,
    raw: &RawListing<'_>,
    today: NaiveDate,
) -> Option<(Timestamp, Timestamp)> {
    let first = mistakes.past_date(&raw.first_day, today);
    let last = mistakes.past_date(&raw.last_day, today);
    let (first, last) = (first?, last?);
    let days = (last - first).num_days() + 1;
    if days < 1 {
        mistakes.note(raw.last_day.name, Outcome::IntervalReversed);
    } else if days > LONGEST_INTERVAL {
        mistakes.note(raw.last_day.name, Outcome::IntervalTooLong);
    }
    Some((
        Timestamp::start_of_rome_day(first),
        Timestamp::start_of_rome_day(last + Duration::days(1)),
    ))
}

/// A region lists all its tests, or those of what it names; a structure its own.
fn scope(caller: &Caller, structure: Option<&StructureReference>) -> Option<ListingScope> {
    match (caller, structure) {
        (Caller::Region(region), None) => Some(ListingScope::Region(*region)),
        (Caller::Region(_), Some(StructureReference::Identifier(id))) => {
            Some(ListingScope::Structure(*id))
        }
        (Caller::Region(region), Some(StructureReference::Description(description))) => {
            Some(ListingScope::Description(*region, description.clone()))
        }
        (Caller::Structure(id), _) => Some(ListingScope::Structure(*id)),
        (Caller::Asl(_) | Caller::CallCenter(_) | Caller::Immuni, _) => None,
    }
}

#[cfg(test)]
mod tests;
