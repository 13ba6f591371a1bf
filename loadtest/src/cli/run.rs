//! `loadtest run`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::error::LoadtestError;
use crate::report::{self, Percentiles, RunResult, Verdict, by_stream, sentence};
use crate::run::{RunPlan, default_folder, run};
use crate::scenario::Scenario;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The scenario's file, or the name of a shipped one (`loadtest scenarios`)
    scenario: PathBuf,
    /// Where the server is and who calls it; `loadtest prepare` writes one
    #[arg(long, value_name = "FILE")]
    environment: PathBuf,
    /// A folder for result and ledger, which is made
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Instead of the scenario's seed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The server's name once more: nothing but this machine is called without it
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Do not measure the client against a constant answer first
    #[arg(long)]
    no_ceiling: bool,
    /// Tell nothing while it runs
    #[arg(long)]
    quiet: bool,
}

impl RunArguments {
    pub(super) fn run(self) -> Result<ExitCode, LoadtestError> {
        let scenario = Scenario::read(&self.scenario)?;
        let folder = self.output.unwrap_or_else(|| default_folder(&scenario));
        let result = run(RunPlan {
            scenario,
            environment: self.environment,
            folder: folder.clone(),
            seed: self.seed,
            confirmed_host: self.host,
            ceiling: !self.no_ceiling,
            progress: !self.quiet,
            command: std::env::args().collect::<Vec<_>>().join(" "),
        })?;
        report::save(&result, &folder)?;
        // Who reads no further, as `head`, has the verdict in the exit status all the same.
        let _ = writeln!(
            std::io::stdout(),
            "{}result: {}, {}",
            summary(&result),
            folder.join(report::JSON).display(),
            folder.join(report::PAGE).display()
        );
        Ok(ExitCode::from(result.verdict.exit_status()))
    }
}

/// The result in some lines.
fn summary(result: &RunResult) -> String {
    let mut text = format!("{}: {}\n\n", result.scenario.name, result.verdict.words());
    let yes = |ok: bool| if ok { "yes" } else { "NO" };
    for objective in &result.objectives {
        let unit = &objective.unit;
        let measured = objective.measured.map(|value| with_unit(value, unit));
        text += &format!(
            "  kept {:<3}  {}   (measured {}, limit {})\n",
            yes(objective.kept),
            objective.text,
            measured.as_deref().unwrap_or("nothing"),
            with_unit(objective.limit, unit)
        );
    }
    for rule in result.truth.rules.iter().filter(|rule| rule.violations > 0) {
        text += &format!(
            "  VIOLATED {} of {}: {}\n",
            rule.violations, rule.of, rule.says
        );
        for example in &rule.examples {
            text += &format!("    {example}\n");
        }
    }
    for check in result.validity.iter().filter(|check| !check.ok) {
        text += &format!(
            "  {}: NO   (measured {}, limit {})\n",
            check.says,
            with_unit(check.measured, &check.unit),
            with_unit(check.limit, &check.unit)
        );
    }
    let truth = &result.truth;
    let broken = truth.rules.iter().filter(|rule| rule.violations > 0);
    let judged = truth.rules.iter().filter(|rule| rule.of > 0);
    text += &format!(
        "\n  truth: {} done, {} refused, {} unknown; of {} rules that had something to judge {} were broken\n",
        truth.done,
        truth.refused,
        truth.unknown,
        judged.count(),
        broken.count()
    );
    text += "\n  step                 due      sent   starved  response ms: p50      p99    p99.9      max   outcomes\n";
    for step in &result.steps {
        let outcomes: Vec<_> = step
            .outcomes
            .iter()
            .map(|outcome| format!("{} {}", outcome.outcome, outcome.count))
            .collect();
        text += &format!(
            "  {:<18}{:>8}{:>10}{:>9}          {}   {}\n",
            step.step,
            step.due,
            step.sent,
            step.starved,
            times(&step.response),
            outcomes.join(", ")
        );
    }
    for stages in by_stream(&result.stages) {
        text += &format!(
            "\n  {:<20}due      done       503      lost  response ms: p50      p99    p99.9      max\n",
            stages[0].stream
        );
        for stage in stages {
            text += &format!(
                "  {:>14}/s{:>7}{:>10}{:>10}{:>10}         {}\n",
                stage.rate(),
                stage.due,
                stage.done,
                stage.turned_away,
                stage.lost,
                times(&stage.response)
            );
        }
        if let Some(sentence) = sentence(stages) {
            text += &format!("  {sentence}\n");
        }
    }
    for remark in &result.method.remarks {
        text += &format!("  {remark}\n");
    }
    if result.verdict == Verdict::Invalid {
        text += "\n  Invalid: the client was the limit, or the run was not what the scenario says; the figures are not the server's.\n";
    }
    text += "\n";
    text
}

/// A value to three decimals, or, of what is counted, as it is.
fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() {
        value.to_string()
    } else {
        format!("{value:.3} {unit}")
    }
}

/// p50, p99, p99.9 and the longest, each as wide as its head; of nothing there are none.
fn times(of: &Percentiles) -> String {
    let times = [of.p50, of.p99, of.p999, of.max];
    let text = |time: f64| match of.count {
        0 => format!("{:>9}", "–"),
        _ => format!("{time:>9.2}"),
    };
    times.map(text).concat()
}
