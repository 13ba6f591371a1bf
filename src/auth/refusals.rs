//! What the security log says of credentials that were refused: each, as long as they are few; a flood in one line a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sistema_ts_store::register::UserId;

use super::source::Source;
use crate::telemetry::LogBudget;

/// Between two lines about a flood.
pub(super) const FLOOD_PERIOD: Duration = Duration::from_secs(60);

/// Credentials that were refused.
pub(super) struct Refused<'a> {
    /// A registered user's id. What a stranger typed may be anything, and is told to nobody.
    pub(super) user: Option<&'a UserId>,
    pub(super) source: &'a Source,
    /// It was one of too many.
    pub(super) slowed: bool,
}

/// Slowed failures of the period that has begun.
struct Flood {
    period: Duration,
    has_begun: AtomicBool,
    registered: AtomicU64,
    unregistered: AtomicU64,
}

/// The lines of one authenticator.
pub(super) struct Refusals {
    // Apart, so that made-up names leave room for what is tried on a registered user.
    registered: LogBudget,
    unregistered: LogBudget,
    flood: Arc<Flood>,
}

impl Refusals {
    /// With so much between two lines about a flood.
    pub(super) fn new(period: Duration) -> Self {
        Refusals {
            registered: LogBudget::new("credentials-of-a-user"),
            unregistered: LogBudget::new("credentials-of-nobody"),
            flood: Arc::new(Flood {
                period,
                has_begun: AtomicBool::new(false),
                registered: AtomicU64::new(0),
                unregistered: AtomicU64::new(0),
            }),
        }
    }

    /// Writes a line, or counts for the line of the period. Must be called within a tokio runtime.
    pub(super) fn note(&self, refused: &Refused<'_>) {
        if refused.slowed {
            return self.note_slowed(refused.user.is_some());
        }
        let user = refused.user.map(UserId::as_str);
        let left_out = match user {
            Some(user) => self.registered.take_for(&user),
            None => self.unregistered.take_for(&refused.source.networks()[0]),
        };
        if let Some(left_out) = left_out {
            tracing::warn!(
                target: "security",
                user = user.unwrap_or("(not registered)"),
                source = %refused.source,
                left_out,
                "credentials refused"
            );
        }
    }

    fn note_slowed(&self, is_registered: bool) {
        metrics::counter!("sistema_ts_auth_slowed_failures_total").increment(1);
        let flood = &self.flood;
        let count = if is_registered {
            &flood.registered
        } else {
            &flood.unregistered
        };
        count.fetch_add(1, Ordering::Relaxed);
        if flood.has_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        let flood = Arc::clone(flood);
        tokio::spawn(async move {
            tokio::time::sleep(flood.period).await;
            flood.tell();
        });
    }
}

impl Flood {
    /// One line for all that was counted; the next failure begins a new period.
    fn tell(&self) {
        self.has_begun.store(false, Ordering::Release);
        tracing::warn!(
            target: "security",
            seconds = self.period.as_secs(),
            of_registered_users = self.registered.swap(0, Ordering::Relaxed),
            of_names_not_registered = self.unregistered.swap(0, Ordering::Relaxed),
            "credentials refused too often: their users and sources are slowed"
        );
    }
}

#[cfg(test)]
mod tests {
    //! A failure means that a flood fills the log, or that nobody is told of one.
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;
    use crate::telemetry::captured::CapturedLog;

    #[tokio::test]
    async fn a_flood_is_one_line_a_period_with_its_counts() {
        let log = CapturedLog::default();
        let _installed = tracing::dispatcher::set_default(&log.subscriber());
        let refusals = Refusals::new(Duration::from_millis(10));
        let source = Source::of(None);
        let user = UserId::parse("mario").unwrap();
        let note = |user, slowed| {
            let source = &source;
            refusals.note(&Refused {
                user,
                source,
                slowed,
            });
        };
        let mut periods = 0;
        for (registered, unregistered) in [(3, 40), (0, 2)] {
            (0..registered).for_each(|_| note(Some(&user), true));
            (0..unregistered).for_each(|_| note(None, true));
            periods += 1;
            let begun = Instant::now();
            while log.lines_with("slowed").len() < periods {
                assert!(begun.elapsed() < Duration::from_secs(10), "no line");
                tokio::task::yield_now().await;
            }
            let told = log.lines_with("slowed");
            let last = told.last().unwrap();
            assert!(
                last.contains(&format!("of_registered_users={registered} ")),
                "{last}"
            );
            assert!(
                last.contains(&format!("of_names_not_registered={unregistered}")),
                "{last}"
            );
        }
        assert_eq!(log.lines_with("slowed").len(), 2, "one line a period");
        note(Some(&user), false);
        note(None, false);
        let single = log.lines_with("credentials refused");
        assert_eq!(
            single.iter().filter(|line| line.contains("mario")).count(),
            1
        );
        assert_eq!(
            single
                .iter()
                .filter(|line| line.contains("(not registered)"))
                .count(),
            1
        );
    }
}
