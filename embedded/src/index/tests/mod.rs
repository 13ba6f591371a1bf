//! What counts as failure here: a look-up that misses a committed entry, finds one that was never inserted or lies below the
//! floor, or differs from a plain map after any sequence of insertions, commits, rollbacks, crashes and floors; old entries left in
//! the file for good.

#![allow(clippy::unwrap_used)]

mod readers;

use super::page::{PAGE_BYTES, Page, PageBuilder};
use super::table::MemoryTable;
use super::*;
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;

const SMALL: IndexOptions = IndexOptions {
    memory_entries: 16,
    fan_in: 2,
    top_level: 2,
    filter_budget: 1 << 20,
};

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "off")
        .unwrap();
    connection
        .pragma_update(None, "wal_autocheckpoint", 50)
        .unwrap();
    connection
}

/// A uniform key from a number (SplitMix64's finaliser).
fn hash(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The index, its file, and the rows that a store would have: `rows[i]` is the key of row `i + 1`.
struct Harness {
    folder: tempfile::TempDir,
    connection: Connection,
    index: IndexWriter,
    options: IndexOptions,
    rows: Vec<u64>,
    floor: u64,
}

impl Harness {
    fn new(options: IndexOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = connect(&folder.path().join("index.db"));
        let index = IndexWriter::open(&connection, "code", options).unwrap();
        Self {
            folder,
            connection,
            index,
            options,
            rows: Vec::new(),
            floor: 0,
        }
    }

    fn insert(&mut self, keys: &[u64], commit: bool) {
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (offset, &key) in keys.iter().enumerate() {
            self.index
                .insert_newest(key, (self.rows.len() + offset + 1) as u64)
                .unwrap();
        }
        self.index.work(&self.connection, keys.len()).unwrap();
        if commit {
            self.connection.execute_batch("COMMIT").unwrap();
            self.index.committed();
            self.rows.extend_from_slice(keys);
        } else {
            self.connection.execute_batch("ROLLBACK").unwrap();
            self.index.rolled_back();
        }
    }

    /// Drops everything in the middle of a transaction, opens again and inserts what was in memory only.
    fn crash(&mut self, keys: &[u64]) {
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (offset, &key) in keys.iter().enumerate() {
            self.index
                .insert_newest(key, (self.rows.len() + offset + 1) as u64)
                .unwrap();
        }
        self.index.work(&self.connection, keys.len()).unwrap();
        self.reopen();
    }

    fn reopen(&mut self) {
        self.connection = connect(&self.folder.path().join("index.db"));
        self.index = IndexWriter::open(&self.connection, "code", self.options).unwrap();
        self.index.set_floor(self.floor);
        let covered = self.index.covered_through();
        for (offset, &key) in self.rows.iter().enumerate().skip(covered as usize) {
            self.index.restore(key, offset as u64 + 1).unwrap();
        }
    }

    fn set_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.index.set_floor(floor);
    }

    /// Does all the work there is.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            let done = self.index.work(&self.connection, 100).unwrap();
            self.connection.execute_batch("COMMIT").unwrap();
            self.index.committed();
            if done.idle {
                return;
            }
        }
        panic!("the deferred work never ends");
    }

    /// Compares every key with the map.
    fn check(&self) {
        let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (offset, &key) in self.rows.iter().enumerate().rev() {
            let rows = expected.entry(key).or_default();
            if offset as u64 + 1 >= self.floor {
                rows.push(offset as u64 + 1);
            }
        }
        let view = self.index.reader().view();
        for (&key, rows) in &expected {
            assert_eq!(
                &view.candidates(&self.connection, key).unwrap(),
                rows,
                "key {key:x}"
            );
            let middle = self.rows.len() as u64 / 2;
            let newer: Vec<u64> = rows.iter().copied().filter(|&row| row > middle).collect();
            assert_eq!(
                view.candidates_after(&self.connection, key, middle)
                    .unwrap(),
                newer
            );
            for absent in [key.wrapping_add(1), key.wrapping_sub(1), !key] {
                if !expected.contains_key(&absent) {
                    assert_eq!(
                        view.candidates(&self.connection, absent).unwrap(),
                        Vec::<u64>::new()
                    );
                }
            }
        }
    }

    fn count(&self, sql: &str) -> u64 {
        self.connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
            .cast_unsigned()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<u64>),
    RollBack(Vec<u64>),
    Crash(Vec<u64>),
    Floor(u8),
    Settle,
}

/// Mostly uniform keys, some many times, and the extremes and neighbours that uniform keys never hit.
fn keys() -> impl Strategy<Value = Vec<u64>> {
    let key = prop_oneof![
        6 => any::<u64>(),
        2 => (0u64..40).prop_map(hash),
        1 => prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63)],
    ];
    prop::collection::vec(key, 0..40)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => keys().prop_map(Step::Commit),
        2 => keys().prop_map(Step::RollBack),
        2 => keys().prop_map(Step::Crash),
        1 => any::<u8>().prop_map(Step::Floor),
        1 => Just(Step::Settle),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_finds_what_a_map_finds_after_any_steps_and_crashes(steps in steps(), filter_budget in prop_oneof![Just(0), Just(500), Just(1 << 20)]) {
        let mut harness = Harness::new(IndexOptions { filter_budget, ..SMALL });
        for step in steps {
            match step {
                Step::Commit(keys) => harness.insert(&keys, true),
                Step::RollBack(keys) => harness.insert(&keys, false),
                Step::Crash(keys) => harness.crash(&keys),
                Step::Floor(share) => harness.set_floor(harness.rows.len() as u64 * u64::from(share) / 255),
                Step::Settle => harness.settle(),
            }
            harness.check();
        }
    }

    #[test]
    fn a_page_holds_what_was_put_in(mut entries in prop::collection::vec((any::<u64>(), 0u64..1 << 63), 1..600), narrow in any::<bool>()) {
        if narrow {
            entries.iter_mut().for_each(|(key, row)| (*key, *row) = (*key >> 50, *row >> 55));
        }
        let mut entries: Vec<Entry> = entries.into_iter().map(|(key, row)| Entry { key, row }).collect();
        entries.sort_unstable();
        let mut builder = PageBuilder::default();
        let mut taken = Vec::new();
        for &entry in &entries {
            if !builder.push(entry) {
                break;
            }
            taken.push(entry);
        }
        let mut bytes = Vec::new();
        builder.encode(7, &mut bytes);
        prop_assert_eq!(bytes.len(), PAGE_BYTES);
        let page = Page::parse(&bytes, 7).unwrap();
        let mut read = Vec::new();
        page.read_all(&mut read);
        prop_assert_eq!(&read, &taken);
        for entry in &entries {
            let mut rows = Vec::new();
            page.find(entry.key, |_| true, &mut rows);
            let expected: Vec<u64> = taken.iter().filter(|other| other.key == entry.key).map(|other| other.row).collect();
            prop_assert_eq!(rows, expected);
        }
        prop_assert!(matches!(Page::parse(&bytes, 8), Err(IndexError::StaleView)));
    }

    #[test]
    fn a_memory_table_is_read_in_the_order_of_keys(keys in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..9, u64::MAX - 9..=u64::MAX], 0..64)) {
        let table = MemoryTable::new(64);
        for (offset, &key) in keys.iter().enumerate() {
            let slot = table.insert(Entry { key, row: offset as u64 + 1 });
            prop_assert!(slot.is_some());
        }
        let mut expected: Vec<Entry> = keys.iter().enumerate().map(|(offset, &key)| Entry { key, row: offset as u64 + 1 }).collect();
        expected.sort_unstable();
        let (mut read, mut position) = (Vec::new(), Some(0));
        while let Some(from) = position {
            position = table.next_cluster(from, &mut read);
        }
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn a_crowded_table_is_frozen_early_and_loses_nothing() {
    // Keys that share their leading bits, as nobody's hashes do: slower, never wrong.
    let mut harness = Harness::new(IndexOptions {
        memory_entries: 4096,
        ..SMALL
    });
    for round in 0..10u64 {
        let keys: Vec<u64> = (0..300).map(|offset| round * 300 + offset).collect();
        harness.insert(&keys, true);
    }
    harness.check();
    harness.settle();
    harness.check();
    harness.reopen();
    harness.check();
}

#[test]
fn many_rows_of_one_key_are_all_found_across_pages() {
    let mut harness = Harness::new(IndexOptions {
        memory_entries: 1024,
        ..SMALL
    });
    for batch in 0..40u64 {
        let keys: Vec<u64> = (0..100)
            .map(|offset| hash(if offset < 90 { 7 } else { batch * 100 + offset }))
            .collect();
        harness.insert(&keys, true);
    }
    harness.settle();
    harness.check();
    harness.reopen();
    harness.check();
}

#[test]
fn a_row_that_is_not_above_the_last_is_refused_and_changes_nothing() {
    let mut harness = Harness::new(SMALL);
    harness.insert(&[1, 2, 3], true);
    assert!(matches!(
        harness.index.insert_newest(9, 3),
        Err(IndexError::RowOrder)
    ));
    assert!(matches!(
        harness.index.insert_newest(9, 1 << 63),
        Err(IndexError::RowOrder)
    ));
    harness.insert(&[4], false);
    harness.insert(&[5], true);
    harness.check();
}

#[test]
fn the_work_keeps_up_and_runs_stay_few() {
    let options = IndexOptions {
        memory_entries: 1024,
        fan_in: 4,
        top_level: 3,
        filter_budget: 1 << 20,
    };
    let mut harness = Harness::new(options);
    let mut most_runs = 0;
    for batch in 0..2_000u64 {
        let keys: Vec<u64> = (0..100).map(|offset| hash(batch * 100 + offset)).collect();
        harness.insert(&keys, true);
        let parts = harness.index.shared.parts.load();
        most_runs = most_runs.max(parts.runs.len());
        assert!(parts.tables.len() <= 2, "a frozen table waits too long");
    }
    // Up to three at rest and four being merged on each of three levels, and three of the top one (65,536 entries each).
    assert!(most_runs <= 3 * (3 + 4) + 3, "{most_runs} runs");
    harness.settle();
    harness.check();
    // One page of the index is one page of SQLite, and the pages of merged runs are used again.
    let (pages, file) = (
        harness.count("SELECT count(*) FROM code_page"),
        harness.count("PRAGMA page_count"),
    );
    assert!(
        file < pages + pages / 50 + 10,
        "{file} pages of the file for {pages} of the index"
    );
    let needed = 200_000 / 400;
    assert!(pages < needed * 3, "{pages} pages for {needed}");
}

#[test]
fn nothing_below_the_floor_is_found_or_kept() {
    let mut harness = Harness::new(IndexOptions {
        memory_entries: 256,
        ..SMALL
    });
    for batch in 0..100u64 {
        let keys: Vec<u64> = (0..50).map(|offset| hash(batch * 50 + offset)).collect();
        harness.insert(&keys, true);
    }
    harness.set_floor(2_500);
    harness.check();
    harness.settle();
    harness.check();
    let kept = harness.count("SELECT sum(entries) FROM code_run");
    assert!(kept < 2_500 + 2_500 / 4, "{kept} entries are still there");
    // And all of it, once the rows left in memory are runs as well.
    for batch in 100..120u64 {
        let keys: Vec<u64> = (0..50).map(|offset| hash(batch * 50 + offset)).collect();
        harness.insert(&keys, true);
    }
    harness.set_floor(6_001);
    harness.settle();
    harness.check();
    assert_eq!(harness.count("SELECT count(*) FROM code_run"), 0);
    assert_eq!(
        harness.count("SELECT count(*) FROM code_page WHERE content <> zeroblob(length(content))"),
        0
    );
    // What was covered stays covered.
    assert!(harness.index.covered_through() > 5_000);
    harness.reopen();
    harness.check();
}

#[test]
fn what_is_covered_needs_no_rows_any_more() {
    let options = IndexOptions {
        memory_entries: 256,
        fan_in: 4,
        ..SMALL
    };
    let mut harness = Harness::new(options);
    for sweep in 0..200u64 {
        let keys: Vec<u64> = (0..7).map(|offset| hash(sweep * 7 + offset)).collect();
        harness.insert(&keys, true);
        harness.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let last_row = harness.rows.len() as u64;
        harness.index.cover(&harness.connection, last_row).unwrap();
        harness.index.work(&harness.connection, 7).unwrap();
        if sweep % 10 == 3 {
            harness.connection.execute_batch("ROLLBACK").unwrap();
            harness.index.rolled_back();
            continue;
        }
        harness.connection.execute_batch("COMMIT").unwrap();
        harness.index.committed();
        assert_eq!(harness.index.covered_through(), last_row);
        // Even so many small runs stay few.
        let runs = harness.index.shared.parts.load().runs.len();
        assert!(runs <= 20, "{runs} runs");
    }
    harness.check();
    let covered = harness.index.covered_through();
    harness.reopen();
    assert_eq!(harness.index.covered_through(), covered);
    harness.check();
}

#[test]
fn a_damaged_page_is_an_error_not_an_answer() {
    let mut harness = Harness::new(SMALL);
    harness.insert(&(0..100).map(hash).collect::<Vec<_>>(), true);
    harness.settle();
    harness
        .connection
        .execute_batch("UPDATE code_page SET content = x'00'")
        .unwrap();
    let found = (0..16).filter_map(|number| {
        harness
            .index
            .reader()
            .candidates(&harness.connection, hash(number))
            .err()
    });
    assert!(found.count() > 0);
    drop(harness.index);
    assert!(matches!(
        IndexWriter::open(&harness.connection, "code", SMALL),
        Err(IndexError::Damaged(_))
    ));
}
