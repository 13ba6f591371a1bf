//! What the benches share: ways of doing something, measured in turns, so that what the machine does meanwhile meets all of them.
#![allow(dead_code)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub type Failure = Box<dyn Error + Send + Sync>;

/// What one window has shown.
#[derive(Clone, Copy)]
pub struct Seen {
    pub failed: u64,
    pub a_second: f64,
    /// Of one, by the nodes.
    pub nodes_micros: f64,
    /// Of one, by this process.
    pub own_micros: f64,
    pub median_millis: f64,
    pub p99_millis: f64,
}

/// How long, how much at once, how often: each from a variable of the environment.
pub struct Setting {
    /// A node.
    pub address: String,
    /// The processes of the nodes, if they are on this machine (`TEST_CQL_PIDS`, separated by commas).
    pub pids: Vec<String>,
    /// Nodes that hold each row (`REPLICAS`).
    pub replicas: u8,
    /// Windows of each way (`ROUNDS`).
    pub rounds: usize,
    /// Of one window (`MILLISECONDS`).
    pub length: Duration,
    /// Requests that wait for their answers at any moment (`AT_ONCE`).
    pub at_once: usize,
}

impl Setting {
    pub fn read() -> Result<Self, Failure> {
        let variable =
            |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        Ok(Self {
            address: std::env::var("TEST_CQL_ADDRESS").map_err(
                |_| "set TEST_CQL_ADDRESS: scripts/cassandra start FOLDER --benchmark prints it",
            )?,
            pids: variable("TEST_CQL_PIDS", "")
                .split(',')
                .map(str::to_owned)
                .collect(),
            replicas: variable("REPLICAS", "1").parse()?,
            rounds: variable("ROUNDS", "5").parse()?,
            length: Duration::from_millis(variable("MILLISECONDS", "3000").parse()?),
            at_once: variable("AT_ONCE", "128").parse()?,
        })
    }
}

/// The CPU time of processes so far, in seconds.
fn cpu<'a>(pids: impl IntoIterator<Item = &'a str>) -> f64 {
    let of_one = |pid: &str| -> Option<f64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<_> = text.rsplit(')').next()?.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) / 100.0)
    };
    pids.into_iter().filter_map(of_one).sum()
}

/// Does one thing again and again, so many at once, for one window.
pub async fn measure<Once, Doing>(setting: &Setting, once: Once) -> Result<Seen, Failure>
where
    Once: Fn() -> Doing + Clone + Send + 'static,
    Doing: Future<Output = Result<(), Failure>> + Send,
{
    let nodes = || cpu(setting.pids.iter().map(String::as_str));
    let (nodes_before, own_before) = (nodes(), cpu(["self"]));
    let begun = Instant::now();
    let length = setting.length;
    let failed = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..setting.at_once)
        .map(|_| {
            let (once, failed) = (once.clone(), Arc::clone(&failed));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begun.elapsed() < length {
                    let doing = once();
                    let one = Instant::now();
                    match doing.await {
                        Ok(()) => times.push(one.elapsed().as_secs_f64() * 1_000.0),
                        Err(_) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let failed = failed.load(Ordering::Relaxed);
    if times.is_empty() {
        return Err(format!("all {failed} have failed").into());
    }
    times.sort_by(f64::total_cmp);
    let count = times.len() as f64;
    Ok(Seen {
        failed,
        a_second: count / seconds,
        nodes_micros: (nodes() - nodes_before) * 1_000_000.0 / count,
        own_micros: (cpu(["self"]) - own_before) * 1_000_000.0 / count,
        median_millis: percentile(&times, 50),
        p99_millis: percentile(&times, 99),
    })
}

/// Of values in order, of which there is one at least.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

/// The median of what each window has shown, with the least and the most.
pub fn middle(seen: &[Seen], value: impl Fn(&Seen) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = seen.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    (percentile(&values, 50), values[0], values[values.len() - 1])
}

pub const HEAD: &str = "\
| way | a second | least to most | CPU of the nodes, µs | of this process, µs | p50, p99 in ms | failed |
|---|---|---|---|---|---|---|";

/// A line of a table with this head.
pub fn line(name: &str, seen: &[Seen]) -> String {
    let (rate, least, most) = middle(seen, |seen| seen.a_second);
    let (nodes, ..) = middle(seen, |seen| seen.nodes_micros);
    let (own, ..) = middle(seen, |seen| seen.own_micros);
    let (median, ..) = middle(seen, |seen| seen.median_millis);
    let (late, ..) = middle(seen, |seen| seen.p99_millis);
    let failed: u64 = seen.iter().map(|seen| seen.failed).sum();
    format!(
        "| {name} | {rate:.0} | {least:.0}–{most:.0} | {nodes:.0} | {own:.0} | {median:.1}, {late:.1} | {failed} |"
    )
}
