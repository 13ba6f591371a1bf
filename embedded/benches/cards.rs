//! Checks of single cards, one after another, against a register of many.
//!
//! `cargo bench -p sistema-ts-embedded --bench cards -- [cards] [checks of each kind]`
//!
//! Prints quantiles of what a check takes, with the way to the reader's thread and back: of the right card, of a wrong one of the same people, and
//! of codes that lead to nobody. The three should be alike.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Instant;

use chrono::NaiveDate;
use hdrhistogram::Histogram;
use sistema_ts_embedded::cards::{EmbeddedCardImport, EmbeddedCardRegister};
use sistema_ts_model::{CardDigits, Clock as _, CodiceFiscale, Cun, SystemClock};
use sistema_ts_store::cards::{CardEntry, CardImport as _, CardRegister as _, ImportProgress};
use sistema_ts_store::register::RegisterKey;

fn person(number: u64) -> CodiceFiscale {
    let body = format!("{number:07}001");
    let code = (0..10).find_map(|check| CodiceFiscale::parse(&format!("{body}{check}")).ok());
    code.unwrap()
}

fn digits(number: u64) -> CardDigits {
    CardDigits::parse(&format!("{number:08}")).unwrap()
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(|argument| argument.parse::<u64>().unwrap());
    let cards = arguments.next().unwrap_or(1_000_000);
    let checks = arguments.next().unwrap_or(100_000);
    let folder = tempfile::tempdir_in(
        std::env::var("BENCH_FOLDER")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../target").to_owned()),
    )
    .unwrap();
    let key = RegisterKey::create(&folder.path().join("key")).unwrap();
    let data = folder.path().join("data");
    let day: NaiveDate = "2026-01-01".parse().unwrap();
    let began = Instant::now();
    let mut import = Box::new(EmbeddedCardImport::begin(&data, &key, b"bench", true).unwrap());
    for number in 1..=cards {
        let entry = CardEntry {
            fiscal_code: person(number),
            digits: digits(number),
            valid_from: day,
            valid_to: None,
        };
        import.add(&entry, ImportProgress::default()).unwrap();
    }
    let taken = import
        .finish(ImportProgress::default(), SystemClock.now(), 100)
        .unwrap();
    println!(
        "{taken} cards registered in {:.2} s",
        began.elapsed().as_secs_f64()
    );

    let register = EmbeddedCardRegister::open(&data, &key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut times = [(); 3].map(|()| Histogram::<u64>::new(3).unwrap());
    // In turn, so that what else happens on the machine meets all three alike; each kind has its own people.
    for check in 0..3 * checks {
        let kind = (check % 3) as usize;
        // A step that shares no factor with most counts: all over the register.
        let number = 1 + (check * 7_919) % cards;
        let (who, asked) = (person(number), digits(number + u64::from(kind == 1)));
        let who = (kind < 2).then_some(&who);
        let cun = Cun::from_number(check).unwrap();
        let began = Instant::now();
        let found = runtime
            .block_on(register.matches(who, cun, &asked, day))
            .unwrap();
        times[kind]
            .record(began.elapsed().as_nanos() as u64)
            .unwrap();
        assert_eq!(found, kind == 0);
    }
    for (what, times) in ["right card", "wrong card", "nobody"].iter().zip(&times) {
        let micros = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "{what}: p50 {:.1} \u{b5}s, p99 {:.1} \u{b5}s, p99.9 {:.1} \u{b5}s",
            micros(0.5),
            micros(0.99),
            micros(0.999)
        );
    }
}
