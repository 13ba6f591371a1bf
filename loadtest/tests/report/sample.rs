//! A result with something of everything in it.

use std::collections::BTreeMap;

use sistema_ts_loadtest::ledger::Rule;
use sistema_ts_loadtest::report::{
    CallerResult, CpuAndMemory, EventResult, Machine, Method, ObjectiveResult, OutcomeResult,
    Percentiles, RuleResult, RunResult, SCHEMA, ScenarioFacts, Second, StageResult, StepResult,
    Truth, ValidityCheck, Verdict,
};

fn percentiles(count: u64, p50: f64) -> Percentiles {
    Percentiles {
        count,
        p50,
        p90: p50 * 1.83,
        p99: p50 * 4.57,
        p999: p50 * 11.9,
        p9999: p50 * 27.3,
        max: p50 * 41.7,
        mean: p50 * 1.31,
    }
}

fn step(name: &str, count: u64, p50: f64) -> StepResult {
    let outcome = |outcome: &str, count, p50| OutcomeResult {
        outcome: outcome.into(),
        count,
        response: percentiles(count, p50),
        service: percentiles(count, p50 * 0.71),
    };
    let rising = StepResult::CURVE
        .into_iter()
        .filter(|quantile| *quantile < 0.9995);
    StepResult {
        step: name.into(),
        due: count + 9,
        sent: count + 3,
        unsent: 6,
        unanswered: 3,
        starved: 17,
        outcomes: vec![
            outcome("0000", count - 51, p50),
            outcome("9999", 40, p50 * 0.9),
            outcome("HTTP 503", 11, p50 * 0.2),
        ],
        response: percentiles(count, p50),
        service: percentiles(count, p50 * 0.7),
        lateness: percentiles(count, 0.012),
        curve: rising
            .map(|quantile| {
                (
                    quantile,
                    p50 * (1.0 + quantile / (1.0001 - quantile)).sqrt(),
                )
            })
            .collect(),
    }
}

/// A minute, of which four seconds stand still.
fn second(number: u32) -> Second {
    let at = f64::from(number);
    let stands = (30..34).contains(&number);
    let answered = if stands {
        0
    } else {
        4_990 + u64::from(number * 7 % 23)
    };
    let mut outcomes = BTreeMap::from([("0000".to_owned(), answered.saturating_sub(60))]);
    if !stands {
        outcomes.insert("9999".into(), 40 + u64::from(number % 7));
        outcomes.insert("HTTP 503".into(), if number == 34 { 600 } else { 3 });
    }
    let p50 = if number == 34 {
        1_900.0
    } else {
        0.8 + f64::from(number % 5) * 0.05
    };
    Second {
        at,
        offered: 5_000,
        sent: if stands { 512 } else { 5_001 },
        answered,
        in_flight: if stands { 512 } else { 41 },
        response: (!stands).then_some((p50, p50 * 4.0, p50 * 9.0)),
        service_p99: (!stands).then_some(p50 * 3.1),
        lateness_p99: Some(0.034),
        outcomes,
        server: (!stands).then_some(CpuAndMemory {
            cpu: 1.37 + f64::from(number % 3) * 0.04,
            memory_kib: 90_000 + u64::from(number) * 57,
        }),
        client_cpu: 0.39,
    }
}

/// The result.
pub fn result() -> RunResult {
    let caller = |name: &str, share: f64, sent: u64| CallerResult {
        caller: name.into(),
        share,
        sent,
        done: sent - 31,
        refused: 19,
        unknown: 5,
        turned_away: 7,
        response: percentiles(sent, 0.93),
    };
    let rules = Rule::ALL
        .into_iter()
        .zip(1_001..)
        .map(|(rule, of)| RuleResult {
            name: rule.name().into(),
            says: rule.says().into(),
            violations: u64::from(rule == Rule::ListedOnce) * 2,
            of,
            examples: if rule == Rule::ListedOnce {
                vec![
                    "the test of request 4711 of caller 3: 0 times in the listing of caller 3"
                        .into(),
                ]
            } else {
                Vec::new()
            },
        });
    let objective = |text: &str, measured, limit, unit: &str| ObjectiveResult {
        text: text.into(),
        measured,
        limit,
        unit: unit.into(),
        kept: measured.is_some_and(|measured| measured <= limit),
    };
    RunResult {
        schema: SCHEMA,
        verdict: Verdict::TruthViolated,
        scenario: ScenarioFacts {
            name: "peak-hour".into(),
            title: "The busiest hour of the busiest day, <by region> & \"honest\".".into(),
            text: "name = \"peak-hour\"\n\n[[step]]\nkind = \"submit\" # & more\n".into(),
            seed: 8_675_309,
        },
        started: "2026-11-27T19:02:31.123+01:00".into(),
        seconds: 60.4,
        objectives: vec![
            objective("response p99 of submit, at most", Some(4.13), 10.0, "ms"),
            objective("9999 of all, at most", Some(0.82), 0.1, "%"),
            objective("response p99 of verify, at most", None, 20.0, "ms"),
        ],
        truth: Truth {
            done: 298_123,
            refused: 2_411,
            unknown: 512,
            rules: rules.collect(),
        },
        steps: vec![
            step("submit", 290_123, 0.87),
            step("verify", 6_007, 1.13),
            step("list", 241, 43.0),
        ],
        stages: [(500.0, 2.0), (1_000.0, 2.5), (2_000.0, 40.0)]
            .map(|(rate, p99)| StageResult {
                stream: "rising".into(),
                seconds: 20.0,
                from_per_second: rate,
                to_per_second: rate,
                due: rate as u64 * 20,
                done: rate as u64 * 20,
                response: Percentiles {
                    count: rate as u64 * 20,
                    p99,
                    ..Percentiles::default()
                },
                ..StageResult::default()
            })
            .to_vec(),
        series: (1..=60).map(second).collect(),
        callers: vec![
            caller("region 030", 0.216, 62_003),
            caller("region 080", 0.093, 27_011),
            caller("call centre cc1", 0.021, 6_007),
        ],
        events: vec![EventResult {
            name: "freeze".into(),
            at: 30.02,
            took: 4.01,
            command: "kill -STOP $SERVER && sleep 4 && kill -CONT $SERVER".into(),
            ok: true,
            first_answer: Some(4.17),
            steady: Some(6.93),
        }],
        validity: vec![ValidityCheck {
            says: "Own lateness at p99".into(),
            measured: 0.034,
            limit: 0.05,
            unit: "ms".into(),
            ok: true,
        }],
        findings: BTreeMap::from([("3001".into(), 2_380), ("8001".into(), 33)]),
        failures: BTreeMap::from([("closed by the server".into(), 14)]),
        handshakes: percentiles(526, 2.3),
        method: Method {
            tool: "loadtest 0.1.0".into(),
            target: "https://localhost:8443".into(),
            loop_kind: "open".into(),
            connections: 526,
            ceiling: Some(48_731.0),
            idle_p50: Some(0.613),
            probes: (2_981, 298_123),
            remarks: vec!["Handshakes are not part of any answer's time.".into()],
        },
        machine: Machine {
            processor: "A processor".into(),
            cores: 2,
            memory_kib: 8_138_240,
            system: "Linux 6.8.0".into(),
            shared_with_server: true,
        },
        command: "loadtest run peak-hour --seed 8675309 --target https://localhost:8443".into(),
    }
}
