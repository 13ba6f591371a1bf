//! The plots of a report.

use super::markup::{Markup, tick as text_of};
use super::plot::{Band, Plot, Scale, Series, Shape, step_of};
use super::result::{RunResult, Second, StepResult};

/// Seconds that are drawn one by one; of a longer run several are drawn as one.
const MOST_POINTS: usize = 1_000;
/// Series of one plot: so many colours there are.
const COLOURS: usize = 6;

/// Over time: rates, times, outcomes, the server, the client.
pub(super) fn over_time(result: &RunResult, markup: &mut Markup) {
    let seconds = thin(&result.series);
    let time = Time::of(result);
    let line = |name: &str, colour, value: &dyn Fn(&Second) -> Option<f64>| Series {
        name: name.to_owned(),
        colour,
        shape: Shape::Line,
        points: seconds
            .iter()
            .map(|second| (second.at, value(second)))
            .collect(),
    };
    let mut offered = line("offered", 5, &|second| Some(second.offered as f64));
    offered.shape = Shape::Dashed;
    let rates = vec![
        line("answered", 0, &|second| Some(second.answered as f64)),
        line("sent", 1, &|second| Some(second.sent as f64)),
        offered,
    ];
    time.plot("Rate", "requests a second", Scale::Linear, rates)
        .write(markup);
    let response =
        |part: fn((f64, f64, f64)) -> f64| move |second: &Second| second.response.map(part);
    let mut service = line("service p99", 5, &|second| second.service_p99);
    service.shape = Shape::Dashed;
    let times = vec![
        line("response p50", 0, &response(|(p50, _, _)| p50)),
        line("p99", 1, &response(|(_, p99, _)| p99)),
        line("p99.9", 4, &response(|(_, _, p999)| p999)),
        service,
    ];
    time.plot(
        "Time to the answer",
        "ms, logarithmic",
        Scale::Logarithmic,
        times,
    )
    .write(markup);
    time.plot(
        "Outcomes",
        "answers a second",
        Scale::Linear,
        outcomes(&seconds),
    )
    .write(markup);
    let cpu = line("server", 0, &|second| {
        second.server.map(|server| server.cpu)
    });
    let client = line("client", 5, &|second| Some(second.client_cpu));
    time.plot("Processor", "cores", Scale::Linear, vec![cpu, client])
        .write(markup);
    let memory = line("server", 0, &|second| {
        second
            .server
            .map(|server| server.memory_kib as f64 / 1024.0)
    });
    time.plot("Memory of the server", "MiB", Scale::Linear, vec![memory])
        .write(markup);
    let waiting = vec![line("under way", 0, &|second| {
        Some(second.in_flight as f64)
    })];
    time.plot(
        "Requests under way",
        "at each second's end",
        Scale::Linear,
        waiting,
    )
    .write(markup);
    let lateness = vec![line("p99", 1, &|second| second.lateness_p99)];
    time.plot(
        "Own lateness",
        "ms, logarithmic",
        Scale::Logarithmic,
        lateness,
    )
    .write(markup);
}

/// Answers by outcome; what is beyond the colours is one series.
fn outcomes(seconds: &[Second]) -> Vec<Series> {
    let mut names: Vec<(&str, u64)> = Vec::new();
    for (name, count) in seconds.iter().flat_map(|second| &second.outcomes) {
        match names.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += count,
            None => names.push((name, *count)),
        }
    }
    names.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let area = |name: &str, colour, value: &dyn Fn(&Second) -> u64| Series {
        name: name.to_owned(),
        colour,
        shape: Shape::Area,
        points: seconds
            .iter()
            .map(|second| (second.at, Some(value(second) as f64)))
            .collect(),
    };
    let shown = if names.len() > COLOURS {
        COLOURS - 1
    } else {
        names.len()
    };
    let (shown, others) = names.split_at(shown);
    let mut areas: Vec<_> = shown
        .iter()
        .enumerate()
        .map(|(colour, (name, _))| {
            area(name, colour, &|second| {
                second.outcomes.get(*name).copied().unwrap_or(0)
            })
        })
        .collect();
    if !others.is_empty() {
        areas.push(area("others", COLOURS - 1, &|second| {
            let of_others = others
                .iter()
                .filter_map(|(name, _)| second.outcomes.get(*name));
            of_others.sum()
        }));
    }
    areas
}

/// Of each step, which share of its requests took how long.
pub(super) fn distribution(steps: &[StepResult], markup: &mut Markup) {
    // How many nines: 0.9 is 1, 0.99 is 2.
    let nines = |quantile: f64| -(1.0 - quantile).log10();
    let series = steps.iter().filter(|step| !step.curve.is_empty());
    let series: Vec<_> = series
        .enumerate()
        .map(|(index, step)| Series {
            name: step.step.clone(),
            colour: index % COLOURS,
            shape: if index < COLOURS {
                Shape::Line
            } else {
                Shape::Dashed
            },
            points: step
                .curve
                .iter()
                .map(|(quantile, time)| (nines(*quantile), Some(*time)))
                .collect(),
        })
        .collect();
    let ends = series.iter().flat_map(|series| &series.points);
    let x_end = ends.map(|(x, _)| *x).fold(1.0, f64::max);
    let ticks = [
        (0.0, "0"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
        (5.0, "99.999 %"),
    ];
    Plot {
        title: "Distribution of the response".into(),
        unit: "ms, both axes logarithmic".into(),
        scale: Scale::Logarithmic,
        x_end,
        x_ticks: ticks
            .into_iter()
            // The last quantile is a little short of its tick.
            .filter(|(at, _)| *at <= x_end + 0.01)
            .map(|(at, label)| (at, label.to_owned()))
            .collect(),
        x_name: "share of the requests that took no longer".into(),
        series,
        bands: Vec::new(),
    }
    .write(markup);
}

/// The axis that the plots over time share.
struct Time {
    end: f64,
    ticks: Vec<(f64, String)>,
    bands: Vec<(String, f64, f64)>,
}

impl Time {
    fn of(result: &RunResult) -> Self {
        let last = result.series.last().map_or(0.0, |second| second.at);
        let end = result.seconds.max(last).max(1.0);
        // Twice as many as on the other axis: there is room.
        let step = step_of(end / 2.0);
        let count = (end / step) as usize;
        Self {
            end,
            ticks: (0..=count)
                .map(|tick| (tick as f64 * step, text_of(tick as f64 * step)))
                .collect(),
            bands: result
                .events
                .iter()
                .map(|event| (event.name.clone(), event.at, event.at + event.took))
                .collect(),
        }
    }

    fn plot(&self, title: &str, unit: &str, scale: Scale, series: Vec<Series>) -> Plot {
        let band = |(name, from, to): &(String, f64, f64)| Band {
            name: name.clone(),
            from: *from,
            to: *to,
        };
        // A server whose process is not known has no line.
        let has_values = |series: &Series| series.points.iter().any(|(_, value)| value.is_some());
        Plot {
            title: title.to_owned(),
            unit: unit.to_owned(),
            scale,
            x_end: self.end,
            x_ticks: self.ticks.clone(),
            x_name: "seconds since the beginning of the load".into(),
            series: series.into_iter().filter(has_values).collect(),
            bands: self.bands.iter().map(band).collect(),
        }
    }
}

/// At most [`MOST_POINTS`] seconds: of several, the mean of what is counted and the worst of what is timed.
fn thin(seconds: &[Second]) -> Vec<Second> {
    let together = seconds.len().div_ceil(MOST_POINTS).max(1);
    if together == 1 {
        return seconds.to_vec();
    }
    seconds.chunks(together).map(merged).collect()
}

fn merged(seconds: &[Second]) -> Second {
    let of = seconds.len() as u64;
    let mean = |value: fn(&Second) -> u64| seconds.iter().map(value).sum::<u64>() / of;
    let worst =
        |value: fn(&Second) -> Option<f64>| seconds.iter().filter_map(value).reduce(f64::max);
    let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
    for (name, count) in seconds.iter().flat_map(|second| &second.outcomes) {
        *outcomes.entry(name.clone()).or_default() += count;
    }
    outcomes.values_mut().for_each(|count| *count /= of);
    let p50 = worst(|second| second.response.map(|(p50, _, _)| p50));
    let p99 = worst(|second| second.response.map(|(_, p99, _)| p99));
    let p999 = worst(|second| second.response.map(|(_, _, p999)| p999));
    Second {
        at: seconds.last().map_or(0.0, |second| second.at),
        offered: mean(|second| second.offered),
        sent: mean(|second| second.sent),
        answered: mean(|second| second.answered),
        in_flight: mean(|second| second.in_flight),
        response: p50
            .zip(p99)
            .zip(p999)
            .map(|((p50, p99), p999)| (p50, p99, p999)),
        service_p99: worst(|second| second.service_p99),
        lateness_p99: worst(|second| second.lateness_p99),
        outcomes,
        server: seconds.iter().rev().find_map(|second| second.server),
        client_cpu: seconds.iter().map(|second| second.client_cpu).sum::<f64>() / of as f64,
    }
}
