//! `sbloccoCodiceImmuni` (§3.3.2): the app's one-time code goes to Immuni, for a verified code.
//!
//! A slot of the relay is taken before the code is claimed, so that being too busy leaves no trace. Claim, post, settlement and access
//! record are one task of their own, which goes on when the client leaves.

mod rules;

use std::time::Duration;

use sistema_ts_actors::relay::{OtpPost, OtpSender, RelaySlot};
use sistema_ts_model::{ClaimRefusal, Finding, Outcome, Presenter, Service, Timestamp};
use sistema_ts_store::{AccessDetail, ClaimOutcome, ClaimUnlock, SettleUnlock};
use tokio::time::Instant;

use self::rules::{Named, Request};
use super::access::ending_now;
use super::admission::Lane;
use super::answer::Answered;
use super::call::Call;
use super::delivery::{meaning, new_claim, reserve, settle};
use super::registered::operator_finding;
use super::service::{Access, Certificates, DetachedService, Judged, SoapService};
use super::state::ServerState;
use crate::soap::messages::unlock::REQUEST;
use crate::soap::{Fields, SoapFault};

const OPERATOR: &str = REQUEST.element(&["codiceFiscaleOperatore"]);

/// The service.
pub struct Unlock;

impl SoapService for Unlock {
    const SERVICE: Service = Service::Unlock;
    const LANE: Lane = Lane::Relay;
    const CERTIFICATES: Certificates = Certificates::CallCenters;
    const HAS_EFFECTS: bool = true;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        rules::judge(fields, call).unless(|request| {
            operator_finding(server, call, Self::SERVICE, (OPERATOR, &request.operator))
        })
    }

    fn access_detail(named: Named, call: &Call, ended_at: Timestamp) -> AccessDetail {
        AccessDetail::Unlock {
            operator: named.operator,
            authentication: named.authentication,
            ended_at,
            session: named.session,
            client_address: call.client_address,
        }
    }
}

impl DetachedService for Unlock {
    async fn carry_out(
        server: &ServerState,
        access: Access<Self>,
        request: Request,
    ) -> Result<Answered, SoapFault> {
        // Held until the record is written, so that whoever waits for the relay to be idle waits for that, too.
        let mut slot = None;
        let outcome = unlock(server, &access.call, request, &mut slot).await?;
        let finding = outcome.map(Finding::whole);
        access
            .answer(server, ending_now(server), finding.as_slice())
            .await
    }
}

/// What is to be told; `None` is done. The slot that was taken, if one was, is left in `slot`.
async fn unlock(
    server: &ServerState,
    call: &Call,
    request: Request,
    slot: &mut Option<RelaySlot>,
) -> Result<Option<Outcome>, SoapFault> {
    // A session of somebody else, or none at all, is refused before it costs a slot.
    let presenter = Presenter {
        operator: &request.operator,
        caller: &call.caller,
    };
    let bound = server.sessions.binding(request.session, presenter).await?;
    if bound.is_none() {
        return Ok(Some(Outcome::NoSuchVerification));
    }
    let Some((relay, taken)) = reserve(server, call.caller)? else {
        return Ok(Some(Outcome::BackendUnreachable));
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
) -> Result<Option<Outcome>, SoapFault> {
    let asked_for = claim.claim.deadline;
    let (cun, claimed) = match server.store.claim_unlock(claim).await? {
        ClaimOutcome::Claimed { cun, claimed } => (cun, claimed),
        ClaimOutcome::NoSuchSession => {
            return Ok(Some(Outcome::NoSuchVerification));
        }
        ClaimOutcome::Refused(refusal) => {
            return Ok(Some(refusal_outcome(refusal)));
        }
    };
    // What was granted may be less than was asked for. `began` lies before the clock was read, so that the monotonic end is no later.
    let granted_millis =
        server.settings.relay_deadline_millis - asked_for.millis_since(claimed.deadline).max(0);
    let send_before = began + Duration::from_millis(granted_millis.max(0).unsigned_abs());
    let outcome = relay.send(slot, post, send_before).await;
    let (settled_as, told) = meaning(outcome, claimed.delivered_before);
    let settlement = SettleUnlock {
        cun,
        claim: claimed.id,
        outcome: settled_as,
    };
    settle(|| server.store.settle_unlock(settlement)).await;
    Ok(told)
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
