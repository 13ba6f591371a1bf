//! The command line.

use std::path::PathBuf;

pub const HELP: &str = "\
store layouts: cargo bench -p sistema-ts-store --bench layouts -- [options]

  --layout NAME       random | positives | late-tree | runs | runs-both (default: all, one after another)
  --rows N            records of a run (2000000)
  --in-flight N       records that wait for their answer at most; repeatable (256)
  --preload N         rows that are there before the run, bulk-loaded (0)
  --known N           known codes that are there before the run, bulk-loaded, looked up for each record (0)
  --dir FOLDER        where the files go (the system's temporary folder)
  --page-size N       4096
  --cache-kib N       SQLite page cache of each connection (16384)
  --checkpoint MODE   auto | split (auto: SQLite's own, on the writer; split: a thread copies, the writer ends it)
  --wal-pages N       pages of WAL that start a checkpoint (60000)
  --memory N          newest entries held in memory by the late indexes (131072)
  --threads N         1 | 2: patients and tests on one thread or pipelined on two (1)
  --batch N           records of a commit at most (1024)
  --columns KIND      many | packed (many)
  --insecure-delete   without secure_delete
  --synchronous MODE  full | normal | off (full)
  --preallocate       writes the WAL full of zeros before the run
  --no-reader         without the reader beside the writer
  --crypto            only measures what hashing and sealing cost
";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// (a) every code in two random indexes, in two files.
    Random,
    /// (b) positives alone in the patients' file, one random index of CUNs.
    Positives,
    /// (c) as (b), the CUN index late in one B-tree.
    LateTree,
    /// (d) as (b), the CUN index late in sorted runs.
    Runs,
    /// (e) as (d), the patients' index in sorted runs too.
    RunsBoth,
}

impl Layout {
    pub const ALL: [Layout; 5] = [
        Layout::Random,
        Layout::Positives,
        Layout::LateTree,
        Layout::Runs,
        Layout::RunsBoth,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Layout::Random => "random",
            Layout::Positives => "positives",
            Layout::LateTree => "late-tree",
            Layout::Runs => "runs",
            Layout::RunsBoth => "runs-both",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    pub layouts: Vec<Layout>,
    pub rows: i64,
    pub in_flight: Vec<usize>,
    pub preload: i64,
    pub known: u64,
    pub dir: Option<PathBuf>,
    pub page_size: u32,
    pub cache_kib: u32,
    pub split_checkpoint: bool,
    pub wal_pages: u32,
    pub memory: usize,
    pub threads: usize,
    pub batch: usize,
    pub packed: bool,
    pub secure_delete: bool,
    pub synchronous: String,
    pub preallocate: bool,
    pub reader: bool,
    pub crypto: bool,
}

impl Options {
    /// Reads the arguments; `Err` holds what to tell the user. `cargo bench` adds `--bench`, which means nothing here.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            layouts: Vec::new(),
            rows: 2_000_000,
            in_flight: Vec::new(),
            preload: 0,
            known: 0,
            dir: None,
            page_size: 4096,
            cache_kib: 16_384,
            split_checkpoint: false,
            wal_pages: 60_000,
            memory: 131_072,
            threads: 1,
            batch: 1024,
            packed: false,
            secure_delete: true,
            synchronous: "full".into(),
            preallocate: false,
            reader: true,
            crypto: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--help" => return Err(HELP.into()),
                "--insecure-delete" => options.secure_delete = false,
                "--preallocate" => options.preallocate = true,
                "--no-reader" => options.reader = false,
                "--crypto" => options.crypto = true,
                "--layout" => {
                    let name = value()?;
                    let layout = Layout::ALL.into_iter().find(|layout| layout.name() == name);
                    options
                        .layouts
                        .push(layout.ok_or(format!("no layout is called {name}"))?);
                }
                "--columns" => options.packed = one_of(&value()?, ["many", "packed"])? == 1,
                "--checkpoint" => {
                    options.split_checkpoint = one_of(&value()?, ["auto", "split"])? == 1
                }
                "--synchronous" => {
                    options.synchronous = value()?;
                    one_of(&options.synchronous, ["full", "normal", "off"])?;
                }
                "--rows" => options.rows = number(&value()?)?,
                "--in-flight" => options.in_flight.push(number(&value()?)?),
                "--preload" => options.preload = number(&value()?)?,
                "--known" => options.known = number(&value()?)?,
                "--dir" => options.dir = Some(value()?.into()),
                "--page-size" => options.page_size = number(&value()?)?,
                "--cache-kib" => options.cache_kib = number(&value()?)?,
                "--wal-pages" => options.wal_pages = number(&value()?)?,
                "--memory" => options.memory = number(&value()?)?,
                "--threads" => options.threads = number(&value()?)?,
                "--batch" => options.batch = number(&value()?)?,
                other => return Err(format!("unknown argument {other}\n\n{HELP}")),
            }
        }
        if options.layouts.is_empty() {
            options.layouts = Layout::ALL.to_vec();
        }
        if options.in_flight.is_empty() {
            options.in_flight.push(256);
        }
        Ok(options)
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text} is not a number in range"))
}

fn one_of<const N: usize>(text: &str, choices: [&str; N]) -> Result<usize, String> {
    choices
        .iter()
        .position(|choice| *choice == text)
        .ok_or(format!("{text}: one of {}", choices.join(", ")))
}
