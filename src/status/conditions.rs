//! Which conditions hold now: every one of the catalogue is looked for here, or in the store.

use std::time::Duration;

use sistema_ts_model::{Condition, ConditionReport};

use super::StatusState;

/// A store that takes so long to say how it is does not serve either.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

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
        let look = tokio::time::timeout(LONGEST_LOOK, self.server.store.readiness());
        match look.await {
            Ok(readiness) => reports.extend(readiness.conditions),
            Err(_) => reports.push(ConditionReport::new(
                Condition::StoreNotWriting,
                "the store does not answer",
            )),
        }
        reports.sort_by_key(|report| report.condition.severity());
        self.told.tell(&reports);
        reports
    }
}
