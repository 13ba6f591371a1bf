//! The running server is told of what a command has changed in the register.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use sistema_ts_store::register::{Act, RegisterChange, RegisterError, RegisterJournal};

use crate::control::{AskError, Order, ask};

/// Has the running server write each change into its security log, with the user who made it, and take it up at once. A journal is still to come:
/// a server that is not running notes nothing, and no change is kept back for want of a note.
pub(super) struct TellTheServer {
    socket: PathBuf,
    /// Whether it was told in vain: it is not asked again, so that many changes do not wait for it one by one.
    in_vain: AtomicBool,
}

impl TellTheServer {
    pub(super) fn at(socket: PathBuf) -> Self {
        TellTheServer {
            socket,
            in_vain: AtomicBool::new(false),
        }
    }
}

impl RegisterJournal for TellTheServer {
    fn begin(&self, _: &RegisterChange, _: &Act) -> Result<(), RegisterError> {
        Ok(())
    }

    fn end(&self, change: &RegisterChange, _: &Act, outcome: Result<(), &RegisterError>) {
        if outcome.is_err() || self.in_vain.load(Ordering::Relaxed) {
            return;
        }
        let order = Order::NoteRegisterChange {
            kind: change.kind().to_owned(),
            object: change.object(),
        };
        let Err(error) = ask(&self.socket, &order) else {
            return;
        };
        self.in_vain.store(true, Ordering::Relaxed);
        if !matches!(error, AskError::NotRunning(_)) {
            eprintln!(
                "the change was made, and is not in the security log of the running server: {error}"
            );
        }
    }
}
