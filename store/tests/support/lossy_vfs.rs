//! A disk that loses what was not synced: an SQLite VFS over the ordinary one.
//!
//! Everything is passed on to the ordinary VFS at once, so SQLite sees what it wrote. Beside it the disk notes, for each file,
//! every write and truncation since the file's last sync. [`LossyDisk::power_off`] makes every further call fail, as when the
//! machine is off; [`LossyDisk::restore_power`] then brings the files to what a real disk may hold after that: all that was
//! synced, and of the rest any part: some writes, none, or all, in the order of their addresses or not, the pieces of 512 bytes of
//! one write each on their own, and files that were never synced perhaps not at all. The shared memory of the WAL is gone.
//!
//! Not modelled: the loss of a deletion or of a rename, and neighbouring bytes of a torn piece (SQLite relies on their staying whole
//! by default). What the store does without SQLite (its lock file, syncs of its folder) goes past this disk.

#![allow(dead_code, clippy::unwrap_used)]

use rusqlite::ffi;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// What the disk does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mood {
    /// All is well.
    #[default]
    Well,
    /// The machine is off: every read, write and sync fails.
    Off,
    /// Writes that need more room fail.
    Full,
    /// Syncs fail.
    SyncFails,
    /// Reads fail.
    ReadFails,
}

#[derive(Clone)]
enum Change {
    Write {
        offset: u64,
        before: Vec<u8>,
        after: Vec<u8>,
    },
    Truncate {
        before: u64,
        after: u64,
        cut: Vec<u8>,
    },
}

#[derive(Default)]
struct FileChanges {
    /// Length when the first unsynced change was made.
    synced_length: Option<u64>,
    changes: Vec<Change>,
    /// The file was made and never synced.
    is_new: bool,
}

#[derive(Default)]
struct State {
    mood: Mood,
    /// Syncs are answered without being done: a disk, or a setting, that lies.
    syncs_are_lies: bool,
    /// Writes and syncs until the machine goes off by itself.
    calls_left: Option<u64>,
    files: HashMap<PathBuf, FileChanges>,
    writes: u64,
    syncs: u64,
}

impl State {
    /// Counts one write or sync, and answers whether the machine is still on for it.
    fn count(&mut self) -> bool {
        if let Some(left) = &mut self.calls_left {
            if *left == 0 {
                self.mood = Mood::Off;
            } else {
                *left -= 1;
            }
        }
        self.mood != Mood::Off
    }
}

/// The disk. Open databases through the VFS named [`LossyDisk::vfs`].
#[derive(Clone)]
pub struct LossyDisk {
    state: Arc<Mutex<State>>,
    name: String,
}

impl LossyDisk {
    /// A new disk that loses nothing yet.
    pub fn new() -> LossyDisk {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "lossy-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let disk = LossyDisk {
            state: Arc::default(),
            name,
        };
        register(&disk);
        disk
    }

    /// The name of its VFS.
    pub fn vfs(&self) -> &str {
        &self.name
    }

    /// From now on.
    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Whether the machine is off.
    pub fn is_off(&self) -> bool {
        self.state.lock().unwrap().mood == Mood::Off
    }

    /// From now on syncs are answered and not done.
    pub fn lie_about_syncs(&self) {
        self.state.lock().unwrap().syncs_are_lies = true;
    }

    /// The machine goes off at once.
    pub fn power_off(&self) {
        self.set_mood(Mood::Off);
    }

    /// The machine goes off after so many more writes and syncs.
    pub fn power_off_after(&self, calls: u64) {
        self.state.lock().unwrap().calls_left = Some(calls);
    }

    /// Writes and syncs so far.
    pub fn calls(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.writes, state.syncs)
    }

    /// Brings the files to what may be on the disk after the power was off, as `random` decides, and switches it on. Every database
    /// must be closed. Returns how many unsynced changes were lost, in whole or in part.
    pub fn restore_power(&self, mut random: impl FnMut() -> u64) -> usize {
        let mut state = self.state.lock().unwrap();
        let mut lost = 0;
        for (path, file) in state.files.drain() {
            if !path.exists() {
                continue;
            }
            if file.is_new && random().is_multiple_of(2) {
                lost += file.changes.len();
                std::fs::remove_file(&path).unwrap();
                continue;
            }
            lost += rewind(&path, &file, &mut random);
        }
        state.mood = Mood::Well;
        state.calls_left = None;
        lost
    }
}

/// Undoes what was not synced, then does a random part of it.
fn rewind(path: &Path, changes: &FileChanges, random: &mut impl FnMut() -> u64) -> usize {
    let Some(synced_length) = changes.synced_length else {
        return 0;
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    for change in changes.changes.iter().rev() {
        match change {
            Change::Write { offset, before, .. } => file.write_all_at(before, *offset).unwrap(),
            Change::Truncate { before, after, cut } => {
                file.set_len(*before).unwrap();
                file.write_all_at(cut, *after).unwrap();
            }
        }
    }
    file.set_len(synced_length).unwrap();
    // Of one loss everything may come through, of another nothing; of most, some.
    let share = [0, 0, 128, 230, 256][(random() % 5) as usize];
    let mut lost = 0;
    for change in &changes.changes {
        match change {
            Change::Write { offset, after, .. } => {
                let mut whole = true;
                for (index, sector) in after.chunks(SECTOR).enumerate() {
                    if random() % 256 < share {
                        file.write_all_at(sector, offset + (index * SECTOR) as u64)
                            .unwrap();
                    } else {
                        whole = false;
                    }
                }
                lost += usize::from(!whole);
            }
            Change::Truncate { after, .. } => {
                if random() % 256 < share {
                    file.set_len(*after).unwrap();
                } else {
                    lost += 1;
                }
            }
        }
    }
    lost
}

/// Removes the shared memory of WALs in a folder: it does not outlive the machine.
pub fn forget_shared_memory(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().is_some_and(|path| path.ends_with("-shm")) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// An open file: SQLite's own part first, the ordinary VFS's file right behind it.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    /// `None` for temporary files, which no power loss matters to.
    journal: *mut Journal,
}

struct Journal {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    /// For the content before a write. (Closing it drops the process's locks on the file, which no other process asks for here.)
    reader: File,
}

const OPEN_FILE_BYTES: usize = size_of::<OpenFile>().next_multiple_of(16);

/// The ordinary VFS's file behind ours.
///
/// # Safety
///
/// `file` is a file that `x_open` was given.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` made room for both.
    unsafe { file.cast::<u8>().add(OPEN_FILE_BYTES).cast() }
}

/// # Safety
///
/// As [`inner`].
unsafe fn journal<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Journal> {
    // SAFETY: `x_open` wrote the field, `x_close` frees what it points to.
    unsafe { (*file.cast::<OpenFile>()).journal.as_ref() }
}

/// Calls a method of the ordinary VFS's file.
macro_rules! pass_on {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: the inner file is open for as long as ours, and has every method of version 2.
        unsafe {
            let file = inner($file);
            match (*(*file).pMethods).$method {
                Some(method) => method(file $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: closed once, by SQLite.
    unsafe {
        let open = file.cast::<OpenFile>();
        if !(*open).journal.is_null() {
            drop(Box::from_raw((*open).journal));
            (*open).journal = std::ptr::null_mut();
        }
    }
    pass_on!(file, xClose)
}

unsafe extern "C" fn x_read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite's file.
    if let Some(journal) = unsafe { journal(file) } {
        let mood = journal.state.lock().unwrap().mood;
        if matches!(mood, Mood::Off | Mood::ReadFails) {
            return ffi::SQLITE_IOERR_READ;
        }
    }
    pass_on!(file, xRead, buffer, length, offset)
}

unsafe extern "C" fn x_write(
    file: *mut ffi::sqlite3_file,
    buffer: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite's file.
    let Some(journal) = (unsafe { journal(file) }) else {
        return pass_on!(file, xWrite, buffer, length, offset);
    };
    // SAFETY: SQLite hands over `length` bytes.
    let after = unsafe {
        std::slice::from_raw_parts(buffer.cast::<u8>(), usize::try_from(length).unwrap())
    };
    let offset_bytes = u64::try_from(offset).unwrap();
    let file_length = journal.reader.metadata().unwrap().len();
    let mut state = journal.state.lock().unwrap();
    if !state.count() {
        return ffi::SQLITE_IOERR_WRITE;
    }
    if state.mood == Mood::Full && offset_bytes + after.len() as u64 > file_length {
        return ffi::SQLITE_FULL;
    }
    state.writes += 1;
    let present = file_length
        .saturating_sub(offset_bytes)
        .min(after.len() as u64);
    let mut before = vec![0; usize::try_from(present).unwrap()];
    journal
        .reader
        .read_exact_at(&mut before, offset_bytes)
        .unwrap();
    let changes = state.files.entry(journal.path.clone()).or_default();
    changes.synced_length.get_or_insert(file_length);
    changes.changes.push(Change::Write {
        offset: offset_bytes,
        before,
        after: after.to_vec(),
    });
    // Within the lock: the order of the journal is that of the file.
    pass_on!(file, xWrite, buffer, length, offset)
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite's file.
    let Some(journal) = (unsafe { journal(file) }) else {
        return pass_on!(file, xTruncate, length);
    };
    let before = journal.reader.metadata().unwrap().len();
    let mut state = journal.state.lock().unwrap();
    if !state.count() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let after = u64::try_from(length).unwrap();
    let changes = state.files.entry(journal.path.clone()).or_default();
    changes.synced_length.get_or_insert(before);
    // What is cut off must be there again if the truncation is lost.
    let mut cut = vec![0; usize::try_from(before.saturating_sub(after)).unwrap()];
    journal.reader.read_exact_at(&mut cut, after).unwrap();
    changes
        .changes
        .push(Change::Truncate { before, after, cut });
    pass_on!(file, xTruncate, length)
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite's file.
    let Some(journal) = (unsafe { journal(file) }) else {
        return pass_on!(file, xSync, flags);
    };
    let mut state = journal.state.lock().unwrap();
    if !state.count() || state.mood == Mood::SyncFails {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    state.syncs += 1;
    if !state.syncs_are_lies {
        state.files.remove(&journal.path);
    }
    // The bytes are with the system, which does not go down in this test: no real sync is needed.
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    pass_on!(file, xFileSize, size)
}

unsafe extern "C" fn x_lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass_on!(file, xLock, level)
}

unsafe extern "C" fn x_unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    pass_on!(file, xUnlock, level)
}

unsafe extern "C" fn x_check_reserved_lock(
    file: *mut ffi::sqlite3_file,
    result: *mut c_int,
) -> c_int {
    pass_on!(file, xCheckReservedLock, result)
}

unsafe extern "C" fn x_file_control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    // The ordinary VFS would make the file larger by itself, past the journal.
    if matches!(
        operation,
        ffi::SQLITE_FCNTL_SIZE_HINT | ffi::SQLITE_FCNTL_CHUNK_SIZE
    ) {
        return ffi::SQLITE_OK;
    }
    pass_on!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn x_sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    pass_on!(file, xSectorSize)
}

unsafe extern "C" fn x_device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    pass_on!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn x_shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    at: *mut *mut c_void,
) -> c_int {
    pass_on!(file, xShmMap, region, size, extend, at)
}

unsafe extern "C" fn x_shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    pass_on!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn x_shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as in `pass_on`; this method answers nothing.
    unsafe {
        let file = inner(file);
        if let Some(method) = (*(*file).pMethods).xShmBarrier {
            method(file);
        }
    }
}

unsafe extern "C" fn x_shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    pass_on!(file, xShmUnmap, delete)
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // No mapped reads and writes (version 3): they would go past the journal.
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// What the VFS's `pAppData` points to; never freed, as SQLite's list of VFSes is not.
struct Registered {
    ordinary: *mut ffi::sqlite3_vfs,
    state: Arc<Mutex<State>>,
}

/// # Safety
///
/// `vfs` is one that [`register`] made.
unsafe fn registered<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Registered {
    // SAFETY: leaked there.
    unsafe { &*(*vfs).pAppData.cast::<Registered>() }
}

unsafe extern "C" fn x_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives a block of `szOsFile` bytes and a path that outlives the file.
    unsafe {
        let open = file.cast::<OpenFile>();
        (*open).base.pMethods = std::ptr::null();
        (*open).journal = std::ptr::null_mut();
        let registered = registered(vfs);
        let path = (!name.is_null()).then(|| PathBuf::from(CStr::from_ptr(name).to_str().unwrap()));
        let is_new = path.as_ref().is_some_and(|path| !path.exists());
        if registered.state.lock().unwrap().mood == Mood::Off {
            return ffi::SQLITE_CANTOPEN;
        }
        let Some(ordinary_open) = (*registered.ordinary).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let result = ordinary_open(registered.ordinary, name, inner(file), flags, out_flags);
        if !(*inner(file)).pMethods.is_null() {
            (*open).base.pMethods = &METHODS;
        }
        if result != ffi::SQLITE_OK {
            return result;
        }
        if let Some(path) = path {
            let mut state = registered.state.lock().unwrap();
            if is_new {
                let changes = state.files.entry(path.clone()).or_default();
                changes.is_new = true;
                changes.synced_length = Some(0);
            }
            let reader = File::open(&path).unwrap();
            (*open).journal = Box::into_raw(Box::new(Journal {
                state: registered.state.clone(),
                path,
                reader,
            }));
        }
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn x_delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let registered = registered(vfs);
        let mut state = registered.state.lock().unwrap();
        if state.mood == Mood::Off {
            return ffi::SQLITE_IOERR_DELETE;
        }
        state
            .files
            .remove(Path::new(CStr::from_ptr(name).to_str().unwrap()));
        match (*registered.ordinary).xDelete {
            Some(method) => method(registered.ordinary, name, sync_folder),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

unsafe extern "C" fn x_access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xAccess
            .map_or(ffi::SQLITE_IOERR_ACCESS, |method| {
                method(ordinary, name, flags, result)
            })
    }
}

unsafe extern "C" fn x_full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xFullPathname
            .map_or(ffi::SQLITE_CANTOPEN, |method| {
                method(ordinary, name, length, out)
            })
    }
}

unsafe extern "C" fn x_randomness(
    vfs: *mut ffi::sqlite3_vfs,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xRandomness
            .map_or(0, |method| method(ordinary, length, out))
    }
}

unsafe extern "C" fn x_sleep(vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xSleep
            .map_or(0, |method| method(ordinary, microseconds))
    }
}

unsafe extern "C" fn x_current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xCurrentTime
            .map_or(ffi::SQLITE_ERROR, |method| method(ordinary, out))
    }
}

unsafe extern "C" fn x_current_time_int64(vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xCurrentTimeInt64
            .map_or(ffi::SQLITE_ERROR, |method| method(ordinary, out))
    }
}

unsafe extern "C" fn x_get_last_error(
    vfs: *mut ffi::sqlite3_vfs,
    length: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: as in `x_open`.
    unsafe {
        let ordinary = registered(vfs).ordinary;
        (*ordinary)
            .xGetLastError
            .map_or(0, |method| method(ordinary, length, out))
    }
}

fn register(disk: &LossyDisk) {
    // SAFETY: the ordinary VFS is there for good; ours, its name and its data are leaked, so they are as well.
    unsafe {
        let ordinary = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!ordinary.is_null(), "SQLite has a VFS");
        let registered = Box::leak(Box::new(Registered {
            ordinary,
            state: disk.state.clone(),
        }));
        let name = CString::new(disk.name.as_str()).unwrap().into_raw();
        let mut vfs: ffi::sqlite3_vfs = std::mem::zeroed();
        vfs.iVersion = 2;
        vfs.szOsFile = c_int::try_from(OPEN_FILE_BYTES).unwrap() + (*ordinary).szOsFile;
        vfs.mxPathname = (*ordinary).mxPathname;
        vfs.zName = name;
        vfs.pAppData = std::ptr::from_mut(registered).cast();
        vfs.xOpen = Some(x_open);
        vfs.xDelete = Some(x_delete);
        vfs.xAccess = Some(x_access);
        vfs.xFullPathname = Some(x_full_pathname);
        vfs.xRandomness = Some(x_randomness);
        vfs.xSleep = Some(x_sleep);
        vfs.xCurrentTime = Some(x_current_time);
        vfs.xCurrentTimeInt64 = Some(x_current_time_int64);
        vfs.xGetLastError = Some(x_get_last_error);
        assert_eq!(
            ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0),
            ffi::SQLITE_OK
        );
    }
}
