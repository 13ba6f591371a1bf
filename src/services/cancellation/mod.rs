//! `annullamentoEsecuzioneTest` (§2.4.2): a test is taken back by who submitted it.

mod rules;

use sistema_ts_model::{
    CancelRefusal, Effect, Finding, Outcome, Service, Timestamp, TransactionId,
};
use sistema_ts_store::{AccessDetail, CancelOutcome, CancelTest};

use self::rules::{Named, Request, repeatable};
use super::admission::Lane;
use super::answer::Answered;
use super::call::Call;
use super::registered::structure_finding;
use super::service::{Access, Certificates, DetachedService, Judged, SoapService};
use super::state::ServerState;
use crate::soap::messages::cancellation::REQUEST;
use crate::soap::{Fields, SoapFault};

/// Where a request holds the caller's own key.
const REQUEST_KEY: &str = REQUEST.element(&["identificativoRichiesta"]);

/// The service.
pub struct Cancellation;

impl SoapService for Cancellation {
    const SERVICE: Service = Service::Cancellation;
    const LANE: Lane = Lane::Submission;
    const CERTIFICATES: Certificates = Certificates::Regions;
    const HAS_EFFECTS: bool = true;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        let judged = rules::judge(fields, call);
        let unregistered = structure_finding(server, call, judged.named.structure.as_ref());
        judged.and(unregistered)
    }

    fn access_detail(named: Named, _: &Call, _: Timestamp) -> AccessDetail {
        AccessDetail::Cancellation {
            structure: named.structure,
        }
    }
}

impl DetachedService for Cancellation {
    async fn carry_out(
        server: &ServerState,
        access: Access<Self>,
        cancellation: Request,
    ) -> Result<Answered, SoapFault> {
        let transaction = TransactionId::random();
        let cun = cancellation.cun;
        let wish = CancelTest {
            cun,
            caller: access.call.caller,
            repeatable: repeatable(&cancellation),
            structure: cancellation.structure,
            fiscal_code: cancellation.fiscal_code,
            transaction,
        };
        let outcome = server.store.cancel(wish).await?;
        server.sessions.forget_code(cun);
        let now = server.clock.now();
        let (transaction, at, outcome) = match outcome {
            CancelOutcome::Done {
                effect: Effect::Done,
                at,
            } => (transaction, at, None),
            CancelOutcome::Done {
                effect: Effect::AlreadyDone,
                at,
            } => (transaction, at, Some(Outcome::AlreadyCancelled)),
            CancelOutcome::Replayed { transaction, at } => {
                (transaction, at, Some(Outcome::AlreadyReceived))
            }
            CancelOutcome::RequestKeyReused => (transaction, now, Some(Outcome::RequestKeyReused)),
            CancelOutcome::NoSuchTest => (transaction, now, Some(Outcome::NoSuchTest)),
            CancelOutcome::Refused(refusal) => (transaction, now, Some(refusal_outcome(refusal))),
        };
        let finding = outcome.map(|outcome| match outcome {
            Outcome::RequestKeyReused => Finding::on(REQUEST_KEY, outcome),
            outcome => Finding::whole(outcome),
        });
        access
            .answer(server, (transaction, at), finding.as_slice())
            .await
    }
}

fn refusal_outcome(refusal: CancelRefusal) -> Outcome {
    match refusal {
        CancelRefusal::NotSubmitter => Outcome::NoSuchTest,
        CancelRefusal::UnlockUnderWay => Outcome::UnlockUnderWay,
        CancelRefusal::Over(_) => Outcome::CodeConcluded,
    }
}
