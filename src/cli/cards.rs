//! `sistema-ts cards …`: the register of health cards.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_lc_rs::digest;
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use csv::{ByteRecord, Position, ReaderBuilder};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sistema_ts_model::{CardDigits, Clock as _, CodiceFiscale, SystemClock, parse_date};
use sistema_ts_store::cards::{CardError, CardRegister as _};
use sistema_ts_store::embedded::cards::{
    CardEntry, CardImport, EmbeddedCardRegister, ImportProgress,
};
use sistema_ts_store::register::{RegisterKey, RegisterKeyError};

use super::CliError;
use super::configuration::ConfigurationArguments;
use crate::config::Configuration;

/// The columns, in this order.
const COLUMNS: [&str; 4] = [
    "codice_fiscale",
    "numero_tessera",
    "valida_dal",
    "valida_al",
];

/// Bad lines that are told one by one.
const TOLD: u64 = 20;

/// Lines between two looks at the progress.
const LINES_PER_LOOK: u64 = 4_096;

/// How much of a file tells it from another, beside its length and its time.
const HEAD: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Replace the register of cards by those of a file, beside a running server
    ///
    /// The file is CSV with semicolons and the header codice_fiscale;numero_tessera;valida_dal;valida_al, one card a line, several a
    /// person. numero_tessera is the number on the back of the card, 8 to 20 digits, of which the last eight count; dates are YYYY-MM-DD,
    /// and valida_al may be empty. Bad lines are told by number and skipped. An import that was interrupted goes on where it stopped when
    /// the command is given again with the same file. Exit status: 0 every line was taken, 1 some were skipped, 2 nothing was replaced.
    Import(ImportArguments),
    /// Show how many cards there are, and since when
    Status,
}

#[derive(Debug, Args)]
struct ImportArguments {
    /// The file
    file: PathBuf,
    /// Begin anew, even if an import of this file was interrupted
    #[arg(long)]
    restart: bool,
    /// Bad lines, in percent of all, beyond which the register stays as it was: a file with many is likely the wrong one
    #[arg(long, value_name = "PERCENT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=100))]
    maximum_bad_percent: u64,
}

/// Why cards were not imported. No text holds what stood in a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum CardsError {
    #[error(transparent)]
    Register(#[from] CardError),
    #[error(transparent)]
    Key(#[from] RegisterKeyError),
    #[error("{}: {reason}", file.display())]
    File { file: PathBuf, reason: String },
    #[error(
        "{bad} of {lines} lines are bad: the register stays as it was (see --maximum-bad-percent)"
    )]
    TooManyBadLines { bad: u64, lines: u64 },
    #[error("the asynchronous runtime could not be started: {0}")]
    Runtime(io::Error),
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let configuration = arguments.configuration.load()?;
    let key = RegisterKey::load(&configuration.register.key_file).map_err(CardsError::from)?;
    match arguments.command {
        Command::Import(import) => Ok(Import::open(&configuration, &key, import)?.run()?),
        Command::Status => status(&configuration, &key),
    }
}

fn status(configuration: &Configuration, key: &RegisterKey) -> Result<ExitCode, CliError> {
    let register = EmbeddedCardRegister::open(&configuration.store.data_folder, key)
        .map_err(CardsError::from)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(CardsError::Runtime)?;
    let status = runtime
        .block_on(register.status())
        .map_err(CardsError::from)?;
    let text = match status {
        Some(status) => format!(
            "{} cards, imported at {}\n",
            status.cards, status.imported_at
        ),
        None => "no cards: none were imported yet\n".to_owned(),
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

struct Import {
    file: PathBuf,
    reader: csv::Reader<File>,
    import: CardImport,
    progress: ImportProgress,
    maximum_bad_percent: u64,
    view: View,
}

impl Import {
    fn open(
        configuration: &Configuration,
        key: &RegisterKey,
        arguments: ImportArguments,
    ) -> Result<Self, CardsError> {
        let file = arguments.file;
        let failed = |reason: &dyn std::fmt::Display| CardsError::File {
            file: file.clone(),
            reason: reason.to_string(),
        };
        let source = fingerprint(&file).map_err(|reason| failed(&reason))?;
        let opened = File::open(&file).map_err(|reason| failed(&reason))?;
        let length = opened.metadata().map_err(|reason| failed(&reason))?.len();
        let mut reader = ReaderBuilder::new()
            .delimiter(b';')
            .flexible(true)
            .from_reader(opened);
        let header = reader.byte_headers().map_err(|_| failed(&"it is no CSV"))?;
        if !is_header(header) {
            return Err(failed(&format!(
                "its first line must be {}",
                COLUMNS.join(";")
            )));
        }
        let import = CardImport::begin(
            &configuration.store.data_folder,
            key,
            &source,
            arguments.restart,
        )?;
        let progress = import.progress();
        if progress.lines > 0 {
            let mut position = Position::new();
            position.set_byte(progress.offset);
            // The header is line 1.
            position.set_line(progress.lines + 2);
            reader
                .seek(position)
                .map_err(|_| failed(&"it cannot be read from the middle"))?;
        }
        let view = View::new(length, progress);
        Ok(Self {
            file,
            reader,
            import,
            progress,
            maximum_bad_percent: arguments.maximum_bad_percent,
            view,
        })
    }

    fn run(mut self) -> Result<ExitCode, CliError> {
        let mut record = ByteRecord::new();
        loop {
            let line = self.progress.lines + 2;
            let read = self.reader.read_byte_record(&mut record);
            match read {
                Ok(false) => break,
                Ok(true) => {}
                Err(error) => {
                    let reason = match error.is_io_error() {
                        true => error.to_string(),
                        false => "it is no CSV".to_owned(),
                    };
                    let file = self.file.clone();
                    return Err(CardsError::File { file, reason }.into());
                }
            }
            self.progress.lines += 1;
            self.progress.offset = self.reader.position().byte();
            match card_of(&record) {
                Ok(card) => self
                    .import
                    .add(&card, self.progress)
                    .map_err(CardsError::from)?,
                Err(reason) => {
                    self.progress.bad_lines += 1;
                    self.view.bad_line(line, reason, self.progress.bad_lines);
                }
            }
            if self.progress.lines.is_multiple_of(LINES_PER_LOOK) {
                self.view.look(self.progress);
            }
        }
        self.finish()
    }

    fn finish(self) -> Result<ExitCode, CliError> {
        let ImportProgress {
            lines, bad_lines, ..
        } = self.progress;
        self.view.bar.finish_and_clear();
        if bad_lines * 100 > lines * self.maximum_bad_percent {
            let bad = bad_lines;
            return Err(CardsError::TooManyBadLines { bad, lines }.into());
        }
        let now = SystemClock.now();
        let cards = self
            .import
            .finish(self.progress, now)
            .map_err(CardsError::from)?;
        let doubles = lines - bad_lines - cards.min(lines - bad_lines);
        let text = format!(
            "{cards} cards registered; {lines} lines read, {bad_lines} of them bad, {doubles} said what another had said\n"
        );
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(CliError::Output)?;
        Ok(match bad_lines {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}

/// What is seen of an import: a bar on a terminal, a line now and then elsewhere.
struct View {
    bar: ProgressBar,
    length: u64,
    is_terminal: bool,
    tenths: u64,
}

impl View {
    fn new(length: u64, progress: ImportProgress) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target = match is_terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        // The template is a constant; a wrong one would leave the plain bar.
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_position(progress.offset);
        if progress.lines > 0 {
            eprintln!("going on after line {}", progress.lines + 1);
        }
        Self {
            bar,
            length,
            is_terminal,
            tenths: progress.offset * 10 / length.max(1),
        }
    }

    fn look(&mut self, progress: ImportProgress) {
        self.bar.set_position(progress.offset);
        self.bar.set_message(format!("{} lines", progress.lines));
        let tenths = progress.offset * 10 / self.length.max(1);
        if !self.is_terminal && tenths > self.tenths {
            eprintln!("{}0 %, {} lines", tenths, progress.lines);
        }
        self.tenths = tenths;
    }

    fn bad_line(&self, line: u64, reason: &str, number: u64) {
        if number > TOLD {
            return;
        }
        self.bar.suspend(|| {
            eprintln!("line {line}: {reason}");
            if number == TOLD {
                eprintln!("further bad lines are counted only");
            }
        });
    }
}

fn is_header(header: &ByteRecord) -> bool {
    let mut fields = header.iter();
    COLUMNS.iter().enumerate().all(|(index, column)| {
        let field = fields.next().unwrap_or_default();
        // Some programs put a byte order mark before the first.
        let field = match index {
            0 => field.strip_prefix("\u{feff}".as_bytes()).unwrap_or(field),
            _ => field,
        };
        field.trim_ascii() == column.as_bytes()
    }) && fields.next().is_none()
}

/// The card of a line, or what is wrong with it, without its values.
fn card_of(record: &ByteRecord) -> Result<CardEntry, &'static str> {
    if record.len() != COLUMNS.len() {
        return Err("it must have 4 columns");
    }
    let column = |index: usize| {
        let bytes = record.get(index).unwrap_or_default();
        std::str::from_utf8(bytes.trim_ascii()).map_err(|_| "it is not UTF-8")
    };
    let fiscal_code =
        CodiceFiscale::parse(column(0)?).map_err(|_| "codice_fiscale is not a right one")?;
    let number = column(1)?;
    let is_number =
        (8..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let digits = is_number
        .then(|| CardDigits::parse(&number[number.len() - 8..]).ok())
        .flatten()
        .ok_or("numero_tessera must have 8 to 20 digits")?;
    let date = |text: &str| -> Option<NaiveDate> {
        // A zone, which dates on the wire may carry, has no place here.
        (text.len() == 10).then(|| parse_date(text).ok()).flatten()
    };
    let valid_from = date(column(2)?).ok_or("valida_dal must be a date, YYYY-MM-DD")?;
    let valid_to = match column(3)? {
        "" => None,
        text => Some(date(text).ok_or("valida_al must be a date, YYYY-MM-DD, or empty")?),
    };
    if valid_to.is_some_and(|end| end < valid_from) {
        return Err("valida_al lies before valida_dal");
    }
    Ok(CardEntry {
        fiscal_code,
        digits,
        valid_from,
        valid_to,
    })
}

/// What tells a file from another: its length, its time, and a hash of its head.
fn fingerprint(file: &Path) -> io::Result<Vec<u8>> {
    let opened = File::open(file)?;
    let metadata = opened.metadata()?;
    let mut head = Vec::new();
    opened.take(HEAD).read_to_end(&mut head)?;
    let mut fingerprint = Vec::with_capacity(64);
    for number in [
        metadata.len().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    ] {
        fingerprint.extend_from_slice(&number.to_be_bytes());
    }
    fingerprint.extend_from_slice(digest::digest(&digest::SHA256, &head).as_ref());
    zeroize::Zeroize::zeroize(&mut head);
    Ok(fingerprint)
}
