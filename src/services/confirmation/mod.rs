//! `confermaSbloccoImmuni` (§3.3.3): the upload happened (`C`), and the person is erased; or it will not (`A`), and the code can be verified
//! again.
//!
//! Whether a code exists, was unlocked, or is another caller's, is told as one: nothing is learnt by trying codes here.

mod rules;

use sistema_ts_model::{ConcludeRefusal, Effect, Finding, Outcome, Service, Timestamp};
use sistema_ts_store::{AccessDetail, ConcludeOutcome, ConfirmationKind};

use self::rules::{Named, Request};
use super::access::ending_now;
use super::admission::Lane;
use super::answer::Answered;
use super::call::Call;
use super::registered::operator_finding;
use super::service::{Access, Certificates, DetachedService, Judged, SoapService};
use super::state::ServerState;
use crate::soap::messages::confirmation::REQUEST;
use crate::soap::{Fields, SoapFault};

const OPERATOR: &str = REQUEST.element(&["codiceFiscaleOperatore"]);
const SESSION: &str = REQUEST.element(&["idVerificaTampone"]);
const CUN: &str = REQUEST.element(&["cun"]);

/// The service.
pub struct Confirmation;

impl SoapService for Confirmation {
    const SERVICE: Service = Service::Confirmation;
    const LANE: Lane = Lane::CallCenter;
    const CERTIFICATES: Certificates = Certificates::CallCenters;
    const HAS_EFFECTS: bool = true;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        rules::judge(fields, call, &server.settings.recorded_options).unless(|request| {
            operator_finding(server, call, Self::SERVICE, (OPERATOR, &request.operator))
        })
    }

    fn access_detail(named: Named, call: &Call, _: Timestamp) -> AccessDetail {
        AccessDetail::Confirmation {
            operator: named.operator,
            kind: named.kind,
            session: named.session,
            cun: named.cun,
            options: named.options,
            client_address: call.client_address,
        }
    }
}

impl DetachedService for Confirmation {
    async fn carry_out(
        server: &ServerState,
        access: Access<Self>,
        request: Request,
    ) -> Result<Answered, SoapFault> {
        let cun = request.cun;
        let confirmation = sistema_ts_store::Confirmation {
            cun,
            session: request.session,
            operator: request.operator,
            caller: access.call.caller,
        };
        let store = &server.store;
        let (concluded, repeated) = match request.kind {
            ConfirmationKind::Confirm => (
                store.confirm(confirmation).await?,
                Outcome::AlreadyConfirmed,
            ),
            ConfirmationKind::Annul => (store.annul(confirmation).await?, Outcome::AlreadyAnnulled),
        };
        let outcome = match concluded {
            ConcludeOutcome::Done(Effect::Done) => None,
            ConcludeOutcome::Done(Effect::AlreadyDone) => Some(repeated),
            ConcludeOutcome::Refused(refusal) => Some(refusal_outcome(refusal)),
            ConcludeOutcome::Unknown => Some(Outcome::NoSuchUnlock),
        };
        server.sessions.forget_code(cun);
        let finding = outcome.map(|outcome| match outcome {
            Outcome::AnotherVerification => Finding::on(SESSION, outcome),
            Outcome::NoSuchUnlock => Finding::on(CUN, outcome),
            outcome => Finding::whole(outcome),
        });
        access
            .answer(server, ending_now(server), finding.as_slice())
            .await
    }
}

fn refusal_outcome(refusal: ConcludeRefusal) -> Outcome {
    match refusal {
        ConcludeRefusal::NotUnlocked
        | ConcludeRefusal::AnotherCaller
        | ConcludeRefusal::Over(_) => Outcome::NoSuchUnlock,
        ConcludeRefusal::UnlockUnderWay => Outcome::UnlockUnderWay,
        ConcludeRefusal::AnotherSession | ConcludeRefusal::SessionNotYours => {
            Outcome::AnotherVerification
        }
    }
}
