//! What a CUN's row says from the day of its issue.

use crate::{CUN_LIFE_MILLIS, Caller, TestResult, Timestamp};

/// What a CUN's row says from the day of its issue and never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `dataInserimento`: when the test was communicated; the CUN lives 14 × 24 hours from here (§2.4.1.1).
    pub issued_at: Timestamp,
    /// Only the CUN of a positive can be verified, unlocked and consumed.
    pub result: TestResult,
    /// The registered caller that submitted the test, alone able to cancel it.
    pub submitter: Caller,
}

impl Origin {
    /// The first millisecond at which the CUN is no longer usable.
    pub fn expires_at(&self) -> Timestamp {
        self.issued_at.plus_millis(CUN_LIFE_MILLIS)
    }
}
