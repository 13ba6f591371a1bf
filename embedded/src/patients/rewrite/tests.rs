//! A failure: a byte of an erased lookup tag in a file after its rewrite, an entry that is lost or comes back, a file of the open day that is
//! rewritten, an erasure that waits for a copy, or something left of an interrupted one.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sistema_ts_model::Cun;
use sistema_ts_store::keys::LookupTag;

use super::Begun;
use crate::day::Day;
use crate::files::Files;
use crate::patients::{MOST_INTERRUPTIONS, Patients};

const DAY: Day = Day(20_781);
const TODAY: Day = Day(20_782);
/// Enough that the sorted tags were written in several shares, and pages split.
const ROWS: i64 = 66_000;

fn patients(folder: &Path) -> Patients {
    Patients::new(Files::new(folder, None)).unwrap()
}

/// A file with so many patients; answers their tags.
fn fill(patients: &mut Patients, rows: i64) -> Vec<LookupTag> {
    let mut random = StdRng::seed_from_u64(20_781);
    let mut tags = Vec::new();
    for row in 1..=rows {
        let tag: LookupTag = random.random();
        let cun = Cun::from_number(row as u64).unwrap();
        patients
            .insert(DAY, row, cun, &[row as u8; 44], &tag)
            .unwrap();
        tags.push(tag);
        if row % 200 == 0 {
            patients.commit().unwrap();
        }
    }
    patients.commit().unwrap();
    tags
}

/// How many of these tags are in the bytes of the folder's files.
fn seen(folder: &Path, tags: &[LookupTag]) -> usize {
    let wanted: HashSet<&[u8]> = tags.iter().map(|tag| tag.as_slice()).collect();
    let mut found = HashSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for window in bytes.windows(size_of::<LookupTag>()) {
            if let Some(tag) = wanted.get(window) {
                found.insert(*tag);
            }
        }
    }
    found.len()
}

fn rewrite(patients: &mut Patients) -> bool {
    match patients.begin_rewrite(TODAY, &[]).unwrap() {
        Begun::Copying(day, ended) => {
            let _ = ended.blocking_recv();
            patients.finish_rewrite(day).unwrap()
        }
        Begun::Done => true,
        Begun::Nothing => false,
    }
}

#[test]
fn no_byte_of_an_erased_tag_is_left_after_a_rewrite() {
    let folder = tempfile::tempdir().unwrap();
    let mut patients = patients(folder.path());
    let tags = fill(&mut patients, ROWS);
    let (erased, kept): (Vec<i64>, Vec<i64>) = (1..=ROWS).partition(|row| row % 20 == 0);
    for some in erased.chunks(100) {
        patients.erase(DAY, some).unwrap();
    }
    let of = |rows: &[i64]| -> Vec<LookupTag> {
        rows.iter().map(|row| tags[*row as usize - 1]).collect()
    };
    assert!(
        seen(folder.path(), &of(&erased)) > 0,
        "nothing was left behind: this test proves nothing"
    );
    assert!(rewrite(&mut patients));
    assert_eq!(seen(folder.path(), &of(&erased)), 0);
    assert_eq!(seen(folder.path(), &of(&kept)), kept.len());
    for row in &kept {
        assert_eq!(
            patients.rows_of(DAY, &tags[*row as usize - 1]).unwrap(),
            [*row]
        );
        assert!({
            let sealed = patients.sealed_at_or_beside(DAY, *row).unwrap();
            sealed.is_some_and(|sealed| sealed.row == *row)
        });
    }
    for row in &erased {
        assert!(
            patients
                .rows_of(DAY, &tags[*row as usize - 1])
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn a_file_is_rewritten_when_it_is_closed_and_once_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut patients = patients(folder.path());
    fill(&mut patients, 400);
    assert!(!rewrite(&mut patients), "nothing was erased");
    patients.erase(DAY, &[1]).unwrap();
    assert!(matches!(
        patients.begin_rewrite(DAY, &[]).unwrap(),
        Begun::Nothing
    ));
    assert!(rewrite(&mut patients));
    patients.erase(DAY, &[2]).unwrap();
    assert!(!rewrite(&mut patients), "twice a day");
    // What is due is not forgotten by a restart.
    patients.close().unwrap();
    drop(patients);
    let mut patients = self::patients(folder.path());
    let tomorrow = Day(TODAY.0 + 1);
    assert!(matches!(
        patients.begin_rewrite(tomorrow, &[DAY]).unwrap(),
        Begun::Nothing
    ));
    assert!(matches!(
        patients.begin_rewrite(tomorrow, &[]).unwrap(),
        Begun::Copying(DAY, _)
    ));
}

#[test]
fn an_erasure_interrupts_the_copy_and_in_the_end_the_writer_copies_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut patients = patients(folder.path());
    let tags = fill(&mut patients, 4_000);
    patients.erase(DAY, &[1]).unwrap();
    for row in 2..2 + i64::from(MOST_INTERRUPTIONS) {
        let Begun::Copying(day, ended) = patients.begin_rewrite(TODAY, &[]).unwrap() else {
            panic!("no copy began")
        };
        patients.erase(DAY, &[row]).unwrap();
        assert!(!folder.path().join("patients-2026-11-24.new").exists());
        assert_eq!(
            seen(folder.path(), &tags[row as usize - 1..row as usize]),
            0
        );
        let _ = ended.blocking_recv();
        assert!(
            !patients.finish_rewrite(day).unwrap(),
            "an interrupted copy was put in place"
        );
    }
    assert!(matches!(
        patients.begin_rewrite(TODAY, &[]).unwrap(),
        Begun::Done
    ));
    for (row, tag) in (1..).zip(&tags) {
        let erased = row < 2 + i64::from(MOST_INTERRUPTIONS);
        assert_eq!(patients.rows_of(DAY, tag).unwrap().is_empty(), erased);
    }
}

#[test]
fn what_a_crash_left_of_a_copy_is_removed_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("patients-2026-11-24.new");
    std::fs::write(&left, b"half").unwrap();
    let mut patients = patients(folder.path());
    assert!(!left.exists());
    assert_eq!(patients.days().count(), 0);
    patients.close().unwrap();
}
