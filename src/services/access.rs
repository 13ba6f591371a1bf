//! The access records of all services (§2.5, §3.4, §5.2).

use sistema_ts_model::{Finding, Outcome, TransactionId, Verdict};
use sistema_ts_store::{AccessDetail, AccessOutcome, AccessRecord};

use super::endpoint::Call;
use super::state::ServerState;
use crate::soap::SoapFault;

/// Makes the access record durable, before the answer that it tells of leaves (§2.5, §3.4, §5.2).
///
/// # Errors
/// A fault: then there is no answer. It says that nothing was done only if that is so: the effect of a request is committed before its record.
pub async fn record_access(
    server: &ServerState,
    call: &Call,
    transaction: TransactionId,
    findings: &[Finding],
    detail: AccessDetail,
) -> Result<(), SoapFault> {
    let may_have_changed = may_have_changed(&detail, findings);
    let record = AccessRecord {
        accessed_at: call.at,
        caller: call.caller,
        outcome: access_outcome(findings),
        transaction,
        detail,
    };
    let recorded = server.store.record_access(record).await;
    recorded.map_err(|error| match SoapFault::from(error) {
        // Whether it has a key the service knows: `handle` says so.
        _ if may_have_changed => SoapFault::OutcomeUnknown { has_key: false },
        fault => fault,
    })
}

/// Whether a request that is answered with these findings may have changed what its repetition meets.
fn may_have_changed(detail: &AccessDetail, findings: &[Finding]) -> bool {
    match detail {
        // The first acceptance of a submission has its record in its own row; here are its refusals and repetitions. A verification that nobody
        // hears of lapses.
        AccessDetail::Submission { .. }
        | AccessDetail::Listing { .. }
        | AccessDetail::Verification { .. } => false,
        AccessDetail::Cancellation { .. }
        | AccessDetail::Unlock { .. }
        | AccessDetail::Confirmation { .. }
        | AccessDetail::AslCode { .. } => {
            Verdict::of(findings) != Verdict::NotDone
                || findings
                    .iter()
                    .any(|finding| finding.outcome == Outcome::DeliveryUnknown)
        }
    }
}

/// What the access record says of an answer with these findings.
fn access_outcome(findings: &[Finding]) -> AccessOutcome {
    AccessOutcome {
        outcome: Verdict::of(findings).code().to_owned(),
        errors: findings
            .iter()
            .map(|finding| finding.outcome.code().to_owned())
            .collect(),
    }
}
