//! CPU time of this process and of the server.

use std::time::Duration;

/// User and system time of this process.
pub fn own() -> Duration {
    cpu_of(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// User and system time of the calling thread.
pub fn thread_cpu() -> Duration {
    cpu_of(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn cpu_of(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid and writable; both clocks exist on every Linux.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    if result != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn of_ticks(ticks: u64) -> Option<Duration> {
    // SAFETY: plain system call.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let per_second = u64::try_from(per_second).ok().filter(|ticks| *ticks > 0)?;
    Some(Duration::from_nanos(ticks * 1_000_000_000 / per_second))
}

/// How long the machine's cores have been idle, all together; `None` where it is not told. In steps of the kernel's clock tick.
pub fn machine_idle() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    // Of all cores: user, nice, system, idle, waiting for input and output.
    let all = stat.lines().next()?.strip_prefix("cpu ")?;
    let mut fields = all.split_ascii_whitespace().skip(3);
    let mut next = || fields.next()?.parse::<u64>().ok();
    of_ticks(next()? + next()?)
}

/// Another process, by its number.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pid: u32,
}

impl Process {
    /// The process `pid`, if it is there.
    pub fn find(pid: u32) -> Option<Self> {
        let process = Self { pid };
        process.cpu().map(|_| process)
    }

    /// User and system time of all its threads, also those that have ended; `None` if it is gone. In steps of the
    /// kernel's clock tick, usually 10 ms.
    pub fn cpu(self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name in parentheses may hold blanks and parentheses: fields are counted from the last.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        if matches!(fields.first(), Some(&"Z" | &"X")) {
            return None;
        }
        of_ticks(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    }

    /// Resident and peak resident memory in KiB.
    pub fn memory_kib(self) -> Option<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse().ok()
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn this_process_is_seen_alike_from_within_and_from_without() {
        let started = own();
        let mut sum = 0_u64;
        while own() - started < Duration::from_millis(200) {
            sum = std::hint::black_box(sum + 1);
        }
        let without = Process::find(std::process::id()).unwrap().cpu().unwrap();
        let within = own();
        let apart = without.abs_diff(within);
        assert!(
            apart < Duration::from_millis(100),
            "{without:?} and {within:?}"
        );
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        assert!(Process::find(u32::MAX).is_none());
    }
}
