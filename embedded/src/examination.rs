//! What a start looks at before it touches anything: whether every file is there, and holds what was committed to it.
//!
//! Nothing is opened for writing meanwhile, no log is moved, nothing is swept. Whatever does not fit is told, and the start is refused: only the
//! operator can know whether a better copy is at hand. `sistema-ts restore` accepts a folder as it is.

use std::collections::BTreeMap;
use std::path::Path;

use sistema_ts_store::StoreError;
use sistema_ts_store::durable::TextFault;

use super::day::Day;
use super::epoch::Epoch;
use super::failure::Failure;
use super::files::Files;
use super::inventory::{Contents, Entry, State};
use super::paths::name_of;
use super::paths::with_suffix;
use super::progress::{AccessCounts, NoProgress, Progress};
use super::stock::{self, TestsFacts};

/// What was found.
#[derive(Default)]
pub(super) struct Examined {
    /// What stands against a start, each in a sentence.
    pub(super) findings: Vec<String>,
    pub(super) inventory: Option<Contents>,
    pub(super) epoch: Option<Epoch>,
    pub(super) tests: Option<TestsFacts>,
    /// How far each file is.
    pub(super) counts: BTreeMap<String, [i64; 2]>,
    /// Of every file of access records.
    pub(super) access: Vec<AccessCounts>,
    /// The newest row of patients' files.
    pub(super) patients_row: i64,
    pub(super) progress: Option<Progress>,
}

impl Examined {
    fn found(&mut self, finding: impl Into<String>) {
        self.findings.push(finding.into());
    }

    /// Refuses a start if anything stands against it.
    pub(super) fn judge(&self) -> Result<(), StoreError> {
        if self.findings.is_empty() {
            return Ok(());
        }
        Err(StoreError::NotAsLeft {
            what: self.findings.join("; "),
        })
    }

    /// The newest row of tests that any file knows of.
    pub(super) fn newest_row(&self) -> i64 {
        let tests = self.tests.as_ref().map_or(0, |tests| tests.counts.row);
        let noted = self.progress.as_ref().map_or(0, |noted| noted.tests.row);
        tests
            .max(noted)
            .max(self.patients_row)
            .max(self.copied_row())
    }

    /// The newest row whose submission is in the archive of access records.
    fn copied_row(&self) -> i64 {
        let rows = self.access.iter().map(|counts| counts.row);
        rows.max().unwrap_or(0)
    }
}

/// Looks at the whole folder, and at the number beside the ring. `batch` is the most patients that one commit may leave without their tests, by
/// this run's configuration; an earlier run may have had a larger one.
///
/// # Errors
///
/// [`StoreError::NewerProgram`] for what this program does not know, [`StoreError::Unavailable`] if the folder cannot be read.
pub(super) fn examine(
    files: &Files,
    epoch_path: &Path,
    batch: usize,
) -> Result<Examined, StoreError> {
    let mut examined = Examined::default();
    examined.inventory = text(&mut examined, &files.inventory(), Contents::load)?;
    let epoch = text(&mut examined, epoch_path, Epoch::load)?;
    examined.epoch = epoch;
    compare_numbers(&mut examined, files, epoch_path)?;
    look_at_presence(&mut examined, files)?;
    if !examined.findings.is_empty() {
        // What is in the others tells nothing more.
        return read_leniently(examined, files);
    }
    look_at_tests(&mut examined, files)?;
    look_at_access(&mut examined, files)?;
    look_at_patients(&mut examined, files, batch)?;
    look_at_progress(&mut examined, files);
    Ok(examined)
}

/// Reads one of the small files of text; a damaged one is a finding.
fn text<T>(
    examined: &mut Examined,
    path: &Path,
    load: impl Fn(&Path) -> Result<Option<T>, TextFault>,
) -> Result<Option<T>, StoreError> {
    match load(path) {
        Ok(found) => Ok(found),
        Err(TextFault::Newer) => Err(StoreError::NewerProgram {
            what: path.display().to_string(),
        }),
        Err(fault) => {
            examined.found(format!("{}: {fault}", path.display()));
            Ok(None)
        }
    }
}

/// Compares the folder's number with the one beside the ring.
fn compare_numbers(
    examined: &mut Examined,
    files: &Files,
    epoch_path: &Path,
) -> Result<(), StoreError> {
    if !examined.findings.is_empty() {
        return Ok(());
    }
    let beside = epoch_path.display();
    let finding = match (&examined.inventory, examined.epoch) {
        // A new store, or one of a program that kept no inventory.
        (None, None | Some(Epoch { number: 0, .. })) => {
            let facts = stock::of_tests(files).unwrap_or_default();
            let has_kept_one = facts.is_some_and(|facts| facts.store.is_some());
            has_kept_one.then(|| format!("{} is missing", files.inventory().display()))
        }
        (None, Some(_)) if is_empty(files)? => Some(format!(
            "the data folder is empty, but {beside} says that a store was in it: is it mounted, is it the right one?"
        )),
        (None, Some(_)) => Some(format!(
            "{} is missing: the data folder is older than {beside}, or a part of another one",
            files.inventory().display()
        )),
        (Some(_), None) => Some(format!(
            "{beside} is missing: the key ring's folder is not the one that the data were left with"
        )),
        (Some(inventory), Some(epoch)) => {
            if inventory.store != epoch.store {
                Some(format!(
                    "the key ring's folder is that of another store than the data folder ({beside})"
                ))
            } else if inventory.number < epoch.number {
                Some(format!(
                    "the data folder is older than it should be: its number is {}, that of {beside} is {}",
                    inventory.number, epoch.number
                ))
            } else if inventory.number > epoch.number + 1 {
                Some(format!(
                    "the key ring's folder is older than it should be: the number of {beside} is {}, that of the data folder {}",
                    epoch.number, inventory.number
                ))
            } else {
                None
            }
        }
    };
    examined.findings.extend(finding);
    Ok(())
}

fn is_empty(files: &Files) -> Result<bool, StoreError> {
    Ok(!files.tests().exists() && days(files.patient_days())?.is_empty())
}

fn days(days: std::io::Result<Vec<Day>>) -> Result<Vec<Day>, StoreError> {
    days.map_err(|error| StoreError::Unavailable {
        reason: format!("the data folder cannot be read: {error}"),
    })
}

/// Looks whether all files are there; after a stop in order also whether they are what it left, byte for byte as far as that is known.
fn look_at_presence(examined: &mut Examined, files: &Files) -> Result<(), StoreError> {
    let Some(inventory) = examined.inventory.clone() else {
        let (patients, access) = (days(files.patient_days())?, days(files.access_days())?);
        let has_archives = !patients.is_empty() || !access.is_empty();
        if has_archives && !files.tests().exists() {
            examined.found("tests.db is missing beside files that belong to it");
        }
        return Ok(());
    };
    for (name, entry) in &inventory.files {
        let path = files.named(name);
        match std::fs::metadata(&path) {
            Err(_) => examined.found(format!("{name} is missing")),
            Ok(_) if inventory.state == State::Stopped => {
                let finding = differs(&path, name, entry);
                examined.findings.extend(finding);
            }
            Ok(_) => {}
        }
    }
    if inventory.state == State::Stopped {
        let mut present = vec![files.tests()];
        present.extend(
            days(files.patient_days())?
                .iter()
                .map(|day| files.patients(*day)),
        );
        present.extend(
            days(files.access_days())?
                .iter()
                .map(|day| files.access(*day)),
        );
        for path in present.iter().filter(|path| path.exists()) {
            let name = name_of(path);
            if !inventory.files.contains_key(&name) {
                examined.found(format!("{name} was not there when the server stopped"));
            }
        }
    }
    Ok(())
}

/// What is wrong with a file that a stop in order has left.
fn differs(path: &Path, name: &str, entry: &Entry) -> Option<String> {
    if stock::log_bytes(path) > 0 {
        return Some(format!(
            "{} is not empty, though the server was stopped: it belongs to another copy of {name}",
            name_of(&with_suffix(path, "-wal"))
        ));
    }
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    if entry.bytes.is_some_and(|expected| expected != bytes) {
        return Some(format!(
            "{name} has {bytes} bytes and had {} when the server stopped",
            entry.bytes.unwrap_or_default()
        ));
    }
    let expected = entry.digest.as_ref()?;
    match stock::digest_of(path) {
        Ok(digest) if digest == *expected => None,
        Ok(_) => Some(format!("{name} is not what it was when the server stopped")),
        Err(error) => Some(format!("{name} cannot be read: {error}")),
    }
}

/// Reads what can be read, for who accepts the folder as it is.
fn read_leniently(mut examined: Examined, files: &Files) -> Result<Examined, StoreError> {
    examined.tests = stock::of_tests(files).unwrap_or_default();
    for day in days(files.access_days())? {
        let counts = stock::of_access(files, day).unwrap_or_default();
        examined.access.extend(counts);
    }
    for day in days(files.patient_days())? {
        if let Ok(Some(facts)) = stock::of_patients(files, day, i64::MAX) {
            examined.patients_row = examined.patients_row.max(facts.newest_row);
        }
    }
    examined.progress = Progress::load(&files.progress()).ok();
    Ok(examined)
}

/// A file's counts against those that the inventory has of it.
fn look_at_counts(examined: &mut Examined, name: &str, counts: [i64; 2]) {
    examined.counts.insert(name.to_owned(), counts);
    let expected = examined
        .inventory
        .as_ref()
        .and_then(|inventory| inventory.files.get(name));
    let Some(expected) = expected else { return };
    if counts[0] < expected.counts[0] || counts[1] < expected.counts[1] {
        examined.found(format!(
            "{name} is older than it should be, or its log is cut"
        ));
    }
}

/// Takes a file's facts, or says that it cannot be read. That a disk without room keeps it from being read says nothing about the file.
fn readable<T>(
    examined: &mut Examined,
    files: &Files,
    name: &str,
    facts: Result<Option<T>, Failure>,
) -> Result<Option<T>, StoreError> {
    match facts.map_err(StoreError::from) {
        Ok(facts) => Ok(facts),
        Err(error @ StoreError::NewerProgram { .. }) => Err(error),
        Err(error @ StoreError::Unavailable { .. }) if files.is_nearly_full() => {
            Err(StoreError::Unavailable {
                reason: format!(
                    "the disk is full, and {name} cannot be read without a little room beside it: make room ({error})"
                ),
            })
        }
        Err(error) => {
            examined.found(format!("{name} cannot be read: {error}"));
            Ok(None)
        }
    }
}

fn look_at_tests(examined: &mut Examined, files: &Files) -> Result<(), StoreError> {
    let name = name_of(&files.tests());
    let facts = readable(examined, files, &name, stock::of_tests(files))?;
    let listed = examined
        .inventory
        .as_ref()
        .is_some_and(|inventory| inventory.files.contains_key(&name));
    match &facts {
        Some(facts) => {
            let counts = [facts.counts.commits, facts.counts.row];
            let store = examined.inventory.as_ref().map(|inventory| inventory.store);
            if facts.store.is_some() && store.is_some() && facts.store != store {
                examined.found(format!("{name} belongs to another store"));
            }
            look_at_counts(examined, &name, counts);
        }
        None if listed && examined.findings.is_empty() => {
            examined.found(format!("{name} holds nothing, or its log is missing"));
        }
        None => {}
    }
    examined.tests = facts;
    Ok(())
}

fn look_at_access(examined: &mut Examined, files: &Files) -> Result<(), StoreError> {
    for day in days(files.access_days())? {
        let name = name_of(&files.access(day));
        if let Some(counts) = readable(examined, files, &name, stock::of_access(files, day))? {
            look_at_counts(examined, &name, [counts.record, counts.row]);
            examined.access.push(counts);
        }
    }
    let row = examined.tests.as_ref().map_or(0, |tests| tests.counts.row);
    if examined.copied_row() > row {
        examined.found(
            "tests.db is older than the archive of access records, or its log is cut: that archive holds later submissions",
        );
    }
    Ok(())
}

fn look_at_patients(
    examined: &mut Examined,
    files: &Files,
    batch: usize,
) -> Result<(), StoreError> {
    let tests = examined.tests.clone().unwrap_or_default();
    let present = days(files.patient_days())?;
    for day in tests.patients.keys().filter(|day| !present.contains(day)) {
        examined.found(format!("{} is missing", name_of(&files.patients(*day))));
    }
    let row = tests.counts.row;
    for day in present {
        let name = name_of(&files.patients(day));
        let Some(facts) = readable(examined, files, &name, stock::of_patients(files, day, row))?
        else {
            if tests.patients.contains_key(&day) {
                examined.found(format!("{name} holds nothing, or its log is missing"));
            }
            continue;
        };
        look_at_counts(examined, &name, [facts.commits, 0]);
        let expected = tests.patients.get(&day).copied().unwrap_or(0);
        if facts.commits < expected {
            examined.found(format!(
                "{name} is older than it should be, or its log is cut"
            ));
        }
        // One commit may have come through without that of its tests, not more.
        let batch = batch.max(tests.batch);
        let most = i64::try_from(batch).unwrap_or(i64::MAX);
        if facts.above > batch || facts.newest_row > row.saturating_add(most) {
            examined.found(format!(
                "tests.db is older than {name}, or its log is cut: {} patients have no test",
                facts.above
            ));
        }
        examined.patients_row = examined.patients_row.max(facts.newest_row);
    }
    Ok(())
}

/// Compares with the note of what was committed last. After a stop in order there is nothing that it could add.
fn look_at_progress(examined: &mut Examined, files: &Files) {
    let name = name_of(&files.progress());
    let progress = Progress::load(&files.progress());
    let state = examined.inventory.as_ref().map(|inventory| inventory.state);
    let Some(State::Running { run }) = state else {
        examined.progress = progress.ok();
        return;
    };
    let noted = match progress {
        Ok(noted) => noted,
        Err(NoProgress::Missing) => return examined.found(format!("{name} is missing")),
        Err(NoProgress::Damaged) => return examined.found(format!("{name} was changed or cut")),
        Err(NoProgress::Unreadable(error)) => {
            return examined.found(format!("{name} cannot be read: {error}"));
        }
    };
    // A start that ended early may have begun a note of its own; what that says holds as well.
    if noted.run < run {
        examined.found(format!("{name} is older than it should be"));
    }
    let tests = examined.tests.clone().unwrap_or_default().counts;
    if tests.commits < noted.tests.commits {
        examined.found(
            "tests.db or its log (tests.db-wal) is older than it should be, cut, damaged or missing: what it had committed is not there",
        );
    }
    let listed = |day: Day| {
        let name = name_of(&files.access(day));
        let inventory = examined.inventory.as_ref();
        inventory.is_some_and(|inventory| inventory.files.contains_key(&name))
    };
    // A file that was struck off the list was removed as it should be; after a loss of power the note may be older than that.
    let noted_files = noted.access.iter().filter(|of| listed(of.day));
    let noted_files: Vec<_> = noted_files.copied().collect();
    for expected in &noted_files {
        let found = examined
            .access
            .iter()
            .find(|found| found.day == expected.day);
        let found = found.copied().unwrap_or_default();
        if found.record < expected.record || found.row < expected.row {
            let name = name_of(&files.access(expected.day));
            examined.found(format!(
                "{name} or its log is older than it should be, cut, damaged or missing"
            ));
        }
    }
    examined.progress = Some(noted);
}
