//! The store benchmark that decides the embedded store's layout: plain SQLite schemas under one writer with group commit,
//! apart from the store's own code. What it found stands in `docs/benchmarks.md`. `--help` lists the options.

mod crypto;
mod database;
mod drive;
mod late_tree;
mod layouts;
mod measure;
mod memory;
mod options;
mod records;
mod runs;
mod scale;

use std::time::Duration;

use drive::{Mark, Outcome, WINDOW};
use options::Options;

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    };
    if options.crypto {
        return crypto::report();
    }
    println!(
        "{} rows a run, {} there before, page {} B, WAL {} pages, cache {} KiB, synchronous {}\n",
        options.rows,
        options.preload,
        options.page_size,
        options.wal_pages,
        options.cache_kib,
        options.synchronous
    );
    println!(
        "| layout | in flight | records/s, first → last {0} → all | writer µs CPU a record, first → last {0} → all | store µs CPU, \
         first → last → all and deferred | bytes a record (WAL MB) | batch | commit p50/p99/p99.9/max ms | read p50/p99/p99.9 ms | resident MiB |",
        WINDOW
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for layout in &options.layouts {
        for in_flight in &options.in_flight {
            let folder = match &options.dir {
                Some(dir) => tempfile::Builder::new().prefix("layouts").tempdir_in(dir),
                None => tempfile::Builder::new().prefix("layouts").tempdir(),
            };
            let folder = folder.expect("a temporary folder can be made");
            match drive::run(*layout, *in_flight, folder.path(), &options) {
                Ok(outcome) => print_row(layout.name(), *in_flight, &options, &outcome),
                Err(error) => {
                    eprintln!("{}: {error}", layout.name());
                    std::process::exit(1);
                }
            }
        }
    }
}

fn print_row(name: &str, in_flight: usize, options: &Options, outcome: &Outcome) {
    let zero = Mark::default();
    let first = outcome.marks.first().copied().unwrap_or(outcome.finished);
    let (before, last) = match outcome.marks[..] {
        [.., before, last] => (before, last),
        _ => (zero, first),
    };
    let rate = |from: Mark, to: Mark| WINDOW as f64 / (to.wall - from.wall).as_secs_f64();
    let micros = |cpu: Duration, records: i64| cpu.as_secs_f64() * 1e6 / records as f64;
    let writer = |from: Mark, to: Mark| micros(to.writer_cpu - from.writer_cpu, WINDOW);
    let store = |from: Mark, to: Mark| micros(to.store_cpu.saturating_sub(from.store_cpu), WINDOW);
    let millis = |histogram: &hdrhistogram::Histogram<u64>, quantile: f64| {
        histogram.value_at_quantile(quantile) as f64 / 1e6
    };
    let rows = options.rows;
    let total_rows = rows + options.preload;
    println!(
        "| {name} | {in_flight} | {:.0} → {:.0} → {:.0} | {:.1} → {:.1} → {:.1} | {:.1} → {:.1} → {:.1} | {:.0} ({:.0}) | {:.0} | \
         {:.2} / {:.2} / {:.1} / {:.0} | {:.3} / {:.3} / {:.2} | {:.0} |",
        rate(zero, first),
        rate(before, last),
        rows as f64 / outcome.finished.wall.as_secs_f64(),
        writer(zero, first),
        writer(before, last),
        micros(outcome.finished.writer_cpu, rows),
        store(zero, first),
        store(before, last),
        micros(outcome.finished.store_cpu, rows),
        outcome.database_bytes as f64 / total_rows as f64,
        outcome.wal_bytes as f64 / 1e6,
        rows as f64 / outcome.commits as f64,
        millis(&outcome.commit, 0.5),
        millis(&outcome.commit, 0.99),
        millis(&outcome.commit, 0.999),
        outcome.commit.max() as f64 / 1e6,
        millis(&outcome.read, 0.5),
        millis(&outcome.read, 0.99),
        millis(&outcome.read, 0.999),
        outcome.resident_kib as f64 / 1024.0,
    );
}
