//! The word that the server is ready.

use std::io::{self, Write as _};
use std::time::Duration;

use crate::front::ListenerInfo;
use crate::telemetry;

/// How long standard output may take for its one line.
const LONGEST: Duration = Duration::from_secs(1);

/// Tells on standard output, in one line of JSON, where the server listens: for those who started it. Before it, all that was logged of the
/// start is written.
///
/// A standard output that is closed, full or not read keeps nobody from being served: then a warning in the log says so. The thread that writes
/// may wait for ever, and ends with the process.
pub(super) async fn announce(listeners: &[ListenerInfo]) {
    let mut line = "{\"ready\":true".to_owned();
    for listener in listeners {
        line += &format!(",\"{}\":\"{}\"", listener.name, listener.address);
        tracing::info!(listener = &*listener.name, address = %listener.address, "listening");
    }
    line += "}\n";
    telemetry::flush_log();
    let (written, outcome) = tokio::sync::oneshot::channel();
    let started = std::thread::Builder::new()
        .name("announce".to_owned())
        .spawn(move || {
            let mut output = io::stdout().lock();
            let outcome = output
                .write_all(line.as_bytes())
                .and_then(|()| output.flush());
            // Whoever waited has gone on without it.
            let _ = written.send(outcome);
        });
    let problem = match started {
        Err(error) => Some(error.to_string()),
        Ok(_) => match tokio::time::timeout(LONGEST, outcome).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_)) => Some("its thread has ended".to_owned()),
            Err(_) => Some("nobody reads it".to_owned()),
        },
    };
    if let Some(problem) = problem {
        tracing::warn!(
            problem,
            "the line that says where the server listens could not be written on standard output"
        );
    }
}
