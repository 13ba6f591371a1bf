//! A run from its beginning to its result: what is there already, the client's ceiling, the idle server, the load, and the truth.

mod assemble;
mod events;
mod figures;
mod guard;
mod phases;
mod plan;
mod progress;
mod reach;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sistema_ts_model::{Clock as _, SystemClock};

use crate::callers::Callers;
use crate::callers::environment::EnvironmentFile;
use crate::drive::{Books as Driven, EventPlan, Phase, drive};
use crate::error::LoadtestError;
use crate::ledger::{Books, CallerFacts, Case, Ledger, Lister, Listing, Sampler, Sweep};
use crate::measure::recorder::Recorder;
use crate::report::{RunResult, Truth};
use crate::scenario::{CallerKind, Scenario};
use crate::steps::Steps;
use assemble::Measured;
use progress::Progress;
use reach::{Wire, knock};
use watch::Watch;

pub use plan::RunPlan;

/// The ledger in the folder of a run.
const LEDGER: &str = "ledger";
/// `massimoElementi` of the listing that is read by small pages.
const PAGE: u32 = 1_000;
/// Keys that are sent again after the run, of the answered and of the refused.
const REPEATS: u64 = 500;
/// Confirmed codes that are verified again: each counts as an operator's failure.
const VERIFICATIONS: usize = 10;

/// Runs it.
pub fn run(mut plan: RunPlan) -> Result<RunResult, LoadtestError> {
    if let Some(seed) = plan.seed {
        plan.scenario.seed = seed;
    }
    if plan.folder.join(LEDGER).exists() {
        let folder = plan.folder.display();
        let reason = format!("{folder} has a run's results already: name another --output");
        return Err(LoadtestError::Usage(reason));
    }
    let (environment, text) = EnvironmentFile::read(&plan.environment)?;
    let confirmed = plan.confirmed_host.as_deref();
    guard::before_names_are_resolved(&environment, &text, confirmed)?;
    let callers = Arc::new(Callers::new(&plan.scenario, &environment, &text)?);
    guard::after(&callers, confirmed)?;
    let events = events::plans(&plan.scenario, &environment, &callers, &text)?;
    knock(&callers)?;
    std::fs::create_dir_all(&plan.folder).map_err(LoadtestError::file(&plan.folder))?;
    Run::new(&plan, &environment, callers)?.run(&events)
}

struct Run<'r> {
    plan: &'r RunPlan,
    callers: Arc<Callers>,
    steps: Steps,
    ledger: Ledger,
    ledger_path: PathBuf,
    watch: Watch,
    progress: Progress,
    today: chrono::NaiveDate,
    started: sistema_ts_model::Timestamp,
}

impl<'r> Run<'r> {
    fn new(
        plan: &'r RunPlan,
        environment: &EnvironmentFile,
        callers: Arc<Callers>,
    ) -> Result<Self, LoadtestError> {
        let started = SystemClock.now();
        let today = started.rome_day();
        // Two runs differ in their beginning, to the millisecond, and so in their keys.
        let run = (started.millis() & i64::from(u32::MAX)) as u32;
        let ledger_path = plan.folder.join(LEDGER);
        let process = environment.server.process_id_file.as_ref();
        Ok(Self {
            steps: Steps::new(&plan.scenario, Arc::clone(&callers), today, run),
            ledger: Ledger::create(&ledger_path)?,
            ledger_path,
            watch: Watch::new(process.map(|file| environment.path(file))),
            progress: Progress::new(plan.scenario.length(), plan.progress),
            today,
            started,
            callers,
            plan,
        })
    }

    fn run(mut self, events: &[EventPlan]) -> Result<RunResult, LoadtestError> {
        let scenario = &self.plan.scenario;
        let mut remarks = Vec::new();
        let sweep = self.sweep(&mut remarks);
        let before = match &sweep {
            Some(sweep) => {
                self.progress.say("reading what is listed before the run");
                let mut wire = Wire::new(&self.callers, &mut self.steps, self.today);
                sweep.before(&self.ledger, &mut wire)?
            }
            None => Vec::new(),
        };
        let ceiling = self.ceiling()?;
        let idle = self.idle()?;
        self.progress.say("the load begins");
        let mut load = Recorder::new(self.callers.all.len(), Instant::now());
        let budget = scenario.truth.read_back_percent / 100.0;
        let mut sampler = (budget > 0.0).then(|| Sampler::new(budget, scenario.seed));
        let (watch, progress) = (&mut self.watch, &mut self.progress);
        let phase = Phase {
            streams: &scenario.streams,
            callers: &self.callers,
            events,
            answer_limit: scenario.answer_limit,
            seed: scenario.seed,
            processes: &mut || watch.read(),
            observer: &mut |recorder, elapsed| progress.second(recorder, elapsed),
        };
        let books = Driven {
            steps: &mut self.steps,
            ledger: &mut self.ledger,
            recorder: &mut load,
            sampler: sampler.as_mut(),
        };
        let end = drive(phase, books)?;
        if !end.renewed.is_empty() {
            self.callers = Arc::new(self.callers.renewed(&end.renewed));
        }
        let seconds = load.series.stretches.iter();
        let server_cpu = seconds
            .filter_map(|second| second.server)
            .map(|(cpu, _)| std::time::Duration::from_nanos(cpu))
            .reduce(|sum, cpu| sum + cpu);
        let truth = self.truth(sweep.as_ref(), before)?;
        let measured = Measured {
            read_backs: load.read_backs,
            load,
            end,
            idle,
            ceiling,
            truth,
            server_cpu,
            remarks,
        };
        Ok(assemble::result(
            self.plan,
            &self.callers,
            self.started,
            &measured,
        ))
    }

    fn ceiling(&mut self) -> Result<Option<f64>, LoadtestError> {
        let submits = self
            .callers
            .all
            .iter()
            .any(|caller| caller.kind != CallerKind::CallCenter);
        if !self.plan.ceiling || !submits {
            return Ok(None);
        }
        self.progress
            .say("measuring this client against a constant answer");
        phases::ceiling(
            &self.plan.scenario,
            &self.callers,
            self.today,
            &self.plan.folder,
        )
        .map(Some)
    }

    fn idle(&mut self) -> Result<Recorder, LoadtestError> {
        let mut recorder = Recorder::new(self.callers.all.len(), Instant::now());
        for step in phases::idle_steps(&self.plan.scenario) {
            self.progress
                .say(&format!("measuring the idle server: {}", step.name()));
            let books = Driven {
                steps: &mut self.steps,
                ledger: &mut self.ledger,
                recorder: &mut recorder,
                sampler: None,
            };
            phases::idle(&self.plan.scenario, &self.callers, step, books)?;
        }
        Ok(recorder)
    }

    /// What is asked for after the run; `None` if the scenario wants nothing of it.
    fn sweep(&self, remarks: &mut Vec<String>) -> Option<Sweep> {
        if !self.plan.scenario.truth.sweep {
            remarks.push("Nothing was read back after the run: the scenario says so.".into());
            return None;
        }
        let mut listers = Vec::new();
        for (number, caller) in self.callers.all.iter().enumerate() {
            let number = number as u16;
            if caller.operator.is_some() {
                listers.push(Lister {
                    caller: number,
                    covers: self.covers(number),
                });
            } else if caller.kind != CallerKind::CallCenter {
                remarks.push(format!(
                    "{} {} has no operator, so that its listing could not be asked for.",
                    caller.kind.name(),
                    caller.name
                ));
            }
        }
        Some(Sweep {
            listers,
            page: PAGE,
            repeats: REPEATS,
            verifications: VERIFICATIONS,
            folder: self.plan.folder.clone(),
        })
    }

    /// The callers whose tests are in the listing of this one: itself, and of a region the structures.
    fn covers(&self, number: u16) -> Vec<u16> {
        let lister = &self.callers.all[usize::from(number)];
        let all = self.callers.all.iter().enumerate();
        let others = all.filter(|(place, caller)| {
            *place != usize::from(number)
                && lister.kind == CallerKind::Region
                && caller.kind == CallerKind::Structure
                && caller.region() == lister.region()
        });
        std::iter::once(number)
            .chain(others.map(|(place, _)| place as u16))
            .collect()
    }

    fn truth(
        &mut self,
        sweep: Option<&Sweep>,
        mut listings: Vec<Listing>,
    ) -> Result<Truth, LoadtestError> {
        let books = Books::open(&self.ledger_path)?;
        if let Some(sweep) = sweep {
            self.progress.say("reading back what was answered");
            let mut wire = Wire::new(&self.callers, &mut self.steps, self.today);
            listings.extend(sweep.after(&mut self.ledger, &books, &mut wire)?);
        }
        self.progress.say("judging the ledger");
        let facts: Vec<CallerFacts> = self
            .callers
            .all
            .iter()
            .map(|caller| CallerFacts {
                exclusive: caller.exclusive,
            })
            .collect();
        let case = Case {
            books: &books,
            callers: &facts,
            listings: &listings,
        };
        Ok(case.judge()?)
    }
}

/// The default folder of results, which no other run has.
#[must_use]
pub fn default_folder(scenario: &Scenario) -> PathBuf {
    let time = SystemClock.now().rome_text();
    let time: String = String::from_utf8_lossy(&time[..19]).replace(':', "-");
    Path::new("loadtest-results").join(format!("{}-{time}", scenario.name))
}
