//! What came of the requests of each stage of the open streams, by when they were due.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::Outcome;
use super::times::{coarse, nanoseconds};
use crate::pacing::arrival::Stage;
use crate::scenario::Stream;

/// One stage of one stream.
#[derive(Debug)]
pub(crate) struct StageRecord {
    /// Place of its stream.
    pub(crate) stream: usize,
    pub(crate) stage: Stage,
    /// Its end, from the beginning of the load.
    until: Duration,
    pub(crate) due: u64,
    pub(crate) outcomes: [u64; Outcome::ALL.len()],
    /// Of what was answered, from when it was due.
    pub(crate) response: Histogram<u64>,
}

/// All of a phase: those of one stream after another.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    records: Vec<StageRecord>,
    /// By stream, where its stages begin and end in `records`.
    of_stream: Vec<(usize, usize)>,
}

impl Stages {
    /// Of open streams with several stages; of others there is nothing to tell that the steps do not.
    pub(crate) fn new(streams: &[Stream]) -> Self {
        let mut stages = Self::default();
        for (number, stream) in streams.iter().enumerate() {
            let begin = stages.records.len();
            let mut end = 0.0;
            let records = stream.stages_apart().iter().map(|stage| {
                end += stage.seconds;
                StageRecord {
                    stream: number,
                    stage: *stage,
                    until: Duration::from_secs_f64(end),
                    due: 0,
                    outcomes: [0; Outcome::ALL.len()],
                    response: coarse(),
                }
            });
            stages.records.extend(records);
            stages.of_stream.push((begin, stages.records.len()));
        }
        stages
    }

    /// The stage of a stream in which this moment lies; the last one for what a rounding puts behind it.
    fn at(&mut self, stream: usize, due: Duration) -> Option<&mut StageRecord> {
        let (begin, end) = *self.of_stream.get(stream)?;
        let stages = &mut self.records[begin..end];
        let place = stages.partition_point(|stage| stage.until <= due);
        let last = stages.len().checked_sub(1)?;
        Some(&mut stages[place.min(last)])
    }

    /// A request is due.
    pub(crate) fn due(&mut self, stream: usize, due: Duration) {
        if let Some(stage) = self.at(stream, due) {
            stage.due += 1;
        }
    }

    /// It has ended.
    pub(crate) fn ended(&mut self, stream: usize, due: Duration, outcome: Outcome, took: Duration) {
        if let Some(stage) = self.at(stream, due) {
            stage.outcomes[outcome.index()] += 1;
            if outcome.is_answered() {
                stage.response.saturating_record(nanoseconds(took));
            }
        }
    }

    pub(crate) fn into_records(self) -> Vec<StageRecord> {
        self.records
    }
}

#[cfg(test)]
mod tests {
    //! A failure: a request counts for another stage than that in which it was due, or for one of another stream.

    use super::*;
    use crate::scenario::{Load, Step};

    fn stream(load: Load) -> Stream {
        Stream {
            name: "one".into(),
            group: 0,
            connections: 1,
            load,
            mix: vec![(Step::Submit, 1.0)],
            requests_per_connection: None,
        }
    }

    #[test]
    fn a_request_counts_for_the_stage_in_which_it_was_due() {
        let stage = |seconds, rate| Stage {
            seconds,
            from: rate,
            to: rate,
        };
        let open = |stages: &[Stage]| {
            stream(Load::Open {
                stages: stages.to_vec(),
                poisson: false,
            })
        };
        let closed = Load::Closed {
            limit: None,
            requests: Some(1),
        };
        let two = [stage(2.0, 10.0), stage(3.0, 20.0)];
        let mut stages = Stages::new(&[open(&two[..1]), stream(closed), open(&two)]);
        let seconds = Duration::from_secs_f64;
        for number in 0..3 {
            for due in [0.0, 1.99, 2.0, 4.9, 5.0] {
                stages.due(number, seconds(due));
                // Its answer comes in another stage, or after all of them.
                stages.ended(number, seconds(due), Outcome::Done, seconds(2.5));
                stages.ended(number, seconds(due), Outcome::Lost, seconds(2.5));
            }
        }
        let records = stages.into_records();
        let told: Vec<_> = records
            .iter()
            .map(|record| {
                let done = record.outcomes[Outcome::Done.index()];
                (
                    record.stream,
                    record.stage.from,
                    record.due,
                    done,
                    record.response.len(),
                )
            })
            .collect();
        assert_eq!(told, [(2, 10.0, 2, 2, 2), (2, 20.0, 3, 3, 3)]);
    }
}
