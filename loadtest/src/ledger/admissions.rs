//! Callers that are revoked, renewed or admitted again while a run lasts: which of their requests must be refused, and which must not be
//! refused as a stranger's.

use std::collections::HashMap;

use super::rules::{Findings, Rule};
use super::{Books, Entry, Kind, LedgerError};

/// Codes of faults that say that a caller is none: credentials, no certificate, a certificate that is not enabled.
const OF_A_STRANGER: [u16; 3] = [6002, 6021, 6022];

/// From one mark in the books to the next.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    kind: Kind,
    from: u64,
    to: u64,
}

/// What the books say of callers, in the order of the books.
#[derive(Debug, Default)]
pub(super) struct Admissions(HashMap<u16, Vec<Stretch>>);

impl Admissions {
    pub(super) fn read(books: &Books) -> Result<Self, LedgerError> {
        let mut admissions = Self::default();
        for entry in books.entries()? {
            let entry = entry?;
            if !entry.intent.kind.is_request() {
                admissions.mark(&entry);
            }
        }
        Ok(admissions)
    }

    fn mark(&mut self, entry: &Entry) {
        let stretches = self.0.entry(entry.intent.caller).or_default();
        if let Some(last) = stretches.last_mut() {
            last.to = entry.id.0;
        }
        stretches.push(Stretch {
            kind: entry.intent.kind,
            from: entry.id.0,
            to: u64::MAX,
        });
    }

    /// Judges a request that left and was answered between two marks: what was under way at one may have come before it or after.
    pub(super) fn judge(&self, entry: &Entry, findings: &mut Findings) {
        let is_within = |stretch: &&Stretch| {
            stretch.from < entry.id.0
                && entry.id.0 < stretch.to
                && entry.settled_before <= stretch.to
        };
        let stretches = self.0.get(&entry.intent.caller);
        let Some(stretch) = stretches.and_then(|all| all.iter().find(is_within)) else {
            return;
        };
        let (rule, is_broken) = match stretch.kind {
            Kind::Revoked => (Rule::RevokedRefused, entry.done().is_some()),
            Kind::Admitted => (Rule::AdmittedServed, is_refused_as_stranger(entry)),
            _ => return,
        };
        findings.looked_at(rule, 1);
        if is_broken {
            findings.broken(rule, || entry.example());
        }
    }
}

fn is_refused_as_stranger(entry: &Entry) -> bool {
    entry.settled.is_some_and(|settlement| {
        matches!(settlement.status, 401 | 403) || OF_A_STRANGER.contains(&settlement.finding)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a request is judged by what came to be while it was under way, or one that nothing excuses is not judged.

    use std::time::Instant;

    use super::super::{Intent, Ledger, Settlement};
    use super::*;

    /// What is found of both rules, as violations and cases, when this is written: marks, and requests that are answered when so many more
    /// entries have been written.
    fn found(story: &[(Kind, Option<(Settlement, usize)>)]) -> [(u64, u64); 2] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = Ledger::create(&path).unwrap();
        let mut open = Vec::new();
        for (place, (kind, answer)) in story.iter().enumerate() {
            let id = ledger
                .intend(&Intent::new(*kind, 7), Instant::now())
                .unwrap();
            open.extend(answer.map(|(answer, after)| (place + after, id, answer)));
            open.retain(|(at, id, answer)| {
                let is_open = *at > place;
                if !is_open {
                    ledger.settle(*id, answer).unwrap();
                }
                is_open
            });
        }
        let books = Books::open(&path).unwrap();
        let admissions = Admissions::read(&books).unwrap();
        let mut findings = Findings::new();
        for entry in books.entries().unwrap().map(Result::unwrap) {
            if entry.intent.kind.is_request() {
                admissions.judge(&entry, &mut findings);
            }
        }
        let results = findings.into_results();
        [Rule::RevokedRefused, Rule::AdmittedServed]
            .map(|rule| &results[rule as usize])
            .map(|result| (result.violations, result.of))
    }

    #[test]
    fn what_was_under_way_at_a_change_is_excused_and_nothing_else() {
        let served = Settlement::answered(200, Some(*b"0000"), 0);
        let stranger = Settlement::answered(500, None, 6022);
        let ask = |answer, after| (Kind::Submit, Some((answer, after)));
        let mark = |kind| (kind, None);
        assert_eq!(found(&[ask(served, 0), ask(stranger, 0)]), [(0, 0), (0, 0)]);
        let while_it_changes = [mark(Kind::Changing), ask(served, 0), ask(stranger, 0)];
        assert_eq!(found(&while_it_changes), [(0, 0), (0, 0)]);
        let revoked = [
            ask(served, 2),
            mark(Kind::Changing),
            ask(served, 1),
            mark(Kind::Revoked),
            ask(stranger, 0),
            ask(served, 0),
            ask(served, 2),
            mark(Kind::Changing),
            mark(Kind::Admitted),
        ];
        assert_eq!(found(&revoked), [(1, 2), (0, 0)]);
        let admitted = [
            mark(Kind::Revoked),
            ask(stranger, 1),
            mark(Kind::Changing),
            ask(stranger, 1),
            mark(Kind::Admitted),
            ask(served, 0),
            ask(stranger, 0),
            ask(Settlement::answered(503, None, 8001), 0),
            ask(Settlement::answered(200, Some(*b"9999"), 2103), 0),
        ];
        // The first refusal came after the next mark, and is nobody's case.
        assert_eq!(found(&admitted), [(0, 0), (1, 4)]);
    }
}
