//! From the file's words to a scenario that can be run, or to the place of what is wrong.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::content::{Admission, Change, Event, EventCommand, Group, Load, Scenario, Stream};
use super::file::{Arrival, CallersFile, EventFile, ScenarioFile, StageFile, StreamFile};
use super::objective::{Figure, Metric, Objective};
use super::place::{Mistake, Text};
use super::step::Step;
use crate::pacing::arrival::Stage;

/// Longest run: a week.
const LONGEST_SECONDS: f64 = 7.0 * 86_400.0;
/// Greatest rate of a stream.
const GREATEST_RATE: f64 = 1_000_000.0;
/// Most connections of a stream.
const MOST_CONNECTIONS: u32 = 16_384;
/// Most of the others, so that numbers of callers and streams stay small.
const MOST_GROUPS: usize = 64;
/// Longest time for a server to know that a caller was revoked or admitted.
const LONGEST_KNOWN_AFTER: f64 = 60.0;
/// The same where a scenario says nothing of it.
const KNOWN_AFTER: f64 = 1.0;
/// Longest name: the folder of a run's results is called by it.
const LONGEST_NAME: usize = 64;
/// Steps whose time on an idle server can be asked for.
const IDLE_STEPS: [Step; 6] = [
    Step::Submit,
    Step::SubmitWithoutKey,
    Step::Replay,
    Step::List,
    Step::Verify,
    Step::Unlock,
];

impl Scenario {
    /// Reads a text, whose name is told with mistakes.
    pub fn parse(name: &Path, content: String) -> Result<Self, Mistake> {
        let text = Text {
            file: PathBuf::from(name),
            content,
        };
        scenario(text)
    }
}

fn scenario(text: Text) -> Result<Scenario, Mistake> {
    let file: ScenarioFile = text.parse()?;
    let checker = Checker { text: &text };
    if !is_name(&file.name) {
        return Err(text.mistake_without_place(format!(
            "name: 1 to {LONGEST_NAME} letters, digits, dashes and underscores"
        )));
    }
    if file.callers.is_empty() || file.stream.is_empty() {
        return Err(text.mistake_without_place("at least one [[callers]] and one [[stream]]"));
    }
    if file.callers.len() > MOST_GROUPS || file.stream.len() > MOST_GROUPS {
        return Err(text.mistake_without_place("at most 64 [[callers]] and 64 [[stream]]"));
    }
    checker.within(&file.answer_limit_seconds, 0.01, 290.0)?;
    checker.within(&file.positive_percent, 0.0, 100.0)?;
    let groups = checker.groups(&file.callers)?;
    let streams = file
        .stream
        .iter()
        .map(|stream| checker.stream(stream, &groups))
        .collect::<Result<Vec<_>, _>>()?;
    for (place, stream) in file.stream.iter().enumerate() {
        let name = &stream.get_ref().name;
        if file.stream[..place]
            .iter()
            .any(|before| before.get_ref().name == *name)
        {
            let reason = format!("two streams are called {name}");
            return Err(text.mistake(&stream.span(), reason));
        }
    }
    let mut events = file
        .event
        .iter()
        .map(|event| checker.event(event))
        .collect::<Result<Vec<_>, _>>()?;
    events.sort_by_key(|event| event.at);
    let scenario = Scenario {
        name: file.name,
        about: file.about,
        seed: file.seed,
        answer_limit: Duration::from_secs_f64(*file.answer_limit_seconds.get_ref()),
        // In 1/10,000: at most 10,000, as was checked.
        positives: (file.positive_percent.get_ref() * 100.0).round() as u64,
        streams,
        groups,
        events,
        objectives: file
            .objectives
            .iter()
            .map(|objective| checker.objective(objective))
            .collect::<Result<_, _>>()?,
        validity: file.validity,
        truth: file.truth,
        text: text.content.clone(),
    };
    for (stream, file) in scenario.streams.iter().zip(&file.stream) {
        checker.handed_on(&scenario, stream, &file.get_ref().mix.span())?;
    }
    for (objective, file) in scenario.objectives.iter().zip(&file.objectives) {
        checker.figures(&scenario, objective, &file.span())?;
    }
    if !(0.0..=100.0).contains(&scenario.truth.read_back_percent) {
        return Err(text.mistake_without_place("read_back_percent: from 0 to 100"));
    }
    Ok(scenario)
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(is_allowed)
}

struct Checker<'t> {
    text: &'t Text,
}

impl Checker<'_> {
    fn within(&self, value: &Spanned<f64>, least: f64, most: f64) -> Result<(), Mistake> {
        if (least..=most).contains(value.get_ref()) {
            return Ok(());
        }
        let reason = format!("a number from {least} to {most}");
        Err(self.text.mistake(&value.span(), reason))
    }

    fn groups(&self, files: &[Spanned<CallersFile>]) -> Result<Vec<Group>, Mistake> {
        let mut groups: Vec<Group> = Vec::new();
        for file in files {
            let (span, file) = (file.span(), file.get_ref());
            if groups.iter().any(|group| group.name == file.name) {
                let reason = format!("two groups of callers are called {}", file.name);
                return Err(self.text.mistake(&span, reason));
            }
            groups.push(Group {
                name: file.name.clone(),
                kind: file.kind,
                only: file.only.clone(),
                except: file.except.clone(),
                weight: file.weight,
                exclusive: file.exclusive,
            });
        }
        Ok(groups)
    }

    fn stream(&self, file: &Spanned<StreamFile>, groups: &[Group]) -> Result<Stream, Mistake> {
        let (span, file) = (file.span(), file.get_ref());
        // Objectives name streams, and a word there has no other signs.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if file.name.is_empty() || !file.name.bytes().all(is_allowed) {
            let reason = "name: letters, digits and dashes";
            return Err(self.text.mistake(&span, reason));
        }
        let callers = file.callers.get_ref();
        let group = groups
            .iter()
            .position(|group| group.name == *callers)
            .ok_or_else(|| {
                let reason = format!("there are no [[callers]] of the name {callers}");
                self.text.mistake(&file.callers.span(), reason)
            })?;
        let connections = *file.connections.get_ref();
        if !(1..=MOST_CONNECTIONS).contains(&connections) {
            let reason = format!("from 1 to {MOST_CONNECTIONS} connections");
            return Err(self.text.mistake(&file.connections.span(), reason));
        }
        if let Some(requests) = file
            .requests_per_connection
            .as_ref()
            .filter(|n| *n.get_ref() == 0)
        {
            return Err(self.text.mistake(&requests.span(), "at least 1"));
        }
        Ok(Stream {
            name: file.name.clone(),
            group,
            connections: connections as usize,
            load: self.load(file, &span)?,
            mix: self.mix(file, &groups[group])?,
            requests_per_connection: file.requests_per_connection.as_ref().map(|n| *n.get_ref()),
        })
    }

    fn mix(&self, file: &StreamFile, group: &Group) -> Result<Vec<(Step, f64)>, Mistake> {
        let span = file.mix.span();
        for (step, weight) in file.mix.get_ref() {
            if !weight.is_finite() || *weight < 0.0 {
                let reason = format!("{}: a weight of 0 or more", step.name());
                return Err(self.text.mistake(&span, reason));
            }
            if !step.suits(group.kind) {
                let reason = format!(
                    "{}: callers of kind {} cannot send it",
                    step.name(),
                    group.kind.name()
                );
                return Err(self.text.mistake(&span, reason));
            }
        }
        let steps = file
            .mix
            .get_ref()
            .iter()
            .filter(|(_, weight)| **weight > 0.0);
        let mix: Vec<_> = steps.map(|(step, weight)| (*step, *weight)).collect();
        if mix.is_empty() {
            return Err(self.text.mistake(&span, "at least one step with a weight"));
        }
        Ok(mix)
    }

    fn load(&self, file: &StreamFile, span: &Range<usize>) -> Result<Load, Mistake> {
        if file.arrival == Arrival::Closed {
            if let Some(stage) = file.stages.first() {
                let reason = "a closed loop has seconds or requests, and no stages";
                return Err(self.text.mistake(&stage.span(), reason));
            }
            if file.seconds.is_none() && file.requests.is_none() {
                let reason = "a closed loop needs seconds or requests, or it would not end";
                return Err(self.text.mistake(span, reason));
            }
            let begins = |(step, weight): (&Step, &f64)| {
                let is_first = matches!(step, Step::Submit | Step::SubmitWithoutKey | Step::List);
                is_first && *weight > 0.0
            };
            if file.seconds.is_none() && !file.mix.get_ref().iter().any(begins) {
                let reason = "a closed loop of steps that go on from others needs seconds, or it would not end where these are refused";
                return Err(self.text.mistake(span, reason));
            }
            if let Some(seconds) = &file.seconds {
                self.within(seconds, 0.01, LONGEST_SECONDS)?;
            }
            return Ok(Load::Closed {
                limit: file
                    .seconds
                    .as_ref()
                    .map(|seconds| Duration::from_secs_f64(*seconds.get_ref())),
                requests: file.requests.as_ref().map(|requests| *requests.get_ref()),
            });
        }
        let wrong = file.seconds.as_ref().map(Spanned::span);
        if let Some(wrong) = wrong.or_else(|| file.requests.as_ref().map(Spanned::span)) {
            let reason = "of a closed loop alone; an open one has stages with their rates";
            return Err(self.text.mistake(&wrong, reason));
        }
        if file.stages.is_empty() {
            return Err(self.text.mistake(span, "an open loop needs stages"));
        }
        let stages: Vec<Stage> = file
            .stages
            .iter()
            .map(|stage| self.stage(stage))
            .collect::<Result<_, _>>()?;
        if stages.iter().map(|stage| stage.seconds).sum::<f64>() > LONGEST_SECONDS {
            return Err(self.text.mistake(span, "a run lasts a week at most"));
        }
        if stages.iter().all(|stage| stage.requests() < 1.0) {
            return Err(self.text.mistake(span, "no request is due in these stages"));
        }
        Ok(Load::Open {
            stages,
            poisson: file.arrival == Arrival::Poisson,
        })
    }

    fn stage(&self, file: &Spanned<StageFile>) -> Result<Stage, Mistake> {
        let (span, file) = (file.span(), file.get_ref());
        let (from, to) = match (file.per_second, file.from_per_second, file.to_per_second) {
            (Some(rate), None, None) => (rate, rate),
            (None, Some(from), Some(to)) => (from, to),
            _ => {
                let reason = "a stage has per_second, or from_per_second and to_per_second";
                return Err(self.text.mistake(&span, reason));
            }
        };
        let rates = [from, to];
        if rates
            .iter()
            .any(|rate| !(0.0..=GREATEST_RATE).contains(rate))
        {
            let reason = format!("a rate from 0 to {GREATEST_RATE} a second");
            return Err(self.text.mistake(&span, reason));
        }
        if !(0.01..=LONGEST_SECONDS).contains(&file.seconds) {
            let reason = format!("seconds from 0.01 to {LONGEST_SECONDS}");
            return Err(self.text.mistake(&span, reason));
        }
        Ok(Stage {
            seconds: file.seconds,
            from,
            to,
        })
    }

    fn event(&self, file: &Spanned<EventFile>) -> Result<Event, Mistake> {
        let (span, file) = (file.span(), file.get_ref());
        let what = match (&file.run, &file.command) {
            (Some(run), None) if !run.is_empty() => EventCommand::Run(run.clone()),
            (None, Some(command)) => EventCommand::Named(command.clone()),
            _ => {
                let reason = "an event has run, a program with its arguments, or command, \
                    the name of one of the environment's";
                return Err(self.text.mistake(&span, reason));
            }
        };
        if !(0.0..=LONGEST_SECONDS).contains(&file.at_seconds) {
            let reason = format!("at_seconds from 0 to {LONGEST_SECONDS}");
            return Err(self.text.mistake(&span, reason));
        }
        let label = file.label.clone().unwrap_or_else(|| match &what {
            EventCommand::Run(run) => run.join(" "),
            EventCommand::Named(name) => name.clone(),
        });
        Ok(Event {
            at: Duration::from_secs_f64(file.at_seconds),
            what,
            label,
            admission: self.admission(file, &span)?,
        })
    }

    /// What the event does to a caller; whether there is such a caller, the environment tells.
    fn admission(
        &self,
        file: &EventFile,
        span: &Range<usize>,
    ) -> Result<Option<Admission>, Mistake> {
        let named: Vec<_> = [
            (&file.revokes, Change::Revoked),
            (&file.admits, Change::Admitted),
            (&file.renews, Change::Renewed),
        ]
        .into_iter()
        .filter_map(|(caller, change)| Some((caller.clone()?, change)))
        .collect();
        let seconds = file.known_after_seconds;
        let reason = match named.as_slice() {
            [] if seconds.is_some() => {
                "known_after_seconds: of an event that revokes, admits or renews".to_owned()
            }
            [_, _, ..] => "an event revokes, admits or renews one caller".to_owned(),
            _ if !(0.0..=LONGEST_KNOWN_AFTER).contains(&seconds.unwrap_or(KNOWN_AFTER)) => {
                format!("known_after_seconds from 0 to {LONGEST_KNOWN_AFTER}")
            }
            _ => {
                let admission = named.into_iter().next().map(|(caller, change)| Admission {
                    caller,
                    change,
                    known_after: Duration::from_secs_f64(seconds.unwrap_or(KNOWN_AFTER)),
                });
                return Ok(admission);
            }
        };
        Err(self.text.mistake(span, reason))
    }

    fn objective(&self, text: &Spanned<String>) -> Result<Objective, Mistake> {
        Objective::parse(text.get_ref()).map_err(|error| {
            // Behind the opening quotation mark.
            let start = text.span().start + 1 + error.at;
            self.text.mistake(&(start..start), error.reason)
        })
    }

    /// What a step goes on from must come from another step of the scenario.
    fn handed_on(
        &self,
        scenario: &Scenario,
        stream: &Stream,
        span: &Range<usize>,
    ) -> Result<(), Mistake> {
        let submits = scenario.sends(Step::Submit) || scenario.sends(Step::SubmitWithoutKey);
        for (step, _) in &stream.mix {
            let missing = match step {
                Step::Replay if !scenario.sends(Step::Submit) => "submit",
                Step::Cancel if !submits => "submit",
                Step::Verify | Step::Guess | Step::SendCode
                    if !submits || scenario.positives == 0 =>
                {
                    "submit, with positives"
                }
                Step::Unlock if !scenario.sends(Step::Verify) => "verify",
                Step::Confirm | Step::Annul if !scenario.sends(Step::Unlock) => "unlock",
                _ => continue,
            };
            let reason = format!(
                "{}: it goes on from {missing}, which no stream sends",
                step.name()
            );
            return Err(self.text.mistake(span, reason));
        }
        Ok(())
    }

    fn figures(
        &self,
        scenario: &Scenario,
        objective: &Objective,
        span: &Range<usize>,
    ) -> Result<(), Mistake> {
        for figure in objective.figures() {
            if let Figure::Stage { stream, number, .. } = figure {
                let stages = scenario.streams.iter().find(|known| known.name == *stream);
                let count = stages.map_or(0, |stream| stream.stages_apart().len());
                if *number > count {
                    let reason = format!(
                        "stage.{stream}.{number}: of a stream with several stages, of which {stream} has {count}"
                    );
                    return Err(self.text.mistake(span, reason));
                }
            }
            let Figure::Requests {
                idle,
                step,
                metric,
                outcome,
                caller,
            } = figure
            else {
                continue;
            };
            let is_of_times = matches!(metric, Metric::Response(_) | Metric::Service(_));
            let is_too_fine = match metric {
                Metric::Response(_) => outcome.is_some(),
                Metric::Service(_) | Metric::Starved => true,
                Metric::Rate | Metric::Count | Metric::Share => false,
            };
            let wrong = match step {
                _ if caller.is_some() && (is_too_fine || *idle) => Some(
                    "of one caller: percentiles of the response without an outcome, rate, count and share"
                        .to_owned(),
                ),
                Some(step) if !scenario.sends(*step) => {
                    Some(format!("{}: no stream sends it", step.name()))
                }
                Some(step) if *idle && !IDLE_STEPS.contains(step) => Some(format!(
                    "idle.{}: it is not measured on the idle server",
                    step.name()
                )),
                None if *idle => Some("idle.all: name the step".to_owned()),
                _ if *idle && !is_of_times => {
                    Some("of the idle server percentiles alone are measured".to_owned())
                }
                _ => None,
            };
            if let Some(reason) = wrong {
                return Err(self.text.mistake(span, reason));
            }
        }
        Ok(())
    }
}
