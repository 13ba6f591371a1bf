//! The lossy disk, tried on SQLite alone. Failure: SQLite with synced commits loses one or is damaged (then the disk is wrong, since
//! SQLite is not), or it loses nothing where it must: with syncs switched off, or with a disk that lies about them.

#![allow(clippy::unwrap_used)]

mod support;

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use support::lossy_disk::{LossyDisk, Mood, forget_shared_memory};

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

fn open(path: &Path, disk: &LossyDisk, synchronous: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags_and_vfs(path, flags, disk.vfs())?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 20)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS number (number INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT")?;
    Ok(connection)
}

/// Writes until the machine goes off, and returns the numbers whose commit was answered.
fn write(path: &Path, disk: &LossyDisk, synchronous: &str, from: i64) -> rusqlite::Result<i64> {
    let mut committed = from;
    let connection = open(path, disk, synchronous)?;
    while connection
        .execute(
            "INSERT INTO number VALUES (?1, zeroblob(700))",
            [committed + 1],
        )
        .is_ok()
    {
        committed += 1;
    }
    Ok(committed)
}

/// Rounds of writing and power loss; returns how many answered numbers were lost, and whether the file was damaged. Panics if the disk
/// never lost an unsynced change.
fn rounds(count: u64, synchronous: &str, lies: bool) -> (i64, bool) {
    let (mut lost, mut damaged, mut changes_lost) = (0, false, 0);
    for round in 0..count {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.db");
        let mut seed = round;
        let mut committed = 0;
        let disk = LossyDisk::new();
        if lies {
            disk.lie_about_syncs();
        }
        for _ in 0..4 {
            disk.power_off_after(random(&mut seed) % 400);
            // Opening may be cut short as well.
            let _ =
                write(&path, &disk, synchronous, committed).map(|answered| committed = answered);
            assert!(disk.is_off());
            changes_lost += disk.restore_power(|| random(&mut seed));
            forget_shared_memory(folder.path());
            let Ok(connection) = open(&path, &disk, synchronous) else {
                damaged = true;
                break;
            };
            let check: String = connection
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .unwrap_or_default();
            damaged |= check != "ok";
            let found: i64 = connection
                .query_row(
                    "SELECT count(*) FROM number WHERE number <= ?1",
                    [committed],
                    |row| row.get(0),
                )
                .unwrap_or(0);
            lost += committed - found;
            let highest: i64 = connection
                .query_row("SELECT coalesce(max(number), 0) FROM number", [], |row| {
                    row.get(0)
                })
                .unwrap_or(0);
            committed = committed.max(highest);
            if lost > 0 || damaged {
                break;
            }
        }
    }
    assert!(changes_lost > 0, "the power was never off at a bad moment");
    (lost, damaged)
}

#[test]
fn synced_commits_survive_a_loss_of_power() {
    assert_eq!(rounds(60, "full", false), (0, false));
}

#[test]
fn commits_without_syncs_are_lost_with_the_power() {
    let (lost, damaged) = rounds(20, "off", false);
    assert!(lost > 0 || damaged, "this disk loses nothing");
}

#[test]
fn commits_on_a_lying_disk_are_lost_with_the_power() {
    let (lost, damaged) = rounds(20, "full", true);
    assert!(lost > 0 || damaged, "this disk loses nothing");
}

#[test]
fn each_kind_of_trouble_is_an_error_while_it_lasts_and_none_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.db");
    let disk = LossyDisk::new();
    let connection = open(&path, &disk, "full").unwrap();
    let insert = || connection.execute("INSERT INTO number (content) VALUES (zeroblob(9000))", []);
    insert().unwrap();
    for (mood, expected) in [
        (Mood::Full, rusqlite::ffi::SQLITE_FULL),
        (Mood::SyncFails, rusqlite::ffi::SQLITE_IOERR_FSYNC),
        (Mood::Off, rusqlite::ffi::SQLITE_IOERR_WRITE),
    ] {
        disk.set_mood(mood);
        let error = insert().unwrap_err().sqlite_error().unwrap().extended_code;
        assert_eq!(error, expected, "{mood:?}");
        disk.set_mood(Mood::Well);
        insert().unwrap();
    }
    let reader = open(&path, &disk, "full").unwrap();
    disk.set_mood(Mood::ReadFails);
    let error = reader
        .query_row("SELECT sum(length(content)) FROM number", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap_err();
    assert_eq!(
        error.sqlite_error().unwrap().extended_code,
        rusqlite::ffi::SQLITE_IOERR_READ
    );
}
