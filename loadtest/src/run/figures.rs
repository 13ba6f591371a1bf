//! What objectives look at, from what was recorded.

use std::time::Duration;

use crate::callers::Callers;
use crate::measure::outcome::Outcome;
use crate::measure::recorder::{CallerStep, Recorder};
use crate::measure::stages::StageRecord;
use crate::measure::times::{Times, coarse};
use crate::report::ObjectiveResult;
use crate::scenario::Step;
use crate::scenario::objective::{Figure, Metric, Objective, Percentile};

/// Everything that was measured.
pub(super) struct Figures<'f> {
    pub(super) callers: &'f Callers,
    pub(super) load: &'f Recorder,
    pub(super) lasted: Duration,
    /// The streams' names.
    pub(super) streams: Vec<&'f str>,
    pub(super) stages: &'f [StageRecord],
    /// Of the idle server.
    pub(super) idle: &'f Recorder,
    /// Requests a second against a constant answer.
    pub(super) ceiling: Option<f64>,
}

impl Figures<'_> {
    /// Judges an objective.
    pub(super) fn judge(&self, objective: &Objective) -> ObjectiveResult {
        let judgement = objective.judge(&|figure| self.figure(figure));
        let (unit, factor) = unit_of(objective);
        ObjectiveResult {
            text: objective.to_string(),
            measured: judgement.value.map(|value| value * factor),
            limit: judgement.limit.map_or(0.0, |limit| limit * factor),
            unit: unit.into(),
            kept: judgement.kept,
        }
    }

    /// One figure; `None` if there is nothing to take it from.
    pub(super) fn figure(&self, figure: &Figure) -> Option<f64> {
        match figure {
            Figure::CeilingRate => self.ceiling,
            Figure::Lateness(percentile) => {
                let lateness = &self.load.own_lateness;
                (!lateness.is_empty())
                    .then(|| seconds(lateness.value_at_quantile(percentile.quantile())))
            }
            Figure::Stage {
                stream,
                number,
                percentile,
            } => {
                let place = self.streams.iter().position(|name| name == stream)?;
                let mut of_stream = self.stages.iter().filter(|stage| stage.stream == place);
                let response = &of_stream.nth(number.checked_sub(1)?)?.response;
                (!response.is_empty())
                    .then(|| seconds(response.value_at_quantile(percentile.quantile())))
            }
            Figure::Requests {
                idle,
                step,
                outcome,
                caller,
                metric,
            } => match caller {
                Some(caller) => self.of_caller(caller, *step, *outcome, *metric),
                None => self.of_all(
                    if *idle { self.idle } else { self.load },
                    *step,
                    *outcome,
                    match metric {
                        // One at a time: a server that is slower than the requests come would else be told to take as long as they queue.
                        Metric::Response(percentile) if *idle => Metric::Service(*percentile),
                        metric => *metric,
                    },
                ),
            },
        }
    }

    fn of_all(
        &self,
        recorder: &Recorder,
        step: Option<Step>,
        outcome: Option<Outcome>,
        metric: Metric,
    ) -> Option<f64> {
        let count = || recorder.count(step, outcome) as f64;
        match metric {
            Metric::Count => Some(count()),
            Metric::Rate => Some(count() / self.lasted.as_secs_f64()),
            Metric::Share => {
                let whole = recorder.count(step, None) as f64;
                (whole > 0.0).then(|| count() / whole)
            }
            Metric::Starved => Some(
                recorder
                    .chosen(step)
                    .map(|record| record.starved)
                    .sum::<u64>() as f64,
            ),
            Metric::Response(percentile) => at(&recorder.times(step, outcome), percentile, true),
            Metric::Service(percentile) => at(&recorder.times(step, outcome), percentile, false),
        }
    }

    fn of_caller(
        &self,
        name: &str,
        step: Option<Step>,
        outcome: Option<Outcome>,
        metric: Metric,
    ) -> Option<f64> {
        let place = self
            .callers
            .all
            .iter()
            .position(|caller| caller.name == name)?;
        let steps = self.load.callers[place].steps.iter().enumerate();
        let records = steps
            .filter(|(place, _)| step.is_none_or(|step| step.index() == *place))
            .filter_map(|(_, record)| record.as_deref());
        let count = |record: &CallerStep| match outcome {
            Some(outcome) => record.outcomes[outcome.index()],
            None => record.outcomes.iter().sum(),
        };
        match metric {
            Metric::Count => Some(records.map(count).sum::<u64>() as f64),
            Metric::Rate => {
                Some(records.map(count).sum::<u64>() as f64 / self.lasted.as_secs_f64())
            }
            Metric::Share => {
                let (part, whole) = records.fold((0, 0), |(part, whole), record| {
                    (
                        part + count(record),
                        whole + record.outcomes.iter().sum::<u64>(),
                    )
                });
                (whole > 0).then(|| part as f64 / whole as f64)
            }
            Metric::Response(percentile) if outcome.is_none() => {
                let mut sum = coarse();
                for record in records {
                    // Of one kind, so that they can be added.
                    let _ = sum.add(&record.response);
                }
                (!sum.is_empty()).then(|| seconds(sum.value_at_quantile(percentile.quantile())))
            }
            // Refused when the scenario was checked.
            Metric::Response(_) | Metric::Service(_) | Metric::Starved => None,
        }
    }
}

fn at(times: &Times, percentile: Percentile, response: bool) -> Option<f64> {
    let histogram = if response {
        &times.response
    } else {
        &times.service
    };
    (!histogram.is_empty()).then(|| seconds(histogram.value_at_quantile(percentile.quantile())))
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// The unit in which an objective is told, and what its values are multiplied with.
fn unit_of(objective: &Objective) -> (&'static str, f64) {
    match objective.figures().first() {
        Some(Figure::Lateness(_) | Figure::Stage { .. }) => ("ms", 1e3),
        Some(Figure::CeilingRate) => ("/s", 1.0),
        Some(Figure::Requests { metric, .. }) => match metric {
            Metric::Response(_) | Metric::Service(_) => ("ms", 1e3),
            Metric::Share => ("%", 1e2),
            Metric::Rate => ("/s", 1.0),
            Metric::Count | Metric::Starved => ("", 1.0),
        },
        None => ("", 1.0),
    }
}
