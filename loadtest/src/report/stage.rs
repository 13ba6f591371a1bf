//! Stages of open streams in a result, and the rate from which a server's latency bends.

use serde::{Deserialize, Serialize};

use super::percentiles::Percentiles;

/// So many times the p99 of the first stage is another latency.
const BEND: f64 = 3.0;
/// Share of what was due that a server must have done to have kept up.
const KEPT_UP: f64 = 0.99;

/// What came of the requests that were due in a stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageResult {
    /// The name of its stream.
    pub stream: String,
    /// How long it lasted.
    pub seconds: f64,
    /// The rate at its beginning, a second.
    pub from_per_second: f64,
    /// The rate at its end.
    pub to_per_second: f64,
    /// Requests that were due.
    pub due: u64,
    /// Answers `0000` and `0001`.
    pub done: u64,
    /// Answers that turned a request away for overload (503).
    pub turned_away: u64,
    /// Other answers.
    pub refused: u64,
    /// Requests of which it is not known what became of them.
    pub lost: u64,
    /// From the intended time, of what was answered.
    pub response: Percentiles,
}

impl StageResult {
    /// Its rate, or how it changes.
    pub(crate) fn rate(&self) -> String {
        if self.from_per_second == self.to_per_second {
            format!("{:.0}", self.to_per_second)
        } else {
            format!("{:.0} to {:.0}", self.from_per_second, self.to_per_second)
        }
    }
}

/// Where the latency of a stream bends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Knee {
    /// The greatest rate at which all was as at the first stage.
    pub(crate) below: f64,
    /// The rate of the first stage at which it was not.
    pub(crate) above: f64,
}

/// The bend in stages of one stream, if their rates rise step by step and one of them bends.
pub(crate) fn knee(stages: &[StageResult]) -> Option<Knee> {
    // Before a stream begins nothing is due.
    let stages: Vec<_> = stages.iter().filter(|stage| stage.due > 0).collect();
    let first = stages.first()?;
    let is_flat = |stage: &&StageResult| stage.from_per_second == stage.to_per_second;
    let rises = stages.is_sorted_by(|one, next| one.to_per_second < next.to_per_second);
    if !rises || !stages.iter().all(is_flat) {
        return None;
    }
    let usual = first.response.p99 * BEND;
    let is_bent = |stage: &&StageResult| {
        stage.response.p99 > usual || (stage.done as f64) < stage.due as f64 * KEPT_UP
    };
    let place = stages.iter().position(is_bent)?;
    Some(Knee {
        below: stages[place.checked_sub(1)?].to_per_second,
        above: stages[place].to_per_second,
    })
}

/// The stages, stream by stream.
pub(crate) fn by_stream(stages: &[StageResult]) -> impl Iterator<Item = &[StageResult]> {
    stages.chunk_by(|one, next| one.stream == next.stream)
}

/// A sentence on where the latency of a stream bends.
pub(crate) fn sentence(stages: &[StageResult]) -> Option<String> {
    let Knee { below, above } = knee(stages)?;
    Some(format!(
        "The latency bends between {below:.0} and {above:.0} a second: from there p99 is more than {BEND:.0} times that of the first stage, or less than {:.0} % of what was due was done.",
        KEPT_UP * 100.0
    ))
}

#[cfg(test)]
mod tests {
    //! A failure: a bend is told where there is none, or at another rate.

    use super::*;

    fn stage(rate: f64, p99: f64, done: u64) -> StageResult {
        StageResult {
            from_per_second: rate,
            to_per_second: rate,
            due: 1_000,
            done,
            response: Percentiles {
                p99,
                ..Percentiles::default()
            },
            ..StageResult::default()
        }
    }

    #[test]
    fn the_latency_bends_where_it_is_another_or_where_less_is_done() {
        let flat = [stage(500.0, 2.0, 1_000), stage(1_000.0, 5.9, 990)];
        assert_eq!(knee(&flat), None);
        // A stream that begins later has a stage in which nothing is due.
        let before = StageResult {
            due: 0,
            ..stage(0.0, 0.0, 0)
        };
        assert_eq!(knee(&[before, flat[0].clone()]), None);
        let knee_with = |last: StageResult| knee(&[flat[0].clone(), flat[1].clone(), last]);
        let bends = Some(Knee {
            below: 1_000.0,
            above: 2_000.0,
        });
        assert_eq!(knee_with(stage(2_000.0, 6.1, 1_000)), bends);
        assert_eq!(knee_with(stage(2_000.0, 2.0, 989)), bends);
        // Of rates that fall or ramp nothing is told.
        assert_eq!(knee_with(stage(900.0, 60.0, 1_000)), None);
        let ramp = StageResult {
            from_per_second: 1_500.0,
            ..stage(2_000.0, 60.0, 1_000)
        };
        assert_eq!(knee_with(ramp), None);
        // A first stage that is over the limit already has nothing below it.
        assert_eq!(knee(&[stage(500.0, 2.0, 10), stage(900.0, 2.0, 10)]), None);
    }
}
