//! Looking at the register when an administrator asks for it, beside the looks that it takes by itself.

use std::io;
use std::sync::Arc;

use sistema_ts_store::register::Register;
use tokio::signal::unix::{SignalKind, signal};

/// From now on looks for changes of the register at each SIGHUP, whatever its own interval is. Must be called on a runtime, with which it
/// ends.
///
/// # Errors
/// When the system refuses the signal's handler.
pub fn refresh_at_hang_up(register: Arc<dyn Register>) -> io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            match register.refresh().await {
                Ok(()) => {
                    let generation = register.snapshot().generation();
                    tracing::info!(generation, "the register was looked at, as a signal asked");
                }
                Err(error) => {
                    tracing::error!(%error, "the register cannot be read; its last state stays in use");
                }
            }
        }
    });
    Ok(())
}
