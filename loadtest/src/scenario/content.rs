//! What a scenario says, once its file has been checked.

use std::time::Duration;

use super::file::{TruthFile as Truth, ValidityFile as Validity, Weight};
use super::objective::Objective;
use super::step::{CallerKind, Step};
use crate::pacing::arrival::Stage;

/// A scenario that has been checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name in results.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// The file's text, for results.
    pub text: String,
    /// The same seed sends the same people.
    pub seed: u64,
    /// How long an answer may take, from its request's time.
    pub answer_limit: Duration,
    /// Positives among the submissions, in 1/10,000.
    pub positives: u64,
    /// What is sent.
    pub(crate) streams: Vec<Stream>,
    /// Who calls.
    pub(crate) groups: Vec<Group>,
    /// What happens meanwhile, in order.
    pub(crate) events: Vec<Event>,
    /// What must be kept.
    pub objectives: Vec<Objective>,
    /// When the client was the limit.
    pub validity: Validity,
    /// How the truth is judged.
    pub truth: Truth,
}

/// A group of the environment's callers.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) kind: CallerKind,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) except: Vec<String>,
    pub(crate) weight: Weight,
    pub(crate) exclusive: bool,
}

/// One source of requests.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Its place among the groups.
    pub(crate) group: usize,
    pub(crate) connections: usize,
    pub(crate) load: Load,
    /// Steps with their weights, which are more than 0.
    pub(crate) mix: Vec<(Step, f64)>,
    pub(crate) requests_per_connection: Option<u32>,
}

impl Stream {
    /// The stages that are told apart: of one that has several.
    pub(crate) fn stages_apart(&self) -> &[Stage] {
        match &self.load {
            Load::Open { stages, .. } if stages.len() > 1 => stages,
            _ => &[],
        }
    }
}

/// When a stream's requests leave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Load {
    /// At their times.
    Open {
        stages: Vec<Stage>,
        /// Not evenly.
        poisson: bool,
    },
    /// The next one when an answer is there; one of the limits is given.
    Closed {
        limit: Option<Duration>,
        requests: Option<u64>,
    },
}

/// Something that happens during the run.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) what: EventCommand,
    pub(crate) label: String,
    /// What it means for a caller, if it is about one.
    pub(crate) admission: Option<Admission>,
}

/// What an event's command does to a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The caller's name.
    pub(crate) caller: String,
    pub(crate) change: Change,
    /// How long after the command's end the server may take to know it.
    pub(crate) known_after: Duration,
}

/// What becomes of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is refused.
    Revoked,
    /// It is served again.
    Admitted,
    /// It has another certificate, with which it is served.
    Renewed,
}

/// What is run.
#[derive(Debug, Clone)]
pub(crate) enum EventCommand {
    /// A program and its arguments.
    Run(Vec<String>),
    /// One of the environment's commands.
    Named(String),
}

impl Scenario {
    /// How long its load lasts; `None` if it ends with its requests.
    #[must_use]
    pub fn length(&self) -> Option<Duration> {
        self.streams
            .iter()
            .map(|stream| match &stream.load {
                Load::Open { stages, .. } => Some(Duration::from_secs_f64(
                    stages.iter().map(|stage| stage.seconds).sum(),
                )),
                Load::Closed { limit, .. } => *limit,
            })
            .try_fold(Duration::ZERO, |longest, length| Some(longest.max(length?)))
    }

    /// Whether a stream sends this step.
    #[must_use]
    pub fn sends(&self, step: Step) -> bool {
        let mut steps = self.streams.iter().flat_map(|stream| &stream.mix);
        steps.any(|(sent, _)| *sent == step)
    }
}
