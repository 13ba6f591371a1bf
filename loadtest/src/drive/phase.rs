//! What is driven, what is written meanwhile, and how it went.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::events::{EventOutcome, EventPlan};
use crate::callers::Callers;
use crate::ledger::{Ledger, Sampler};
use crate::measure::recorder::Recorder;
use crate::measure::series::Processes;
use crate::measure::stages::StageRecord;
use crate::scenario::Stream;
use crate::steps::Steps;
use crate::wire::target::Target;

/// What is driven: some streams at once, from their beginning to the last answer.
pub(crate) struct Phase<'p> {
    pub(crate) streams: &'p [Stream],
    pub(crate) callers: &'p Callers,
    pub(crate) events: &'p [EventPlan],
    /// How long an answer may take, from its request's time.
    pub(crate) answer_limit: Duration,
    pub(crate) seed: u64,
    /// Reads what processes have used; asked once a second.
    pub(crate) processes: &'p mut dyn FnMut() -> Processes,
    /// Is told of each second that has passed.
    pub(crate) observer: &'p mut dyn FnMut(&Recorder, Duration),
}

/// What is written while it is driven.
pub(crate) struct Books<'b> {
    pub(crate) steps: &'b mut Steps,
    pub(crate) ledger: &'b mut Ledger,
    pub(crate) recorder: &'b mut Recorder,
    /// Draws what is read back meanwhile; `None` if nothing is.
    pub(crate) sampler: Option<&'b mut Sampler>,
}

/// How a phase went.
pub(crate) struct PhaseEnd {
    /// When the first request was due.
    pub(crate) started: Instant,
    /// From there to the last answer.
    pub(crate) lasted: Duration,
    /// Processor time of the driving thread meanwhile, without what it waited awake.
    pub(crate) driver_cpu: Duration,
    /// Time that it waited awake, so that requests left at their times.
    pub(crate) awake: Duration,
    /// Connections that were opened before.
    pub(crate) connections: usize,
    /// What happened meanwhile.
    pub(crate) events: Vec<EventOutcome>,
    /// Whether it ended early since no connection could be opened for a minute.
    pub(crate) server_gone: bool,
    /// What came of each stage of the open streams.
    pub(crate) stages: Vec<StageRecord>,
    /// Callers that have another certificate since.
    pub(crate) renewed: HashMap<u16, Target>,
}
