//! What objectives are made of: figures, and what is reckoned from them.

use crate::measure::outcome::Outcome;
use crate::scenario::step::Step;

/// One figure of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Figure {
    /// Of requests.
    Requests {
        /// Of the idle server before the run instead of the run.
        idle: bool,
        /// Of this step; `None` of all.
        step: Option<Step>,
        /// With this outcome alone.
        outcome: Option<Outcome>,
        /// Of this caller alone.
        caller: Option<String>,
        /// What of them.
        metric: Metric,
    },
    /// Of what was due in one stage of a stream, from the intended time, in seconds.
    Stage {
        /// The stream's name.
        stream: String,
        /// Its place among the stream's stages, from 1.
        number: usize,
        /// What of it.
        percentile: Percentile,
    },
    /// How late the client itself was.
    Lateness(Percentile),
    /// Requests a second that the client reached against a constant answer.
    CeilingRate,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// From the intended time, in seconds.
    Response(Percentile),
    /// From the sending, in seconds.
    Service(Percentile),
    /// Requests a second.
    Rate,
    /// Requests.
    Count,
    /// Requests with the outcome, of all of the step, from 0 to 1.
    Share,
    /// Times that the step was due and had nothing to go on.
    Starved,
}

/// A place in a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Percentile {
    /// The median.
    P50,
    /// Nine in ten are at most this.
    P90,
    /// 99 in a hundred.
    P99,
    /// 999 in a thousand.
    P999,
    /// All.
    Max,
}

impl Percentile {
    /// As a quantile from 0 to 1.
    #[must_use]
    pub const fn quantile(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
            Self::Max => 1.0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Figure(Figure),
    Of(Box<Expression>, Operator, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
}

/// Why an objective is not one: which character (from 0), and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectiveError {
    /// Bytes before the mistake.
    pub at: usize,
    /// What is wrong.
    pub reason: String,
}

impl Expression {
    pub(super) fn value(&self, figure: &impl Fn(&Figure) -> Option<f64>) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Figure(name) => figure(name),
            Self::Of(left, operator, right) => {
                let (left, right) = (left.value(figure)?, right.value(figure)?);
                let value = match operator {
                    Operator::Plus => left + right,
                    Operator::Minus => left - right,
                    Operator::Times => left * right,
                    Operator::Over => left / right,
                };
                value.is_finite().then_some(value)
            }
        }
    }

    pub(super) fn collect<'e>(&'e self, figures: &mut Vec<&'e Figure>) {
        match self {
            Self::Number(_) => {}
            Self::Figure(figure) => figures.push(figure),
            Self::Of(left, _, right) => {
                left.collect(figures);
                right.collect(figures);
            }
        }
    }
}
