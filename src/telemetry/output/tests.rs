//! A failure means that a log which nobody reads, or which cannot be written, stops whoever logs, or that lines are lost without a word.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc::{Sender, channel};

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// What a test lets the sink do with each write.
enum Step {
    Take,
    TakePart(usize),
    Fail,
}

/// Waits at each write for the test's word, and shows what it took. Without a test it takes everything.
struct Reader {
    steps: Receiver<Step>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match self.steps.recv() {
            Ok(Step::Fail) => return Err(ErrorKind::StorageFull.into()),
            Ok(Step::TakePart(part)) => part,
            Ok(Step::Take) | Err(_) => bytes.len(),
        };
        self.written
            .lock()
            .unwrap()
            .extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log {
    output: Output,
    steps: Sender<Step>,
    written: Arc<Mutex<Vec<u8>>>,
}

fn log(queue: usize) -> Log {
    log_with(queue, LONG)
}

fn log_with(queue: usize, retry: Duration) -> Log {
    let (steps, waiting) = channel();
    let written: Arc<Mutex<Vec<u8>>> = Arc::default();
    let sink = Reader {
        steps: waiting,
        written: Arc::clone(&written),
    };
    Log {
        output: Output::start_with(queue, retry, sink, LogFormat::Json).unwrap(),
        steps,
        written,
    }
}

impl Log {
    fn write(&self, line: &str) {
        self.output.write(format!("{line}\n").into_bytes());
    }

    fn lines(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        let text = String::from_utf8(written.clone()).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// From now on everything is taken; what had waited is written when this returns.
    fn read_away(self) -> (Output, Arc<Mutex<Vec<u8>>>) {
        let Log {
            output,
            steps,
            written,
        } = self;
        drop(steps);
        output.progress.stuck.store(false, Ordering::SeqCst);
        assert!(output.flush(LONG));
        (output, written)
    }
}

fn text(written: &Mutex<Vec<u8>>) -> String {
    String::from_utf8(written.lock().unwrap().clone()).unwrap()
}

#[test]
fn lines_come_out_in_order_and_a_flush_waits_for_them() {
    let log = log(8);
    for step in 0..3 {
        log.steps.send(Step::Take).unwrap();
        log.write(&step.to_string());
    }
    assert!(log.output.flush(LONG));
    assert_eq!(log.lines(), ["0", "1", "2"]);
}

#[test]
fn nobody_waits_for_a_log_that_is_not_read_and_the_loss_is_told_when_it_is() {
    let log = log(4);
    // One may be with the thread already, four wait, the others are lost.
    for line in 0..1_000 {
        log.write(&line.to_string());
    }
    let began = Instant::now();
    assert!(!log.output.flush(Duration::from_millis(20)));
    assert!(!log.output.flush(LONG), "a second one does not wait at all");
    assert!(began.elapsed() < LONG);
    let (output, written) = log.read_away();
    output.write(b"after\n".to_vec());
    assert!(output.flush(LONG));
    let text = text(&written);
    let told: u64 = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| line["queue_full"].as_u64())
        .sum();
    let others = text
        .lines()
        .filter(|line| !line.contains("queue_full"))
        .count() as u64;
    assert_eq!(told + others, 1_001, "{text}");
    assert!((4..=6).contains(&others), "{text}");
    assert!(text.ends_with("after\n"), "{text}");
}

#[test]
fn lines_that_a_full_disk_refuses_are_counted_and_told_when_there_is_room() {
    let log = log(8);
    for line in ["one", "two", "three"] {
        log.steps.send(Step::Fail).unwrap();
        log.write(line);
        assert!(
            log.output.flush(LONG),
            "a failed line does not stay in the queue"
        );
    }
    let (_output, written) = {
        log.write("four");
        log.read_away()
    };
    let text = text(&written);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("\"write_failed\":3"), "{text}");
    assert_eq!(lines[1], "four");
}

#[test]
fn the_loss_is_told_without_another_line_to_write() {
    let log = log_with(8, Duration::from_millis(5));
    log.steps.send(Step::Fail).unwrap();
    log.write("lost");
    assert!(log.output.flush(LONG));
    drop(log.steps);
    let deadline = Instant::now() + LONG;
    while text(&log.written).is_empty() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(text(&log.written).contains("\"write_failed\":1"));
}

#[test]
fn a_line_that_was_cut_by_a_full_disk_is_ended_before_the_next() {
    let log = log(8);
    log.steps.send(Step::TakePart(3)).unwrap();
    log.steps.send(Step::Fail).unwrap();
    log.write("a long line");
    assert!(log.output.flush(LONG));
    log.write("whole");
    let (_output, written) = log.read_away();
    let text = text(&written);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!((lines[0], lines[2]), ("a l", "whole"), "{text}");
}
