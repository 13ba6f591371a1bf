//! A store that is already full: rows and index runs bulk-loaded, and the filter of known codes.

use rusqlite::params;

use crate::database::Result;
use crate::layouts::Half;
use crate::records::{Record, mix};
use crate::runs::{PAGE_ENTRIES, Run};

/// Puts `rows` rows into both files and their index into one run each, without the cost of durability.
pub fn preload(patients: &mut Half, tests: &mut Half, rows: i64) -> Result<()> {
    for half in [&*patients, &*tests] {
        half.connection()
            .execute_batch("PRAGMA synchronous = OFF")?;
    }
    let chunk = 20_000;
    let mut from = 1;
    while from <= rows {
        let batch: Vec<Record> = (from..(from + chunk).min(rows + 1))
            .map(Record::nth)
            .collect();
        patients.load(&batch)?;
        tests.load(&batch)?;
        from += chunk;
    }
    load_run(
        tests,
        (1..=rows)
            .map(Record::nth)
            .map(|record| (record.key, record.sequence))
            .collect(),
    )?;
    if patients.runs_mut().is_some() {
        let positives = (1..=rows).map(Record::nth).filter(|record| record.positive);
        load_run(
            patients,
            positives
                .map(|record| (record.tag_key(), record.sequence))
                .collect(),
        )?;
    }
    // What follows is measured, so as durable as any other run, and it starts with an empty WAL.
    for half in [&*patients, &*tests] {
        half.database.set_durability(half.connection())?;
        half.connection()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

fn load_run(half: &mut Half, mut entries: Vec<(u64, i64)>) -> Result<()> {
    entries.sort_unstable();
    let mut run = Run {
        level: 3,
        fences: Vec::new(),
        slots: Vec::new(),
    };
    half.connection().execute_batch("BEGIN")?;
    for (index, page) in entries.chunks(PAGE_ENTRIES).enumerate() {
        let mut bytes = Vec::with_capacity(PAGE_ENTRIES * 16);
        for (key, sequence) in page {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        let slot = index as u32 + 1;
        half.connection()
            .prepare_cached("INSERT INTO page VALUES(?1, ?2)")?
            .execute(params![slot, bytes])?;
        run.fences.push(page[0].0);
        run.slots.push(slot);
    }
    half.connection().execute_batch("COMMIT")?;
    if let Some(runs) = half.runs_mut() {
        runs.adopt(run);
    }
    Ok(())
}

/// A filter over codes that must not be issued again: a hit means "draw another", so it needs no exact answer behind it.
/// Blocked Bloom filter: 10 bits a code, five of them in one 64-byte block.
pub struct Known {
    blocks: Vec<[u64; 8]>,
}

impl Known {
    pub fn of(codes: u64) -> Known {
        let mut known = Known {
            blocks: vec![[0; 8]; (codes * 10 / 512 + 1) as usize],
        };
        for number in 0..codes {
            let code = mix(number ^ 0x0c0d_e000_0000_0000) % 25u64.pow(9);
            let (block, bits) = known.place(code);
            for bit in bits {
                known.blocks[block][(bit >> 6) as usize] |= 1 << (bit & 63);
            }
        }
        known
    }

    pub fn may_hold(&self, code: u64) -> bool {
        let (block, bits) = self.place(code);
        bits.into_iter()
            .all(|bit| self.blocks[block][(bit >> 6) as usize] & (1 << (bit & 63)) != 0)
    }

    fn place(&self, code: u64) -> (usize, [u32; 5]) {
        let hash = mix(code);
        let block = ((u128::from(hash) * self.blocks.len() as u128) >> 64) as usize;
        let bits = mix(hash);
        (
            block,
            [0, 9, 18, 27, 36].map(|shift| (bits >> shift) as u32 & 511),
        )
    }
}
