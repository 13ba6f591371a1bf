//! A timer that wakes the thread that polls, to some tens of microseconds: the timeout of a poll is in whole milliseconds.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// A timer of the kernel whose expiry is an event.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// One that is not set; `token` names it in events.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        // SAFETY: plain system call.
        let descriptor = unsafe {
            libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_NONBLOCK | libc::TFD_CLOEXEC,
            )
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        registry.register(
            &mut SourceFd(&descriptor.as_raw_fd()),
            token,
            Interest::READABLE,
        )?;
        Ok(Self(descriptor))
    }

    /// Sets it once more, whether it had expired or not; at least a nanosecond ahead, since zero would stop it.
    pub fn set(&self, ahead: Duration) -> io::Result<()> {
        let ahead = ahead.max(Duration::from_nanos(1));
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = libc::itimerspec {
            it_interval: zero,
            it_value: libc::timespec {
                tv_sec: libc::time_t::try_from(ahead.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: libc::c_long::from(ahead.subsec_nanos().cast_signed()),
            },
        };
        // SAFETY: `value` is valid, the old value is not asked for.
        let result =
            unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &value, std::ptr::null_mut()) };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}
