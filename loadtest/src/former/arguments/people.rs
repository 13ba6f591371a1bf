//! `loadtest people`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use clap::Args;
use sistema_ts_model::{Clock as _, SystemClock};

use crate::callers::people::{Numbers, card_digits, fiscal_codes};
use crate::error::LoadtestError;
use crate::former::request::PEOPLE;

/// Before this come the digits that nobody is asked for.
const CARD_PREFIX: &str = "803800000000";
/// Cards are valid for so long around today.
const CARD_DAYS: u64 = 1_000;

#[derive(Debug, Args)]
pub struct PeopleArguments {
    /// The seed of the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many: a run never has more
    #[arg(long, value_name = "N", default_value_t = PEOPLE, value_parser = count)]
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
        Ok(count) if (1..=PEOPLE).contains(&count) => Ok(count),
        _ => Err(format!("a number from 1 to {PEOPLE}")),
    }
}

impl PeopleArguments {
    pub(super) fn run(&self) -> Result<bool, LoadtestError> {
        let people: Vec<String> = fiscal_codes(self.count, &mut Numbers::new(self.seed))
            .iter()
            .map(|code| String::from_utf8_lossy(code).into_owned())
            .collect();
        if let Some(path) = &self.cards {
            let today = SystemClock.now().rome_day();
            write(path, |file| write_cards(file, &people, today))?;
        }
        if let Some(path) = &self.fiscal_codes {
            write(path, |file| {
                people.iter().try_for_each(|code| writeln!(file, "{code}"))
            })?;
        }
        Ok(true)
    }
}

fn write_cards(file: &mut dyn Write, people: &[String], today: NaiveDate) -> std::io::Result<()> {
    let from = today
        .checked_sub_days(Days::new(CARD_DAYS))
        .unwrap_or(today);
    let to = today
        .checked_add_days(Days::new(CARD_DAYS))
        .unwrap_or(today);
    writeln!(file, "codice_fiscale;numero_tessera;valida_dal;valida_al")?;
    for (index, code) in people.iter().enumerate() {
        let digits = card_digits(index);
        let digits = String::from_utf8_lossy(&digits);
        writeln!(file, "{code};{CARD_PREFIX}{digits};{from};{to}")?;
    }
    Ok(())
}

fn write(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), LoadtestError> {
    let wrong = LoadtestError::file(path);
    let mut file = BufWriter::new(File::create(path).map_err(wrong)?);
    write(&mut file).and_then(|()| file.flush()).map_err(wrong)
}
