//! What a call centre sends: verifications, and unlocks of what it has verified.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use serde::Serialize;
use sistema_ts_model::{
    CUN_COUNT, CardDigits, Clock as _, CodiceFiscale, Cun, Service, SystemClock,
};

use crate::callers::people::Numbers;
use crate::error::LoadtestError;
use crate::former::paced::{self, Outcome, Pace, Source};
use crate::former::report::{Latency, Method, write_counts, write_memory};
use crate::former::request::message;
use crate::wire::answer::Answer;
use crate::wire::target::Target;

/// How many verifications a second open the sessions of a run of unlocks, before its clock starts.
const OPENING_RATE: f64 = 400.0;

/// Made-up positives: a CUN and its person's card digits each.
pub struct Positives(Vec<(String, String)>);

/// Made-up operators of a call centre, who work in turn.
pub struct Operators(Vec<String>);

impl Positives {
    /// Reads lines `CUN;card digits`, of which more columns are not looked at.
    pub fn read(path: &Path) -> Result<Self, LoadtestError> {
        let lines = read_lines(path, |line| {
            let mut columns = line.split(';');
            let (cun, digits) = (columns.next()?, columns.next()?);
            Cun::parse(cun).ok()?;
            CardDigits::parse(digits).ok()?;
            Some((cun.to_owned(), digits.to_owned()))
        })?;
        Ok(Self(lines))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Operators {
    /// Reads lines that begin with a codice fiscale.
    pub fn read(path: &Path) -> Result<Self, LoadtestError> {
        let lines = read_lines(path, |line| {
            let code = line.split(';').next()?;
            CodiceFiscale::parse(code).ok()?;
            Some(code.to_owned())
        })?;
        Ok(Self(lines))
    }
}

/// Reads every line, at least one; a wrong one is told by its number.
fn read_lines<T>(path: &Path, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, LoadtestError> {
    let wrong = |reason: &str| LoadtestError::Usage(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(LoadtestError::file(path))?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let value = read(line.trim_end())
            .ok_or_else(|| wrong(&format!("line {} is not what it should be", index + 1)))?;
        lines.push(value);
    }
    if lines.is_empty() {
        return Err(wrong("there is no line in it"));
    }
    Ok(lines)
}

/// The result of a run, with its method.
#[derive(Debug, Serialize)]
pub struct DeskReport {
    /// How it was measured.
    #[serde(flatten)]
    pub method: Method,
    /// The service that was asked.
    pub service: &'static str,
    /// Requests a second that were due.
    pub per_second: f64,
    /// Connections at most.
    pub connections: usize,
    /// Requests that were due.
    pub requests: u64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that could not leave within the time limit.
    pub unsent: u64,
    /// Requests that left and were not answered.
    pub unanswered: u64,
    /// From the first request's time to the last answer.
    pub seconds: f64,
    /// How often each outcome, or HTTP status without one, was answered.
    pub outcomes: BTreeMap<String, u64>,
    /// How often each code of `listaErrori` was answered.
    pub findings: BTreeMap<String, u64>,
    /// How often a connection ended early, by reason.
    pub failures: BTreeMap<String, u64>,
    /// From the time at which a request should have left to the last byte of its answer, in ms.
    pub latency_ms: Latency,
    /// How late this program itself was, in ms.
    pub lateness_ms: Latency,
    /// CPU time of the server meanwhile, in seconds: of everything that it did.
    pub server_cpu_seconds: Option<f64>,
    /// Resident memory of the server at the end, and at most, in KiB.
    pub server_memory_kib: Option<(u64, u64)>,
    /// The objective: the longest p99 in ms, if one was given.
    pub p99_objective_ms: Option<f64>,
}

impl DeskReport {
    fn new(target: &Target, service: Service, pace: &Pace, outcome: Outcome) -> Self {
        Self {
            method: Method::of(target),
            service: service.name(),
            per_second: pace.per_second,
            connections: pace.connections,
            requests: pace.requests,
            sent: outcome.sent,
            unsent: outcome.unsent,
            unanswered: outcome.unanswered,
            seconds: outcome.lasted.as_secs_f64(),
            outcomes: outcome.outcomes,
            findings: outcome.findings,
            failures: outcome.failures,
            latency_ms: Latency::of(&outcome.latency).in_milliseconds(),
            lateness_ms: Latency::of(&outcome.lateness).in_milliseconds(),
            server_cpu_seconds: outcome.server_cpu.map(|time| time.as_secs_f64()),
            server_memory_kib: outcome.server_memory_kib,
            p99_objective_ms: None,
        }
    }

    /// Whether every request was answered `0000`, and in time if there is an objective.
    #[must_use]
    pub fn passed(&self) -> bool {
        let done = self.outcomes.get("0000").copied().unwrap_or(0);
        done == self.requests
            && self
                .p99_objective_ms
                .is_none_or(|longest| self.latency_ms.p99 <= longest)
    }
}

impl Display for DeskReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        writeln!(
            f,
            "{}, {}: {} a second due over at most {} connections, {:.1} s\n",
            self.method.target, self.service, self.per_second, self.connections, self.seconds
        )?;
        writeln!(
            f,
            "                  p50 ms     p90 ms     p99 ms   p99.9 ms     max ms"
        )?;
        for (name, times) in [
            ("latency", &self.latency_ms),
            ("own lateness", &self.lateness_ms),
        ] {
            writeln!(
                f,
                "{name:>13} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>10.2}",
                times.p50, times.p90, times.p99, times.p999, times.max
            )?;
        }
        writeln!(
            f,
            "\ndue {}, sent {}, not sent in time {}, unanswered {}",
            self.requests, self.sent, self.unsent, self.unanswered
        )?;
        write_counts(f, &self.outcomes, &self.findings, &self.failures)?;
        if let Some(seconds) = self.server_cpu_seconds {
            writeln!(f, "server CPU {seconds:.2} s")?;
        }
        write_memory(f, self.server_memory_kib)?;
        if let Some(objective) = self.p99_objective_ms {
            let verdict = if self.latency_ms.p99 <= objective {
                "kept"
            } else {
                "MISSED"
            };
            writeln!(f, "objective p99 at most {objective} ms: {verdict}")?;
        }
        Ok(())
    }
}

/// Verifies the positives in turn, by the operators in turn.
pub fn verify(
    target: &Target,
    pace: &Pace,
    positives: &Positives,
    operators: &Operators,
) -> Result<DeskReport, LoadtestError> {
    let mut source = Verifications {
        host: &target.host,
        positives,
        operators,
        sessions: None,
    };
    let outcome = paced::run(target, pace, &mut source)?;
    Ok(DeskReport::new(
        target,
        Service::Verification,
        pace,
        outcome,
    ))
}

/// Verifies each positive once, and then unlocks them at the pace, each once, with a one-time code of its own. `pace.requests` is
/// lowered to the number of positives; `mark_start` is a file that is made when the unlocks begin.
pub fn unlock(
    target: &Target,
    pace: &Pace,
    positives: &Positives,
    operators: &Operators,
    seed: u64,
    mark_start: Option<&Path>,
) -> Result<DeskReport, LoadtestError> {
    let mut pace = pace.clone();
    pace.requests = pace.requests.min(positives.count() as u64);
    let mut source = Verifications {
        host: &target.host,
        positives,
        operators,
        sessions: Some(vec![None; positives.count()]),
    };
    let opening = Pace {
        per_second: OPENING_RATE,
        connections: pace.connections.min(32),
        answer_limit: Duration::from_secs(30),
        ..pace.clone()
    };
    paced::run(target, &opening, &mut source)?;
    let sessions: Option<Vec<String>> = source
        .sessions
        .unwrap_or_default()
        .into_iter()
        .take(usize::try_from(pace.requests).unwrap_or(usize::MAX))
        .collect();
    let sessions = sessions.ok_or_else(|| {
        LoadtestError::Usage("not every positive could be verified: nothing was unlocked".into())
    })?;
    let mut source = Unlocks {
        host: &target.host,
        sessions,
        operators,
        today: SystemClock.now().rome_day(),
        numbers: Numbers::new(seed),
    };
    if let Some(path) = mark_start {
        std::fs::File::create(path).map_err(LoadtestError::file(path))?;
    }
    let outcome = paced::run(target, &pace, &mut source)?;
    Ok(DeskReport::new(target, Service::Unlock, &pace, outcome))
}

struct Verifications<'s> {
    host: &'s str,
    positives: &'s Positives,
    operators: &'s Operators,
    /// `idVerificaTampone` of each positive, where they are wanted.
    sessions: Option<Vec<Option<String>>>,
}

/// The element at `number`, round and round; the lists are never empty.
fn in_turn<T>(list: &[T], number: u64) -> &T {
    &list[(number % list.len() as u64) as usize]
}

impl Source for Verifications<'_> {
    fn request(&mut self, number: u64, bytes: &mut Vec<u8>) {
        let (cun, digits) = in_turn(&self.positives.0, number);
        let operator = in_turn(&self.operators.0, number);
        message(
            Service::Verification,
            self.host,
            &[
                ("tipoAutenticazione", "2F"),
                ("codiceFiscaleOperatore", operator),
                ("numeroTesseraSanitaria", digits),
                ("cun", cun),
            ],
            bytes,
        );
    }

    fn answered(&mut self, number: u64, answer: &Answer) {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(place) = self.sessions.as_mut().and_then(|all| all.get_mut(index)) {
            place.clone_from(&answer.session);
        }
    }
}

struct Unlocks<'s> {
    host: &'s str,
    sessions: Vec<String>,
    operators: &'s Operators,
    today: NaiveDate,
    numbers: Numbers,
}

impl Source for Unlocks<'_> {
    fn request(&mut self, number: u64, bytes: &mut Vec<u8>) {
        // The operator who verified it: both take their turns from the same beginning.
        let operator = in_turn(&self.operators.0, number);
        let session = in_turn(&self.sessions, number);
        message(
            Service::Unlock,
            self.host,
            &[
                ("tipoAutenticazione", "2F"),
                ("codiceOtp", &one_time_code(&mut self.numbers)),
                ("dataInizioSintomi", &self.today.to_string()),
                ("codiceFiscaleOperatore", operator),
                ("idVerificaTampone", session),
            ],
            bytes,
        );
    }

    fn answered(&mut self, _number: u64, _answer: &Answer) {}
}

/// A made-up one-time code: it has the alphabet and the check symbol of a CUN.
fn one_time_code(numbers: &mut Numbers) -> String {
    Cun::from_number(numbers.next() % CUN_COUNT).map_or_else(String::new, |code| {
        String::from_utf8_lossy(&code.to_text()[4..]).into_owned()
    })
}
