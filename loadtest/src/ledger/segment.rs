//! A stretch of the ledger's file, mapped: a write into it is in the file at once, whatever becomes of this process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr::NonNull;

use super::encoding::{HALF, RECORD};

/// Records of a segment: 4 MiB.
pub(super) const RECORDS: u64 = 65_536;
const BYTES: usize = RECORDS as usize * RECORD;
/// Bytes before the first record, one page: the header stands there.
pub(super) const HEADER: u64 = 4_096;

/// Where a record stands in the file.
pub(super) fn offset(record: u64) -> u64 {
    HEADER + record * RECORD as u64
}

/// One mapped segment.
pub(super) struct Segment {
    /// Its first record.
    first: u64,
    memory: NonNull<u8>,
}

// SAFETY: the mapping belongs to this value alone, wherever that goes.
unsafe impl Send for Segment {}

impl Segment {
    /// Makes room for the segment in the file and maps it. The room is taken from the disk here, so that a full disk is an error now
    /// and not the death of the process at a later write.
    pub(super) fn map(file: &File, first: u64) -> io::Result<Self> {
        let start = libc::off_t::try_from(offset(first)).map_err(io::Error::other)?;
        let descriptor = file.as_raw_fd();
        // SAFETY: a call on a descriptor that is open as long as `file` is borrowed.
        let refused = unsafe { libc::posix_fallocate(descriptor, start, BYTES as libc::off_t) };
        if refused != 0 {
            return Err(io::Error::from_raw_os_error(refused));
        }
        // SAFETY: a new mapping at an address of the kernel's choice, over bytes that the file has since the call above.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                descriptor,
                start,
            )
        };
        match NonNull::new(address.cast()) {
            Some(memory) if address != libc::MAP_FAILED => Ok(Self { first, memory }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Writes a half of a record; false if the record is of another segment.
    pub(super) fn write(&mut self, record: u64, second: bool, half: &[u8; HALF]) -> bool {
        let Some(index) = record
            .checked_sub(self.first)
            .filter(|index| *index < RECORDS)
        else {
            return false;
        };
        let at = index as usize * RECORD + if second { HALF } else { 0 };
        // SAFETY: `index` is below RECORDS, so the half lies within the BYTES that are mapped; `half` is of this process's own
        // memory, which a mapping of the kernel's choice does not overlap.
        unsafe { std::ptr::copy_nonoverlapping(half.as_ptr(), self.memory.as_ptr().add(at), HALF) };
        true
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the very mapping that `map` made, unmapped once.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), BYTES) };
    }
}
