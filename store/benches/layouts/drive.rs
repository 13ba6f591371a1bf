//! One run: a producer that keeps a number of records in flight, the writer, a reader beside it, and what they measured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use hdrhistogram::Histogram;

use crate::database::{self, Result};
use crate::layouts::{self, Half, Lookup};
use crate::measure;
use crate::options::{Layout, Options};
use crate::records::{Record, mix};
use crate::scale;

/// Records of a window.
pub const WINDOW: i64 = 100_000;

/// CPU and wall time up to some record.
#[derive(Clone, Copy, Default)]
pub struct Mark {
    pub wall: Duration,
    pub store_cpu: Duration,
    pub writer_cpu: Duration,
}

pub struct Outcome {
    pub marks: Vec<Mark>,
    /// The last mark, with the deferred work done.
    pub finished: Mark,
    pub commits: u64,
    pub commit: Histogram<u64>,
    pub read: Histogram<u64>,
    pub database_bytes: u64,
    pub wal_bytes: u64,
    pub resident_kib: u64,
}

/// CPU nanoseconds of threads that are not the store's.
#[derive(Default)]
struct Others {
    producer: AtomicU64,
    reader: AtomicU64,
}

struct Writer {
    acknowledged: Arc<AtomicI64>,
    answers: Sender<usize>,
    others: Arc<Others>,
    started: Instant,
    cpu_at_start: Duration,
    writer_cpu_at_start: Duration,
    other_writer_cpu: Arc<AtomicU64>,
    outcome: Outcome,
    next_mark: i64,
}

pub fn run(layout: Layout, in_flight: usize, folder: &Path, options: &Options) -> Result<Outcome> {
    let (mut patients, mut tests, lookup) = layouts::create(layout, folder, options)?;
    let first = options.preload + 1;
    if options.preload > 0 {
        scale::preload(&mut patients, &mut tests, options.preload)?;
    }
    let known = (options.known > 0).then(|| scale::Known::of(options.known));

    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicI64::new(options.preload));
    let others = Arc::new(Others::default());
    let (records, incoming) = bounded::<Record>(in_flight);
    let (answers, answered) = bounded::<usize>(in_flight);
    let other_writer_cpu = Arc::new(AtomicU64::new(0));

    let checkpointers: Vec<_> = [&patients, &tests]
        .map(|half| checkpointer(half, options, &stop))
        .into_iter()
        .flatten()
        .collect();
    let reader = options.reader.then(|| {
        let (database, stop) = (tests.database.clone(), stop.clone());
        let (acknowledged, others) = (acknowledged.clone(), others.clone());
        thread::spawn(move || read_beside(&database, &lookup, &stop, &acknowledged, &others))
    });

    let cpu_at_start = measure::process_cpu();
    let started = Instant::now();
    let producer = {
        let (others, rows) = (others.clone(), options.rows);
        thread::spawn(move || {
            produce(
                first,
                rows,
                in_flight,
                &records,
                &answered,
                &others,
                known.as_ref(),
            )
        })
    };
    let mut writer = Writer {
        acknowledged,
        answers,
        others,
        started,
        cpu_at_start,
        writer_cpu_at_start: measure::thread_cpu(),
        other_writer_cpu,
        next_mark: options.preload + WINDOW,
        outcome: Outcome {
            marks: Vec::new(),
            finished: Mark::default(),
            commits: 0,
            commit: Histogram::new(3).expect("three digits are in range"),
            read: Histogram::new(3).expect("three digits are in range"),
            database_bytes: 0,
            wal_bytes: 0,
            resident_kib: 0,
        },
    };
    let patients = if options.threads == 2 {
        let (passed, second) = bounded::<(Instant, Vec<Record>)>(1);
        let cpu = writer.other_writer_cpu.clone();
        let batch_size = options.batch;
        let first_half = thread::spawn(move || -> Result<Half> {
            while let Some(batch) = gather(&incoming, batch_size) {
                let began = Instant::now();
                patients.commit(&batch)?;
                cpu.store(measure::thread_cpu().as_nanos() as u64, Ordering::Relaxed);
                if passed.send((began, batch)).is_err() {
                    break;
                }
            }
            Ok(patients)
        });
        while let Ok((began, batch)) = second.recv() {
            tests.commit(&batch)?;
            writer.answer(began, &batch);
        }
        first_half
            .join()
            .expect("the patients' thread does not panic")?
    } else {
        while let Some(batch) = gather(&incoming, options.batch) {
            let began = Instant::now();
            patients.commit(&batch)?;
            tests.commit(&batch)?;
            writer.answer(began, &batch);
        }
        patients
    };
    let mut patients = patients;
    producer.join().expect("the producer does not panic");
    stop.store(true, Ordering::Release);
    for thread in checkpointers {
        thread.join().expect("a checkpoint thread does not panic")?;
    }
    patients.finish()?;
    tests.finish()?;
    writer.outcome.finished = writer.mark();
    if let Some(reader) = reader {
        writer.outcome.read = reader.join().expect("the reader does not panic")?;
    }
    writer.outcome.database_bytes = measure::bytes_in(folder, ".sqlite");
    writer.outcome.wal_bytes = measure::bytes_in(folder, "-wal");
    writer.outcome.resident_kib = measure::resident_kib();
    Ok(writer.outcome)
}

impl Writer {
    fn answer(&mut self, began: Instant, batch: &[Record]) {
        let took = began.elapsed();
        self.outcome.commits += 1;
        self.outcome
            .commit
            .record(took.as_nanos() as u64)
            .expect("the histogram grows");
        let last = batch.last().map_or(0, |record| record.sequence);
        self.acknowledged.store(last, Ordering::Release);
        if last >= self.next_mark {
            self.next_mark += WINDOW;
            let mark = self.mark();
            self.outcome.marks.push(mark);
        }
        // The producer leaves when it has all answers; the channel holds as many as can be outstanding.
        let _ = self.answers.send(batch.len());
    }

    fn mark(&self) -> Mark {
        let others = self.others.producer.load(Ordering::Relaxed)
            + self.others.reader.load(Ordering::Relaxed);
        let process = measure::process_cpu().saturating_sub(self.cpu_at_start);
        Mark {
            wall: self.started.elapsed(),
            store_cpu: process.saturating_sub(Duration::from_nanos(others)),
            writer_cpu: measure::thread_cpu() - self.writer_cpu_at_start
                + Duration::from_nanos(self.other_writer_cpu.load(Ordering::Relaxed)),
        }
    }
}

/// The next batch: waits for a first record, then takes what is there. `None` when the producer has left.
fn gather(incoming: &Receiver<Record>, most: usize) -> Option<Vec<Record>> {
    let mut batch = Vec::with_capacity(most);
    batch.push(incoming.recv().ok()?);
    while batch.len() < most
        && let Ok(record) = incoming.try_recv()
    {
        batch.push(record);
    }
    Some(batch)
}

fn produce(
    first: i64,
    rows: i64,
    in_flight: usize,
    records: &Sender<Record>,
    answered: &Receiver<usize>,
    others: &Others,
    known: Option<&scale::Known>,
) {
    let mut credits = in_flight;
    let mut refused = 0u64;
    for sequence in first..first + rows {
        if credits == 0 {
            others
                .producer
                .store(measure::thread_cpu().as_nanos() as u64, Ordering::Relaxed);
            let Ok(freed) = answered.recv() else { return };
            credits += freed;
            credits += answered.try_iter().sum::<usize>();
        }
        let record = Record::nth(sequence);
        if known.is_some_and(|known| known.may_hold(record.cun as u64)) {
            refused += 1;
        }
        if records.send(record).is_err() {
            return;
        }
        credits -= 1;
    }
    if known.is_some() {
        eprintln!("  codes refused by the filter of known codes: {refused} of {rows}");
    }
}

/// Random point reads by CUN, a few hundred a second, each checked.
fn read_beside(
    database: &database::Database,
    lookup: &Lookup,
    stop: &AtomicBool,
    acknowledged: &AtomicI64,
    others: &Others,
) -> Result<Histogram<u64>> {
    let connection = database.open_reader()?;
    let mut histogram = Histogram::new(3).expect("three digits are in range");
    let mut turn = 0u64;
    while !stop.load(Ordering::Acquire) {
        // Pacing, not waiting for a condition: the reads shall be a light load.
        thread::sleep(Duration::from_millis(2));
        turn += 1;
        let last = acknowledged.load(Ordering::Acquire);
        if last == 0 {
            continue;
        }
        let wanted = Record::nth(1 + (mix(turn) % last as u64) as i64);
        let began = Instant::now();
        let found = lookup.find(&connection, wanted.key)?;
        let sequence =
            found.unwrap_or_else(|| panic!("record {} is answered and not found", wanted.sequence));
        assert_eq!(sequence, wanted.sequence, "the index names another row");
        assert!(
            database.read_test(&connection, &wanted, sequence)?,
            "the row holds another code"
        );
        histogram
            .record(began.elapsed().as_nanos() as u64)
            .expect("the histogram grows");
        others
            .reader
            .store(measure::thread_cpu().as_nanos() as u64, Ordering::Relaxed);
    }
    Ok(histogram)
}

/// Copies the WAL beside the writer when it has grown, then asks the writer to end the job.
fn checkpointer(
    half: &Half,
    options: &Options,
    stop: &Arc<AtomicBool>,
) -> Option<thread::JoinHandle<Result<()>>> {
    let state = half.wal.clone()?;
    let (database, stop, limit) = (half.database.clone(), stop.clone(), options.wal_pages);
    Some(thread::spawn(move || {
        let connection = database.open_writer()?;
        while !stop.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(5));
            if state.frames.load(Ordering::Acquire) < limit
                || state.end_wanted.load(Ordering::Acquire)
            {
                continue;
            }
            // The first copies what has piled up, the second what came meanwhile: the writer is left with little.
            database::checkpoint(&connection)?;
            database::checkpoint(&connection)?;
            state.end_wanted.store(true, Ordering::Release);
        }
        Ok(())
    }))
}
