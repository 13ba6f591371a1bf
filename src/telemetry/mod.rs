//! Logs and metrics of the running server.
//!
//! The log is written by a thread of its own behind a bounded queue (`output`): whatever becomes of its reader, nothing else waits for it.
//! What strangers can cause has budgets by kind (`budget`), each line of the code another one beneath them; a line is bounded in length (`line`);
//! what libraries say is counted and not quoted (`libraries`). No line holds a health datum, a fiscal code, a credential or anything that a
//! stranger typed; security lines hold source addresses and, where credentials of a registered user are refused, the user's id.

use std::any::Any;
use std::collections::HashMap;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::budget::SiteBudget;
use self::libraries::{MessageOf, Said};
use self::line::Line;
use self::output::{Output, StandardError};
use crate::config::{LogFormat, LogLevel, LoggingSection};

mod budget;
#[cfg(test)]
pub(crate) mod captured;
mod libraries;
mod line;
mod metrics;
mod output;

pub use self::budget::{LogBudget, source_network};
pub use self::metrics::{install_metrics, spawn_upkeep};

/// How long the last lines may take to be written, at the end and after a panic. A log that nobody reads must not hold up the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Targets of this project's own events.
const OWN: [&str; 2] = ["sistema_ts", "security"];

/// Why logs or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Another recorder or subscriber is installed already.
    #[error("logs or metrics are set up already")]
    Installed,
    /// There is no thread or descriptor to write the log by.
    #[error("the log cannot be written: {0}")]
    Log(#[source] std::io::Error),
    /// The buckets are not ones that the exporter takes.
    #[error("metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// The name of events that tell what an administrator has done. Strangers cannot cause them.
pub const ADMINISTRATION: &str = "administration";

/// The log of this process, once it is installed.
static LOG: OnceLock<OperationalLog> = OnceLock::new();

struct OperationalLog {
    output: Output,
    format: LogFormat,
    /// Whether lines of level DEBUG are written.
    debug: bool,
    /// What each line of the code may still write.
    sites: Mutex<HashMap<Identifier, Arc<SiteBudget>>>,
}

/// Sends the operational log to standard error.
///
/// # Errors
/// [`TelemetryError::Installed`], [`TelemetryError::Log`].
pub fn install_log(settings: &LoggingSection) -> Result<(), TelemetryError> {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let sink = StandardError::open().map_err(TelemetryError::Log)?;
    let log = OperationalLog {
        output: Output::start(sink, settings.format).map_err(TelemetryError::Log)?,
        format: settings.format,
        debug: settings.level == LogLevel::Debug,
        sites: Mutex::default(),
    };
    if LOG.set(log).is_err() {
        return Err(TelemetryError::Installed);
    }
    // A target stands for all that begin with it: `sistema_ts` for every crate of this project.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets(OWN.map(|target| (target, level)));
    tracing_subscriber::registry()
        .with(EventLayer.with_filter(targets))
        .try_init()
        .map_err(|_| TelemetryError::Installed)?;
    log::set_logger(&LogRecords).map_err(|_| TelemetryError::Installed)?;
    log::set_max_level(log::LevelFilter::Warn);
    Ok(())
}

/// Shows what a command warns of on standard error, each in a line: for commands, which have no log.
pub fn install_notices() {
    let targets = Targets::new().with_target(OWN[0], LevelFilter::WARN);
    // It fails if something else is installed already, which then shows them.
    let _ = tracing_subscriber::registry()
        .with(NoticeLayer.with_filter(targets))
        .try_init();
}

/// Prints events for a person.
struct NoticeLayer;

impl<S: Subscriber> Layer<S> for NoticeLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        eprintln!("sistema-ts: {}", Line::of_event(event).for_a_person());
    }
}

/// Waits, no longer than a moment, until what was logged is written. Without a log it does nothing.
pub fn flush_log() {
    if let Some(log) = LOG.get() {
        log.output.flush(LAST_LINES);
    }
}

/// Why a command did not do what it was asked, on standard error. Where the log is installed it goes the log's way, since that may be stuck.
pub fn last_words(text: &str) {
    match LOG.get() {
        Some(log) => {
            log.output.write(format!("{text}\n").into_bytes());
            log.output.flush(LAST_LINES);
        }
        None => eprintln!("{text}"),
    }
}

/// Takes what libraries say through the `log` crate.
struct LogRecords;

impl log::Log for LogRecords {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            log::Level::Error => Level::ERROR,
            _ => Level::WARN,
        };
        library_said(&Said {
            target: record.target(),
            level,
            place: (record.file_static(), record.line()),
            text: record.args(),
        });
    }

    fn flush(&self) {}
}

/// Hands events to the log.
struct EventLayer;

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if !OWN.iter().any(|own| metadata.target().starts_with(own)) {
            library_said(&Said {
                target: metadata.target(),
                level: *metadata.level(),
                place: (metadata.file(), metadata.line()),
                text: &MessageOf(event),
            });
        } else if let Some(log) = LOG.get()
            && let Some(left_out) = log.may_write(metadata)
        {
            let mut line = Line::of_event(event);
            line.left_out(left_out);
            log.output.write(line.render(log.format));
        }
    }
}

impl OperationalLog {
    /// Whether an event may be written now, and then how many of its kind were left out before it. What administrators do is never left out.
    fn may_write(&self, metadata: &Metadata<'_>) -> Option<u64> {
        if metadata.name() == ADMINISTRATION {
            return Some(0);
        }
        self.site(metadata.callsite()).take()
    }

    /// The budget of one line of the code. There are as many as the code has lines that log.
    fn site(&self, site: Identifier) -> Arc<SiteBudget> {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = sites
            .entry(site)
            .or_insert_with(|| Arc::new(SiteBudget::new()));
        Arc::clone(budget)
    }
}

fn library_said(said: &Said<'_>) {
    if let Some(log) = LOG.get()
        && let Some(line) = said.line(log.debug)
    {
        log.output.write(line.render(log.format));
    }
}

/// Has a panic told in the log, by its place alone. Its text may quote what was being read (that of a wrong cut through a string does), so it is
/// left out unless it stands so in the code.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            text = text_in_the_code(panic.payload()),
            "a panic: a defect of this program"
        );
        // The process may end right after.
        flush_log();
    }));
}

/// The text of a panic if it was not made at run time.
fn text_in_the_code(payload: &dyn Any) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(left out)")
}

#[cfg(test)]
mod tests {
    //! A failure means that a panic's text, which may quote a request, gets into the log.
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_about_a_panic_quotes_nothing_of_its_message() {
        let text = |cut: fn()| text_in_the_code(&*std::panic::catch_unwind(cut).unwrap_err());
        let quoting = || {
            let name = std::hint::black_box("RSSMRA80A01H501\u{e9}");
            let _ = std::hint::black_box(&name[..16]);
        };
        assert_eq!(text(quoting), "(left out)");
        assert_eq!(text(|| panic!("as in the code")), "as in the code");
    }
}
