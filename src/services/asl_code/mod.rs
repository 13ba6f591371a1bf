//! `invioCodiceOtp` (§5.1): an ASL relays a one-time code by itself. If positives of the person are in the archive, they are used up and erased.

mod rules;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_actors::relay::{OtpSender, RelaySlot};
use sistema_ts_model::{Caller, CodiceFiscale, Finding, NewClaim, Outcome, Service, TransactionId};
use sistema_ts_store::{AccessDetail, PersonClaim, PersonOutcome};
use tokio::time::Instant;

use self::rules::AslCode;
use super::access::record_access;
use super::delivery::{meaning, new_claim, reserve, settle};
use super::desk::operator_finding;
use super::endpoint::{Answered, Call, SoapService};
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::invio_codice_otp::{ANSWER, InvioCodiceOtp, REQUEST};
use crate::soap::{AnswerHead, Fields, SoapFault};

/// Tries to claim the codes of a person of whom one is being unlocked at this moment.
const CLAIM_TRIES: u32 = 5;

/// Wait between two of them.
const CLAIM_PAUSE: Duration = Duration::from_millis(200);

/// The service.
pub struct InvioCodiceOtpService;

#[async_trait(?Send)]
impl SoapService for InvioCodiceOtpService {
    const SERVICE: Service = Service::SendOtp;
    const LANE: Lane = Lane::Relay;
    const PIN_CODE_NODE: Option<usize> = Some(REQUEST.node(&["pinCode"]));
    const REQUEST: &'static Message = &REQUEST;
    const ANSWER: &'static Message = &ANSWER;

    async fn call(
        worker: &WorkerState,
        call: Call,
        mut fields: Fields<'_>,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let raw = InvioCodiceOtp::take(&mut fields);
        let operator = rules::operator_of(&raw, &call, server.fiscal_codes);
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
                Ok(request) => {
                    let operator = (operator.as_ref(), operator_field);
                    let told = send(&server, &call, request, operator, &mut slot).await?;
                    told.into_iter().collect()
                }
            };
            answer(&server, &call, operator, &findings).await
        };
        worker.server.ending.see_through(work).await
    }
}

/// What is to be told; `None` is done. The place that was taken, if one was, is left in `slot`.
async fn send(
    server: &ServerState,
    call: &Call,
    request: AslCode,
    (operator, operator_field): (Option<&CodiceFiscale>, &'static str),
    slot: &mut Option<RelaySlot>,
) -> Result<Option<Finding>, SoapFault> {
    // A user was authenticated as the operator that it is; a region's operator is only named.
    if let (Caller::Region(_), Some(named)) = (&call.caller, operator) {
        let service = InvioCodiceOtpService::SERVICE;
        let refused = operator_finding(server, call, service, named, operator_field);
        if refused.is_some() {
            return Ok(refused);
        }
    }
    let Some((relay, taken)) = reserve(server)? else {
        return Ok(Some(Finding::whole(Outcome::BackendUnreachable)));
    };
    let told = claim_and_post(server, relay, slot.insert(taken), request).await?;
    Ok(told.map(Finding::whole))
}

async fn claim_and_post(
    server: &ServerState,
    relay: &dyn OtpSender,
    slot: &mut RelaySlot,
    request: AslCode,
) -> Result<Option<Outcome>, SoapFault> {
    let Some((person, claim, began)) = claim(server, &request.fiscal_code).await? else {
        return Ok(Some(Outcome::UnlockUnderWay));
    };
    let send_before =
        began + Duration::from_millis(server.desk.relay_deadline_millis.max(0).unsigned_abs());
    let outcome = relay.send(slot, request.post, send_before).await;
    // Nobody else's session counts here: a 409 is somebody else's.
    let (settled_as, told) = meaning(outcome, false);
    if !person.cuns.is_empty() {
        settle(|| {
            let person = person.clone();
            server.store.settle_person(person, claim.id, settled_as)
        })
        .await;
        for cun in &person.cuns {
            server.sessions.forget_code(*cun);
        }
    }
    Ok(told)
}

/// Claims every live positive of the person; `None` if one of them is being unlocked all the while.
async fn claim(
    server: &ServerState,
    fiscal_code: &CodiceFiscale,
) -> Result<Option<(PersonClaim, NewClaim, Instant)>, SoapFault> {
    for tried in 1..=CLAIM_TRIES {
        // Before the claim's deadline is set, so that the monotonic end is no later.
        let began = Instant::now();
        let claim = new_claim(server);
        match server
            .store
            .claim_person(fiscal_code.clone(), claim)
            .await?
        {
            PersonOutcome::Claimed(person) => return Ok(Some((person, claim, began))),
            PersonOutcome::UnlockUnderWay if tried < CLAIM_TRIES => {
                tokio::time::sleep(CLAIM_PAUSE).await;
            }
            PersonOutcome::UnlockUnderWay => {}
        }
    }
    Ok(None)
}

async fn answer(
    server: &ServerState,
    call: &Call,
    operator: Option<CodiceFiscale>,
    findings: &[Finding],
) -> Result<Answered, SoapFault> {
    let transaction = TransactionId::random();
    let detail = AccessDetail::AslCode { operator };
    record_access(server, call, transaction, findings, detail).await?;
    let head = AnswerHead::new(transaction, server.clock.now(), findings);
    Ok(Answered::with_head_only(&ANSWER, &head))
}
