//! `loadtest people`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use sistema_ts_model::{Clock as _, SystemClock};

use crate::callers::MOST_PEOPLE;
use crate::callers::people::{Numbers, fiscal_codes, write_cards};
use crate::error::LoadtestError;

#[derive(Debug, Args)]
pub(super) struct PeopleArguments {
    /// The seed of the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many: a run never has more
    #[arg(long, value_name = "N", default_value_t = MOST_PEOPLE as usize, value_parser = count)]
    count: usize,
    /// Write their health cards, as `sistema-ts cards import` reads them
    #[arg(long, value_name = "FILE", required_unless_present = "fiscal_codes")]
    cards: Option<PathBuf>,
    /// Write their codici fiscali, one a line: operators, for instance
    #[arg(long, value_name = "FILE")]
    fiscal_codes: Option<PathBuf>,
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MOST_PEOPLE as usize).contains(&count) => Ok(count),
        _ => Err(format!("a number from 1 to {MOST_PEOPLE}")),
    }
}

impl PeopleArguments {
    pub(super) fn run(&self) -> Result<ExitCode, LoadtestError> {
        let people = fiscal_codes(self.count, &mut Numbers::new(self.seed));
        if let Some(path) = &self.cards {
            let today = SystemClock.now().rome_day();
            write(path, |file| write_cards(file, &people, today))?;
        }
        if let Some(path) = &self.fiscal_codes {
            write(path, |file| {
                people
                    .iter()
                    .try_for_each(|code| writeln!(file, "{}", String::from_utf8_lossy(code)))
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), LoadtestError> {
    let wrong = LoadtestError::file(path);
    let mut file = BufWriter::new(File::create(path).map_err(wrong)?);
    write(&mut file).and_then(|()| file.flush()).map_err(wrong)
}
