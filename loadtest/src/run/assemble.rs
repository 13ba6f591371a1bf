//! The result, put together from what was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use sistema_ts_model::Timestamp;

use super::figures::Figures;
use super::plan::RunPlan;
use crate::callers::{Caller, Callers};
use crate::drive::{EventOutcome, PhaseEnd};
use crate::measure::outcome::Outcome;
use crate::measure::recorder::{CallerRecord, Recorder};
use crate::measure::series::Stretch;
use crate::measure::times::coarse;
use crate::report::{
    CallerResult, CpuAndMemory, EventResult, Machine, Method, OutcomeResult, Percentiles,
    RunResult, SCHEMA, ScenarioFacts, Second, StageResult, StepResult, Truth, ValidityCheck,
    Verdict,
};
use crate::scenario::{Load, Scenario, Step};

/// What was measured, before it is put together.
pub(super) struct Measured {
    pub(super) load: Recorder,
    pub(super) end: PhaseEnd,
    pub(super) idle: Recorder,
    pub(super) ceiling: Option<f64>,
    pub(super) truth: Truth,
    /// Processor time of the server during the load.
    pub(super) server_cpu: Option<Duration>,
    pub(super) read_backs: u64,
    pub(super) remarks: Vec<String>,
}

pub(super) fn result(
    plan: &RunPlan,
    callers: &Callers,
    started: Timestamp,
    measured: &Measured,
) -> RunResult {
    let scenario = &plan.scenario;
    let load = &measured.load;
    let figures = Figures {
        callers,
        load,
        lasted: measured.end.lasted,
        streams: scenario
            .streams
            .iter()
            .map(|stream| stream.name.as_str())
            .collect(),
        stages: &measured.end.stages,
        idle: &measured.idle,
        ceiling: measured.ceiling,
    };
    let objectives: Vec<_> = scenario
        .objectives
        .iter()
        .map(|objective| figures.judge(objective))
        .collect();
    let shared = callers.all.iter().all(|caller| caller.target.is_loopback());
    let mut remarks = measured.remarks.clone();
    let validity = validity(scenario, measured, shared, &mut remarks);
    let steps = Step::ALL.into_iter().filter(|step| scenario.sends(*step));
    RunResult {
        schema: SCHEMA,
        verdict: Verdict::of(&objectives, &measured.truth, &validity),
        scenario: ScenarioFacts {
            name: scenario.name.clone(),
            title: scenario.about.clone(),
            text: scenario.text.clone(),
            seed: scenario.seed,
        },
        started: String::from_utf8_lossy(&started.rome_text()).into_owned(),
        seconds: measured.end.lasted.as_secs_f64(),
        objectives,
        truth: measured.truth.clone(),
        steps: steps.map(|step| step_result(load, step)).collect(),
        stages: stages(scenario, measured),
        series: series(&load.series.stretches),
        callers: callers
            .all
            .iter()
            .zip(&load.callers)
            .map(|(caller, record)| caller_result(caller, record, load))
            .collect(),
        events: measured
            .end
            .events
            .iter()
            .map(|event| event_result(event, measured))
            .collect(),
        validity,
        findings: load
            .findings
            .iter()
            .map(|(code, count)| (code.to_string(), *count))
            .collect(),
        failures: load.failures.clone(),
        handshakes: handshakes(load, &mut remarks),
        method: method(scenario, callers, measured, remarks),
        machine: machine(shared),
        command: plan.command.clone(),
    }
}

fn step_result(load: &Recorder, step: Step) -> StepResult {
    let record = &load.steps[step.index()];
    let times = load.times(Some(step), None);
    let outcomes = Outcome::ALL.into_iter().filter_map(|outcome| {
        let times = record.outcomes[outcome.index()].as_deref()?;
        Some(OutcomeResult {
            outcome: outcome.name().into(),
            count: record.count(outcome),
            response: Percentiles::of_nanoseconds(&times.response),
            service: Percentiles::of_nanoseconds(&times.service),
        })
    });
    StepResult {
        step: step.name().into(),
        due: record.due,
        sent: record.sent,
        unsent: record.unsent,
        unanswered: record.count(Outcome::Lost),
        starved: record.starved,
        outcomes: outcomes.collect(),
        response: Percentiles::of_nanoseconds(&times.response),
        service: Percentiles::of_nanoseconds(&times.service),
        lateness: record
            .lateness
            .as_deref()
            .map(Percentiles::of_nanoseconds)
            .unwrap_or_default(),
        curve: StepResult::curve_of_nanoseconds(&times.response),
    }
}

fn stages(scenario: &Scenario, measured: &Measured) -> Vec<StageResult> {
    let stages = measured.end.stages.iter();
    stages
        .map(|record| {
            let count = |outcome: Outcome| record.outcomes[outcome.index()];
            StageResult {
                stream: scenario.streams[record.stream].name.clone(),
                seconds: record.stage.seconds,
                from_per_second: record.stage.from,
                to_per_second: record.stage.to,
                due: record.due,
                done: count(Outcome::Done) + count(Outcome::DoneWithWarnings),
                turned_away: count(Outcome::Busy),
                refused: count(Outcome::NotDone) + count(Outcome::Fault),
                lost: count(Outcome::Lost),
                response: Percentiles::of_nanoseconds(&record.response),
            }
        })
        .collect()
}

fn series(stretches: &[Stretch]) -> Vec<Second> {
    let mut before = 0.0;
    let millis = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    stretches
        .iter()
        .map(|stretch| {
            let length = (stretch.end - before).max(0.001);
            before = stretch.end;
            let cores = |nanoseconds: u64| nanoseconds as f64 / 1e9 / length;
            let answered = Outcome::ALL
                .into_iter()
                .filter(|outcome| outcome.is_answered());
            let answered: u64 = answered
                .map(|outcome| stretch.outcomes[outcome.index()])
                .sum();
            let has_times = stretch.response[0] > 0;
            let outcomes: BTreeMap<String, u64> = Outcome::ALL
                .into_iter()
                .map(|outcome| (outcome.name().to_owned(), stretch.outcomes[outcome.index()]))
                .filter(|(_, count)| *count > 0)
                .collect();
            Second {
                at: stretch.end,
                offered: stretch.offered,
                sent: stretch.sent,
                answered,
                in_flight: stretch.in_flight,
                response: has_times.then(|| {
                    let [p50, p99, p999] = stretch.response.map(millis);
                    (p50, p99, p999)
                }),
                service_p99: has_times.then(|| millis(stretch.service_p99)),
                lateness_p99: (stretch.lateness_p99 > 0).then(|| millis(stretch.lateness_p99)),
                outcomes,
                server: stretch.server.map(|(cpu, memory_kib)| CpuAndMemory {
                    cpu: cores(cpu),
                    memory_kib,
                }),
                client_cpu: cores(stretch.client_cpu),
            }
        })
        .collect()
}

fn caller_result(caller: &Caller, record: &CallerRecord, load: &Recorder) -> CallerResult {
    let due: u64 = load.callers.iter().map(|record| record.due).sum();
    let mut response = coarse();
    for step in record.steps.iter().flatten() {
        // Of one kind, so that they can be added.
        let _ = response.add(&step.response);
    }
    let count = |outcome: Outcome| record.outcomes[outcome.index()];
    CallerResult {
        caller: format!("{} {}", caller.kind.name(), caller.name),
        share: if due == 0 {
            0.0
        } else {
            record.due as f64 / due as f64
        },
        sent: record.sent,
        done: count(Outcome::Done) + count(Outcome::DoneWithWarnings),
        refused: count(Outcome::NotDone) + count(Outcome::Fault),
        unknown: count(Outcome::Lost),
        turned_away: count(Outcome::Busy),
        response: Percentiles::of_nanoseconds(&response),
    }
}

fn event_result(event: &EventOutcome, measured: &Measured) -> EventResult {
    let at = event
        .started
        .saturating_duration_since(measured.end.started)
        .as_secs_f64();
    EventResult {
        name: event.label.clone(),
        at,
        took: event.took.map_or(0.0, |took| took.as_secs_f64()),
        command: event.command.clone(),
        ok: event.succeeded,
        first_answer: event
            .first_done
            .map(|done| done.saturating_duration_since(event.started).as_secs_f64()),
        steady: steady(&measured.load.series.stretches, at),
    }
}

/// From an event to the end of the first of three stretches on end whose p99 is at most twice the greatest of the ten before it.
fn steady(stretches: &[Stretch], at: f64) -> Option<f64> {
    let (before, after): (Vec<&Stretch>, Vec<&Stretch>) =
        stretches.iter().partition(|stretch| stretch.end <= at);
    let usual = before
        .iter()
        .rev()
        .take(10)
        .map(|stretch| stretch.response[1])
        .max()?;
    // The stretch in which the event was has something of both.
    let mut candidates = after.get(1..)?.windows(3);
    let is_usual = |stretch: &&Stretch| stretch.response[1] > 0 && stretch.response[1] <= 2 * usual;
    candidates
        .find(|three| three.iter().all(is_usual))
        .map(|three| three[0].end - at)
}

fn handshakes(load: &Recorder, remarks: &mut Vec<String>) -> Percentiles {
    let mut all: Histogram<u64> = load.full_handshakes.clone();
    // Of one kind, so that they can be added.
    let _ = all.add(&load.resumed_handshakes);
    let told = |name: &str, histogram: &Histogram<u64>| {
        let times = Percentiles::of_nanoseconds(histogram);
        format!(
            "{} {name}, p50 {:.2} ms, p99 {:.2} ms",
            times.count, times.p50, times.p99
        )
    };
    remarks.push(format!(
        "Handshakes: {}; {}.",
        told("full", &load.full_handshakes),
        told("resumed", &load.resumed_handshakes)
    ));
    Percentiles::of_nanoseconds(&all)
}

fn is_closed(scenario: &Scenario) -> bool {
    scenario
        .streams
        .iter()
        .any(|stream| matches!(stream.load, Load::Closed { .. }))
}

/// Whether the numbers are the server's and not the client's.
fn validity(
    scenario: &Scenario,
    measured: &Measured,
    shared: bool,
    remarks: &mut Vec<String>,
) -> Vec<ValidityCheck> {
    let limits = &scenario.validity;
    let load = &measured.load;
    let seconds = measured.end.lasted.as_secs_f64();
    let check = |says: &str, measured: f64, limit: f64, unit: &str, ok: bool| ValidityCheck {
        says: says.into(),
        measured,
        limit,
        unit: unit.into(),
        ok,
    };
    let mut checks = Vec::new();
    let sent: u64 = load.steps.iter().map(|record| record.sent).sum();
    let due: u64 = load.steps.iter().map(|record| record.due).sum();
    let cpu = measured.end.driver_cpu.as_secs_f64() / seconds * 100.0;
    let closed = is_closed(scenario);
    if closed && shared {
        // On the same cores the client always takes what the server leaves: there is no telling whose limit it was.
        remarks.push(format!(
            "In a closed loop client and server share the cores of this machine, so that neither is measured alone: the driving thread used {cpu:.0} % of a core."
        ));
    } else {
        checks.push(check(
            "The driving thread had processor time to spare",
            cpu,
            limits.driver_cpu_percent,
            "%",
            cpu <= limits.driver_cpu_percent,
        ));
    }
    if let Some(ceiling) = measured.ceiling {
        let share = sent as f64 / seconds / ceiling * 100.0;
        checks.push(check(
            "The rate was well below what this client reaches against a constant answer",
            share,
            limits.ceiling_percent,
            "%",
            share <= limits.ceiling_percent,
        ));
    }
    if !load.own_lateness.is_empty() {
        let late = load.own_lateness.value_at_quantile(0.99) as f64 / 1e6;
        let limit = limits.lateness_p99_milliseconds;
        checks.push(check(
            "The client looked at its requests in time, at p99",
            late,
            limit,
            "ms",
            late <= limit,
        ));
    }
    let left = if due == 0 {
        0.0
    } else {
        sent as f64 / due as f64 * 100.0
    };
    checks.push(check(
        "What was due has left",
        left,
        limits.sent_percent,
        "%",
        left >= limits.sent_percent,
    ));
    if measured.end.server_gone {
        checks.push(check(
            "The server was there to the end",
            0.0,
            1.0,
            "",
            false,
        ));
    }
    let failed: Vec<_> = measured
        .end
        .events
        .iter()
        .filter(|event| !event.succeeded)
        .collect();
    if !failed.is_empty() {
        let names: Vec<_> = failed.iter().map(|event| event.label.as_str()).collect();
        let says = format!(
            "The scenario's events could be done (not: {})",
            names.join(", ")
        );
        checks.push(check(&says, failed.len() as f64, 0.0, "", false));
    }
    checks
}

fn method(
    scenario: &Scenario,
    callers: &Callers,
    measured: &Measured,
    mut remarks: Vec<String>,
) -> Method {
    let load = &measured.load;
    let kinds = scenario.streams.iter().map(|stream| match stream.load {
        Load::Open { .. } => "open",
        Load::Closed { .. } => "closed",
    });
    let kinds: std::collections::BTreeSet<_> = kinds.collect();
    for stream in &scenario.streams {
        remarks.push(format!(
            "Stream {}: {} connections.",
            stream.name, stream.connections
        ));
    }
    for (kind, words) in &load.first_words {
        let (outcome, status, code) = kind;
        remarks.push(format!(
            "The first answer {} (HTTP {status}, code {code}): {words}",
            outcome.name()
        ));
    }
    if load.listed > 0 {
        remarks.push(format!(
            "Listings named {} tests, {} of them earlier than the one before.",
            load.listed, load.out_of_order
        ));
    }
    let answered = load.count(None, None);
    if let Some(cpu) = measured.server_cpu.filter(|_| answered > 0) {
        remarks.push(format!(
            "The server's processor time during the load, its deferred work until the last answer included: {:.2} s, {:.1} µs a request.",
            cpu.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / answered as f64
        ));
    }
    let driver = micros_each(measured.end.driver_cpu, answered);
    remarks.push(format!(
        "The driving thread's processor time: {driver:.1} µs a request."
    ));
    let awake = measured.end.awake.as_secs_f64() / measured.end.lasted.as_secs_f64();
    if awake > 0.0 {
        remarks.push(format!(
            "So that requests leave at their times, the last {} µs before one is due are waited for awake while the machine has a core to spare: {:.0} % of a core, which are not in the driving thread's processor time.",
            crate::pacing::spin::AHEAD.as_micros(),
            awake * 100.0
        ));
    }
    let idle = measured.idle.times(Some(Step::Submit), None);
    Method {
        tool: format!("loadtest {}", env!("CARGO_PKG_VERSION")),
        target: callers
            .all
            .first()
            .map_or_else(String::new, |caller| caller.target.host.clone()),
        loop_kind: kinds.into_iter().collect::<Vec<_>>().join(" and "),
        connections: measured.end.connections as u64,
        ceiling: measured.ceiling,
        idle_p50: (!idle.service.is_empty())
            .then(|| idle.service.value_at_quantile(0.5) as f64 / 1e6),
        probes: (measured.read_backs, answered),
        remarks,
    }
}

fn micros_each(time: Duration, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        time.as_secs_f64() * 1e6 / count as f64
    }
}

fn machine(shared: bool) -> Machine {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal");
    Machine {
        processor: field("/proc/cpuinfo", "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64),
        memory_kib: memory
            .and_then(|memory| memory.split_ascii_whitespace().next()?.parse().ok())
            .unwrap_or(0),
        system: format!("Linux {}", release.trim()),
        shared_with_server: shared,
    }
}
