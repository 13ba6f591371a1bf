//! The tables of a report.

use super::markup::{Markup, count, number};
use super::percentiles::Percentiles;
use super::result::{RunResult, Second, StepResult};
use super::stage::{StageResult, by_stream, sentence};

/// A cell: its class and its text.
type Cell = (&'static str, String);

fn words(text: &str) -> Cell {
    ("words", text.to_owned())
}

fn plain(text: impl Into<String>) -> Cell {
    ("", text.into())
}

fn good_or_bad(is_good: bool, text: &str) -> Cell {
    (if is_good { "good" } else { "bad" }, text.to_owned())
}

fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

fn with_unit(value: Option<f64>, unit: &str) -> String {
    format!("{} {unit}", maybe(value)).trim_end().to_owned()
}

/// Columns that hold sentences. On a narrow screen a row of such a table is a block, in which a sentence has the whole width.
const TEXTS: [&str; 5] = ["what must hold", "command", "objective", "check", "reason"];

fn table(markup: &mut Markup, heads: &[&str], rows: impl IntoIterator<Item = Vec<Cell>>) {
    // Whoever reads with the keyboard alone must be able to move a wide table.
    markup.element("div", &[("class", "wide"), ("tabindex", "0")], |markup| {
        let has_texts = heads.iter().any(|head| TEXTS.contains(head));
        let kind = if has_texts { "texts" } else { "numbers" };
        markup.element("table", &[("class", kind)], |markup| {
            markup.element("thead", &[], |markup| {
                markup.element("tr", &[], |markup| {
                    for head in heads {
                        let is_text = TEXTS.contains(head);
                        let class = if is_text { "words" } else { "number" };
                        markup.text_element("th", &[("scope", "col"), ("class", class)], head);
                    }
                });
            });
            markup.element("tbody", &[], |markup| {
                for row in rows {
                    markup.element("tr", &[], |markup| {
                        for ((class, text), head) in row.into_iter().zip(heads) {
                            let attributes = [("class", class), ("data-head", *head)];
                            let attributes = attributes.into_iter().filter(|(name, value)| {
                                !value.is_empty() && (has_texts || *name == "class")
                            });
                            let attributes: Vec<_> = attributes.collect();
                            markup.text_element("td", &attributes, &text);
                        }
                    });
                }
            });
        });
    });
}

pub(super) fn objectives(result: &RunResult, markup: &mut Markup) {
    let heads = ["objective", "", "measured", "limit"];
    let rows = result.objectives.iter().map(|objective| {
        vec![
            words(&objective.text),
            good_or_bad(
                objective.kept,
                if objective.kept { "kept" } else { "missed" },
            ),
            plain(with_unit(objective.measured, &objective.unit)),
            plain(with_unit(Some(objective.limit), &objective.unit)),
        ]
    });
    table(markup, &heads, rows);
}

pub(super) fn truth(result: &RunResult, markup: &mut Markup) {
    let rows = result.truth.rules.iter().map(|rule| {
        let found = format!("{} of {}", count(rule.violations), count(rule.of));
        vec![
            plain(&*rule.name),
            good_or_bad(rule.violations == 0, &found),
            words(&rule.says),
        ]
    });
    table(markup, &["rule", "broken", "what must hold"], rows);
    let broken = result
        .truth
        .rules
        .iter()
        .filter(|rule| !rule.examples.is_empty());
    for rule in broken {
        markup.element("p", &[], |markup| {
            markup.text_element("strong", &[], &rule.name);
            markup.text(": ");
            markup.text(&rule.examples.join("; "));
        });
    }
}

pub(super) fn validity(result: &RunResult, markup: &mut Markup) {
    let rows = result.validity.iter().map(|check| {
        vec![
            words(&check.says),
            plain(with_unit(Some(check.measured), &check.unit)),
            plain(with_unit(Some(check.limit), &check.unit)),
            good_or_bad(check.ok, if check.ok { "yes" } else { "no" }),
        ]
    });
    table(markup, &["check", "measured", "limit", "holds"], rows);
}

const TIMES: [&str; 8] = [
    "count", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max",
];

/// Times; of nothing there are none.
fn some(of: &Percentiles, times: impl IntoIterator<Item = f64>) -> impl Iterator<Item = Cell> {
    let is_some = of.count > 0;
    times
        .into_iter()
        .map(move |time| plain(maybe(is_some.then_some(time))))
}

fn times(of: &Percentiles) -> Vec<Cell> {
    let times = [of.mean, of.p50, of.p90, of.p99, of.p999, of.p9999, of.max];
    std::iter::once(plain(count(of.count)))
        .chain(some(of, times))
        .collect()
}

pub(super) fn steps(result: &RunResult, markup: &mut Markup) {
    let heads = ["step", "due", "sent", "unsent", "unanswered", "starved"];
    let rows = result.steps.iter().map(|step| {
        let counts = [
            step.due,
            step.sent,
            step.unsent,
            step.unanswered,
            step.starved,
        ];
        let mut row = vec![plain(&*step.step)];
        row.extend(counts.map(|value| plain(count(value))));
        row
    });
    table(markup, &heads, rows);
    for step in &result.steps {
        one_step(step, markup);
    }
}

pub(super) fn stages(result: &RunResult, markup: &mut Markup) {
    for stages in by_stream(&result.stages) {
        one_stream(stages, markup);
    }
}

/// The stages of one stream, and where its latency bends.
fn one_stream(stages: &[StageResult], markup: &mut Markup) {
    if let Some(first) = stages.first() {
        markup.text_element("h3", &[], &first.stream);
    }
    if let Some(sentence) = sentence(stages) {
        markup.text_element("p", &[], &sentence);
    }
    let heads = [
        "a second", "seconds", "due", "done", "503", "refused", "lost", "p50 ms", "p99 ms",
        "p99.9 ms", "max ms",
    ];
    let rows = stages.iter().map(|stage| {
        let mut row = vec![plain(stage.rate()), plain(number(stage.seconds))];
        let counts = [
            stage.due,
            stage.done,
            stage.turned_away,
            stage.refused,
            stage.lost,
        ];
        row.extend(counts.map(|value| plain(count(value))));
        let times = &stage.response;
        row.extend(some(times, [times.p50, times.p99, times.p999, times.max]));
        row
    });
    table(markup, &heads, rows);
}

fn one_step(step: &StepResult, markup: &mut Markup) {
    markup.text_element("h3", &[], &step.step);
    let mut rows = Vec::new();
    for outcome in &step.outcomes {
        for (clock, percentiles) in [
            ("response", &outcome.response),
            ("service", &outcome.service),
        ] {
            let mut row = vec![plain(format!("{} {clock}", outcome.outcome))];
            row.extend(times(&Percentiles {
                count: outcome.count,
                ..*percentiles
            }));
            rows.push(row);
        }
    }
    let all = [
        ("all response", &step.response),
        ("all service", &step.service),
        ("own lateness", &step.lateness),
    ];
    for (name, percentiles) in all {
        let mut row = vec![plain(name)];
        row.extend(times(percentiles));
        rows.push(row);
    }
    let mut heads = vec!["ms"];
    heads.extend(TIMES);
    table(markup, &heads, rows);
}

pub(super) fn callers(result: &RunResult, markup: &mut Markup) {
    let heads = [
        "caller",
        "share",
        "sent",
        "done",
        "refused",
        "unknown",
        "turned away",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
    ];
    let rows = result.callers.iter().map(|caller| {
        let counts = [
            caller.sent,
            caller.done,
            caller.refused,
            caller.unknown,
            caller.turned_away,
        ];
        let of_response = &caller.response;
        let mut row = vec![
            plain(&*caller.caller),
            plain(format!("{} %", number(caller.share * 100.0))),
        ];
        row.extend(counts.map(|value| plain(count(value))));
        let times = [
            of_response.p50,
            of_response.p99,
            of_response.p999,
            of_response.max,
        ];
        row.extend(some(of_response, times));
        row
    });
    table(markup, &heads, rows);
}

pub(super) fn events(result: &RunResult, markup: &mut Markup) {
    let heads = [
        "event",
        "at s",
        "took s",
        "succeeded",
        "first answer after s",
        "steady after s",
        "command",
    ];
    let rows = result.events.iter().map(|event| {
        vec![
            plain(&*event.name),
            plain(number(event.at)),
            plain(number(event.took)),
            good_or_bad(event.ok, if event.ok { "yes" } else { "no" }),
            plain(maybe(event.first_answer)),
            plain(maybe(event.steady)),
            words(&event.command),
        ]
    });
    table(markup, &heads, rows);
}

/// Codes and reasons with how often they came.
pub(super) fn counted(
    markup: &mut Markup,
    head: &str,
    counted: &std::collections::BTreeMap<String, u64>,
) {
    let rows = counted
        .iter()
        .map(|(name, times)| vec![words(name), plain(count(*times))]);
    table(markup, &[head, "times"], rows);
}

pub(super) fn series(seconds: &[Second], markup: &mut Markup) {
    let heads = [
        "s",
        "offered",
        "sent",
        "answered",
        "under way",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "service p99 ms",
        "lateness p99 ms",
        "server cores",
        "server MiB",
        "client cores",
        "outcomes",
    ];
    let rows = seconds.iter().map(|second| {
        let response = second.response;
        let outcomes = second.outcomes.iter();
        let outcomes: Vec<_> = outcomes
            .map(|(name, times)| format!("{name} {}", count(*times)))
            .collect();
        let counts = [
            second.offered,
            second.sent,
            second.answered,
            second.in_flight,
        ];
        let mut row = vec![plain(number(second.at))];
        row.extend(counts.map(|value| plain(count(value))));
        let values = [
            response.map(|(p50, _, _)| p50),
            response.map(|(_, p99, _)| p99),
            response.map(|(_, _, p999)| p999),
            second.service_p99,
            second.lateness_p99,
            second.server.map(|server| server.cpu),
            second
                .server
                .map(|server| server.memory_kib as f64 / 1024.0),
            Some(second.client_cpu),
        ];
        row.extend(values.map(|value| plain(maybe(value))));
        row.push(plain(outcomes.join(", ")));
        row
    });
    table(markup, &heads, rows);
}

/// Names with their values.
pub(super) fn facts(markup: &mut Markup, facts: &[(&str, String)]) {
    markup.element("dl", &[], |markup| {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            markup.text_element("dt", &[], name);
            markup.text_element("dd", &[], value);
        }
    });
}
