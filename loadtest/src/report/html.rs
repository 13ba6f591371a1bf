//! The report: one HTML file with its style and its drawings in it, without a script, and with nothing from elsewhere.

use super::markup::{Markup, count, number};
use super::result::{RunResult, Verdict};
use super::{plots, tables};

/// Seconds that are told one by one: an hour's.
const MOST_SECONDS: usize = 3_600;

/// The whole page.
#[must_use]
pub fn html(result: &RunResult) -> String {
    let mut markup = Markup::default();
    markup.raw("<!DOCTYPE html>\n");
    markup.element("html", &[("lang", "en")], |markup| {
        markup.element("head", &[], |markup| {
            markup.empty("meta", &[("charset", "utf-8")]);
            let viewport = [
                ("name", "viewport"),
                ("content", "width=device-width, initial-scale=1"),
            ];
            markup.empty("meta", &viewport);
            let title = format!("{}: {}", result.scenario.name, result.verdict.words());
            markup.text_element("title", &[], &title);
            markup.element("style", &[], |markup| markup.raw(include_str!("style.css")));
        });
        markup.element("body", &[], |markup| write_body(result, markup));
    });
    markup.into_string()
}

fn section(markup: &mut Markup, title: &str, inside: impl FnOnce(&mut Markup)) {
    markup.element("section", &[], |markup| {
        markup.text_element("h2", &[], title);
        inside(markup);
    });
}

fn write_body(result: &RunResult, markup: &mut Markup) {
    write_head(result, markup);
    section(markup, "Objectives", |markup| {
        if result.objectives.is_empty() {
            markup.text_element("p", &[], "The scenario has none.");
        } else {
            tables::objectives(result, markup);
        }
    });
    section(markup, "Truth", |markup| write_truth(result, markup));
    section(markup, "Over time", |markup| {
        plots::over_time(result, markup);
        if !result.events.is_empty() {
            let events = result.events.iter();
            let events: Vec<_> = events
                .map(|event| format!("{} at {} s", event.name, number(event.at)))
                .collect();
            let text = format!("The bands are the events: {}.", events.join(", "));
            markup.text_element("p", &[("class", "soft")], &text);
        }
    });
    section(markup, "How long answers took", |markup| {
        plots::distribution(&result.steps, markup);
        tables::steps(result, markup);
    });
    if !result.stages.is_empty() {
        section(markup, "Stages", |markup| tables::stages(result, markup));
    }
    if !result.events.is_empty() {
        section(markup, "Events", |markup| tables::events(result, markup));
    }
    section(markup, "Callers", |markup| tables::callers(result, markup));
    if !result.findings.is_empty() {
        section(markup, "Codes that were answered", |markup| {
            tables::counted(markup, "code", &result.findings);
        });
    }
    if !result.failures.is_empty() {
        section(markup, "Connections that ended early", |markup| {
            tables::counted(markup, "reason", &result.failures);
        });
    }
    section(markup, "Whether the numbers are the server's", |markup| {
        tables::validity(result, markup);
    });
    section(markup, "Method", |markup| write_method(result, markup));
    section(markup, "Scenario", |markup| {
        markup.text_element("pre", &[], &result.scenario.text);
    });
    section(markup, "Second by second", |markup| {
        if result.series.len() > MOST_SECONDS {
            let text =
                "The run was longer than an hour: its seconds are in the JSON beside this file.";
            markup.text_element("p", &[], text);
            return;
        }
        markup.element("details", &[], |markup| {
            markup.text_element("summary", &[], "The numbers of the plots");
            tables::series(&result.series, markup);
        });
    });
}

fn write_head(result: &RunResult, markup: &mut Markup) {
    let (class, sentence) = match result.verdict {
        Verdict::Kept => ("good", "All objectives were kept, and no rule was broken."),
        Verdict::ObjectiveMissed => ("bad", "An objective was missed. No rule was broken."),
        Verdict::TruthViolated => (
            "bad",
            "An answer, or its effect, was not what a server of this contract must give.",
        ),
        Verdict::Invalid => (
            "warn",
            "The client was the limit, or the run did not do what the scenario asks: the numbers say nothing of the server.",
        ),
    };
    markup.element("header", &[], |markup| {
        markup.element("h1", &[], |markup| {
            markup.text(&result.scenario.name);
            markup.text(" ");
            let class = format!("verdict {class}");
            markup.text_element("span", &[("class", &class)], result.verdict.words());
        });
        markup.text_element("p", &[], &result.scenario.title);
        markup.text_element("p", &[], sentence);
        let sum = |part: fn(&super::StepResult) -> u64| count(result.steps.iter().map(part).sum());
        tables::facts(
            markup,
            &[
                ("target", result.method.target.clone()),
                ("began", result.started.clone()),
                ("lasted", format!("{} s", number(result.seconds))),
                ("sent", sum(|step| step.sent)),
                ("unanswered", sum(|step| step.unanswered)),
            ],
        );
    });
}

fn write_truth(result: &RunResult, markup: &mut Markup) {
    let truth = &result.truth;
    let text = format!(
        "Of what was asked, in the load and afterwards to judge it, {} were done, {} were refused or never sent, and of {} it is not known.",
        count(truth.done),
        count(truth.refused),
        count(truth.unknown)
    );
    markup.text_element("p", &[], &text);
    tables::truth(result, markup);
}

fn write_method(result: &RunResult, markup: &mut Markup) {
    let (method, machine, shakes) = (&result.method, &result.machine, &result.handshakes);
    for sentence in [
        "Response counts from the moment at which a request was due to the last byte of its answer; service counts from the moment at which it was sent. Where the two differ, requests had to wait: behind a server that stood still, requests queue, and a time that began at the send would hide that.",
        "Own lateness is how long after its moment a request was sent. Percentiles are of all requests, and of each outcome apart: refusals are fast, and would flatter the rest.",
        "Every request stands in a ledger's file before it leaves. Its answer makes it done, refused or unknown; the rules are judged from that file and from listings that are read after the run.",
    ] {
        markup.text_element("p", &[], sentence);
    }
    for remark in &method.remarks {
        markup.text_element("p", &[], remark);
    }
    let rate = |value: Option<f64>| {
        value.map_or_else(String::new, |value| format!("{} a second", number(value)))
    };
    let handshakes = format!(
        "{}, of which half took {} ms at most, 99 % {} ms, the longest {} ms",
        count(shakes.count),
        number(shakes.p50),
        number(shakes.p99),
        number(shakes.max)
    );
    tables::facts(
        markup,
        &[
            ("tool", method.tool.clone()),
            ("loop", method.loop_kind.clone()),
            ("connections", count(method.connections)),
            ("handshakes", handshakes),
            ("own ceiling", rate(method.ceiling)),
            (
                "idle p50",
                method
                    .idle_p50
                    .map_or_else(String::new, |value| format!("{} ms", number(value))),
            ),
            (
                "read back",
                format!("{} of {}", count(method.probes.0), count(method.probes.1)),
            ),
            ("seed", result.scenario.seed.to_string()),
            ("processor", machine.processor.clone()),
            ("cores", count(machine.cores)),
            (
                "memory",
                format!("{} MiB", count(machine.memory_kib / 1024)),
            ),
            ("system", machine.system.clone()),
            (
                "server",
                if machine.shared_with_server {
                    "on the same machine"
                } else {
                    "on another machine"
                }
                .to_owned(),
            ),
        ],
    );
    markup.text_element("p", &[], "To do it again:");
    markup.text_element("pre", &[], &result.command);
}
