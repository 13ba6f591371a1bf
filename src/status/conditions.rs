//! Which conditions hold now: every one of the catalogue is looked for here, or in the store.

use std::time::Duration;

use sistema_ts_model::{Caller, Condition, ConditionReport};
use sistema_ts_store::cards::CardError;
use sistema_ts_store::register::RegisteredCaller;

use super::left::Left;
use super::{StatusState, certificates};

/// A store that takes so long to say how it is does not serve either.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

const MILLIS_PER_HOUR: u64 = 60 * 60 * 1_000;

impl StatusState {
    /// Looks for every condition, and tells of those that began or ended since the last look. What stops every service comes first.
    pub async fn conditions(&self) -> Vec<ConditionReport> {
        let mut reports = Vec::new();
        if self.shutdown.is_draining() {
            reports.push(ConditionReport::new(
                Condition::ServerStopping,
                "the server is stopping",
            ));
        }
        if !self.server.register.is_current() {
            reports.push(ConditionReport::new(
                Condition::RegisterNotRead,
                "the register could not be read of late",
            ));
        }
        if !self.allocators.are_ready() {
            reports.push(ConditionReport::new(
                Condition::NoReservedCodes,
                "no reserved codes are ready",
            ));
        }
        reports.extend(self.health_cards().await);
        let look = tokio::time::timeout(LONGEST_LOOK, self.server.store.readiness());
        match look.await {
            Ok(readiness) => reports.extend(readiness.conditions),
            Err(_) => reports.push(ConditionReport::new(
                Condition::StoreNotWriting,
                "the store does not answer",
            )),
        }
        reports.extend(self.lag_report());
        let overdue = self.retention.overdue.reason();
        reports
            .extend(overdue.map(|reason| ConditionReport::new(Condition::ErasuresOverdue, reason)));
        let now = self.server.clock.now().millis().div_euclid(1_000);
        let mut left = Left::default();
        reports.extend(self.certificates.conditions(now, &mut left));
        let callers = self.server.register.snapshot().callers();
        reports.extend(certificates::of_callers(&callers, now, &mut left));
        self.left.show(left);
        reports.sort_by_key(|report| report.condition.severity());
        self.told.tell(&reports);
        reports
    }

    /// Whether verifications are asked for that cannot be made.
    async fn health_cards(&self) -> Option<ConditionReport> {
        let snapshot = self.server.register.snapshot();
        let is_call_center = |caller: &RegisteredCaller| {
            caller.enabled && matches!(caller.caller, Caller::CallCenter(_))
        };
        if !snapshot
            .callers()
            .iter()
            .any(|caller| is_call_center(caller))
        {
            return None;
        }
        let text = match self.server.cards.status().await {
            // Too many checks wait, which are made.
            Ok(Some(_)) | Err(CardError::Overloaded) => return None,
            Ok(None) => CardError::Missing.to_string(),
            Err(error) => error.to_string(),
        };
        Some(ConditionReport::new(Condition::NoHealthCards, text))
    }

    /// Whether erasures wait because the clock has run away from the trusted time.
    fn lag_report(&self) -> Option<ConditionReport> {
        let state = self.retention.time.state();
        state.is_behind().then(|| {
            ConditionReport::new(
                Condition::TrustedTimeLag,
                format!(
                    "the clock ({}) is ahead of the trusted time ({}), and erasures wait; it is believed after {} hours of running, or at once by `sistema-ts clock confirm`",
                    state.wall,
                    state.trusted,
                    state.proof_left_millis.unsigned_abs().div_ceil(MILLIS_PER_HOUR),
                ),
            )
        })
    }
}
