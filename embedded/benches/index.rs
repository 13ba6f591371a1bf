//! What the late index costs: CPU per inserted entry with all merges done, per look-up, and bytes per entry.
//!
//! `cargo bench -p sistema-ts-store --bench index [-- ENTRIES …]`; two million entries unless said. Each count runs twice, once
//! with rows alone and once with the index beside them, in transactions of 512 rows with `synchronous=FULL`; the difference is
//! the index's. CPU is the process's (`getrusage`), since the disk of a bench machine is not a ministry's.

use rusqlite::Connection;
use sistema_ts_embedded::index::{IndexOptions, IndexWriter};
use std::time::{Duration, Instant};

const BATCH: u64 = 512;

fn cpu() -> Duration {
    // SAFETY: getrusage writes the structure that it is given, and zeroes are a valid value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let part = |time: libc::timeval| {
        Duration::new(
            time.tv_sec.unsigned_abs(),
            time.tv_usec.unsigned_abs() as u32 * 1000,
        )
    };
    part(usage.ru_utime) + part(usage.ru_stime)
}

fn hash(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

struct Filled {
    folder: tempfile::TempDir,
    connection: Connection,
    index: Option<IndexWriter>,
    cpu: Duration,
    worst: Duration,
}

fn fill(entries: u64, with_index: bool) -> Result<Filled, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let connection = Connection::open(folder.path().join("bench.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA secure_delete = on; PRAGMA wal_autocheckpoint = 16000;
         CREATE TABLE test (row INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;",
    )?;
    let mut index = if with_index {
        Some(IndexWriter::open(
            &connection,
            "code",
            IndexOptions::default(),
        )?)
    } else {
        None
    };
    let content = [7u8; 100];
    let (start, mut worst) = (cpu(), Duration::ZERO);
    let mut next = 1;
    while next <= entries {
        let began = Instant::now();
        connection.execute_batch("BEGIN IMMEDIATE")?;
        {
            let mut insert =
                connection.prepare_cached("INSERT INTO test (row, content) VALUES (?1, ?2)")?;
            for row in next..next + BATCH {
                insert.execute((row.cast_signed(), &content[..]))?;
            }
        }
        if let Some(index) = &mut index {
            for row in next..next + BATCH {
                index.insert_newest(hash(row), row)?;
            }
            let worked = Instant::now();
            index.work(&connection, BATCH as usize)?;
            worst = worst.max(worked.elapsed());
        }
        connection.execute_batch("COMMIT")?;
        if let Some(index) = &mut index {
            index.committed();
        }
        let _ = began;
        next += BATCH;
    }
    // The figure counts work that was put off.
    while let Some(index) = &mut index {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = index.work(&connection, BATCH as usize)?;
        connection.execute_batch("COMMIT")?;
        index.committed();
        if done.entries == 0 {
            break;
        }
    }
    Ok(Filled {
        folder,
        connection,
        index,
        cpu: cpu() - start,
        worst,
    })
}

fn per(duration: Duration, count: u64) -> f64 {
    duration.as_secs_f64() * 1e6 / count as f64
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut counts: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if counts.is_empty() {
        counts.push(2_000_000);
    }
    for entries in counts {
        let bare = fill(entries, false)?;
        let bare_cpu = bare.cpu;
        drop(bare);
        let Filled {
            folder,
            connection,
            index,
            cpu: whole,
            worst,
        } = fill(entries, true)?;
        let index = index.ok_or("the index is there")?;
        println!(
            "{entries} entries: {:.3} µs CPU an entry ({:.3} with the row, {:.3} without the index); longest share in one transaction {:.2} ms",
            per(whole.saturating_sub(bare_cpu), entries),
            per(whole, entries),
            per(bare_cpu, entries),
            worst.as_secs_f64() * 1e3
        );
        let (pages, runs, stored): (i64, i64, i64) = connection.query_row(
            "SELECT (SELECT count(*) FROM code_page), (SELECT count(*) FROM code_run), (SELECT sum(entries) FROM code_run)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let live: i64 = connection.query_row(
            "SELECT sum(length(directory) / 4 * 11) FROM code_run",
            [],
            |row| row.get(0),
        )?;
        println!(
            "  {stored} of them in {runs} runs; {pages} pages of the file are the index's, about {live} in use: {:.1} bytes an entry ({:.1} with those free for the next merge)",
            live as f64 * 4096.0 / stored as f64,
            pages as f64 * 4096.0 / stored as f64
        );
        let began = cpu();
        let reopened = IndexWriter::open(&connection, "code", IndexOptions::default())?;
        println!(
            "  opened anew in {:.0} ms; resident {} MiB",
            (cpu() - began).as_secs_f64() * 1e3,
            resident_mib()
        );
        drop(reopened);
        let reader = index.reader();
        let looked = 200_000;
        for (what, offset) in [("absent", entries * 2), ("present", 1)] {
            let (began, mut found) = (cpu(), 0);
            for number in 0..looked {
                let view = reader.view();
                let row = offset + hash(number) % entries;
                found += view.candidates(&connection, hash(row))?.len();
            }
            println!(
                "  look-up of one {what}: {:.2} µs ({found} found of {looked})",
                per(cpu() - began, looked)
            );
        }
        drop(folder);
    }
    Ok(())
}
