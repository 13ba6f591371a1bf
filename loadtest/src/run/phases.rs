//! What comes before the load: the client's own ceiling, and the idle server's times.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;

use crate::callers::{Caller, Callers};
use crate::drive::{Books, Phase, drive};
use crate::error::LoadtestError;
use crate::ledger::Ledger;
use crate::measure::outcome::Outcome;
use crate::measure::recorder::Recorder;
use crate::measure::series::Processes;
use crate::mirror::{Identity, Mirror, Pace};
use crate::pacing::arrival::Stage;
use crate::scenario::objective::Figure;
use crate::scenario::{CallerKind, Load, Scenario, Step, Stream};
use crate::steps::Steps;

/// How long the ceiling is measured.
const CEILING: Duration = Duration::from_secs(2);
/// Connections of it.
const CEILING_CONNECTIONS: usize = 64;
/// How a step is asked of the idle server: one request at a time, with rests between them, since one that follows its predecessor at once finds
/// processors awake and caches warm, and a server that has little to do is not like that.
const IDLE: Stage = Stage {
    seconds: 5.0,
    from: 60.0,
    to: 60.0,
};

/// A stream of one step of the first group of callers.
fn stream(name: &str, connections: usize, load: Load, step: Step) -> Stream {
    Stream {
        name: name.into(),
        group: 0,
        connections,
        load,
        mix: vec![(step, 1.0)],
        requests_per_connection: None,
    }
}

/// Requests a second that this client reaches against a constant answer over the same TLS, ledger included.
pub(super) fn ceiling(
    scenario: &Scenario,
    callers: &Callers,
    today: NaiveDate,
    folder: &Path,
) -> Result<f64, LoadtestError> {
    let identity = Identity::new()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mirror = Mirror::start(address, Arc::clone(&identity.tls), Pace::AtOnce)
        .map_err(LoadtestError::Events)?;
    let all = callers
        .all
        .iter()
        .filter(|caller| caller.kind != CallerKind::CallCenter)
        .map(|caller| {
            Ok(Caller {
                target: caller
                    .target
                    .at_mirror(mirror.address, identity.authority.clone())?,
                ..caller.clone()
            })
        })
        .collect::<Result<Vec<_>, LoadtestError>>()?;
    let callers = Arc::new(Callers {
        groups: vec![(0..all.len()).map(|number| (number as u16, 1.0)).collect()],
        all,
        people: callers.people.clone(),
    });
    let path = folder.join("ceiling.ledger");
    let mut ledger = Ledger::create(&path)?;
    let mut recorder = Recorder::new(callers.all.len(), Instant::now());
    let mut steps = Steps::new(scenario, Arc::clone(&callers), today, 0);
    let load = Load::Closed {
        limit: Some(CEILING),
        requests: None,
    };
    let streams = [stream("ceiling", CEILING_CONNECTIONS, load, Step::Submit)];
    let phase = Phase {
        streams: &streams,
        callers: &callers,
        events: &[],
        answer_limit: scenario.answer_limit,
        seed: scenario.seed,
        processes: &mut Processes::default,
        observer: &mut |_, _| {},
    };
    let books = Books {
        steps: &mut steps,
        ledger: &mut ledger,
        recorder: &mut recorder,
        sampler: None,
    };
    let end = drive(phase, books)?;
    ledger.close()?;
    std::fs::remove_file(&path).map_err(LoadtestError::file(&path))?;
    Ok(recorder.count(None, Some(Outcome::Done)) as f64 / end.lasted.as_secs_f64())
}

/// Steps whose times on the idle server are asked for, in the order in which one goes on from another.
pub(super) fn idle_steps(scenario: &Scenario) -> Vec<Step> {
    let asked: Vec<Step> = scenario
        .objectives
        .iter()
        .flat_map(|objective| objective.figures())
        .filter_map(|figure| match figure {
            Figure::Requests {
                idle: true, step, ..
            } => *step,
            _ => None,
        })
        .collect();
    let needs = |step| match step {
        Step::Submit => asked
            .iter()
            .any(|asked| !matches!(asked, Step::SubmitWithoutKey | Step::List)),
        Step::Verify => asked
            .iter()
            .any(|asked| matches!(asked, Step::Verify | Step::Unlock)),
        step => asked.contains(&step),
    };
    [
        Step::Submit,
        Step::SubmitWithoutKey,
        Step::Replay,
        Step::List,
        Step::Verify,
        Step::Unlock,
    ]
    .into_iter()
    .filter(|step| needs(*step))
    .collect()
}

/// Sends a step to the idle server over one connection, as [`IDLE`] says, and records its times.
pub(super) fn idle(
    scenario: &Scenario,
    callers: &Callers,
    step: Step,
    books: Books<'_>,
) -> Result<(), LoadtestError> {
    let suits = |caller: &Caller| step.suits(caller.kind);
    let Some(number) = callers.all.iter().position(suits) else {
        return Ok(());
    };
    let one = Callers {
        all: callers.all.clone(),
        groups: vec![vec![(number as u16, 1.0)]],
        people: callers.people.clone(),
    };
    let load = Load::Open {
        stages: vec![IDLE],
        poisson: false,
    };
    let streams = [stream("idle", 1, load, step)];
    let phase = Phase {
        streams: &streams,
        callers: &one,
        events: &[],
        answer_limit: scenario.answer_limit,
        seed: scenario.seed,
        processes: &mut Processes::default,
        observer: &mut |_, _| {},
    };
    drive(phase, books)?;
    Ok(())
}
