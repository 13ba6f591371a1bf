//! Objectives: comparisons of what was measured, for example `submit.p99 <= 3 * idle.submit.p50`.
//!
//! ```text
//! objective  = sum ( "<=" | "<" | ">=" | ">" | "==" ) sum
//! sum        = product { ( "+" | "-" ) product }
//! product    = factor { ( "*" | "/" ) factor }
//! factor     = number [ "%" | "us" | "ms" | "s" ] | figure | "(" sum ")"
//! figure     = [ "idle." ] ( step | "all" ) [ "[" outcome "]" ] [ "@" caller ] "." metric
//!            | "stage." stream "." number "." percentile | "lateness." percentile | "ceiling.rate"
//! metric     = [ "service." ] percentile | "rate" | "count" | "share" | "starved"
//! percentile = "p50" | "p90" | "p99" | "p999" | "max"
//! outcome    = "0000" | "0001" | "9999" | "503" | "fault" | "lost" | "unsent"
//! ```
//!
//! Times are seconds, shares are of 1, rates are answers a second. A percentile is of the response (from the request's intended
//! time), or of the service (from its sending) if it says so; without an outcome it is of all that were sent, also those
//! that were never answered. A stage is one of a stream that has several, the first being number 1; its percentiles are of the
//! response, of what was due in it and answered.

mod expression;
mod parser;

use std::fmt;

use expression::{Comparison, Expression};
use parser::Parser;

pub use expression::{Figure, Metric, ObjectiveError, Percentile};

/// A comparison, ready to be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    text: String,
    left: Expression,
    comparison: Comparison,
    right: Expression,
}

/// What came of an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The left side; `None` if there is nothing to judge by.
    pub value: Option<f64>,
    /// The right side.
    pub limit: Option<f64>,
    /// Whether it is kept. What cannot be judged is not kept.
    pub kept: bool,
}

impl Objective {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, ObjectiveError> {
        let mut parser = Parser::new(text);
        let left = parser.sum()?;
        let comparison = parser.comparison()?;
        let right = parser.sum()?;
        parser.end()?;
        Ok(Self {
            text: text.to_owned(),
            left,
            comparison,
            right,
        })
    }

    /// All figures that it looks at.
    #[must_use]
    pub fn figures(&self) -> Vec<&Figure> {
        let mut figures = Vec::new();
        self.left.collect(&mut figures);
        self.right.collect(&mut figures);
        figures
    }

    /// Judges it by what was measured; `figure` gives `None` for what was not.
    pub fn judge(&self, figure: &impl Fn(&Figure) -> Option<f64>) -> Judgement {
        let value = self.left.value(figure);
        let limit = self.right.value(figure);
        let kept = value
            .zip(limit)
            .is_some_and(|(value, limit)| match self.comparison {
                Comparison::AtMost => value <= limit,
                Comparison::Below => value < limit,
                Comparison::AtLeast => value >= limit,
                Comparison::Above => value > limit,
                // Counts and quotients of counts: what differs less than rounding does is equal.
                Comparison::Equal => (value - limit).abs() <= 1e-9 * value.abs().max(limit.abs()),
            });
        Judgement { value, limit, kept }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: an objective that is read otherwise than arithmetic says, one that is kept without figures, or a mistake whose
    //! place is another.

    use super::*;
    use crate::measure::outcome::Outcome;
    use crate::scenario::step::Step;

    fn judge(text: &str) -> Judgement {
        Objective::parse(text)
            .unwrap()
            .judge(&|figure| match figure {
                Figure::CeilingRate => Some(10_000.0),
                Figure::Lateness(_) => Some(0.000_05),
                Figure::Stage { number, .. } => Some(0.001 * *number as f64),
                Figure::Requests { idle: true, .. } => Some(0.002),
                Figure::Requests {
                    step: Some(Step::Guess),
                    ..
                } => None,
                Figure::Requests {
                    metric: Metric::Share,
                    ..
                } => Some(0.0),
                Figure::Requests { .. } => Some(0.005),
            })
    }

    #[test]
    fn times_shares_and_ratios_are_compared() {
        assert!(judge("submit.p99 <= 3 * idle.submit.p50").kept);
        assert!(!judge("submit.p99 <= 2 * idle.submit.p50").kept);
        assert!(judge("submit.p99 <= 5 ms").kept);
        assert!(judge("submit.p99 <= 5000us").kept);
        assert!(!judge("submit.p99 < 5 ms").kept);
        assert!(judge("all[503].share <= 0.1 %").kept);
        assert!(judge("all[lost].share == 0").kept);
        assert!(judge("ceiling.rate > 5000 + 2 * 2000").kept);
        assert!(judge("ceiling.rate / 2 - 1000 >= (1 + 3) * 1000").kept);
        assert!(judge("lateness.p99 < 0.1 ms").kept);
        assert!(judge("stage.others.2.p99 <= 2 * stage.others.1.p99").kept);
        assert!(!judge("stage.others.2.p99 <= 1.9 * stage.others.1.p99").kept);
    }

    #[test]
    fn what_was_not_measured_is_not_kept() {
        for text in ["guess.p99 <= 1 s", "1 s >= guess.p99", "submit.p99 / 0 > 0"] {
            assert!(!judge(text).kept, "{text}");
        }
    }

    #[test]
    fn a_figure_says_whose_it_is() {
        let objective = Objective::parse("verify[9999]@cc1.service.p999 < 1").unwrap();
        assert_eq!(
            objective.figures(),
            [&Figure::Requests {
                idle: false,
                step: Some(Step::Verify),
                outcome: Some(Outcome::NotDone),
                caller: Some("cc1".into()),
                metric: Metric::Service(Percentile::P999),
            }]
        );
        let objective = Objective::parse("stage.call-centers.10.p90 < 1").unwrap();
        assert_eq!(
            objective.figures(),
            [&Figure::Stage {
                stream: "call-centers".into(),
                number: 10,
                percentile: Percentile::P90,
            }]
        );
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let place = |text: &str| Objective::parse(text).unwrap_err().at;
        assert_eq!(place("submitt.p99 <= 1"), 0);
        assert_eq!(place("submit.p98 <= 1"), 7);
        assert_eq!(place("submit.p99 = 1"), 11);
        assert_eq!(place("submit.p99 <= "), 14);
        assert_eq!(place("submit.p99 <= 1 ms or so"), 19);
        assert_eq!(place("submit[0009].p99 <= 1"), 7);
        assert_eq!(place("idle.submi.p99 <= 1"), 5);
        assert_eq!(place("(submit.p99 <= 1"), 12);
        assert_eq!(place("stage.others.p99 <= 1"), 13);
        assert_eq!(place("stage.others.0.p99 <= 1"), 13);
        assert_eq!(place("stage.others.1.count <= 1"), 15);
    }
}
