//! What happens during a run: programs that the scenario or the environment names, started at their times.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::LoadtestError;
use crate::scenario::Change;

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
    /// What the command is told in its environment, beside what this process was told.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// What it means for a caller, if it is about one.
    pub(crate) change: Option<PlannedChange>,
}

/// What an event's command does to a caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedChange {
    /// The caller's number.
    pub(crate) caller: u16,
    /// When it is to be known, from the beginning of the load, by the event's time and `known_after`.
    pub(crate) planned: Duration,
    pub(crate) what: Change,
    /// How long after the command's end the server may take to know it.
    pub(crate) known_after: Duration,
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
    running: Vec<Running>,
    /// Changes that are done, and when the server must know them.
    unknown: Vec<(Instant, PlannedChange)>,
    /// By caller: how much later than planned its last change was known. The next one is put off for as long.
    delays: HashMap<u16, Duration>,
    pub(crate) outcomes: Vec<EventOutcome>,
    /// Outcomes without a first answer.
    unanswered: usize,
}

/// A command that has not ended.
#[derive(Debug)]
struct Running {
    /// The place of its outcome.
    place: usize,
    child: Child,
    change: Option<PlannedChange>,
}

impl Events {
    /// `plans` are in the order of their times.
    pub(crate) fn new(plans: &[EventPlan]) -> Self {
        Self {
            plans: plans.iter().rev().cloned().collect(),
            running: Vec::new(),
            unknown: Vec::new(),
            delays: HashMap::new(),
            outcomes: Vec::new(),
            unanswered: 0,
        }
    }

    /// When the next one is due, from the beginning of the load. One that waits for a change to be known is not told.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.plans.iter().filter_map(|plan| self.due(plan)).min()
    }

    /// Takes one that is due, to be [started](Self::start).
    pub(crate) fn take_due(&mut self, elapsed: Duration) -> Option<EventPlan> {
        let is_due = |plan: &EventPlan| self.due(plan).is_some_and(|due| due <= elapsed);
        let place = self.plans.iter().rposition(is_due)?;
        Some(self.plans.remove(place))
    }

    /// When it is due: two changes of one caller follow each other at the scenario's distance, counted from when the first is known.
    fn due(&self, plan: &EventPlan) -> Option<Duration> {
        let Some(caller) = plan.change.map(|change| change.caller) else {
            return Some(plan.at);
        };
        let is_same = |change: &PlannedChange| change.caller == caller;
        let is_under_way = self
            .running
            .iter()
            .filter_map(|running| running.change.as_ref());
        let mut open = is_under_way.chain(self.unknown.iter().map(|(_, change)| change));
        let delay = self.delays.get(&caller).copied().unwrap_or_default();
        (!open.any(is_same)).then_some(plan.at + delay)
    }

    /// Looks after what runs; the changes of the commands that have ended well, with the places of their outcomes.
    pub(crate) fn take_ended(&mut self) -> Vec<(usize, PlannedChange)> {
        let outcomes = &mut self.outcomes;
        let mut changes = Vec::new();
        self.running
            .retain_mut(|running| match running.child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) => {
                    let outcome = &mut outcomes[running.place];
                    outcome.took = Some(outcome.started.elapsed());
                    outcome.succeeded = status.success();
                    if status.success() {
                        changes.extend(running.change.map(|change| (running.place, change)));
                    }
                    false
                }
                Err(_) => false,
            });
        changes
    }

    /// The command of this change has ended: from now on the server learns of it.
    pub(crate) fn wait_until_known(&mut self, change: PlannedChange) {
        self.unknown
            .push((Instant::now() + change.known_after, change));
    }

    /// The changes that the server must know at this moment, which is `elapsed` from the beginning of the load.
    pub(crate) fn take_known(&mut self, now: Instant, elapsed: Duration) -> Vec<PlannedChange> {
        let known = self.unknown.extract_if(.., |(at, _)| *at <= now);
        let known: Vec<_> = known.map(|(_, change)| change).collect();
        for change in &known {
            let delay = elapsed.saturating_sub(change.planned);
            self.delays.insert(change.caller, delay);
        }
        known
    }

    /// An event whose command has ended well, and which could not be done for another reason.
    pub(crate) fn fail(&mut self, place: usize, error: &LoadtestError) {
        let outcome = &mut self.outcomes[place];
        eprintln!("loadtest: event {}: {error}", outcome.label);
        outcome.succeeded = false;
    }

    pub(crate) fn start(&mut self, plan: &EventPlan) {
        let started = Instant::now();
        let [program, arguments @ ..] = plan.command.as_slice() else {
            return;
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&plan.folder)
            .envs(plan.variables.iter().map(|(name, value)| (name, value)))
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
            Ok(child) => self.running.push(Running {
                place,
                child,
                change: plan.change,
            }),
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
        let is_waited_for = |running: &Running| {
            now.saturating_duration_since(self.outcomes[running.place].started) < LONGEST
        };
        !self.plans.is_empty() || !self.unknown.is_empty() || self.running.iter().any(is_waited_for)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    //! A failure: a run that a command without an end keeps from ending, or one that ends before the server must know of a change.

    use super::*;

    fn a_plan() -> EventPlan {
        EventPlan {
            at: Duration::ZERO,
            label: "a plan".into(),
            command: vec!["true".into()],
            folder: PathBuf::from("."),
            variables: Vec::new(),
            change: None,
        }
    }

    #[test]
    fn a_change_is_known_when_its_time_has_come_and_only_if_its_command_has_ended_well() {
        let known_after = Duration::from_secs(50);
        for (command, is_done) in [("true", true), ("false", false)] {
            let plan = EventPlan {
                command: vec![
                    "sh".into(),
                    "-c".into(),
                    format!("test $CALLER = 010 && {command}"),
                ],
                variables: vec![("CALLER", "010".into())],
                change: Some(PlannedChange {
                    caller: 3,
                    what: Change::Revoked,
                    known_after,
                    planned: known_after,
                }),
                ..a_plan()
            };
            let mut events = Events::new(&[plan]);
            let due = events.take_due(Duration::ZERO).unwrap();
            events.start(&due);
            let mut ended = Vec::new();
            while events.outcomes[0].took.is_none() {
                ended = events.take_ended();
                std::thread::yield_now();
            }
            assert_eq!(
                (ended.len(), events.outcomes[0].succeeded),
                (usize::from(is_done), is_done)
            );
            for (_, change) in ended {
                events.wait_until_known(change);
            }
            let now = Instant::now();
            assert!(events.take_known(now, Duration::ZERO).is_empty());
            assert_eq!(events.is_busy(now), is_done);
            let known = events.take_known(now + known_after, known_after);
            assert_eq!(known.len(), usize::from(is_done));
            assert!(!events.is_busy(now));
        }
    }

    #[test]
    fn changes_of_one_caller_follow_each_other_at_their_distance_and_keep_nothing_else_waiting() {
        let seconds = Duration::from_secs;
        let plan = |at, caller: Option<u16>| EventPlan {
            at: seconds(at),
            change: caller.map(|caller| PlannedChange {
                caller,
                what: Change::Revoked,
                known_after: Duration::ZERO,
                planned: seconds(at),
            }),
            ..a_plan()
        };
        let plans = [
            plan(1, Some(7)),
            plan(3, Some(7)),
            plan(4, Some(8)),
            plan(5, None),
        ];
        let mut events = Events::new(&plans);
        let first = events.take_due(seconds(1)).unwrap();
        events.start(&first);
        assert_eq!(events.next(), Some(seconds(4)));
        let at: Vec<_> = std::iter::from_fn(|| events.take_due(seconds(9))).collect();
        assert_eq!(
            at.iter().map(|plan| plan.at).collect::<Vec<_>>(),
            [4, 5].map(seconds)
        );
        while events.running.len() + events.unknown.len() > 0 {
            for (_, change) in events.take_ended() {
                events.wait_until_known(change);
            }
            events.take_known(Instant::now(), seconds(9));
            std::thread::yield_now();
        }
        // Known eight seconds late, so that the next is due eight seconds later.
        assert_eq!(events.next(), Some(seconds(11)));
        assert!(events.take_due(seconds(10)).is_none());
        assert!(events.take_due(seconds(11)).is_some());
    }

    #[test]
    fn a_command_without_an_end_is_not_waited_for() {
        let plan = EventPlan {
            command: vec!["sleep".into(), "1000".into()],
            ..a_plan()
        };
        let mut events = Events::new(&[plan]);
        let begun = Instant::now();
        assert!(events.is_busy(begun));
        let due = events.take_due(Duration::ZERO).unwrap();
        events.start(&due);
        assert!(events.take_ended().is_empty());
        assert!(events.is_busy(begun));
        assert!(!events.is_busy(Instant::now() + LONGEST));
        assert_eq!(
            (events.outcomes[0].took, events.outcomes[0].succeeded),
            (None, false)
        );
        let child = &mut events.running[0].child;
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
