//! What happens during a run: programs that the scenario or the environment names, started at their times.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that runs for longer is not waited for at the run's end.
const LONGEST: Duration = Duration::from_secs(300);

/// An event that is to come.
#[derive(Debug, Clone)]
pub(crate) struct EventPlan {
    /// From the beginning of the load.
    pub(crate) at: Duration,
    pub(crate) label: String,
    /// A program and its arguments, at least the program.
    pub(crate) command: Vec<String>,
    /// Where it runs.
    pub(crate) folder: PathBuf,
}

/// What came of an event.
#[derive(Debug, Clone)]
pub(crate) struct EventOutcome {
    pub(crate) label: String,
    pub(crate) command: String,
    /// When its command was started.
    pub(crate) started: Instant,
    /// How long it ran; `None` if it had not ended with the run.
    pub(crate) took: Option<Duration>,
    /// Whether it ended with status 0.
    pub(crate) succeeded: bool,
    /// When the first request that left after its beginning was answered as done.
    pub(crate) first_done: Option<Instant>,
}

/// Starts events and waits for them, without ever blocking.
#[derive(Debug)]
pub(crate) struct Events {
    /// The next one last.
    plans: Vec<EventPlan>,
    running: Vec<(usize, Child)>,
    pub(crate) outcomes: Vec<EventOutcome>,
    /// Outcomes without a first answer.
    unanswered: usize,
}

impl Events {
    /// `plans` are in the order of their times.
    pub(crate) fn new(plans: &[EventPlan]) -> Self {
        Self {
            plans: plans.iter().rev().cloned().collect(),
            running: Vec::new(),
            outcomes: Vec::new(),
            unanswered: 0,
        }
    }

    /// When the next one is due, from the beginning of the load.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.plans.last().map(|plan| plan.at)
    }

    /// Starts what is due, and looks after what runs.
    pub(crate) fn advance(&mut self, elapsed: Duration) {
        while self.plans.last().is_some_and(|plan| plan.at <= elapsed) {
            if let Some(plan) = self.plans.pop() {
                self.start(&plan);
            }
        }
        let outcomes = &mut self.outcomes;
        self.running
            .retain_mut(|(place, child)| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) => {
                    let outcome = &mut outcomes[*place];
                    outcome.took = Some(outcome.started.elapsed());
                    outcome.succeeded = status.success();
                    false
                }
                Err(_) => false,
            });
    }

    fn start(&mut self, plan: &EventPlan) {
        let started = Instant::now();
        let [program, arguments @ ..] = plan.command.as_slice() else {
            return;
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&plan.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let place = self.outcomes.len();
        self.outcomes.push(EventOutcome {
            label: plan.label.clone(),
            command: plan.command.join(" "),
            started,
            took: None,
            succeeded: false,
            first_done: None,
        });
        self.unanswered += 1;
        match child {
            Ok(child) => self.running.push((place, child)),
            Err(error) => {
                eprintln!("loadtest: event {}: {program}: {error}", plan.label);
                self.outcomes[place].took = Some(Duration::ZERO);
            }
        }
    }

    /// A request that left at this moment is done.
    pub(crate) fn done(&mut self, sent: Instant) {
        if self.unanswered == 0 {
            return;
        }
        for outcome in &mut self.outcomes {
            if outcome.first_done.is_none() && sent >= outcome.started {
                outcome.first_done = Some(Instant::now());
                self.unanswered -= 1;
            }
        }
    }

    /// Whether something is still to come, or runs and is waited for.
    pub(crate) fn is_busy(&self, now: Instant) -> bool {
        let is_waited_for = |(place, _): &(usize, Child)| {
            now.saturating_duration_since(self.outcomes[*place].started) < LONGEST
        };
        !self.plans.is_empty() || self.running.iter().any(is_waited_for)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a run that a command without an end keeps from ending.

    use super::*;

    #[test]
    fn a_command_without_an_end_is_not_waited_for() {
        let plan = EventPlan {
            at: Duration::ZERO,
            label: "endless".into(),
            command: vec!["sleep".into(), "1000".into()],
            folder: PathBuf::from("."),
        };
        let mut events = Events::new(&[plan]);
        let begun = Instant::now();
        assert!(events.is_busy(begun));
        events.advance(Duration::ZERO);
        assert!(events.is_busy(begun));
        assert!(!events.is_busy(Instant::now() + LONGEST));
        assert_eq!(
            (events.outcomes[0].took, events.outcomes[0].succeeded),
            (None, false)
        );
        let (_, child) = &mut events.running[0];
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
