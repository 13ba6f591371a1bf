//! Files that are missing, cut, older, changed by a bit or another one's, after a stop in order and after a crash. A failure: a start that
//! succeeds although something answered is not there by every reading path; a start that is refused without a word that names what is wrong; a
//! refused start that has changed a file; a folder as it was left that is refused.
//!
//! What was answered is known from the ledger of the load (the suite's `crash_load`), not from the store. Not covered, because nothing but a sum
//! over every page could: a bit that changes in a file itself (not its log), or bytes that are cut from its end, after a crash. SQLite tells of such a
//! page when it is read, if at all.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use sistema_ts_model::SystemClock;
use sistema_ts_store::conformance::crash_load::{Ledger, hear};
use sistema_ts_store::{Maintenance as _, Store, StoreError};
use support::crash::{check, load, runtime};
use support::place::Place;

/// Answered tests of each of the two loads.
const ANSWERED: usize = 150;

/// An installation's folders at three moments, and what was answered until the later two.
struct Copies {
    /// After a stop in order, with half of the tests.
    older: tempfile::TempDir,
    /// As a crash leaves it, in the middle of the second run.
    crashed: tempfile::TempDir,
    /// After the stop in order of the second run.
    stopped: tempfile::TempDir,
    log: Ledger,
}

fn copies() -> &'static Copies {
    static COPIES: OnceLock<Copies> = OnceLock::new();
    COPIES.get_or_init(|| {
        let place = Place::new();
        let mut log = Ledger::new();
        run(&place, 0, &mut log).close();
        let older = copy_of(place.root());
        let running = run(&place, 10_000, &mut log);
        // Nothing is under way: what a SIGKILL would leave now is what is in the folder.
        let crashed = copy_of(place.root());
        running.close();
        let stopped = copy_of(place.root());
        Copies {
            older,
            crashed,
            stopped,
            log,
        }
    })
}

struct Run(Arc<dyn Store>);

impl Run {
    fn close(self) {
        runtime().block_on(self.0.close()).unwrap();
    }
}

/// Opens the store and loads it.
fn run(place: &Place, person: u32, log: &mut Ledger) -> Run {
    let store: Arc<dyn Store> = Arc::new(place.open(Arc::new(SystemClock)).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let lines = Arc::new(Mutex::new(Vec::new()));
    let say = {
        let (stop, lines, answered) = (stop.clone(), lines.clone(), AtomicUsize::new(0));
        move |line: String| {
            if line.starts_with("recorded") && answered.fetch_add(1, Ordering::Relaxed) > ANSWERED {
                stop.store(true, Ordering::Release);
            }
            lines.lock().unwrap().push(line);
        }
    };
    runtime().block_on(load(store.clone(), person, stop, Arc::new(say)));
    let lines = std::mem::take(&mut *lines.lock().unwrap());
    lines.iter().for_each(|line| hear(log, line));
    // Has the submissions copied to the archive.
    runtime().block_on(check(&*store, &mut log.clone()));
    Run(store)
}

fn copy_of(root: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(root, copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file of the folders with its bytes, but for what SQLite makes anew at each opening and for locks.
fn bytes_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut bytes = BTreeMap::new();
    for folder in [root.to_owned(), root.join("data")] {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            let is_passing = ["-shm", "lock", "reserve"]
                .iter()
                .any(|end| name.ends_with(end));
            if path.is_file() && !is_passing {
                let read = std::fs::read(&path).unwrap();
                if !(name.ends_with("-wal") && read.is_empty()) {
                    bytes.insert(path, read);
                }
            }
        }
    }
    bytes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    AllThere,
}

/// Starts on a folder and says what came of it. What is neither refused in words nor all there is a failure.
fn start(case: &str, root: &Path) -> Outcome {
    let before = bytes_of(root);
    let place = Place::at(root);
    match place.open(Arc::new(SystemClock)) {
        Ok(store) => {
            let mut log = copies().log.clone();
            println!("{case}: starts");
            runtime().block_on(check(&store, &mut log));
            Outcome::AllThere
        }
        Err(error) => {
            let told = error.to_string();
            assert!(
                matches!(error, StoreError::NotAsLeft { .. }),
                "{case}: refused as {error:?}"
            );
            assert!(told.contains("sistema-ts restore"), "{case}: {told}");
            assert!(
                before == bytes_of(root),
                "{case}: a refused start has changed a file"
            );
            Outcome::Refused
        }
    }
}

/// The files of an installation, as paths within it.
fn files_of(root: &Path) -> Vec<PathBuf> {
    let files = bytes_of(root).into_keys();
    files
        .map(|path| path.strip_prefix(root).unwrap().to_owned())
        .filter(|path| path.as_path() != Path::new("ring"))
        .collect()
}

/// Copies an installation, changes the copy and starts on it.
fn after(case: &str, original: &Path, change: impl FnOnce(&Path)) -> Outcome {
    let copy = copy_of(original);
    change(copy.path());
    start(case, copy.path())
}

fn is_log(file: &Path) -> bool {
    file.to_string_lossy().ends_with("-wal")
}

fn is_small(file: &Path) -> bool {
    ["inventory", "progress", "ring.epoch"]
        .iter()
        .any(|name| file.ends_with(name))
}

#[test]
fn a_folder_as_it_was_left_starts() {
    for (case, original) in [
        ("stopped", &copies().stopped),
        ("crashed", &copies().crashed),
    ] {
        assert_eq!(after(case, original.path(), |_| {}), Outcome::AllThere);
        // Twice: the first start leaves it in order.
        let copy = copy_of(original.path());
        assert_eq!(start(case, copy.path()), Outcome::AllThere);
        assert_eq!(start(case, copy.path()), Outcome::AllThere);
    }
}

#[test]
fn a_missing_or_cut_file_is_told() {
    for (state, original) in [
        ("stopped", &copies().stopped),
        ("crashed", &copies().crashed),
    ] {
        for file in files_of(original.path()) {
            let case = format!("{state}: {} missing", file.display());
            let outcome = after(&case, original.path(), |root| {
                std::fs::remove_file(root.join(&file)).unwrap();
            });
            // After a stop in order the note of the progress says nothing more.
            let needless = state == "stopped" && file.ends_with("progress");
            assert_eq!(outcome == Outcome::AllThere, needless, "{case}");
            let length = std::fs::metadata(original.path().join(&file))
                .unwrap()
                .len();
            let body_after_a_crash = state == "crashed" && !is_log(&file) && !is_small(&file);
            for cut in [0, length / 4, length / 2, length * 3 / 4, length - 1] {
                // See the head of this file.
                if body_after_a_crash && cut > 0 {
                    continue;
                }
                let case = format!("{state}: {} cut to {cut} of {length}", file.display());
                let outcome = after(&case, original.path(), |root| {
                    let file = std::fs::File::options().write(true).open(root.join(&file));
                    file.unwrap().set_len(cut).unwrap();
                });
                if state == "stopped" && !is_small(&file) {
                    assert_eq!(outcome, Outcome::Refused, "{case}");
                }
            }
        }
        let case = format!("{state}: without logs");
        let outcome = after(&case, original.path(), |root| {
            for file in files_of(root).iter().filter(|file| is_log(file)) {
                std::fs::remove_file(root.join(file)).unwrap();
            }
        });
        assert_eq!(outcome == Outcome::Refused, state == "crashed", "{case}");
    }
}

#[test]
fn a_changed_bit_is_told_or_makes_no_difference() {
    for (state, original) in [
        ("stopped", &copies().stopped),
        ("crashed", &copies().crashed),
    ] {
        for file in files_of(original.path()) {
            // See the head of this file.
            if state == "crashed" && !is_log(&file) && !is_small(&file) {
                continue;
            }
            let length = std::fs::metadata(original.path().join(&file))
                .unwrap()
                .len();
            for place in 0..12 {
                let byte = usize::try_from(length * (2 * place + 1) / 24).unwrap();
                let case = format!("{state}: {} changed at {byte} of {length}", file.display());
                let outcome = after(&case, original.path(), |root| {
                    let mut bytes = std::fs::read(root.join(&file)).unwrap();
                    bytes[byte] ^= 1 << (place % 8);
                    std::fs::write(root.join(&file), bytes).unwrap();
                });
                if state == "stopped" && !file.ends_with("progress") {
                    assert_eq!(outcome, Outcome::Refused, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_file_of_another_time_is_told() {
    let older = copies().older.path();
    for (state, original) in [
        ("stopped", &copies().stopped),
        ("crashed", &copies().crashed),
    ] {
        for file in files_of(older) {
            let case = format!("{state}: {} of the run before", file.display());
            let outcome = after(&case, original.path(), |root| {
                std::fs::copy(older.join(&file), root.join(&file)).unwrap();
                if !is_small(&file) {
                    let log = root.join(format!("{}-wal", file.display()));
                    std::fs::remove_file(log).unwrap_or_default();
                }
            });
            let needless = state == "stopped" && file.ends_with("progress");
            assert_eq!(outcome == Outcome::AllThere, needless, "{case}");
        }
        let crashed = copies().crashed.path();
        let logs: Vec<PathBuf> = files_of(crashed)
            .into_iter()
            .filter(|file| is_log(file))
            .collect();
        assert!(logs.len() >= 2, "{logs:?}");
        for log in &logs {
            for other in logs.iter().filter(|other| *other != log) {
                let case = format!("{state}: {} in place of {}", other.display(), log.display());
                let outcome = after(&case, original.path(), |root| {
                    std::fs::copy(crashed.join(other), root.join(log)).unwrap();
                });
                assert_eq!(outcome, Outcome::Refused, "{case}");
            }
        }
    }
}

#[test]
fn a_folder_from_a_backup_is_told_and_accepted_on_the_operators_word() {
    let older = copies().older.path();
    for (state, original) in [
        ("stopped", &copies().stopped),
        ("crashed", &copies().crashed),
    ] {
        for (what, folder) in [("data folder", true), ("key ring's folder", false)] {
            let copy = copy_of(original.path());
            if folder {
                std::fs::remove_dir_all(copy.path().join("data")).unwrap();
                copy_folder(&older.join("data"), &copy.path().join("data"));
            } else {
                std::fs::copy(older.join("ring"), copy.path().join("ring")).unwrap();
                std::fs::copy(older.join("ring.epoch"), copy.path().join("ring.epoch")).unwrap();
            }
            let case = format!("{state}: older {what}");
            assert_eq!(start(&case, copy.path()), Outcome::Refused, "{case}");
            let place = Place::at(copy.path());
            let at_rest = place.at_rest();
            let findings = at_rest.examine().unwrap();
            assert!(
                findings[0].contains("older than it should be"),
                "{findings:?}"
            );
            assert_eq!(at_rest.accept().unwrap(), findings);
            assert!(at_rest.examine().unwrap().is_empty());
            let store = place.open(Arc::new(SystemClock)).unwrap();
            if !folder {
                runtime().block_on(check(&store, &mut copies().log.clone()));
            }
            drop(store);
            assert!(place.open(Arc::new(SystemClock)).is_ok());
        }
    }
}

#[test]
fn lost_tests_are_accepted_on_the_operators_word_and_no_number_is_given_twice() {
    let copy = copy_of(copies().crashed.path());
    let place = Place::at(copy.path());
    for name in ["tests.db", "tests.db-wal"] {
        std::fs::remove_file(place.data().join(name)).unwrap();
    }
    assert_eq!(start("tests lost", copy.path()), Outcome::Refused);
    place.at_rest().accept().unwrap();
    // The patients of the lost tests stay where they are, and do not stand in the way of new ones.
    let mut log = Ledger::new();
    run(&place, 50_000, &mut log).close();
    let store = place.open(Arc::new(SystemClock)).unwrap();
    runtime().block_on(async {
        for (cun, said) in log.iter().filter(|(_, said)| said.recorded.is_some()) {
            let found = store.find_test(*cun).await.unwrap();
            assert!(found.is_some(), "{said:?}");
        }
    });
}

#[test]
fn an_empty_data_folder_beside_a_ring_that_was_used_is_told() {
    let copy = copy_of(copies().stopped.path());
    std::fs::remove_dir_all(copy.path().join("data")).unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    let refused = Place::at(copy.path()).open(Arc::new(SystemClock));
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("is it mounted"), "{told}");
}

#[test]
fn a_second_process_is_kept_out_though_the_lock_file_is_removed() {
    let place = Place::new();
    let store = place.open(Arc::new(SystemClock)).unwrap();
    for replaced in [false, true] {
        std::fs::remove_file(place.data().join("lock")).unwrap();
        if replaced {
            std::fs::write(place.data().join("lock"), "").unwrap();
        }
        let second = place.open(Arc::new(SystemClock));
        let told = second.unwrap_err().to_string();
        assert!(told.contains("another process"), "{told}");
    }
    drop(store);
    place.open(Arc::new(SystemClock)).unwrap();
}
