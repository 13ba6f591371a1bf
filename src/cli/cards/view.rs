//! What is seen of an import: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sistema_ts_store::cards::ImportProgress;

/// Bad lines that are told one by one.
const TOLD: u64 = 20;

pub(super) struct View {
    bar: ProgressBar,
    length: u64,
    is_terminal: bool,
    tenths: u64,
}

impl View {
    /// Of a source of so many bytes, of which a part may be done with already.
    pub(super) fn new(length: u64, progress: ImportProgress) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target = match is_terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        // The template is a constant; a wrong one would leave the plain bar.
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {eta} left")
        {
            bar.set_style(style);
        }
        bar.set_position(progress.offset);
        if progress.lines > 0 {
            eprintln!("going on after line {}", progress.lines + 1);
        }
        Self {
            bar,
            length,
            is_terminal,
            tenths: tenths(length, progress),
        }
    }

    pub(super) fn look(&mut self, progress: ImportProgress) {
        self.bar.set_position(progress.offset);
        self.bar.set_message(format!("{} lines", progress.lines));
        let tenths = tenths(self.length, progress);
        if !self.is_terminal && tenths > self.tenths {
            eprintln!("{}0 %, {} lines", tenths, progress.lines);
        }
        self.tenths = tenths;
    }

    /// Tells a bad line, which is the `number`th.
    pub(super) fn bad_line(&self, line: u64, reason: &str, number: u64) {
        if number > TOLD {
            return;
        }
        self.bar.suspend(|| {
            eprintln!("line {line}: {reason}");
            if number == TOLD {
                eprintln!("further bad lines are counted only");
            }
        });
    }

    /// Says that the file was read and the rest of the work begins, which takes a while for a large register.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How many tenths of so many bytes are done with.
fn tenths(length: u64, progress: ImportProgress) -> u64 {
    progress.offset * 10 / length.max(1)
}
