//! Listings (elencoTestEffettuati) as a region asks for them: each reader follows the bookmarks to the end.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use serde::Serialize;
use sistema_ts_model::{Cun, Service};

use crate::error::LoadtestError;
use crate::former::report::Method;
use crate::former::request::message;
use crate::measure::process::Process;
use crate::wire::listing::{Frame, Scan, Tests};
use crate::wire::target::Target;

/// Answers that one reader follows at most, whatever bookmarks come.
const MOST_ANSWERS: u64 = 100_000;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// How often a slow reader reads, and how often the server's memory is looked at.
const STEP: Duration = Duration::from_millis(50);

/// What is asked for, and how.
#[derive(Debug, Clone)]
pub struct Listing {
    /// `identificativoUtente`.
    pub operator: String,
    /// First and last day, both included, as `YYYY-MM-DD`.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// `massimoElementi`.
    pub maximum: Option<u32>,
    /// How many read at the same time, each on a connection of its own.
    pub readers: usize,
    /// Bytes a second that each reads at most.
    pub bytes_per_second: Option<u64>,
    /// Longest time without a byte.
    pub answer_limit: Duration,
    /// The server's process, if its CPU time and memory are to be measured.
    pub server_pid: Option<u32>,
    /// A file as `loadtest submit --answers` writes it: each reader must have been given exactly these tests.
    pub expected: Option<PathBuf>,
}

/// The result, with its method.
#[derive(Debug, Serialize)]
pub struct ListingReport {
    /// How it was measured.
    #[serde(flatten)]
    pub method: Method,
    /// How many read at the same time.
    pub readers: usize,
    /// Bytes a second that each was to read at most.
    pub bytes_per_second: Option<u64>,
    /// Tests that all readers were given.
    pub tests: u64,
    /// Answers that all readers were given.
    pub answers: u64,
    /// Bytes of HTTP, inside TLS, of all readers.
    pub bytes: u64,
    /// From the first request to the last byte of the last reader.
    pub seconds: f64,
    /// Tests a second, of all readers together.
    pub tests_per_second: f64,
    /// From a request to the first byte of its answer: the shortest and the longest of all, in ms.
    pub first_byte_ms: (f64, f64),
    /// CPU time of the server for each test, in µs.
    pub server_cpu_us: Option<f64>,
    /// Resident memory of the server before, and the most that was seen meanwhile, in KiB.
    pub server_memory_kib: Option<(u64, u64)>,
    /// What was wrong, and how often: empty if all is right.
    pub wrong: BTreeMap<String, u64>,
}

impl ListingReport {
    /// Whether every listing came to its end, in order and with all its tests.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.wrong.is_empty() && self.answers > 0
    }
}

/// What one reader was given.
#[derive(Default)]
struct Reading {
    scan: Scan,
    answers: u64,
    bytes: u64,
    first_bytes: Vec<Duration>,
    failure: Option<String>,
}

/// Asks for the listings and reads them all.
pub fn list(target: &Target, listing: &Listing) -> Result<ListingReport, LoadtestError> {
    let expected = listing.expected.as_deref().map(read_expected).transpose()?;
    let server = Process::named(listing.server_pid)?;
    let resident = || Some(server?.memory_kib()?.0);
    let memory_before = resident();
    let cpu_before = server.and_then(Process::cpu);
    let began = Instant::now();
    let (readings, most_memory) = std::thread::scope(|scope| {
        let (finished, wait) = channel::<()>();
        let readers: Vec<_> = (0..listing.readers)
            .map(|_| {
                let finished = finished.clone();
                scope.spawn(move || {
                    let reading = read(target, listing);
                    drop(finished);
                    reading
                })
            })
            .collect();
        drop(finished);
        let mut most = memory_before;
        while wait.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
            most = most.max(resident());
        }
        let readings: Vec<Reading> = readers
            .into_iter()
            .map(|reader| {
                reader.join().unwrap_or_else(|_| Reading {
                    failure: Some("the reader itself failed".into()),
                    ..Reading::default()
                })
            })
            .collect();
        (readings, most)
    });
    let lasted = began.elapsed();
    let cpu = server.and_then(Process::cpu).zip(cpu_before);
    let tests: u64 = readings.iter().map(|reading| reading.scan.tests).sum();
    let first_bytes = || readings.iter().flat_map(|reading| &reading.first_bytes);
    let milliseconds =
        |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    Ok(ListingReport {
        method: Method::of(target),
        readers: listing.readers,
        bytes_per_second: listing.bytes_per_second,
        tests,
        answers: readings.iter().map(|reading| reading.answers).sum(),
        bytes: readings.iter().map(|reading| reading.bytes).sum(),
        seconds: lasted.as_secs_f64(),
        tests_per_second: tests as f64 / lasted.as_secs_f64(),
        first_byte_ms: (
            milliseconds(first_bytes().min()),
            milliseconds(first_bytes().max()),
        ),
        server_cpu_us: cpu
            .filter(|_| tests > 0)
            .map(|(after, before)| (after - before).as_secs_f64() * 1e6 / tests as f64),
        server_memory_kib: memory_before.zip(most_memory),
        wrong: wrong(&readings, expected),
    })
}

fn wrong(readings: &[Reading], expected: Option<Tests>) -> BTreeMap<String, u64> {
    let mut wrong = BTreeMap::new();
    let mut add = |what: &str, count: u64| {
        if count > 0 {
            *wrong.entry(what.to_owned()).or_default() += count;
        }
    };
    for reading in readings {
        let scan = &reading.scan;
        if let Some(failure) = &reading.failure {
            add(failure, 1);
        }
        add("test earlier than the one before it", scan.out_of_order);
        add(
            "test without a valid CUN",
            scan.tests.saturating_sub(scan.named.count),
        );
        if expected.is_some_and(|expected| expected != scan.named) {
            add("listing of other tests than were expected", 1);
        }
    }
    wrong
}

/// The tests of a file whose lines begin with a CUN and a tab.
fn read_expected(path: &Path) -> Result<Tests, LoadtestError> {
    use std::io::BufRead as _;
    let wrong = LoadtestError::file(path);
    let mut tests = Tests::default();
    let file = std::fs::File::open(path).map_err(wrong)?;
    for line in std::io::BufReader::new(file).lines() {
        let line = line.map_err(wrong)?;
        let cun = line.split('\t').next().and_then(|cun| Cun::parse(cun).ok());
        tests.add(cun.ok_or_else(|| {
            LoadtestError::Usage(format!("{}: a line without a CUN", path.display()))
        })?);
    }
    Ok(tests)
}

/// Reads one listing to its end, answer by answer.
fn read(target: &Target, listing: &Listing) -> Reading {
    let mut reading = Reading::default();
    if let Err(failure) = follow(target, listing, &mut reading) {
        reading.failure = Some(failure);
    }
    reading
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn follow(target: &Target, listing: &Listing, reading: &mut Reading) -> Result<(), String> {
    let mut stream = connect(target, listing)?;
    let mut bookmark: Option<String> = None;
    let mut piece = vec![0; PIECE];
    while reading.answers < MOST_ANSWERS {
        let request = request(target, listing, bookmark.as_deref());
        stream
            .write_all(&request)
            .and_then(|()| stream.flush())
            .map_err(|error| format!("sending: {}", error.kind()))?;
        reading.scan.next_answer();
        let frame = read_answer(&mut stream, listing, &mut piece, reading)?;
        if frame.status != 200 {
            return Err(format!("HTTP {}", frame.status));
        }
        reading.answers += 1;
        match reading.scan.outcome.as_deref() {
            Some("0000" | "0001") => {}
            outcome => {
                return Err(format!(
                    "outcome {} {}",
                    outcome.unwrap_or("none"),
                    reading.scan.findings.join(" ")
                ));
            }
        }
        let next = reading.scan.bookmark.take();
        if next.is_none() {
            return Ok(());
        }
        if next == bookmark {
            return Err("a bookmark that leads to itself".into());
        }
        bookmark = next;
        if frame.closes {
            stream = connect(target, listing)?;
        }
    }
    Err("a listing without an end".into())
}

fn connect(target: &Target, listing: &Listing) -> Result<Stream, String> {
    let failed = |error: std::io::Error| format!("connecting: {}", error.kind());
    let socket =
        TcpStream::connect_timeout(&target.address, listing.answer_limit).map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    socket
        .set_read_timeout(Some(listing.answer_limit))
        .map_err(failed)?;
    let tls = ClientConnection::new(Arc::clone(&target.tls), target.server_name.clone())
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(StreamOwned::new(tls, socket))
}

/// Reads one answer, no faster than is asked for.
fn read_answer(
    stream: &mut Stream,
    listing: &Listing,
    piece: &mut [u8],
    reading: &mut Reading,
) -> Result<Frame, String> {
    let asked = Instant::now();
    let mut frame = Frame::default();
    let mut bytes = 0_u64;
    let most = listing.bytes_per_second.map_or(PIECE, |rate| {
        let step = rate as f64 * STEP.as_secs_f64();
        (step as usize).clamp(1, PIECE)
    });
    loop {
        let length = stream
            .read(&mut piece[..most])
            .map_err(|error| format!("an answer cut off: {}", error.kind()))?;
        if length == 0 {
            return Err("an answer cut off".into());
        }
        if bytes == 0 {
            reading.first_bytes.push(asked.elapsed());
        }
        bytes += length as u64;
        reading.bytes += length as u64;
        let scan = &mut reading.scan;
        let done = frame
            .push(&piece[..length], |part| scan.push(part))
            .map_err(|error| error.to_string())?;
        if done {
            return Ok(frame);
        }
        if let Some(rate) = listing.bytes_per_second {
            let due = Duration::from_secs_f64(bytes as f64 / rate as f64);
            // To be slow is what is asked for.
            std::thread::sleep(due.saturating_sub(asked.elapsed()));
        }
    }
}

fn request(target: &Target, listing: &Listing, bookmark: Option<&str>) -> Vec<u8> {
    let maximum = listing.maximum.map(|maximum| maximum.to_string());
    let mut elements = vec![
        ("tipoAutenticazione", "2F"),
        ("dataInizioIntervallo", listing.from.as_str()),
        ("dataFineIntervallo", listing.to.as_str()),
        ("tipologiaTest", "M"),
        ("identificativoUtente", listing.operator.as_str()),
    ];
    if let Some(maximum) = &maximum {
        elements.push(("massimoElementi", maximum));
    }
    if let Some(bookmark) = bookmark {
        elements.push(("segnalibro", bookmark));
    }
    let mut bytes = Vec::new();
    message(Service::Listing, &target.host, &elements, &mut bytes);
    bytes
}

impl Display for ListingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        write!(f, "{}, {} readers", self.method.target, self.readers)?;
        if let Some(rate) = self.bytes_per_second {
            write!(f, " at {rate} bytes a second each")?;
        }
        writeln!(
            f,
            "\n\n{} tests in {} answers, {:.1} MB, {:.2} s: {:.0} tests a second",
            self.tests,
            self.answers,
            self.bytes as f64 / 1e6,
            self.seconds,
            self.tests_per_second
        )?;
        writeln!(
            f,
            "first byte after {:.1} to {:.1} ms",
            self.first_byte_ms.0, self.first_byte_ms.1
        )?;
        if let Some(cpu) = self.server_cpu_us {
            writeln!(f, "server CPU {cpu:.2} µs a test")?;
        }
        if let Some((before, most)) = self.server_memory_kib {
            writeln!(
                f,
                "server memory {} MiB before, at most {} MiB meanwhile",
                before / 1024,
                most / 1024
            )?;
        }
        for (what, count) in &self.wrong {
            writeln!(f, "WRONG: {what}: {count}")?;
        }
        Ok(())
    }
}
