//! The VFS of a [lossy disk](super::lossy_disk): SQLite's calls, noted there and passed on to the ordinary VFS.

#![allow(dead_code, clippy::unwrap_used)]

use rusqlite::ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::lossy_disk::{Change, Mood, State};

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
    if state.is_full_for(&journal.path) && offset_bytes + after.len() as u64 > file_length {
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

/// Makes a disk's VFS known to SQLite, under this name.
pub(super) fn register(name: &str, state: &Arc<Mutex<State>>) {
    // SAFETY: the ordinary VFS is there for good; ours, its name and its data are leaked, so they are as well.
    unsafe {
        let ordinary = ffi::sqlite3_vfs_find(std::ptr::null());
        assert!(!ordinary.is_null(), "SQLite has a VFS");
        let registered = Box::leak(Box::new(Registered {
            ordinary,
            state: state.clone(),
        }));
        let name = CString::new(name).unwrap().into_raw();
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
