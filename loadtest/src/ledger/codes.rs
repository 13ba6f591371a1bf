//! CUN by CUN: to whom it was given, what was done with it, and which listings have it.

use std::collections::{BTreeSet, HashMap};

use chrono::Datelike as _;
use sistema_ts_model::{Cun, MAX_DELIVERIES};

use super::case::{Case, Overview, Pass};
use super::keys::{KNOWN_AGAIN, Key, of_key};
use super::listed::{Listed, Listing};
use super::order::{Event, MOST_EVENTS, Order};
use super::rules::{Findings, Rule};
use super::{Class, Entry, Kind, LedgerError, RequestId};

/// The one-time code had been authorised before in this session: it was not delivered again.
const ALREADY_AUTHORISED: u16 = 5001;

/// A test that was answered.
#[derive(Debug, Clone, Copy)]
struct Test {
    id: RequestId,
    caller: u16,
    key: Option<Key>,
    person: u32,
    positive: bool,
    /// `dataOra` in milliseconds since 1970, and the day that it is, `20261127`; both 0 if it was not read.
    data_ora: i64,
    day: u32,
    /// How many requests had left when it was answered.
    answered_at: u64,
}

/// All that is known of a CUN.
#[derive(Debug, Default)]
struct Code {
    test: Option<Test>,
    /// Numbers of the listings that have it, and how often.
    listed: Vec<(usize, u64)>,
    events: Vec<Event>,
    /// More happened to it than the events say, or more events than are judged.
    is_partial: bool,
}

/// Whether a test stands at a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stands,
    MayBeCancelled,
    Cancelled,
}

/// The CUNs of one pass.
pub(super) struct Codes(HashMap<u64, Code>);

impl Codes {
    /// Reads what the books and the listings say of the CUNs of this pass.
    pub(super) fn read(
        case: &Case<'_>,
        pass: Pass,
        overview: &Overview,
        findings: &mut Findings,
    ) -> Result<Self, LedgerError> {
        let mut codes = HashMap::<u64, Code>::new();
        for entry in case.books.entries()? {
            let entry = entry?;
            let is_test = entry.intent.kind == Kind::Submit;
            let cun = if is_test {
                let answered = entry.done().filter(|_| !entry.intent.altered);
                answered.and_then(|answer| answer.cun)
            } else {
                entry.intent.cun
            };
            let Some(cun) = cun.map(Cun::number).filter(|cun| pass.takes(*cun)) else {
                continue;
            };
            let code = codes.entry(cun).or_default();
            if is_test {
                code.was_answered(&entry, findings);
            } else {
                code.happened(&entry);
            }
        }
        for code in codes.values_mut() {
            // An ASL's code for the person may have used the CUN up, of which no answer tells.
            code.is_partial |= code
                .test
                .is_some_and(|test| overview.sent_codes_to.contains(&test.person));
        }
        for (number, listing) in case.listings.iter().enumerate() {
            read_listing(&mut codes, pass, (number, listing), findings)?;
        }
        Ok(Self(codes))
    }

    /// Judges them all.
    pub(super) fn judge(&self, case: &Case<'_>, overview: &mut Overview, findings: &mut Findings) {
        let order = Order::new();
        for code in self.0.values() {
            match &code.test {
                Some(test) => {
                    code.judge_listings(test, case, findings);
                    code.judge_events(test, &order, findings);
                }
                None => code.judge_stray(case, overview, findings),
            }
        }
    }
}

fn read_listing(
    codes: &mut HashMap<u64, Code>,
    pass: Pass,
    (number, listing): (usize, &Listing),
    findings: &mut Findings,
) -> Result<(), LedgerError> {
    let times = listing.times()?;
    for (place, test) in listing.tests()?.enumerate() {
        let (listed, _) = test?;
        let Some(cun) = listed.cun.map(Cun::number).filter(|cun| pass.takes(*cun)) else {
            continue;
        };
        let code = codes.entry(cun).or_default();
        match code.listed.iter_mut().find(|(of, _)| *of == number) {
            Some((_, count)) => *count += 1,
            None => code.listed.push((number, 1)),
        }
        if let Some(test) = &code.test {
            findings.looked_at(Rule::ListedAsAnswered, 1);
            if !test.is_as(&listed) {
                findings.broken(Rule::ListedAsAnswered, || test.example());
            }
            times
                .note(place as u64, test.data_ora)
                .map_err(|cause| listing.failed(cause))?;
        }
    }
    Ok(())
}

impl Test {
    fn is_as(&self, listed: &Listed) -> bool {
        listed.positive == self.positive && (self.day == 0 || listed.day == self.day)
    }

    /// A violation is told by the number of its request: codes and people are nobody's business.
    fn example(&self) -> String {
        format!(
            "the test of request {} of caller {}",
            self.id.0, self.caller
        )
    }
}

impl Code {
    /// A submission was answered with this CUN.
    fn was_answered(&mut self, entry: &Entry, findings: &mut Findings) {
        let Some(answer) = &entry.settled else {
            return;
        };
        let day = answer.data_ora.map_or(0, |time| {
            let day = time.rome_day();
            day.year().unsigned_abs() * 10_000 + day.month() * 100 + day.day()
        });
        let test = Test {
            id: entry.id,
            caller: entry.intent.caller,
            key: of_key(entry),
            person: entry.intent.person,
            positive: entry.intent.positive,
            data_ora: answer.data_ora.map_or(0, |time| time.millis()),
            day,
            answered_at: entry.settled_before,
        };
        let is_repeated = KNOWN_AGAIN.contains(&answer.finding);
        findings.looked_at(Rule::CunOnce, u64::from(!is_repeated));
        match &mut self.test {
            None => self.test = Some(test),
            Some(first) if first.key.is_some() && first.key == test.key => {
                first.answered_at = first.answered_at.min(test.answered_at);
            }
            Some(_) => findings.broken(Rule::CunOnce, || entry.example()),
        }
    }

    /// Something else was asked about this CUN.
    fn happened(&mut self, entry: &Entry) {
        let settlement = entry.settled;
        let event = Event {
            kind: entry.intent.kind,
            class: entry.class(),
            caller: entry.intent.caller,
            session: if entry.intent.kind == Kind::Verify {
                settlement.map_or(0, |settlement| settlement.session)
            } else {
                entry.intent.session
            },
            finding: settlement.map_or(0, |settlement| settlement.finding),
            left: entry.id.0,
            settled: entry.settled_before,
        };
        // What differs on purpose is refused for that, and not for the state of the CUN.
        let is_of_state = !entry.intent.altered || event.class != Class::Refused;
        if !event.tells() || !is_of_state {
            return;
        }
        if self.events.len() < MOST_EVENTS {
            self.events.push(event);
        } else {
            self.is_partial = true;
        }
    }

    fn listed_in(&self, number: usize) -> u64 {
        let found = self.listed.iter().find(|(of, _)| *of == number);
        found.map_or(0, |(_, count)| *count)
    }

    fn standing(&self, at: u64) -> Standing {
        let cancelled = |event: &&Event| event.kind == Kind::Cancel && event.left < at;
        let mut standing = Standing::Stands;
        for event in self.events.iter().filter(cancelled) {
            match event.class {
                Class::Done if event.settled <= at => return Standing::Cancelled,
                Class::Refused => {}
                _ => standing = Standing::MayBeCancelled,
            }
        }
        standing
    }

    fn judge_listings(&self, test: &Test, case: &Case<'_>, findings: &mut Findings) {
        for (number, listing) in case.listings.iter().enumerate() {
            let count = self.listed_in(number);
            if listing.is_before {
                // The code of a test that was there already.
                if count > 0 {
                    findings.broken(Rule::CunOnce, || test.example());
                }
                continue;
            }
            if !listing.covers.contains(&test.caller) || test.answered_at > listing.began_at {
                continue;
            }
            let (rule, is_right) = match self.standing(listing.began_at) {
                Standing::Cancelled => (Rule::CancelledGone, count == 0),
                Standing::MayBeCancelled => (Rule::UnknownWholeOrNot, count <= 1),
                Standing::Stands => (Rule::ListedOnce, count == 1),
            };
            findings.looked_at(rule, 1);
            if !is_right {
                findings.broken(rule, || {
                    format!(
                        "{}: {count} times in the listing of caller {}",
                        test.example(),
                        listing.caller
                    )
                });
            }
        }
    }

    /// A CUN that no submission was answered with, and that a listing has.
    fn judge_stray(&self, case: &Case<'_>, overview: &mut Overview, findings: &mut Findings) {
        let was_there = |(number, _): &(usize, u64)| case.listings[*number].is_before;
        if self.listed.iter().any(was_there) {
            return;
        }
        for (number, count) in &self.listed {
            *overview.strays.entry(*number).or_default() += count;
            let covers = &case.listings[*number].covers;
            let is_judged = covers.iter().all(|caller| case.is_exclusive(*caller));
            let mut alike = case
                .listings
                .iter()
                .enumerate()
                .filter(|(_, other)| !other.is_before && other.covers == *covers);
            if is_judged && alike.any(|(other, _)| self.listed_in(other) != 1) {
                findings.broken(Rule::UnknownWholeOrNot, || {
                    let caller = case.listings[*number].caller;
                    format!("a test that nobody was told of, {count} times in one listing of caller {caller}, otherwise in another")
                });
            }
        }
    }

    fn judge_events(&self, test: &Test, order: &Order, findings: &mut Findings) {
        let done = |kind: Kind| {
            let is_it = move |event: &&Event| event.kind == kind && event.class == Class::Done;
            self.events.iter().filter(is_it)
        };
        let delivered = |event: &&Event| event.finding != ALREADY_AUTHORISED;
        let deliveries = done(Kind::Unlock).filter(delivered).count();
        if deliveries > 0 {
            let sessions: BTreeSet<u32> = done(Kind::Unlock).map(|unlock| unlock.session).collect();
            let annulled =
                |event: &&Event| event.kind == Kind::Annul && event.class != Class::Refused;
            let annulments = self.events.iter().filter(annulled).count();
            findings.looked_at(Rule::OneUnlock, 1);
            if sessions.len() > annulments + 1 {
                findings.broken(Rule::OneUnlock, || test.example());
            }
            findings.looked_at(Rule::ThreeDeliveries, 1);
            if deliveries > usize::from(MAX_DELIVERIES) {
                findings.broken(Rule::ThreeDeliveries, || test.example());
            }
        }
        for (end, rule) in [
            (Kind::Confirm, Rule::ConfirmedGone),
            (Kind::Cancel, Rule::CancelledGone),
        ] {
            let Some(since) = done(end).map(|event| event.settled).min() else {
                continue;
            };
            let after = |event: &&Event| {
                event.class == Class::Done && event.kind != end && event.left >= since
            };
            findings.looked_at(rule, 1);
            if self.events.iter().any(|event| after(&event)) {
                findings.broken(rule, || test.example());
            }
        }
        if self.events.is_empty() || self.is_partial {
            return;
        }
        if let Some(fits) = order.fits(test.caller, test.positive, &self.events) {
            findings.looked_at(Rule::OneOrder, 1);
            if !fits {
                findings.broken(Rule::OneOrder, || test.example());
            }
        }
    }
}
