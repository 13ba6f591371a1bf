//! Copied submissions, packed: some thousand to a row, since there is one for every test and nobody reads most of them.
//!
//! A chunk begins with its texts (callers, then structures), each once, and continues with its entries in the order of rows.
//! Numbers are of variable length, seven bits a byte, the lowest first.

use std::collections::HashMap;

use sistema_ts_model::{Cun, Timestamp};
use sistema_ts_store::AccessRecord;

use crate::day::Day;
use crate::failure::Failure;
use crate::rows;

/// One submission on its way into the archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) row: i64,
    pub(super) cun: Cun,
    pub(super) accessed_ms: i64,
    pub(super) caller: i64,
    pub(super) structure: i64,
    pub(super) with_warnings: bool,
}

/// Submissions of one day, in the order of rows.
pub(super) struct Chunk {
    day: Day,
    entries: Vec<Entry>,
    callers: Texts,
    structures: Texts,
}

/// Texts of a chunk, numbered in the order in which they came.
#[derive(Default)]
struct Texts {
    numbers: HashMap<i64, u64>,
    texts: Vec<String>,
}

impl Chunk {
    pub(super) fn new(day: Day) -> Chunk {
        Chunk {
            day,
            entries: Vec::new(),
            callers: Texts::default(),
            structures: Texts::default(),
        }
    }

    pub(super) fn day(&self) -> Day {
        self.day
    }

    /// Adds the next row's submission. The texts are those that the numbers of caller and structure stand for.
    pub(super) fn push(&mut self, entry: Entry, caller: &str, structure: &str) {
        self.callers.add(entry.caller, caller);
        self.structures.add(entry.structure, structure);
        self.entries.push(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn last_row(&self) -> i64 {
        self.entries.last().map_or(0, |entry| entry.row)
    }

    pub(super) fn first_ms(&self) -> i64 {
        self.entries
            .iter()
            .map(|entry| entry.accessed_ms)
            .min()
            .unwrap_or(0)
    }

    pub(super) fn last_ms(&self) -> i64 {
        self.entries
            .iter()
            .map(|entry| entry.accessed_ms)
            .max()
            .unwrap_or(0)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * 16 + 256);
        for texts in [&self.callers.texts, &self.structures.texts] {
            put(&mut out, texts.len() as u64);
            for text in texts {
                put(&mut out, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
        }
        put(&mut out, self.entries.len() as u64);
        let base_ms = self.first_ms();
        let base_row = self.entries.first().map_or(0, |entry| entry.row);
        put(&mut out, base_ms.max(0) as u64);
        put(&mut out, base_row.max(0) as u64);
        for entry in &self.entries {
            put(&mut out, (entry.row - base_row) as u64);
            put(&mut out, entry.cun.number());
            put(&mut out, (entry.accessed_ms - base_ms) as u64);
            put(&mut out, self.callers.numbers[&entry.caller]);
            put(
                &mut out,
                self.structures.numbers[&entry.structure] << 1 | u64::from(entry.with_warnings),
            );
        }
        out
    }
}

impl Texts {
    fn add(&mut self, key: i64, text: &str) {
        let next = self.texts.len() as u64;
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.numbers.entry(key) {
            vacant.insert(next);
            self.texts.push(text.to_owned());
        }
    }
}

/// Reads what [`Chunk::encode`] wrote: rows and their records, in order.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<(i64, AccessRecord)>, Failure> {
    Bytes(bytes)
        .records()
        .ok_or_else(|| rows::corrupt("a chunk of access records"))
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn texts(&mut self) -> Option<Vec<&'a str>> {
        let count = self.number()?;
        let mut texts = Vec::new();
        for _ in 0..count {
            let length = usize::try_from(self.number()?).ok()?;
            let (text, rest) = self.0.split_at_checked(length)?;
            self.0 = rest;
            texts.push(std::str::from_utf8(text).ok()?);
        }
        Some(texts)
    }

    fn records(&mut self) -> Option<Vec<(i64, AccessRecord)>> {
        let callers = self.texts()?;
        let structures = self.texts()?;
        let count = self.number()?;
        let base_ms = i64::try_from(self.number()?).ok()?;
        let base_row = i64::try_from(self.number()?).ok()?;
        let mut records = Vec::new();
        for _ in 0..count {
            let row = base_row.checked_add_unsigned(self.number()?)?;
            let cun = Cun::from_number(self.number()?)?;
            let accessed_ms = base_ms.checked_add_unsigned(self.number()?)?;
            let caller = *callers.get(usize::try_from(self.number()?).ok()?)?;
            let structure_and_warning = self.number()?;
            let structure = *structures.get(usize::try_from(structure_and_warning >> 1).ok()?)?;
            let record = AccessRecord::of_submission(
                Timestamp::from_millis_clamped(accessed_ms),
                rows::decode_caller(caller).ok()?,
                cun,
                rows::decode_structure(structure).ok()?,
                structure_and_warning & 1 != 0,
            );
            records.push((row, record));
        }
        Some(records)
    }
}

#[cfg(test)]
mod tests {
    //! A failure: an entry read back other than it was written, or damaged bytes that are taken for records or panic.
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use sistema_ts_model::{CUN_COUNT, Cun, TransactionId, Verdict};

    use super::{Chunk, Entry, decode};
    use crate::day::Day;

    proptest! {
        #[test]
        fn entries_of_a_chunk_are_read_back_as_they_were_written(entries in prop::collection::vec((1_i64..1000, 0..CUN_COUNT, 0_i64..100_000, 0_i64..3, 0_i64..4, any::<bool>()), 1..50)) {
            let callers = ["R010", "S010-101-000123", "R200"];
            let structures = ["I010-101-000123", "D010Casa di cura", "I200-101-A", "D200x"];
            let mut chunk = Chunk::new(Day(20_000));
            let mut row = 0;
            for (step, number, ms, caller, structure, with_warnings) in &entries {
                row += step;
                let entry = Entry {
                    row,
                    cun: Cun::from_number(*number).unwrap(),
                    accessed_ms: 1_795_500_000_000 + ms,
                    caller: caller + 100,
                    structure: structure + 200,
                    with_warnings: *with_warnings,
                };
                chunk.push(entry, callers[*caller as usize], structures[*structure as usize]);
            }
            let bytes = chunk.encode();
            let read = decode(&bytes).unwrap();
            prop_assert_eq!(read.len(), entries.len());
            prop_assert_eq!(read.last().unwrap().0, chunk.last_row());
            for ((_, record), (_, number, ms, caller, _, with_warnings)) in read.iter().zip(&entries) {
                prop_assert_eq!(record.transaction, TransactionId::Cun(Cun::from_number(*number).unwrap()));
                prop_assert_eq!(record.accessed_at.millis(), 1_795_500_000_000 + ms);
                let key = record.caller.to_key();
                prop_assert_eq!(key.as_str(), callers[*caller as usize]);
                prop_assert_eq!(record.verdict, if *with_warnings { Verdict::DoneWithWarnings } else { Verdict::Done });
            }
            for cut in 0..bytes.len() {
                prop_assert!(decode(&bytes[..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
