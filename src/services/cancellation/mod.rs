//! `annullamentoEsecuzioneTest` (§2.4.2): a test is taken back by who submitted it.

mod rules;

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_model::{
    CancelRefusal, Effect, Finding, Outcome, Service, StructureReference, Timestamp, TransactionId,
};
use sistema_ts_store::{AccessDetail, CancelOutcome, CancelTest};

use self::rules::{Request, receipt_of};
use super::access::record_access;
use super::endpoint::{Answered, Call, SoapService};
use super::rules::{structure_of, with_registered_structure};
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::cancellation::{ANSWER, REQUEST, RawCancellation, STRUCTURE_NODES};
use crate::soap::messages::shared::RawStructure;
use crate::soap::{AnswerHead, Fields, SoapFault};

/// The service.
pub struct Cancellation;

#[async_trait(?Send)]
impl SoapService for Cancellation {
    const SERVICE: Service = Service::Cancellation;
    const LANE: Lane = Lane::Submission;
    const PIN_CODE_NODE: Option<usize> = Some(REQUEST.node(&["pinCode"]));
    const REQUEST: &'static Message = &REQUEST;
    const ANSWER: &'static Message = &ANSWER;

    async fn call(
        worker: &WorkerState,
        call: Call,
        mut fields: Fields<'_>,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let identifier = RawStructure::take(&mut fields, STRUCTURE_NODES);
        let raw = RawCancellation::take(&mut fields);
        let structure = structure_of(&identifier, &raw.structure_description.text);
        let checked = call.if_allowed(|| {
            with_registered_structure(
                rules::validate(&raw, &identifier, &call, server.fiscal_codes),
                structure.as_ref(),
                &call.caller,
                &server.register.snapshot(),
                REQUEST.name_of(STRUCTURE_NODES.structure),
            )
        });
        let request_key_field = REQUEST.name_of(raw.request_key.node);
        // Erased here: nothing of it is needed while the store is waited for.
        drop((raw, identifier, fields));
        let server = Arc::clone(server);
        let work = async move {
            match checked {
                Ok(cancellation) => cancel(&server, &call, cancellation, request_key_field).await,
                Err(findings) => {
                    let first = (TransactionId::random(), server.clock.now());
                    answer(&server, &call, structure, first, &findings).await
                }
            }
        };
        worker.server.ending.see_through(work).await
    }
}

async fn cancel(
    server: &ServerState,
    call: &Call,
    cancellation: Request,
    request_key_field: &'static str,
) -> Result<Answered, SoapFault> {
    let transaction = TransactionId::random();
    let structure = cancellation.structure.clone();
    let receipt = cancellation
        .request_key
        .map(|key| receipt_of(&cancellation, &key));
    let request = CancelTest {
        cun: cancellation.cun,
        caller: call.caller,
        structure: structure.clone(),
        fiscal_code: cancellation.fiscal_code,
        transaction,
        receipt,
    };
    let outcome = server.store.cancel(request).await?;
    server.sessions.forget_code(cancellation.cun);
    let now = server.clock.now();
    let (first, findings) = match outcome {
        CancelOutcome::Done {
            effect: Effect::Done,
            at,
        } => ((transaction, at), Vec::new()),
        CancelOutcome::Done {
            effect: Effect::AlreadyDone,
            at,
        } => (
            (transaction, at),
            vec![Finding::whole(Outcome::AlreadyCancelled)],
        ),
        CancelOutcome::Replayed { transaction, at } => (
            (transaction, at),
            vec![Finding::whole(Outcome::AlreadyReceived)],
        ),
        CancelOutcome::RequestKeyReused => (
            (transaction, now),
            vec![Finding::on(request_key_field, Outcome::RequestKeyReused)],
        ),
        CancelOutcome::NoSuchTest => (
            (transaction, now),
            vec![Finding::whole(Outcome::NoSuchTest)],
        ),
        CancelOutcome::Refused(refusal) => (
            (transaction, now),
            vec![Finding::whole(refusal_outcome(refusal))],
        ),
    };
    answer(server, call, Some(structure), first, &findings).await
}

fn refusal_outcome(refusal: CancelRefusal) -> Outcome {
    match refusal {
        CancelRefusal::NotSubmitter => Outcome::NoSuchTest,
        CancelRefusal::UnlockUnderWay => Outcome::UnlockUnderWay,
        CancelRefusal::Over(_) => Outcome::CodeConcluded,
    }
}

async fn answer(
    server: &ServerState,
    call: &Call,
    structure: Option<StructureReference>,
    (transaction, at): (TransactionId, Timestamp),
    findings: &[Finding],
) -> Result<Answered, SoapFault> {
    let detail = AccessDetail::Cancellation { structure };
    record_access(server, call, transaction, findings, detail).await?;
    Ok(Answered::with_head_only(
        &ANSWER,
        &AnswerHead::new(transaction, at, findings),
    ))
}
