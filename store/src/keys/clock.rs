//! Whether the kernel believes its own clock.

/// Whether the kernel says that its clock is synchronised (by NTP or the like). Says no when it cannot tell.
#[cfg(target_os = "linux")]
pub fn kernel_clock_is_synchronised() -> bool {
    // SAFETY: all-zero is a valid `timex` (it holds integers only), and `modes == 0` makes the call read-only.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, writable `timex`.
    let state = unsafe { libc::adjtimex(&mut timex) };
    state >= 0 && state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0
}

/// Whether the kernel says that its clock is synchronised: not known here, so no.
#[cfg(not(target_os = "linux"))]
pub fn kernel_clock_is_synchronised() -> bool {
    false
}
