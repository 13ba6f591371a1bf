//! `invioCodiceOtp` (§5.1): an ASL relays a one-time code by itself. If positives of the person are in the archive, they are used up and erased.
//!
//! Neither what is answered nor how long it takes tells whether there are any, see [`person`]; and an operator sends no more than so many codes an
//! hour, so that nobody goes through many people's codici fiscali.

mod person;
mod rules;
pub mod under_way;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sistema_ts_actors::relay::{OtpSender, RelaySlot};
use sistema_ts_model::{Caller, CodiceFiscale, Finding, Outcome, Service, TransactionId};
use sistema_ts_store::{AccessDetail, AslCodeAdmission, CountAslCode};

use self::person::{Claimed, Looked, in_steps};
use self::rules::Request;
use super::access::record_access;
use super::delivery::{meaning, new_claim, reserve, settle};
use super::desk::operator_finding;
use super::endpoint::{Answered, Call, SoapService};
use super::security_log;
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::asl_otp::{ANSWER, REQUEST, RawAslOtp};
use crate::soap::{AnswerHead, Fields, SoapFault};

/// The service.
pub struct AslOtp;

#[async_trait(?Send)]
impl SoapService for AslOtp {
    const SERVICE: Service = Service::AslOtp;
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
        let raw = RawAslOtp::take(&mut fields);
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
            let transaction = TransactionId::random();
            let findings = match checked {
                Err(findings) => findings,
                Ok(request) => {
                    let operator = (operator.as_ref(), operator_field);
                    let told =
                        send(&server, &call, request, operator, transaction, &mut slot).await?;
                    told.into_iter().collect()
                }
            };
            answer(&server, &call, transaction, operator, &findings).await
        };
        worker.server.ending.see_through(work).await
    }
}

/// What is to be told; `None` is done. The place that was taken, if one was, is left in `slot`.
async fn send(
    server: &ServerState,
    call: &Call,
    request: Request,
    (operator, operator_field): (Option<&CodiceFiscale>, &'static str),
    transaction: TransactionId,
    slot: &mut Option<RelaySlot>,
) -> Result<Option<Finding>, SoapFault> {
    // A user was authenticated as the operator that it is; a region's operator is named, which the rules have seen to.
    let operator = operator.ok_or(SoapFault::Internal)?;
    if let Caller::Region(_) = call.caller {
        let service = AslOtp::SERVICE;
        let refused = operator_finding(server, call, service, operator, operator_field);
        if refused.is_some() {
            return Ok(refused);
        }
    }
    let step = server.desk.asl.step;
    let (relay, slot) = match reserve(server, call.caller) {
        Ok(Some((relay, taken))) => (relay, slot.insert(taken)),
        Ok(None) => return Ok(Some(Finding::whole(Outcome::BackendUnreachable))),
        // Not at once, as little as what comes of an unlock under way: the two are one to who asks.
        Err(fault) => return in_steps(step, async { Err(fault) }).await,
    };
    let counted_and_claimed = async {
        let count = CountAslCode {
            operator: operator.clone(),
            per_hour: server.desk.asl.codes_per_operator_per_hour,
        };
        if let AslCodeAdmission::Exhausted { .. } = server.store.count_asl_code(count).await? {
            return Ok(Err(Outcome::OperatorCodesExhausted));
        }
        let people = Looked {
            store: &*server.store,
            under_way: &server.asl_under_way,
        };
        match people
            .claim(step, &request.fiscal_code, || new_claim(server))
            .await?
        {
            Some(claimed) => Ok(Ok(claimed)),
            // What overload answers: nothing was done, and nothing is told of the person.
            None => Err(SoapFault::Unavailable),
        }
    };
    let claimed = match in_steps(step, counted_and_claimed).await? {
        Ok(claimed) => claimed,
        Err(outcome) => {
            security_log::asl_codes_used_up(&call.caller, transaction);
            return Ok(Some(Finding::whole(outcome)));
        }
    };
    let told = post(server, relay, slot, claimed, request).await;
    Ok(told.map(Finding::whole))
}

/// Posts for what was claimed, and writes what came of it.
async fn post(
    server: &ServerState,
    relay: &dyn OtpSender,
    slot: &mut RelaySlot,
    claimed: Claimed,
    request: Request,
) -> Option<Outcome> {
    let Claimed {
        person,
        claim,
        began,
        turn: _turn,
    } = claimed;
    let send_before =
        began + Duration::from_millis(server.desk.relay_deadline_millis.max(0).unsigned_abs());
    let outcome = relay.send(slot, request.post, send_before).await;
    // Nobody else's session counts here: a 409 is somebody else's.
    let (settled_as, told) = meaning(outcome, false);
    in_steps(server.desk.asl.step, async {
        if person.cuns.is_empty() {
            return;
        }
        settle(|| {
            let person = person.clone();
            server.store.settle_person(person, claim.id, settled_as)
        })
        .await;
        for cun in &person.cuns {
            server.sessions.forget_code(*cun);
        }
    })
    .await;
    told
}

async fn answer(
    server: &ServerState,
    call: &Call,
    transaction: TransactionId,
    operator: Option<CodiceFiscale>,
    findings: &[Finding],
) -> Result<Answered, SoapFault> {
    let detail = AccessDetail::AslCode { operator };
    record_access(server, call, transaction, findings, detail).await?;
    let head = AnswerHead::new(transaction, server.clock.now(), findings);
    Ok(Answered::with_head_only(&ANSWER, &head))
}
