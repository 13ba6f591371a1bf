//! `invioEsecuzioneTest` (§2.4.1): a swab result in, its CUN out.

mod receipt;
pub mod rules;

use async_trait::async_trait;
use sistema_ts_model::{Finding, Outcome, Service, StructureReference, Timestamp, TransactionId};
use sistema_ts_store::{AccessDetail, NewTest, RecordOutcome, SubmissionAccess};

use self::rules::{Request, RuleContext};
use super::access::record_access;
use super::endpoint::{Answered, Call, SoapService};
use super::rules::{structure_of, with_registered_structure};
use super::state::WorkerState;
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::submission::{ANSWER, REQUEST, RawSubmission, node};
use crate::soap::{AnswerHead, Fields, SoapFault};

/// Reserved codes that may turn out to be taken before a submission gives up: one is already unlikely (see `docs/architecture.md`).
const CODES_TRIED: usize = 4;

/// The service.
pub struct Submission;

#[async_trait(?Send)]
impl SoapService for Submission {
    const SERVICE: Service = Service::Submission;
    const LANE: Lane = Lane::Submission;
    const PIN_CODE_NODE: Option<usize> = Some(node::PIN_CODE);
    const REQUEST: &'static Message = &REQUEST;
    const ANSWER: &'static Message = &ANSWER;

    async fn call(
        worker: &WorkerState,
        call: Call,
        fields: Fields<'_>,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let raw = RawSubmission::from(fields);
        let structure = structure_of(&raw.structure, &raw.structure_description);
        let valid = call.if_allowed(|| {
            let context = RuleContext {
                caller: &call.caller,
                today: call.at.rome_day(),
                fiscal_codes: server.fiscal_codes,
            };
            with_registered_structure(
                rules::validate(&raw, context),
                structure.as_ref(),
                &call.caller,
                &server.register.snapshot(),
                REQUEST.name_of(node::STRUCTURE),
            )
        });
        // Erased here: nothing of it is needed while the store is waited for.
        drop(raw);
        match valid {
            Ok(submission) => record(worker, call, submission).await,
            Err(findings) => refuse(worker, call, structure, findings).await,
        }
    }
}

/// Records a submission that broke no rule, and answers with its code.
async fn record(
    worker: &WorkerState,
    call: Call,
    submission: Request,
) -> Result<Answered, SoapFault> {
    let receipt = submission
        .request_key
        .as_ref()
        .map(|key| receipt::receipt_of(&submission, key));
    for _ in 0..CODES_TRIED {
        let reserved = worker.codes.next_cun().await?;
        let test = NewTest {
            reserved,
            caller: call.caller,
            structure: submission.structure.clone(),
            fiscal_code: submission.fiscal_code.clone(),
            swab_date: submission.swab_date,
            kind: submission.kind,
            result: submission.result,
            contact: submission.contact.clone(),
            receipt: receipt.clone(),
            access: SubmissionAccess {
                accessed_at: call.at,
                with_warnings: false,
            },
        };
        return match worker.server.store.record_test(test).await? {
            RecordOutcome::Recorded { cun, inserted_at } => {
                Ok(answer(TransactionId::Cun(cun), inserted_at, &[]))
            }
            RecordOutcome::Replayed { cun, inserted_at } => {
                let findings = [Finding::whole(Outcome::AlreadyReceived)];
                let transaction = TransactionId::Cun(cun);
                note(
                    worker,
                    &call,
                    Some(submission.structure),
                    transaction,
                    &findings,
                )
                .await?;
                Ok(answer(transaction, inserted_at, &findings))
            }
            RecordOutcome::ReplayedErased { cancelled } => {
                let mut findings = vec![Finding::whole(Outcome::AlreadyReceivedErased)];
                if cancelled {
                    findings.push(Finding::whole(Outcome::CancelledMeanwhile));
                }
                refuse(worker, call, Some(submission.structure), findings).await
            }
            RecordOutcome::RequestKeyReused => {
                let finding = Finding::on(
                    REQUEST.name_of(node::REQUEST_KEY),
                    Outcome::RequestKeyReused,
                );
                refuse(worker, call, Some(submission.structure), vec![finding]).await
            }
            RecordOutcome::CodeTaken => continue,
        };
    }
    tracing::error!("no reserved code was free any more");
    Err(SoapFault::Unavailable)
}

/// Answers a submission that is recorded nowhere but in the archive of access records.
async fn refuse(
    worker: &WorkerState,
    call: Call,
    structure: Option<StructureReference>,
    findings: Vec<Finding>,
) -> Result<Answered, SoapFault> {
    let transaction = TransactionId::random();
    note(worker, &call, structure, transaction, &findings).await?;
    let now = worker.server.clock.now();
    Ok(answer(transaction, now, &findings))
}

/// Makes the access record durable (§2.5), before the answer that it tells of leaves.
async fn note(
    worker: &WorkerState,
    call: &Call,
    structure: Option<StructureReference>,
    transaction: TransactionId,
    findings: &[Finding],
) -> Result<(), SoapFault> {
    let detail = AccessDetail::Submission { structure };
    record_access(&worker.server, call, transaction, findings, detail).await
}

fn answer(transaction: TransactionId, at: Timestamp, findings: &[Finding]) -> Answered {
    Answered::with_head_only(&ANSWER, &AnswerHead::new(transaction, at, findings))
}
