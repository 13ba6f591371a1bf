//! What came of the requests.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::wire::answer::Answer;

/// Longest latency that is told apart: five minutes, in nanoseconds.
const LONGEST: u64 = 300_000_000_000;

/// Latencies in nanoseconds, to three digits.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 3).expect("constant bounds that are in range")
}

/// Outcomes and failures, by kind.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answers of any kind.
    pub answered: u64,
    /// Answers `0000` or `0001` with a valid CUN.
    pub accepted: u64,
    /// Requests that were sent and never answered.
    pub unanswered: u64,
    /// How often each outcome, or HTTP status without one, was answered.
    pub outcomes: BTreeMap<String, u64>,
    /// How often each code of `listaErrori` was answered.
    pub findings: BTreeMap<String, u64>,
    /// How often a connection ended early, by reason.
    pub failures: BTreeMap<String, u64>,
    /// The numbers of the CUNs, to find any that was answered twice.
    cuns: Vec<u64>,
    plainly_accepted: u64,
}

impl Counts {
    /// Counts an answer; true if it is an accepted submission.
    pub fn answer(&mut self, answer: &Answer) -> bool {
        self.answered += 1;
        for code in &answer.findings {
            *self.findings.entry(code.clone()).or_default() += 1;
        }
        let accepted =
            answer.status == 200 && matches!(answer.outcome.as_ref(), Some(b"0000" | b"0001"));
        if accepted && let Some(cun) = answer.cun {
            self.accepted += 1;
            self.cuns.push(cun.number());
            if answer.outcome == Some(*b"0000") {
                self.plainly_accepted += 1;
            } else {
                *self.outcomes.entry("0001".into()).or_default() += 1;
            }
            return true;
        }
        let mut kind = answer.kind();
        if accepted {
            kind.push_str(" without a valid CUN");
        }
        *self.outcomes.entry(kind).or_default() += 1;
        false
    }

    /// Counts the end of a connection, and the request that was under way on it.
    pub fn failure(&mut self, reason: String, request_under_way: bool) {
        *self.failures.entry(reason).or_default() += 1;
        self.unanswered += u64::from(request_under_way);
    }

    /// Outcomes with the usual one, which is counted apart.
    pub fn all_outcomes(&self) -> BTreeMap<String, u64> {
        let mut outcomes = self.outcomes.clone();
        if self.plainly_accepted > 0 {
            outcomes.insert("0000".into(), self.plainly_accepted);
        }
        outcomes
    }

    /// How many answered CUNs had been answered before.
    pub fn duplicates(&mut self) -> u64 {
        self.cuns.sort_unstable();
        let twice = self.cuns.windows(2).filter(|pair| pair[0] == pair[1]);
        twice.count() as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sistema_ts_model::Cun;

    use super::*;

    fn answer(status: u16, outcome: Option<&[u8; 4]>, cun: Option<u64>) -> Answer {
        Answer {
            status,
            closes: false,
            outcome: outcome.copied(),
            cun: cun.map(|number| Cun::from_number(number).unwrap()),
            session: None,
            findings: Vec::new(),
        }
    }

    #[test]
    fn only_an_outcome_with_a_cun_is_an_accepted_submission() {
        let mut counts = Counts::default();
        assert!(counts.answer(&answer(200, Some(b"0000"), Some(7))));
        assert!(counts.answer(&answer(200, Some(b"0001"), Some(8))));
        assert!(!counts.answer(&answer(200, Some(b"0000"), None)));
        assert!(!counts.answer(&answer(200, Some(b"9999"), None)));
        assert!(!counts.answer(&answer(503, None, None)));
        assert_eq!((counts.answered, counts.accepted), (5, 2));
        let outcomes: Vec<_> = counts.all_outcomes().into_iter().collect();
        let expected = [
            "0000",
            "0000 without a valid CUN",
            "0001",
            "9999",
            "HTTP 503",
        ];
        assert_eq!(outcomes, expected.map(|kind| (kind.to_owned(), 1)));
    }

    #[test]
    fn a_cun_that_comes_again_is_a_duplicate() {
        let mut counts = Counts::default();
        for number in [5, 6, 5, 7, 5] {
            counts.answer(&answer(200, Some(b"0000"), Some(number)));
        }
        assert_eq!(counts.duplicates(), 2);
    }
}
