//! The one loop that sends everything: open and closed streams, all callers, all connections, on one thread.

mod admissions;
mod arrivals;
mod events;
mod exchange;
mod phase;
mod slot;
mod turn;

use crate::error::LoadtestError;

pub(crate) use events::{EventOutcome, EventPlan, PlannedChange};
pub(crate) use phase::{Books, Phase, PhaseEnd};

/// Drives a phase to its end.
pub(crate) fn drive<'p>(phase: Phase<'p>, books: Books<'p>) -> Result<PhaseEnd, LoadtestError> {
    turn::Loop::new(phase, books)?.run()
}
