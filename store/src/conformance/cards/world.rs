//! The register of cards under test, and short ways to say which cards are in it. People and cards are synthetic, and known by numbers.

use std::sync::Arc;

use chrono::NaiveDate;
use sistema_ts_model::{CardDigits, Cun, Timestamp};

use super::factory::CardsFactory;
use crate::cards::{
    AdditionError, CardEntry, CardError, CardImport, CardRegister, CardsStatus, ImportProgress,
};
use crate::conformance::start;
use crate::samples::fiscal_code;

/// The register of one check.
#[derive(Clone)]
pub struct CardsWorld {
    factory: Arc<dyn CardsFactory>,
}

impl CardsWorld {
    pub fn over(factory: impl CardsFactory + 'static) -> Self {
        Self {
            factory: Arc::new(factory),
        }
    }

    pub async fn open(&self) -> Arc<dyn CardRegister> {
        self.factory.open().await
    }

    pub fn begin(&self, source: &str) -> Box<dyn CardImport> {
        self.try_begin(source).unwrap()
    }

    pub fn try_begin(&self, source: &str) -> Result<Box<dyn CardImport>, CardError> {
        self.factory.begin(source.as_bytes())
    }

    /// An import that has taken these cards, and how far it is in its source, whose name says which cards they are.
    fn taken(&self, source: &str, cards: &[CardEntry]) -> (Box<dyn CardImport>, ImportProgress) {
        let mut import = self.begin(source);
        let from = import.progress().lines as usize;
        for (index, card) in cards.iter().enumerate().skip(from) {
            import.add(card, at(index as u64 + 1)).unwrap();
        }
        (import, at(cards.len() as u64))
    }

    /// Puts these cards in the place of the register, whatever it loses; how many it holds then.
    pub fn replace(&self, source: &str, cards: &[CardEntry]) -> u64 {
        self.try_replace(source, cards, 100).unwrap()
    }

    pub fn try_replace(
        &self,
        source: &str,
        cards: &[CardEntry],
        maximum_loss: u64,
    ) -> Result<u64, CardError> {
        let (import, progress) = self.taken(source, cards);
        import.finish(progress, start(), maximum_loss)
    }

    /// Adds these cards under a name.
    pub fn add_as(&self, name: &str, cards: &[CardEntry]) -> Result<(u64, u64), AdditionError> {
        let source = format!("{name} of {} cards", cards.len());
        let (import, progress) = self.taken(&source, cards);
        import.finish_adding(&name.parse().unwrap(), progress, later())
    }

    pub fn remove_added(&self, name: &str) -> Result<u64, AdditionError> {
        self.factory.remove_addition(&name.parse().unwrap())
    }

    /// The names under which cards were added.
    pub fn named(&self) -> Vec<String> {
        let names = self.factory.additions().unwrap();
        names.iter().map(|name| name.as_str().to_owned()).collect()
    }

    /// What the register says of itself, and of each of these cards on a day on which it would be valid.
    pub async fn content(&self, cards: &[CardEntry]) -> (CardsStatus, Vec<bool>) {
        let register = self.open().await;
        let mut held = Vec::new();
        for card in cards {
            let matches = register.matches(
                Some(&card.fiscal_code),
                cun(),
                &card.digits,
                card.valid_from,
            );
            held.push(matches.await.unwrap());
        }
        (register.status().await.unwrap().unwrap(), held)
    }
}

/// A day after every import of the suite.
pub fn later() -> Timestamp {
    start().plus_millis(86_400_000)
}

/// How far an import is after so many lines.
pub fn at(lines: u64) -> ImportProgress {
    ImportProgress {
        offset: 40 * lines,
        lines,
        ..ImportProgress::default()
    }
}

pub fn cun() -> Cun {
    Cun::from_number(1).unwrap()
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn digits(number: u32) -> CardDigits {
    CardDigits::parse(&format!("{number:08}")).unwrap()
}

/// Card `number` of person `who`, valid from 2020 through 2026.
pub fn card(who: u32, number: u32) -> CardEntry {
    CardEntry {
        fiscal_code: fiscal_code(who),
        digits: digits(number),
        valid_from: date("2020-01-01"),
        valid_to: Some(date("2026-12-31")),
    }
}

/// Whether person `who` holds card `number` on a day.
pub async fn holds(register: &dyn CardRegister, who: u32, number: u32, day: &str) -> bool {
    let (person, digits) = (fiscal_code(who), digits(number));
    let matches = register.matches(Some(&person), cun(), &digits, date(day));
    matches.await.unwrap()
}
