//! `invioEsecuzioneTest` (§2.4.1): a swab result in, its CUN out.

pub mod rules;

use sistema_ts_model::{Finding, Outcome, Service, Timestamp, TransactionId};
use sistema_ts_store::{
    AccessDetail, Batch, NewTest, RecordOutcome, SubmissionAccess, only_outcome,
};

use self::rules::{Named, Request, repeatable};
use super::access::ending_now;
use super::admission::Lane;
use super::answer::Answered;
use super::call::Call;
use super::registered::structure_finding;
use super::service::{Access, CarryOut, Certificates, Judged, SoapService};
use super::state::{ServerState, WorkerState};
use crate::soap::messages::submission::REQUEST;
use crate::soap::{AnswerHead, Fields, SoapFault};

/// Reserved codes that may turn out to be taken before a submission gives up: one is already unlikely (see `docs/architecture.md`).
const CODES_TRIED: usize = 4;

/// Where a request holds the caller's own key.
const REQUEST_KEY: &str = REQUEST.element(&["identificativoRichiesta"]);

/// The service. Its effect needs no task of its own: what the store's writer has begun comes to its end, and the access record is part of it.
pub struct Submission;

impl SoapService for Submission {
    const SERVICE: Service = Service::Submission;
    const LANE: Lane = Lane::Submission;
    const CERTIFICATES: Certificates = Certificates::Regions;
    // The first acceptance of a submission has its record in its own row; what is recorded apart are refusals and repetitions.
    const HAS_EFFECTS: bool = false;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        let judged = rules::judge(fields, call);
        let unregistered = structure_finding(server, call, judged.named.structure.as_ref());
        judged.and(unregistered)
    }

    fn access_detail(named: Named, _: &Call, _: Timestamp) -> AccessDetail {
        AccessDetail::Submission {
            structure: named.structure,
        }
    }
}

impl CarryOut for Submission {
    async fn carry_out(
        worker: &WorkerState,
        access: Access<Self>,
        submission: Request,
    ) -> Result<Answered, SoapFault> {
        let server = &worker.server;
        let (ended, findings) = match record(worker, &access.call, submission).await? {
            RecordOutcome::Recorded { cun, inserted_at } => {
                // Its access record is part of its row.
                let head = AnswerHead::new(TransactionId::Cun(cun), inserted_at, &[]);
                return Ok(Answered::with_head_only(Self::ANSWER, &head));
            }
            RecordOutcome::Replayed { cun, inserted_at } => (
                (TransactionId::Cun(cun), inserted_at),
                vec![Finding::whole(Outcome::AlreadyReceived)],
            ),
            RecordOutcome::ReplayedErased { cancelled } => {
                let mut findings = vec![Finding::whole(Outcome::AlreadyReceivedErased)];
                if cancelled {
                    findings.push(Finding::whole(Outcome::CancelledMeanwhile));
                }
                (ending_now(server), findings)
            }
            RecordOutcome::RequestKeyReused => (
                ending_now(server),
                vec![Finding::on(REQUEST_KEY, Outcome::RequestKeyReused)],
            ),
            RecordOutcome::CodeTaken => {
                tracing::error!("no reserved code was free any more");
                return Err(SoapFault::UNAVAILABLE);
            }
        };
        access.answer(server, ended, &findings).await
    }
}

/// Records a submission under a code that is free.
async fn record(
    worker: &WorkerState,
    call: &Call,
    submission: Request,
) -> Result<RecordOutcome, SoapFault> {
    let repeatable = repeatable(&submission);
    for _ in 0..CODES_TRIED {
        let test = NewTest {
            reserved: worker.codes.next_cun().await?,
            caller: call.caller,
            swab: submission.swab.clone(),
            repeatable: repeatable.clone(),
            access: SubmissionAccess {
                accessed_at: call.at,
                with_warnings: false,
            },
        };
        // Not by `record_test`, whose future is one more to be made for each submission.
        let outcomes = worker.server.store.record_tests(Batch::from([test])).await;
        match only_outcome(outcomes)? {
            RecordOutcome::CodeTaken => {}
            outcome => return Ok(outcome),
        }
    }
    Ok(RecordOutcome::CodeTaken)
}
