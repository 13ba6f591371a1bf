//! Reads the text of an objective, token by token; the grammar stands above [`super`].

use super::expression::{
    Comparison, Expression, Figure, Metric, ObjectiveError, Operator, Percentile,
};
use crate::measure::outcome::Outcome;
use crate::scenario::step::Step;

/// A text that is being read.
pub(super) struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    /// At the beginning.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Nothing more may come.
    pub(super) fn end(&mut self) -> Result<(), ObjectiveError> {
        self.blanks();
        if self.at < self.text.len() {
            return Err(self.expected("the end of the objective"));
        }
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn expected(&self, what: &str) -> ObjectiveError {
        ObjectiveError {
            at: self.at,
            reason: format!("expected {what}"),
        }
    }

    pub(super) fn sum(&mut self) -> Result<Expression, ObjectiveError> {
        self.chain(
            Self::product,
            &[("+", Operator::Plus), ("-", Operator::Minus)],
        )
    }

    fn product(&mut self) -> Result<Expression, ObjectiveError> {
        self.chain(
            Self::factor,
            &[("*", Operator::Times), ("/", Operator::Over)],
        )
    }

    fn chain(
        &mut self,
        part: fn(&mut Self) -> Result<Expression, ObjectiveError>,
        operators: &[(&str, Operator)],
    ) -> Result<Expression, ObjectiveError> {
        let mut whole = part(self)?;
        loop {
            let operator = operators.iter().find(|(token, _)| self.take(token));
            let Some((_, operator)) = operator else {
                return Ok(whole);
            };
            let right = part(self)?;
            whole = Expression::Of(Box::new(whole), *operator, Box::new(right));
        }
    }

    pub(super) fn comparison(&mut self) -> Result<Comparison, ObjectiveError> {
        let comparisons = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("==", Comparison::Equal),
            ("<", Comparison::Below),
            (">", Comparison::Above),
        ];
        let found = comparisons.iter().find(|(token, _)| self.take(token));
        found
            .map(|(_, comparison)| *comparison)
            .ok_or_else(|| self.expected("one of <= < >= > =="))
    }

    fn factor(&mut self) -> Result<Expression, ObjectiveError> {
        if self.take("(") {
            let inner = self.sum()?;
            if !self.take(")") {
                return Err(self.expected("a closing parenthesis"));
            }
            return Ok(inner);
        }
        self.blanks();
        match self.rest().chars().next() {
            Some(first) if first.is_ascii_digit() => self.number(),
            Some(first) if first.is_ascii_alphabetic() => self.figure().map(Expression::Figure),
            _ => Err(self.expected("a number, a figure such as submit.p99, or a parenthesis")),
        }
    }

    fn number(&mut self) -> Result<Expression, ObjectiveError> {
        let length = self
            .rest()
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(self.rest().len());
        let number: f64 = self.rest()[..length]
            .parse()
            .map_err(|_| self.expected("a number"))?;
        self.at += length;
        let unit = if self.take("%") {
            0.01
        } else if self.take("us") {
            1e-6
        } else if self.take("ms") {
            1e-3
        } else {
            // A second is what times are in; the letter is read and changes nothing.
            self.take("s");
            1.0
        };
        Ok(Expression::Number(number * unit))
    }

    /// A name of letters, digits and dashes.
    fn word(&mut self) -> String {
        let length = self
            .rest()
            .find(|character: char| !character.is_ascii_alphanumeric() && character != '-')
            .unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_owned();
        self.at += length;
        word
    }

    fn dot(&mut self) -> Result<(), ObjectiveError> {
        // No blank may stand within a figure.
        if self.rest().starts_with('.') {
            self.at += 1;
            Ok(())
        } else {
            Err(self.expected("a dot"))
        }
    }

    fn figure(&mut self) -> Result<Figure, ObjectiveError> {
        let mut start = self.at;
        let mut word = self.word();
        if word == "lateness" {
            self.dot()?;
            return self
                .percentile("p50, p90, p99, p999 or max")
                .map(Figure::Lateness);
        }
        if word == "ceiling" {
            self.dot()?;
            let at = self.at;
            return if self.word() == "rate" {
                Ok(Figure::CeilingRate)
            } else {
                self.at = at;
                Err(self.expected("rate"))
            };
        }
        if word == "stage" {
            return self.stage();
        }
        let idle = word == "idle";
        if idle {
            self.dot()?;
            start = self.at;
            word = self.word();
        }
        let step = Step::from_name(&word);
        if step.is_none() && word != "all" {
            self.at = start;
            let names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
            return Err(self.expected(&format!("one of the steps {}, or all", names.join(", "))));
        }
        let outcome = self.outcome()?;
        let mut caller = None;
        if self.rest().starts_with('@') {
            self.at += 1;
            caller = Some(self.word());
        }
        self.dot()?;
        let metric = self.metric()?;
        Ok(Figure::Requests {
            idle,
            step,
            outcome,
            caller,
            metric,
        })
    }

    fn stage(&mut self) -> Result<Figure, ObjectiveError> {
        self.dot()?;
        let stream = self.word();
        self.dot()?;
        let at = self.at;
        let number: usize = self.word().parse().unwrap_or(0);
        if number == 0 {
            self.at = at;
            return Err(self.expected("the number of a stage, from 1"));
        }
        self.dot()?;
        let percentile = self.percentile("p50, p90, p99, p999 or max")?;
        Ok(Figure::Stage {
            stream,
            number,
            percentile,
        })
    }

    fn outcome(&mut self) -> Result<Option<Outcome>, ObjectiveError> {
        if !self.rest().starts_with('[') {
            return Ok(None);
        }
        self.at += 1;
        let at = self.at;
        let word = self.word();
        let outcome = Outcome::from_name(&word).ok_or_else(|| {
            let names = Outcome::ALL.map(Outcome::name).join(", ");
            ObjectiveError {
                at,
                reason: format!("expected one of the outcomes {names}"),
            }
        })?;
        if !self.take("]") {
            return Err(self.expected("a closing bracket"));
        }
        Ok(Some(outcome))
    }

    fn metric(&mut self) -> Result<Metric, ObjectiveError> {
        let at = self.at;
        let metric = match self.word().as_str() {
            "rate" => Metric::Rate,
            "count" => Metric::Count,
            "share" => Metric::Share,
            "starved" => Metric::Starved,
            "service" => {
                self.dot()?;
                return self
                    .percentile("p50, p90, p99, p999 or max")
                    .map(Metric::Service);
            }
            _ => {
                self.at = at;
                let all = "p50, p90, p99, p999, max, service., rate, count, share or starved";
                return self.percentile(all).map(Metric::Response);
            }
        };
        Ok(metric)
    }

    /// `all` are the words that may stand here.
    fn percentile(&mut self, all: &str) -> Result<Percentile, ObjectiveError> {
        let at = self.at;
        let percentile = match self.word().as_str() {
            "p50" => Percentile::P50,
            "p90" => Percentile::P90,
            "p99" => Percentile::P99,
            "p999" => Percentile::P999,
            "max" => Percentile::Max,
            _ => {
                self.at = at;
                return Err(self.expected(all));
            }
        };
        Ok(percentile)
    }
}
