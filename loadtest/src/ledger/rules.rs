//! What a server of this contract must keep, each rule with its name, its sentence and what was found.

use crate::report::RuleResult;

/// A rule. Its order here is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// No CUN for two tests.
    CunOnce,
    /// A receipt.
    KeyFirstAnswer,
    /// A key with other content.
    KeyOtherContent,
    /// Refusals have no effect.
    RefusedWithoutEffect,
    /// Listings are complete.
    ListedOnce,
    /// Listings are in order.
    ListedInOrder,
    /// Listings say what was sent.
    ListedAsAnswered,
    /// Listings have no more than was sent.
    OnlyWhatWasSent,
    /// What is unknown is all or nothing.
    UnknownWholeOrNot,
    /// Cancelled tests are gone.
    CancelledGone,
    /// One session's unlock.
    OneUnlock,
    /// Three deliveries.
    ThreeDeliveries,
    /// Confirmed people are gone.
    ConfirmedGone,
    /// The life of a CUN.
    OneOrder,
    /// Revoked callers.
    RevokedRefused,
    /// Callers that are admitted again.
    AdmittedServed,
}

impl Rule {
    /// All rules, in their order.
    pub const ALL: [Self; 16] = [
        Self::CunOnce,
        Self::KeyFirstAnswer,
        Self::KeyOtherContent,
        Self::RefusedWithoutEffect,
        Self::ListedOnce,
        Self::ListedInOrder,
        Self::ListedAsAnswered,
        Self::OnlyWhatWasSent,
        Self::UnknownWholeOrNot,
        Self::CancelledGone,
        Self::OneUnlock,
        Self::ThreeDeliveries,
        Self::ConfirmedGone,
        Self::OneOrder,
        Self::RevokedRefused,
        Self::AdmittedServed,
    ];

    /// The name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.texts().0
    }

    /// What must hold, in a sentence.
    #[must_use]
    pub const fn says(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::CunOnce => (
                "cun-once",
                "An accepted test has a CUN, which no other test has.",
            ),
            Self::KeyFirstAnswer => (
                "key-first-answer",
                "A request that is repeated with its key and content gets its first answer again, with the same CUN and dataOra.",
            ),
            Self::KeyOtherContent => (
                "key-other-content",
                "A key that is sent again with other content is refused.",
            ),
            Self::RefusedWithoutEffect => (
                "refused-without-effect",
                "What was refused, or turned away with a 503, was not done: repeated with its key it is new.",
            ),
            Self::ListedOnce => (
                "listed-once",
                "A test that was answered and not cancelled is in each listing begun later, exactly once.",
            ),
            Self::ListedInOrder => (
                "listed-in-order",
                "A listing is in the order of dataInserimento, over all its pages.",
            ),
            Self::ListedAsAnswered => (
                "listed-as-answered",
                "A listing has each test with the result that was sent and the day that was answered.",
            ),
            Self::OnlyWhatWasSent => (
                "only-what-was-sent",
                "A listing of an exclusive caller has no test but those of before the run, those answered, and at most as many as are unknown.",
            ),
            Self::UnknownWholeOrNot => (
                "unknown-whole-or-not",
                "A test whose answer is missing is in all listings of its caller once, or in none.",
            ),
            Self::CancelledGone => (
                "cancelled-gone",
                "A cancelled test is in no listing begun later, and nothing is done with its CUN any more.",
            ),
            Self::OneUnlock => (
                "one-unlock",
                "One session at a time unlocks a CUN, and only an annulment frees it for another.",
            ),
            Self::ThreeDeliveries => (
                "three-deliveries",
                "At most three one-time codes are delivered for a CUN.",
            ),
            Self::ConfirmedGone => (
                "confirmed-gone",
                "After a confirmation nobody verifies, unlocks, annuls or cancels that CUN.",
            ),
            Self::OneOrder => (
                "one-order",
                "All answers about a CUN fit the life of a CUN in one order of events.",
            ),
            Self::RevokedRefused => (
                "revoked-refused",
                "A revoked caller is refused at its next request, also on a connection that was open.",
            ),
            Self::AdmittedServed => (
                "admitted-served",
                "A caller that is admitted again, or with a renewed certificate, is not refused as a stranger.",
            ),
        }
    }
}

/// Violations of a rule that are told one by one.
const EXAMPLES: usize = 10;

/// What was found, rule by rule.
#[derive(Debug)]
pub(super) struct Findings(Vec<RuleResult>);

impl Findings {
    pub(super) fn new() -> Self {
        let result = |rule: Rule| RuleResult {
            name: rule.name().to_owned(),
            says: rule.says().to_owned(),
            ..RuleResult::default()
        };
        Self(Rule::ALL.map(result).to_vec())
    }

    fn of(&mut self, rule: Rule) -> &mut RuleResult {
        &mut self.0[rule as usize]
    }

    /// So many more cases were looked at.
    pub(super) fn looked_at(&mut self, rule: Rule, cases: u64) {
        self.of(rule).of += cases;
    }

    /// The rule was broken so often.
    pub(super) fn broken_by(&mut self, rule: Rule, times: u64, example: impl FnOnce() -> String) {
        let result = self.of(rule);
        result.violations += times;
        if times > 0 && result.examples.len() < EXAMPLES {
            result.examples.push(example());
        }
    }

    /// The rule was broken.
    pub(super) fn broken(&mut self, rule: Rule, example: impl FnOnce() -> String) {
        self.broken_by(rule, 1, example);
    }

    pub(super) fn into_results(self) -> Vec<RuleResult> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    //! A failure: two rules under one name, or a finding that is counted for another rule.

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_has_a_name_of_its_own_and_its_own_count() {
        let names: BTreeSet<_> = Rule::ALL.map(Rule::name).into_iter().collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let mut findings = Findings::new();
            findings.looked_at(rule, 7);
            for number in 0..20 {
                findings.broken(rule, || number.to_string());
            }
            for result in findings.into_results() {
                let wanted = if result.name == rule.name() {
                    (20, 7, EXAMPLES)
                } else {
                    (0, 0, 0)
                };
                assert_eq!(
                    (result.violations, result.of, result.examples.len()),
                    wanted
                );
            }
        }
    }
}
