//! The access records of all services (§2.5, §3.4, §5.2), and the answers that leave once they are durable.

use sistema_ts_model::{Finding, Outcome, Timestamp, TransactionId, Verdict};
use sistema_ts_store::AccessRecord;

use super::answer::Answered;
use super::service::{Access, SoapService};
use super::state::ServerState;
use crate::soap::{AnswerHead, SoapFault};

impl<S: SoapService> Access<S> {
    /// Makes the access record durable, before the answer that it tells of leaves (§2.5, §3.4, §5.2), and gives that answer's head.
    ///
    /// # Errors
    /// A fault: then there is no answer. It says that nothing was done only if that is so: the effect of a request is committed before its record.
    pub async fn recorded<'f>(
        self,
        server: &ServerState,
        (transaction, at): (TransactionId, Timestamp),
        findings: &'f [Finding],
    ) -> Result<AnswerHead<'f>, SoapFault> {
        let Self { call, named } = self;
        let record = AccessRecord {
            accessed_at: call.at,
            caller: call.caller,
            verdict: Verdict::of(findings),
            outcomes: findings.iter().map(|finding| finding.outcome).collect(),
            transaction,
            detail: S::access_detail(named, &call, at),
        };
        let recorded = server.store.record_access(record).await;
        recorded.map_err(|error| match SoapFault::from(error) {
            // Whether the request has a key the endpoint knows: it says so.
            _ if S::HAS_EFFECTS && may_be_done(findings) => {
                SoapFault::OutcomeUnknown { has_key: false }
            }
            fault => fault,
        })?;
        Ok(AnswerHead::new(transaction, at, findings))
    }

    /// Makes the access record durable as [`Self::recorded`] does, and answers with nothing beyond a head.
    ///
    /// # Errors
    /// As [`Self::recorded`].
    pub async fn answer(
        self,
        server: &ServerState,
        ended: (TransactionId, Timestamp),
        findings: &[Finding],
    ) -> Result<Answered, SoapFault> {
        let head = self.recorded(server, ended, findings).await?;
        Ok(Answered::with_head_only(S::ANSWER, &head))
    }
}

/// A transaction of a number of its own, which ends now.
#[must_use]
pub fn ending_now(server: &ServerState) -> (TransactionId, Timestamp) {
    (TransactionId::random(), server.clock.now())
}

/// Whether a request that is answered with these findings may have done what its service does.
fn may_be_done(findings: &[Finding]) -> bool {
    Verdict::of(findings) != Verdict::NotDone
        || findings
            .iter()
            .any(|finding| finding.outcome == Outcome::DeliveryUnknown)
}
