//! The access records of all services (§2.5, §3.4, §5.2).

use sistema_ts_model::{Finding, TransactionId, Verdict};
use sistema_ts_store::{AccessDetail, AccessOutcome, AccessRecord};

use super::endpoint::Call;
use super::state::ServerState;
use crate::soap::SoapFault;

/// Makes the access record durable, before the answer that it tells of leaves (§2.5, §3.4, §5.2).
///
/// # Errors
/// A fault: then there is no answer.
pub async fn record_access(
    server: &ServerState,
    call: &Call,
    transaction: TransactionId,
    findings: &[Finding],
    detail: AccessDetail,
) -> Result<(), SoapFault> {
    let record = AccessRecord {
        accessed_at: call.at,
        caller: call.caller,
        outcome: access_outcome(findings),
        transaction,
        detail,
    };
    Ok(server.store.record_access(record).await?)
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
