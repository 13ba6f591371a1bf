//! `confermaSbloccoImmuni` (§3.3.3): the upload happened (`C`), and the person is erased; or it will not (`A`), and the code can be verified
//! again.
//!
//! Whether a code exists, was unlocked, or is another caller's, is told as one: nothing is learnt by trying codes here.

mod rules;

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_model::{
    AnnulRefusal, ConfirmRefusal, Effect, Finding, Outcome, Service, TransactionId,
};
use sistema_ts_store::{AccessDetail, AnnulOutcome, ConfirmOutcome, ConfirmationKind};

use self::rules::{Named, Request};
use super::access::record_access;
use super::desk::operator_finding;
use super::endpoint::{Answered, Call, SoapService};
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::confirmation::{ANSWER, REQUEST, RawConfirmation};
use crate::soap::{AnswerHead, Fields, SoapFault};

/// The service.
pub struct Confirmation;

#[async_trait(?Send)]
impl SoapService for Confirmation {
    const SERVICE: Service = Service::Confirmation;
    const LANE: Lane = Lane::CallCenter;
    const PIN_CODE_NODE: Option<usize> = None;
    const REQUEST: &'static Message = &REQUEST;
    const ANSWER: &'static Message = &ANSWER;

    async fn call(
        worker: &WorkerState,
        call: Call,
        mut fields: Fields<'_>,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let raw = RawConfirmation::take(&mut fields);
        let rows = std::mem::take(&mut fields.rows);
        let named = Named::of(
            &raw,
            &rows,
            server.fiscal_codes,
            &server.desk.recorded_options,
        );
        let places = Places {
            operator: REQUEST.name_of(raw.operator.node),
            session: REQUEST.name_of(raw.session.node),
            cun: REQUEST.name_of(raw.cun.node),
        };
        let checked = call.if_allowed(|| rules::validate(&raw, &rows, &call, server.fiscal_codes));
        // Erased here: nothing of it is needed while the store is waited for.
        drop((raw, rows, fields));
        let server = Arc::clone(server);
        let work = async move {
            let findings = match checked {
                Err(findings) => findings,
                Ok(request) => confirm_or_annul(&server, &call, request, &places)
                    .await?
                    .into_iter()
                    .collect(),
            };
            answer(&server, &call, named, &findings).await
        };
        worker.server.ending.see_through(work).await
    }
}

/// The names of the elements that a finding may be about.
struct Places {
    operator: &'static str,
    session: &'static str,
    cun: &'static str,
}

/// What is to be told; `None` is done.
async fn confirm_or_annul(
    server: &ServerState,
    call: &Call,
    request: Request,
    places: &Places,
) -> Result<Option<Finding>, SoapFault> {
    let service = Confirmation::SERVICE;
    let refused = operator_finding(server, call, service, &request.operator, places.operator);
    if refused.is_some() {
        return Ok(refused);
    }
    let cun = request.cun;
    let confirmation = sistema_ts_store::Confirmation {
        cun,
        session: request.session,
        operator: request.operator,
        caller: call.caller,
    };
    let outcome = match request.kind {
        ConfirmationKind::Confirm => match server.store.confirm(confirmation).await? {
            ConfirmOutcome::Done(Effect::Done) => None,
            ConfirmOutcome::Done(Effect::AlreadyDone) => Some(Outcome::AlreadyConfirmed),
            ConfirmOutcome::Refused(refusal) => Some(confirm_refusal(refusal)),
            ConfirmOutcome::Unknown => Some(Outcome::NoSuchUnlock),
        },
        ConfirmationKind::Annul => match server.store.annul(confirmation).await? {
            AnnulOutcome::Done(Effect::Done) => None,
            AnnulOutcome::Done(Effect::AlreadyDone) => Some(Outcome::AlreadyAnnulled),
            AnnulOutcome::Refused(refusal) => Some(annul_refusal(refusal)),
            AnnulOutcome::Unknown => Some(Outcome::NoSuchUnlock),
        },
    };
    server.sessions.forget_code(cun);
    Ok(outcome.map(|outcome| match outcome {
        Outcome::AnotherVerification => Finding::on(places.session, outcome),
        Outcome::NoSuchUnlock => Finding::on(places.cun, outcome),
        outcome => Finding::whole(outcome),
    }))
}

fn confirm_refusal(refusal: ConfirmRefusal) -> Outcome {
    match refusal {
        ConfirmRefusal::NotUnlocked | ConfirmRefusal::AnotherCaller | ConfirmRefusal::Over(_) => {
            Outcome::NoSuchUnlock
        }
        ConfirmRefusal::UnlockUnderWay => Outcome::UnlockUnderWay,
        ConfirmRefusal::AnotherSession | ConfirmRefusal::SessionNotYours => {
            Outcome::AnotherVerification
        }
    }
}

fn annul_refusal(refusal: AnnulRefusal) -> Outcome {
    match refusal {
        AnnulRefusal::NotUnlocked | AnnulRefusal::AnotherCaller | AnnulRefusal::Over(_) => {
            Outcome::NoSuchUnlock
        }
        AnnulRefusal::UnlockUnderWay => Outcome::UnlockUnderWay,
        AnnulRefusal::AnotherSession | AnnulRefusal::SessionNotYours => {
            Outcome::AnotherVerification
        }
    }
}

async fn answer(
    server: &ServerState,
    call: &Call,
    named: Named,
    findings: &[Finding],
) -> Result<Answered, SoapFault> {
    let transaction = TransactionId::random();
    let detail = AccessDetail::Confirmation {
        operator: named.operator,
        kind: named.kind,
        session: named.session,
        cun: named.cun,
        options: named.options,
        client_address: call.client_address,
    };
    record_access(server, call, transaction, findings, detail).await?;
    let head = AnswerHead::new(transaction, server.clock.now(), findings);
    Ok(Answered::with_head_only(&ANSWER, &head))
}
