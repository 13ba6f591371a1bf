//! The way of a line from whoever logs it to standard error: a bounded queue, and a thread of its own that alone ever waits for the reader.
//!
//! A pipe that nobody reads and a full disk cost lines of the log and nothing else. What is lost is counted, and told in the log as soon as
//! it can be written again.
//!
//! `tracing-appender` has such a queue too. It tells nobody of lines that could not be written, says nothing when writing works again, and waits
//! for its thread without being told how long; so the queue is ours.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

use super::line::Line;
use crate::config::LogFormat;

/// Lines that may wait: seconds of what all budgets together let through, and some megabytes at most.
const QUEUE: usize = 2_048;

/// How often a log that could not be written is tried again to tell what was lost, when no other line comes.
const RETRY: Duration = Duration::from_secs(1);

/// Where lines go.
pub(super) struct Output {
    lines: SyncSender<Vec<u8>>,
    progress: Arc<Progress>,
}

/// What the writing thread and those who give it lines know of each other.
#[derive(Default)]
struct Progress {
    /// Lines given, whatever became of them.
    given: AtomicU64,
    /// Lines of those that are written or lost.
    done: AtomicU64,
    /// Lines lost since that was last told.
    lost: Lost,
    /// Threads that wait for `done` to grow.
    waiting: AtomicUsize,
    /// Whether somebody has waited in vain since a line was last written.
    stuck: AtomicBool,
    lock: Mutex<()>,
    moved: Condvar,
}

/// Lines lost, by reason.
#[derive(Default)]
struct Lost {
    queue_full: AtomicU64,
    write_failed: AtomicU64,
}

impl Lost {
    fn add(&self, reason: &'static str, count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("sistema_ts_log_lines_lost_total", "reason" => reason).increment(1);
    }

    fn for_a_full_queue(&self) {
        self.add("queue-full", &self.queue_full);
    }

    fn for_a_failed_write(&self) {
        self.add("write-failed", &self.write_failed);
    }

    fn any(&self) -> bool {
        self.queue_full.load(Ordering::Relaxed) + self.write_failed.load(Ordering::Relaxed) > 0
    }
}

impl Output {
    /// Starts the thread that writes to `sink`.
    ///
    /// # Errors
    /// What the system says when it gives no thread.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        format: LogFormat,
    ) -> io::Result<Output> {
        Self::start_with(QUEUE, RETRY, sink, format)
    }

    fn start_with(
        queue: usize,
        retry: Duration,
        sink: impl Write + Send + 'static,
        format: LogFormat,
    ) -> io::Result<Output> {
        let (lines, waiting) = sync_channel(queue);
        let progress = Arc::new(Progress::default());
        let mut writer = Writer {
            sink,
            format,
            retry,
            progress: Arc::clone(&progress),
            within_a_line: false,
        };
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run(&waiting))?;
        Ok(Output { lines, progress })
    }

    /// Hands a line over. Never waits: a line that finds the queue full is lost, and counted.
    pub(super) fn write(&self, line: Vec<u8>) {
        self.progress.given.fetch_add(1, Ordering::SeqCst);
        if self.lines.try_send(line).is_err() {
            self.progress.lost.for_a_full_queue();
            self.progress.line_done();
        }
    }

    /// Waits until all lines given before are written or lost, for `longest` at most, and no time at all if somebody has waited in vain since a
    /// line was last written. Whether they are.
    pub(super) fn flush(&self, longest: Duration) -> bool {
        let progress = &*self.progress;
        let given = progress.given.load(Ordering::SeqCst);
        let is_done = || progress.done.load(Ordering::SeqCst) >= given;
        if progress.stuck.load(Ordering::SeqCst) {
            return is_done();
        }
        let deadline = Instant::now() + longest;
        progress.waiting.fetch_add(1, Ordering::SeqCst);
        let mut held = progress.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_done() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                progress.stuck.store(true, Ordering::SeqCst);
                break;
            }
            held = progress
                .moved
                .wait_timeout(held, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(held);
        progress.waiting.fetch_sub(1, Ordering::SeqCst);
        is_done()
    }
}

impl Progress {
    fn line_done(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.moved.notify_all();
        }
    }
}

struct Writer<W> {
    sink: W,
    format: LogFormat,
    retry: Duration,
    progress: Arc<Progress>,
    /// Whether the last write failed within a line.
    within_a_line: bool,
}

impl<W: Write> Writer<W> {
    fn run(&mut self, waiting: &Receiver<Vec<u8>>) {
        loop {
            match waiting.recv_timeout(self.retry) {
                Ok(line) => {
                    let written = self.tell_of_lost_lines() && self.put(&line).is_ok();
                    if written {
                        self.progress.stuck.store(false, Ordering::SeqCst);
                    } else {
                        self.progress.lost.for_a_failed_write();
                    }
                    self.progress.line_done();
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.tell_of_lost_lines();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Says how many lines were lost, if any were. Whether lines can be written, as far as is known.
    fn tell_of_lost_lines(&mut self) -> bool {
        let lost = &self.progress.lost;
        if !lost.any() {
            return true;
        }
        let queue_full = lost.queue_full.swap(0, Ordering::Relaxed);
        let write_failed = lost.write_failed.swap(0, Ordering::Relaxed);
        let line = Line::new(Level::WARN, "sistema_ts::telemetry")
            .message(&"lines of the log were lost: nobody read it, or it could not be written")
            .count("queue_full", queue_full)
            .count("write_failed", write_failed)
            .render(self.format);
        let told = self.put(&line).is_ok();
        if !told {
            let lost = &self.progress.lost;
            lost.queue_full.fetch_add(queue_full, Ordering::Relaxed);
            lost.write_failed.fetch_add(write_failed, Ordering::Relaxed);
        }
        told
    }

    /// Writes a whole line. The part of one that failed before is ended first.
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        if self.within_a_line {
            self.put_all(b"\n")?;
            self.within_a_line = false;
        }
        self.put_all(line)
    }

    fn put_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut begun = false;
        while !bytes.is_empty() {
            match self.sink.write(bytes) {
                Ok(0) => {
                    self.within_a_line |= begun;
                    return Err(ErrorKind::WriteZero.into());
                }
                Ok(written) => {
                    begun = true;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.within_a_line |= begun;
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Standard error without the lock that the standard library puts around it: whoever prints there by other means waits for no stuck write of ours.
pub(super) struct StandardError(std::fs::File);

impl StandardError {
    /// # Errors
    /// When the system gives no further descriptor.
    pub(super) fn open() -> io::Result<Self> {
        use std::os::fd::AsFd as _;
        let descriptor = io::stderr().as_fd().try_clone_to_owned()?;
        Ok(Self(descriptor.into()))
    }
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                // Another process may have set the pipe, which it shares with us, not to block.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_for_room()?,
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StandardError {
    fn wait_for_room(&self) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let mut descriptor = libc::pollfd {
            fd: self.0.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: the pointer leads to one live entry, and the call is told that it is one.
        match unsafe { libc::poll(&raw mut descriptor, 1, -1) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
