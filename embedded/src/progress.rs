//! How far the files of the store have come, noted outside of them after each commit and before its answer.
//!
//! SQLite ends a log silently at the first frame that is damaged, and takes a log that is missing for an empty one: what was committed would be
//! taken for what never was. So the writer and the keeper of access records note in a small file of its own what they have committed. The
//! note is written after the commit's sync and is not synced itself: after a crash of the process it is exact, after a loss of power it may be
//! older than the files, never newer. Each of the two has two places of one sector, written in turn, so that a torn one leaves the other.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use sistema_ts_store::durable;

use super::day::Day;
use super::opened::Opened;

/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// Numbers of one note: the run, the note's own, and what is noted.
const NUMBERS: usize = 8;
const NOTE: usize = NUMBERS * 8;

/// Whose note it is, and where its two places begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Tests = 0,
    Access = 2,
}

/// What the file of tests has committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TestsCounts {
    /// Its commits.
    pub(super) commits: i64,
    /// Its newest row.
    pub(super) row: i64,
}

/// What one day's file of access records has committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AccessCounts {
    pub(super) day: Day,
    /// The newest record of a service.
    pub(super) record: i64,
    /// The newest row whose submission is copied.
    pub(super) row: i64,
}

/// What the note says, read at a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number that the inventory had when the run began.
    pub(super) run: u64,
    pub(super) tests: TestsCounts,
    /// Of the files that were open last.
    pub(super) access: Vec<AccessCounts>,
}

/// Why there is no note.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoProgress {
    Missing,
    Damaged,
    Unreadable(String),
}

impl Progress {
    /// Reads the note at `path`.
    pub(super) fn load(path: &Path) -> Result<Progress, NoProgress> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => NoProgress::Missing,
            _ => NoProgress::Unreadable(error.to_string()),
        })?;
        let tests = newest(&bytes, Place::Tests).ok_or(NoProgress::Damaged)?;
        let access = newest(&bytes, Place::Access).ok_or(NoProgress::Damaged)?;
        Ok(Progress {
            run: tests[0].cast_unsigned(),
            tests: TestsCounts {
                commits: tests[2],
                row: tests[3],
            },
            access: access[2..]
                .chunks_exact(3)
                .filter(|counts| counts[0] != NO_DAY)
                .map(|counts| AccessCounts {
                    day: Day(i32::try_from(counts[0]).unwrap_or(i32::MIN)),
                    record: counts[1],
                    row: counts[2],
                })
                .collect(),
        })
    }
}

const NO_DAY: i64 = i64::MIN;

/// The newest valid note in the two places.
fn newest(bytes: &[u8], place: Place) -> Option<[i64; NUMBERS]> {
    (0..2)
        .filter_map(|turn| {
            let start = (place as usize + turn) * SECTOR;
            decode(bytes.get(start..start + SECTOR)?)
        })
        .max_by_key(|numbers| numbers[1])
}

fn decode(sector: &[u8]) -> Option<[i64; NUMBERS]> {
    let (note, check) = (&sector[..NOTE], &sector[NOTE..NOTE + 8]);
    if digest::digest(&digest::SHA256, note).as_ref()[..8] != *check {
        return None;
    }
    let mut numbers = [0; NUMBERS];
    for (number, bytes) in numbers.iter_mut().zip(note.as_chunks::<8>().0) {
        *number = i64::from_le_bytes(*bytes);
    }
    Some(numbers)
}

fn encode(numbers: [i64; NUMBERS]) -> [u8; NOTE + 8] {
    let mut sector = [0; NOTE + 8];
    for (bytes, number) in sector.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let check = digest::digest(&digest::SHA256, &sector[..NOTE]);
    sector[NOTE..].copy_from_slice(&check.as_ref()[..8]);
    sector
}

/// The file of the notes, open for writing.
pub(super) struct ProgressFile {
    path: PathBuf,
    file: File,
    run: u64,
}

impl ProgressFile {
    /// Makes the file anew, durably, for a run that begins with these counts.
    pub(super) fn begin(path: &Path, progress: &Progress) -> std::io::Result<ProgressFile> {
        let mut bytes = [0; 4 * SECTOR];
        let tests = tests_numbers(progress.run, 0, progress.tests);
        let access = access_numbers(progress.run, 0, progress.access.iter().copied());
        for (place, numbers) in [(Place::Tests, tests), (Place::Access, access)] {
            for turn in 0..2 {
                let start = (place as usize + turn) * SECTOR;
                bytes[start..start + NOTE + 8].copy_from_slice(&encode(numbers));
            }
        }
        Ok(ProgressFile {
            path: path.to_owned(),
            file: durable::replace_bytes(path, &bytes)?,
            run: progress.run,
        })
    }

    /// A pen of the writer's.
    pub(super) fn tests_note(&self) -> std::io::Result<TestsNote> {
        Ok(TestsNote(self.note()?))
    }

    /// A pen of the keeper's.
    pub(super) fn access_note(&self) -> std::io::Result<AccessNote> {
        Ok(AccessNote(self.note()?))
    }

    fn note(&self) -> std::io::Result<Note> {
        Ok(Note {
            file: self.file.try_clone()?,
            opened: Opened::note(self.path.clone())?,
            run: self.run,
            number: 0,
        })
    }
}

struct Note {
    file: File,
    opened: Opened,
    run: u64,
    number: i64,
}

impl Note {
    fn write(&mut self, place: Place, numbers: [i64; NUMBERS]) -> std::io::Result<()> {
        let turn = usize::from(self.number % 2 == 0);
        let start = (place as usize + turn) * SECTOR;
        self.file.write_all_at(&encode(numbers), start as u64)
    }
}

/// The writer's pen.
pub(super) struct TestsNote(Note);

impl TestsNote {
    /// Notes what is committed.
    pub(super) fn write(&mut self, counts: TestsCounts) -> std::io::Result<()> {
        self.0.number += 1;
        let numbers = tests_numbers(self.0.run, self.0.number, counts);
        self.0.write(Place::Tests, numbers)
    }

    /// What is wrong, if the file is no longer in place.
    pub(super) fn trouble(&self) -> Option<String> {
        (!self.0.opened.is_in_place()).then(|| self.0.opened.told())
    }
}

/// The keeper's pen.
pub(super) struct AccessNote(Note);

impl AccessNote {
    /// Notes what is committed, of at most two days' files.
    pub(super) fn write(
        &mut self,
        counts: impl Iterator<Item = AccessCounts>,
    ) -> std::io::Result<()> {
        self.0.number += 1;
        let numbers = access_numbers(self.0.run, self.0.number, counts);
        self.0.write(Place::Access, numbers)
    }
}

fn tests_numbers(run: u64, number: i64, counts: TestsCounts) -> [i64; NUMBERS] {
    [
        run.cast_signed(),
        number,
        counts.commits,
        counts.row,
        0,
        0,
        0,
        0,
    ]
}

fn access_numbers(
    run: u64,
    number: i64,
    counts: impl Iterator<Item = AccessCounts>,
) -> [i64; NUMBERS] {
    let mut numbers = [run.cast_signed(), number, NO_DAY, 0, 0, NO_DAY, 0, 0];
    for (place, counts) in numbers[2..].chunks_exact_mut(3).zip(counts) {
        place.copy_from_slice(&[i64::from(counts.day.0), counts.record, counts.row]);
    }
    numbers
}
