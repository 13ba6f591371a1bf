//! Judges the books of a run by the rules, from the ledger's file and the listings that were read.
//!
//! The files are read in passes, each of which looks at a part of the codes or keys alone, so that the memory that is needed does
//! not grow with the run.

use std::collections::HashMap;

use super::admissions::Admissions;
use super::case::{Case, Overview, Pass};
use super::codes::Codes;
use super::keys::{ERASED, Group, of_key};
use super::listed::Listing;
use super::rules::{Findings, Rule};
use super::{Class, Entry, Kind, LedgerError};
use crate::report::Truth;

impl Case<'_> {
    /// Looks at everything and tells what was found.
    pub fn judge(&self) -> Result<Truth, LedgerError> {
        let mut findings = Findings::new();
        let mut overview = self.overview(&mut findings)?;
        for pass in Pass::all(overview.with_key) {
            self.judge_keys(pass, &mut overview, &mut findings)?;
        }
        let listed: u64 = self.listings.iter().map(Listing::count).sum();
        for pass in Pass::all(overview.with_code.max(listed)) {
            let codes = Codes::read(self, pass, &overview, &mut findings)?;
            codes.judge(self, &mut overview, &mut findings);
        }
        self.judge_order(&mut findings)?;
        overview.judge_strays(self, &mut findings);
        Ok(Truth {
            done: overview.classes[0],
            refused: overview.classes[1],
            unknown: overview.classes[2],
            rules: findings.into_results(),
        })
    }

    /// What one reading of the books tells.
    fn overview(&self, findings: &mut Findings) -> Result<Overview, LedgerError> {
        let mut overview = Overview::default();
        let admissions = Admissions::read(self.books)?;
        for entry in self.books.entries()? {
            let entry = entry?;
            let intent = &entry.intent;
            if !intent.kind.is_request() {
                continue;
            }
            if intent.kind == Kind::SendCode && entry.class() != Class::Refused {
                overview.sent_codes_to.insert(intent.person);
            }
            overview.classes[entry.class() as usize - 1] += 1;
            overview.with_key += u64::from(intent.key.is_some());
            let is_test = intent.kind == Kind::Submit && entry.done().is_some();
            overview.with_code += u64::from(is_test || intent.cun.is_some());
            if intent.kind == Kind::Submit {
                overview.submitted(&entry, findings);
            }
            admissions.judge(&entry, findings);
        }
        Ok(overview)
    }

    fn judge_keys(
        &self,
        pass: Pass,
        overview: &mut Overview,
        findings: &mut Findings,
    ) -> Result<(), LedgerError> {
        let mut groups: HashMap<_, Group> = HashMap::new();
        for entry in self.books.entries()? {
            let entry = entry?;
            let Some(key) = of_key(&entry).filter(|key| pass.takes(key.number())) else {
                continue;
            };
            groups.entry(key).or_default().add(&entry, findings);
        }
        for (key, group) in groups {
            if group.judge(findings) && key.kind == Kind::Submit {
                *overview.unknown.entry(key.caller).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The order of listings, by the times that were noted beside the tests that are known.
    fn judge_order(&self, findings: &mut Findings) -> Result<(), LedgerError> {
        for listing in self.listings {
            let (mut last_day, mut last_time) = (0, 0);
            for (place, test) in listing.tests()?.enumerate() {
                let (listed, time) = test?;
                let is_earlier = listed.day < last_day || (time != 0 && time < last_time);
                if is_earlier {
                    findings.broken(Rule::ListedInOrder, || {
                        format!("listing of caller {}, test {}", listing.caller, place + 1)
                    });
                }
                last_day = listed.day;
                last_time = if time == 0 { last_time } else { time };
            }
            findings.looked_at(Rule::ListedInOrder, listing.count());
        }
        Ok(())
    }
}

impl Overview {
    fn submitted(&mut self, entry: &Entry, findings: &mut Findings) {
        let intent = &entry.intent;
        if entry.class() == Class::Unknown {
            findings.looked_at(Rule::UnknownWholeOrNot, 1);
            if intent.key.is_none() {
                *self.unknown.entry(intent.caller).or_default() += 1;
            }
        }
        let is_without_code = entry
            .done()
            .is_some_and(|answer| answer.cun.is_none() && answer.finding != ERASED);
        if is_without_code {
            findings.looked_at(Rule::CunOnce, 1);
            findings.broken(Rule::CunOnce, || entry.example());
        }
    }

    fn judge_strays(&self, case: &Case<'_>, findings: &mut Findings) {
        for (number, listing) in case.listings.iter().enumerate() {
            let is_judged = !listing.is_before
                && listing
                    .covers
                    .iter()
                    .all(|caller| case.is_exclusive(*caller));
            if !is_judged {
                continue;
            }
            let unknown = |caller: &u16| self.unknown.get(caller).copied().unwrap_or(0);
            let allowed: u64 = listing.covers.iter().map(unknown).sum();
            let strays = self.strays.get(&number).copied().unwrap_or(0);
            findings.looked_at(Rule::OnlyWhatWasSent, listing.count());
            findings.broken_by(Rule::OnlyWhatWasSent, strays.saturating_sub(allowed), || {
                format!(
                    "listing of caller {}: {strays} tests that nobody was told of, {allowed} submissions without an answer",
                    listing.caller
                )
            });
        }
    }
}
