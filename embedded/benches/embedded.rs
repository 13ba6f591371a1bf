//! The embedded store as it is, driven as the service drives it: sealed, checked, committed, copied to the archive.
//!
//! `cargo bench -p sistema-ts-embedded --bench embedded -- [rows] [in flight] [share with receipts, percent]`
//!
//! Prints, for every tenth of the rows: records a second, CPU of the whole process a record (this driver included), quantiles of
//! the answers' times, and of a point read made every few milliseconds beside them. The last line counts the deferred work, too.
#![allow(missing_docs, clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sistema_ts_embedded::{EmbeddedOptions, EmbeddedStore};
use sistema_ts_model::{
    Caller, Clock, CodiceFiscale, Cun, FirstSymbol, RequestKey, StructureId, StructureReference,
    Swab, SystemClock, TestResult, Timestamp,
};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::samples;
use sistema_ts_store::{
    AccessQuery, NewTest, RecordOutcome, Repeatable, ReservedCun, Store, SubmissionAccess,
};

struct Driver {
    store: EmbeddedStore,
    rows: u64,
    receipts_percent: u64,
    next: Cell<u64>,
    done: Cell<u64>,
    codes: RefCell<Vec<ReservedCun>>,
    refilling: Cell<bool>,
    swab: Swab,
    people: Vec<CodiceFiscale>,
    structures: Vec<StructureId>,
    answers: RefCell<Histogram<u64>>,
    reads: RefCell<Histogram<u64>>,
    sample: Cell<Option<Cun>>,
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(|argument| argument.parse().unwrap());
    let rows = arguments.next().unwrap_or(200_000);
    let in_flight = arguments.next().unwrap_or(512);
    let receipts_percent = arguments.next().unwrap_or(0);
    let folder = tempfile::tempdir_in(
        std::env::var("BENCH_FOLDER")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../target").to_owned()),
    )
    .unwrap();
    let ring = folder.path().join("ring");
    KeyRing::create(&ring, SystemClock.now().rome_day()).unwrap();
    let store = EmbeddedStore::open(
        EmbeddedOptions::in_folder(folder.path().join("data")),
        Arc::new(KeyRing::load(&ring).unwrap()),
        Arc::new(SystemClock),
    )
    .unwrap();
    let driver = Rc::new(Driver {
        store,
        rows,
        receipts_percent,
        next: Cell::new(0),
        done: Cell::new(0),
        codes: RefCell::default(),
        refilling: Cell::new(false),
        swab: samples::swab(0, TestResult::Negative, SystemClock.now().rome_day()),
        people: (0..10_000).map(samples::fiscal_code).collect(),
        structures: (0..2_000).map(samples::structure_id).collect(),
        answers: RefCell::new(Histogram::new(3).unwrap()),
        reads: RefCell::new(Histogram::new(3).unwrap()),
        sample: Cell::new(None),
    });
    println!("rows {rows}, in flight {in_flight}, {receipts_percent} % with receipts");
    println!(
        "      rows  records/s  µs CPU  p50 ms  p99 ms  p99.9 ms  max ms  read p99 ms  read max ms"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (began, cpu) = (Instant::now(), cpu_time());
    tokio::task::LocalSet::new().block_on(&runtime, run(driver.clone(), in_flight));
    let query = AccessQuery {
        from: Timestamp::from_millis(0).unwrap(),
        to: Timestamp::from_millis(1).unwrap(),
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 1,
    };
    runtime.block_on(driver.store.search_access(query)).unwrap();
    let bytes: u64 = std::fs::read_dir(folder.path().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    println!(
        "all with deferred work: {:.0} records/s, {:.2} µs CPU a record, {:.0} bytes a record, {} MiB resident",
        rows as f64 / began.elapsed().as_secs_f64(),
        (cpu_time() - cpu).as_secs_f64() * 1e6 / rows as f64,
        bytes as f64 / rows as f64,
        resident_mib(),
    );
}

async fn run(driver: Rc<Driver>, in_flight: u64) {
    let mut workers = Vec::new();
    for _ in 0..in_flight {
        workers.push(tokio::task::spawn_local(work(driver.clone())));
    }
    let reader = tokio::task::spawn_local(read(driver.clone()));
    report(&driver).await;
    for worker in workers {
        worker.await.unwrap();
    }
    reader.abort();
}

async fn report(driver: &Driver) {
    let step = driver.rows / 10;
    for tenth in 1..=10 {
        let (began, cpu, done) = (Instant::now(), cpu_time(), driver.done.get());
        while driver.done.get() < (step * tenth).min(driver.rows) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let count = (driver.done.get() - done) as f64;
        let (mut answers, mut reads) = (driver.answers.borrow_mut(), driver.reads.borrow_mut());
        let ms = |histogram: &Histogram<u64>, quantile| {
            histogram.value_at_quantile(quantile) as f64 / 1e3
        };
        println!(
            "{:10} {:10.0} {:7.2} {:7.2} {:7.2} {:9.2} {:7.1} {:12.2} {:12.2}",
            driver.done.get(),
            count / began.elapsed().as_secs_f64(),
            (cpu_time() - cpu).as_secs_f64() * 1e6 / count,
            ms(&answers, 0.5),
            ms(&answers, 0.99),
            ms(&answers, 0.999),
            answers.max() as f64 / 1e3,
            ms(&reads, 0.99),
            reads.max() as f64 / 1e3,
        );
        answers.reset();
        reads.reset();
    }
}

async fn read(driver: Rc<Driver>) {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if let Some(cun) = driver.sample.get() {
            let began = Instant::now();
            assert!(driver.store.find_test(cun).await.unwrap().is_some());
            driver
                .reads
                .borrow_mut()
                .record(began.elapsed().as_micros() as u64)
                .unwrap();
        }
    }
}

async fn work(driver: Rc<Driver>) {
    loop {
        let number = driver.next.get();
        if number >= driver.rows {
            return;
        }
        driver.next.set(number + 1);
        let reserved = loop {
            let (code, left) = {
                let mut codes = driver.codes.borrow_mut();
                (codes.pop(), codes.len())
            };
            if left < 4_096 && !driver.refilling.replace(true) {
                let driver = driver.clone();
                tokio::task::spawn_local(async move {
                    let first = FirstSymbol::random(&mut rand::rng());
                    let fresh = driver.store.reserve(first, 4_096).await.unwrap();
                    driver.codes.borrow_mut().extend(fresh);
                    driver.refilling.set(false);
                });
            }
            match code {
                Some(code) => break code,
                None => tokio::task::yield_now().await,
            }
        };
        let structure = driver.structures[number as usize % driver.structures.len()];
        let result = if number.is_multiple_of(7) {
            TestResult::Positive
        } else {
            TestResult::Negative
        };
        let with_receipt = number % 100 < driver.receipts_percent;
        let test = NewTest {
            reserved,
            caller: Caller::Structure(structure),
            swab: Swab {
                structure: StructureReference::Identifier(structure),
                fiscal_code: driver.people[number as usize % driver.people.len()].clone(),
                result,
                ..driver.swab.clone()
            },
            repeatable: with_receipt.then(|| Repeatable {
                key: RequestKey::parse(&format!("key-{number}")).unwrap(),
                content: b"a canonical form of the message's content, about as long as this"
                    .to_vec(),
            }),
            access: SubmissionAccess {
                accessed_at: SystemClock.now(),
                with_warnings: false,
            },
        };
        let began = Instant::now();
        match driver.store.record_test(test).await.unwrap() {
            RecordOutcome::Recorded { cun, .. } => driver.sample.set(Some(cun)),
            other => panic!("{other:?}"),
        }
        driver
            .answers
            .borrow_mut()
            .record(began.elapsed().as_micros() as u64)
            .unwrap();
        driver.done.set(driver.done.get() + 1);
    }
}

/// User and system time of this process.
fn cpu_time() -> Duration {
    // SAFETY: all-zero is a valid `rusage`, and the pointer is to a live one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split_whitespace()
        .nth(1)
        .map_or(0, |pages| pages.parse().unwrap());
    pages * 4_096 / (1 << 20)
}
