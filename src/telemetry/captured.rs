//! The log of a test, kept in memory.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Dispatch;

/// What was logged through [`CapturedLog::subscriber`].
#[derive(Clone, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl io::Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CapturedLog {
    /// What writes it, without colours; for the thread that installs it.
    pub(crate) fn subscriber(&self) -> Dispatch {
        let log = self.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish()
            .into()
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The lines with these words.
    pub(crate) fn lines_with(&self, words: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(words));
        lines.map(str::to_owned).collect()
    }

    /// What came since the last call.
    pub(crate) fn taken(&self) -> String {
        let text = self.text();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        text
    }
}
