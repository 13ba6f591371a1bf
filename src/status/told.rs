//! Tells of conditions that begin and end: a line in the log for each, and a gauge that alarms can be bound to.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use sistema_ts_model::{Condition, ConditionReport};

/// A condition and what it is about.
type Subject = (Condition, Option<String>);

/// The conditions that were told of as begun, and not yet as ended.
#[derive(Default)]
pub(super) struct Told(Mutex<BTreeSet<Subject>>);

impl Told {
    /// Tells of what began and what ended since the last call, and sets the gauges. Whichever look sees a change first tells of it, once.
    pub(super) fn tell(&self, reports: &[ConditionReport]) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holding: BTreeSet<Subject> = reports.iter().map(subject_of).collect();
        for report in reports {
            // A subject may be reported twice in one look: it began once.
            if told.insert(subject_of(report)) {
                tell_begin(report);
            }
        }
        told.retain(|subject| {
            let holds = holding.contains(subject);
            if !holds {
                tell_end(subject);
            }
            holds
        });
        for condition in Condition::ALL {
            let holds = holding.iter().any(|(holding, _)| holding == condition);
            metrics::gauge!("sistema_ts_condition", "name" => condition.name())
                .set(f64::from(u8::from(holds)));
        }
    }
}

fn subject_of(report: &ConditionReport) -> Subject {
    (report.condition, report.subject.clone())
}

fn tell_begin(report: &ConditionReport) {
    let (name, severity) = (report.condition.name(), report.condition.severity().name());
    let (subject, text) = (report.subject.as_deref(), &*report.text);
    // A stop is an order that was given; all others are for somebody to see.
    if report.condition == Condition::ServerStopping {
        tracing::info!(condition = name, severity, subject, text, "condition began");
    } else {
        tracing::warn!(condition = name, severity, subject, text, "condition began");
    }
}

fn tell_end((condition, subject): &Subject) {
    let subject = subject.as_deref();
    tracing::info!(condition = condition.name(), subject, "condition ended");
}

#[cfg(test)]
mod tests {
    //! A failure means that a condition is told to nobody, that its end is not, or that one that lasts fills the log.
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::telemetry::captured::CapturedLog;

    #[test]
    fn a_condition_is_told_once_when_it_begins_and_once_when_it_ends() {
        let (log, recorder) = (
            CapturedLog::default(),
            PrometheusBuilder::new().build_recorder(),
        );
        let subscriber = log.subscriber();
        let told = Told::default();
        let look = |reports: &[ConditionReport]| {
            tracing::dispatcher::with_default(&subscriber, || {
                metrics::with_local_recorder(&recorder, || told.tell(reports));
            });
            log.taken()
        };
        let gauge = |name: &str, value: u8| {
            let line = format!("sistema_ts_condition{{name=\"{name}\"}} {value}\n");
            recorder.handle().render().contains(&line)
        };
        assert_eq!(look(&[]), "");
        assert!(
            gauge("clock_behind", 0),
            "a condition that never was has a gauge, too"
        );

        let behind = |text: &str| ConditionReport::new(Condition::ClockBehind, text);
        let failed = |file: &str| ConditionReport::of(Condition::StoreFailed, file, "gone");
        let begun = look(&[behind("a minute"), failed("a"), failed("b")]);
        assert_eq!(begun.matches("WARN").count(), 3, "{begun}");
        assert!(
            begun.contains("clock_behind") && begun.contains("a minute"),
            "{begun}"
        );
        assert!(gauge("clock_behind", 1) && gauge("store_failed", 1));
        // It lasts, with another text.
        assert_eq!(look(&[behind("two minutes"), failed("b"), failed("a")]), "");

        let ended = look(&[failed("b")]);
        assert_eq!(ended.matches("INFO").count(), 2, "{ended}");
        assert!(!ended.contains("WARN"), "{ended}");
        assert!(gauge("clock_behind", 0) && gauge("store_failed", 1));
        assert_eq!(look(&[]).matches("INFO").count(), 1);
        assert!(gauge("store_failed", 0));
        assert_eq!(look(&[behind("again")]).matches("WARN").count(), 1);
    }
}
