//! The processes that are watched: this one, and the server's if it is on this machine.

use std::path::PathBuf;

use crate::measure::process::{Process, own};
use crate::measure::series::Processes;

/// Reads what they have used.
pub(super) struct Watch {
    file: Option<PathBuf>,
    server: Option<Process>,
}

impl Watch {
    /// `file` has the number of the server's process.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, server: None }
    }

    /// Now.
    pub(super) fn read(&mut self) -> Processes {
        let used = |process: Process| Some((process.cpu()?, process.memory_kib()?.0));
        let mut server = self.server.and_then(used);
        if server.is_none() {
            // It is not known yet, or was started again as another.
            self.server = self.find();
            server = self.server.and_then(used);
        }
        Processes {
            server,
            client: own(),
        }
    }

    fn find(&self) -> Option<Process> {
        let text = std::fs::read_to_string(self.file.as_ref()?).ok()?;
        Process::find(text.trim().parse().ok()?)
    }
}
