//! From a scenario's events to commands, and to what these mean for callers.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::callers::environment::EnvironmentFile;
use crate::callers::{Caller, Callers};
use crate::drive::{EventPlan, PlannedChange};
use crate::error::LoadtestError;
use crate::scenario::place::Text;
use crate::scenario::{Admission, Change, Event, EventCommand, Scenario};

/// The scenario's events with the environment's commands, in the order of their times. `text` is the environment's.
pub(super) fn plans(
    scenario: &Scenario,
    environment: &EnvironmentFile,
    callers: &Callers,
    text: &Text,
) -> Result<Vec<EventPlan>, LoadtestError> {
    let plan = |event: &Event| {
        let change = event
            .admission
            .as_ref()
            .map(|admission| planned(event.at, admission, callers, text))
            .transpose()?;
        Ok(EventPlan {
            at: event.at,
            label: event.label.clone(),
            command: command(&event.what, environment, text)?,
            folder: environment.folder.clone(),
            variables: change.map_or_else(Vec::new, |change| {
                variables(&callers.all[usize::from(change.caller)])
            }),
            change,
        })
    };
    scenario.events.iter().map(plan).collect()
}

fn command(
    what: &EventCommand,
    environment: &EnvironmentFile,
    text: &Text,
) -> Result<Vec<String>, LoadtestError> {
    let name = match what {
        EventCommand::Run(command) => return Ok(command.clone()),
        EventCommand::Named(name) => name,
    };
    let commands = environment.commands.get(name);
    let command = commands.filter(|command| !command.is_empty());
    command.cloned().ok_or_else(|| {
        let reason = format!(
            "the scenario's event \"{name}\" needs a command of this name: add [commands] {name} = [\"program\", \"argument\"]"
        );
        text.mistake_without_place(reason).into()
    })
}

fn planned(
    at: Duration,
    admission: &Admission,
    callers: &Callers,
    text: &Text,
) -> Result<PlannedChange, LoadtestError> {
    let name = &admission.caller;
    let place = callers.all.iter().position(|caller| caller.name == *name);
    let wrong = |reason: String| text.mistake_without_place(reason);
    let place = place.ok_or_else(|| {
        wrong(format!(
            "an event of the scenario is about the caller {name}, whom none of its [[callers]] means, or whom the environment lacks"
        ))
    })?;
    if admission.change == Change::Renewed && callers.all[place].target.identity.is_none() {
        let reason = format!("an event of the scenario renews {name}, who has no certificate");
        return Err(wrong(reason).into());
    }
    Ok(PlannedChange {
        // An environment has fewer callers than a u16 counts, as was checked.
        caller: place as u16,
        what: admission.change,
        known_after: admission.known_after,
        planned: at + admission.known_after,
    })
}

/// What a command is told of the caller that it is about, so that one command does for all.
fn variables(caller: &Caller) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![
        ("LOADTEST_CALLER", OsString::from(&caller.name)),
        ("LOADTEST_CALLER_KIND", caller.kind.name().into()),
    ];
    if let Some(identity) = &caller.target.identity {
        let absolute = |path: &Path| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            OsString::from(absolute)
        };
        variables.push(("LOADTEST_CERTIFICATE_FILE", absolute(&identity.certificate)));
        variables.push(("LOADTEST_PRIVATE_KEY_FILE", absolute(&identity.private_key)));
    }
    variables
}
