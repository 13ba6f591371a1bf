//! `sbloccoCodiceImmuni` (§3.3.2): the app's one-time code goes to Immuni, for a verified code.
//!
//! A place in the relay is taken before the code is claimed, so that being too busy leaves no trace. Claim, post, settlement and access
//! record are one task of their own, which goes on when the client leaves.

mod rules;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_actors::relay::{OtpPost, OtpSender, RelaySlot};
use sistema_ts_model::{ClaimRefusal, Finding, Outcome, Presenter, Service, TransactionId};
use sistema_ts_store::{AccessDetail, ClaimOutcome, ClaimUnlock, SettleUnlock};
use tokio::time::Instant;

use self::rules::{Named, Request};
use super::access::record_access;
use super::delivery::{meaning, new_claim, reserve, settle};
use super::desk::operator_finding;
use super::endpoint::{Answered, Call, SoapService};
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::unlock::{ANSWER, REQUEST, RawUnlock};
use crate::soap::{AnswerHead, Fields, SoapFault};

/// The service.
pub struct Unlock;

#[async_trait(?Send)]
impl SoapService for Unlock {
    const SERVICE: Service = Service::Unlock;
    const LANE: Lane = Lane::Relay;
    const PIN_CODE_NODE: Option<usize> = None;
    const REQUEST: &'static Message = &REQUEST;
    const ANSWER: &'static Message = &ANSWER;

    async fn call(
        worker: &WorkerState,
        call: Call,
        mut fields: Fields<'_>,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let raw = RawUnlock::take(&mut fields);
        let named = Named::of(&raw, server.fiscal_codes);
        let operator_field = REQUEST.name_of(raw.operator.node);
        let checked = call.if_allowed(|| rules::validate(&raw, &call, server.fiscal_codes));
        // Erased here: nothing of it is needed while the store is waited for.
        drop(raw);
        drop(fields);
        let server = Arc::clone(server);
        let work = async move {
            // Held until the record is written, so that whoever waits for the relay to be idle waits for that, too.
            let mut slot = None;
            let findings = match checked {
                Err(findings) => findings,
                Ok(request) => unlock(&server, &call, request, operator_field, &mut slot)
                    .await?
                    .into_iter()
                    .collect(),
            };
            answer(&server, &call, named, &findings).await
        };
        worker.server.ending.see_through(work).await
    }
}

/// What is to be told; `None` is done. The place that was taken, if one was, is left in `slot`.
async fn unlock(
    server: &ServerState,
    call: &Call,
    request: Request,
    operator_field: &'static str,
    slot: &mut Option<RelaySlot>,
) -> Result<Option<Finding>, SoapFault> {
    let service = Unlock::SERVICE;
    let refused = operator_finding(server, call, service, &request.operator, operator_field);
    if refused.is_some() {
        return Ok(refused);
    }
    // A session of somebody else, or none at all, is refused before it costs a place.
    let presenter = Presenter {
        operator: &request.operator,
        caller: &call.caller,
    };
    let bound = server.sessions.binding(request.session, presenter).await?;
    if bound.is_none() {
        return Ok(Some(Finding::whole(Outcome::NoSuchVerification)));
    }
    let Some((relay, taken)) = reserve(server, call.caller)? else {
        return Ok(Some(Finding::whole(Outcome::BackendUnreachable)));
    };
    let slot = slot.insert(taken);
    let began = Instant::now();
    let claim = ClaimUnlock {
        session: request.session,
        operator: request.operator,
        caller: call.caller,
        claim: new_claim(server),
    };
    claim_and_post(server, relay, slot, claim, request.post, began).await
}

/// Claims, posts, and writes what came of it. `began` is a moment before the claim's deadline was set.
async fn claim_and_post(
    server: &ServerState,
    relay: &dyn OtpSender,
    slot: &mut RelaySlot,
    claim: ClaimUnlock,
    post: OtpPost,
    began: Instant,
) -> Result<Option<Finding>, SoapFault> {
    let asked_for = claim.claim.deadline;
    let (cun, claimed) = match server.store.claim_unlock(claim).await? {
        ClaimOutcome::Claimed { cun, claimed } => (cun, claimed),
        ClaimOutcome::NoSuchSession => {
            return Ok(Some(Finding::whole(Outcome::NoSuchVerification)));
        }
        ClaimOutcome::Refused(refusal) => {
            return Ok(Some(Finding::whole(refusal_outcome(refusal))));
        }
    };
    // What was granted may be less than was asked for. `began` lies before the clock was read, so that the monotonic end is no later.
    let granted_millis =
        server.desk.relay_deadline_millis - asked_for.millis_since(claimed.deadline).max(0);
    let send_before = began + Duration::from_millis(granted_millis.max(0).unsigned_abs());
    let outcome = relay.send(slot, post, send_before).await;
    let (settled_as, finding) = meaning(outcome, claimed.delivered_before);
    let settlement = SettleUnlock {
        cun,
        claim: claimed.id,
        outcome: settled_as,
    };
    settle(|| server.store.settle_unlock(settlement)).await;
    Ok(finding.map(Finding::whole))
}

fn refusal_outcome(refusal: ClaimRefusal) -> Outcome {
    match refusal {
        ClaimRefusal::SessionNotYours => Outcome::NoSuchVerification,
        ClaimRefusal::SessionLapsed | ClaimRefusal::SessionAnnulled => Outcome::VerificationClosed,
        ClaimRefusal::UnlockUnderWay => Outcome::UnlockUnderWay,
        ClaimRefusal::AlreadyUnlocked => Outcome::UnlockedByAnother,
        ClaimRefusal::NoDeliveryLeft => Outcome::NoDeliveryLeft,
        ClaimRefusal::NotPositive | ClaimRefusal::Over(_) => Outcome::CodeConcluded,
    }
}

async fn answer(
    server: &ServerState,
    call: &Call,
    named: Named,
    findings: &[Finding],
) -> Result<Answered, SoapFault> {
    let transaction = TransactionId::random();
    let ended_at = server.clock.now();
    let detail = AccessDetail::Unlock {
        operator: named.operator,
        authentication: named.authentication,
        ended_at,
        session: named.session,
        client_address: call.client_address,
    };
    record_access(server, call, transaction, findings, detail).await?;
    let head = AnswerHead::new(transaction, ended_at, findings);
    Ok(Answered::with_head_only(&ANSWER, &head))
}
