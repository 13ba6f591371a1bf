//! `invioCodiceOtp` (§5.1): an ASL relays a one-time code by itself. If positives of the person are in the archive, they are used up and erased.
//!
//! Neither what is answered nor how long it takes tells whether there are any, see [`person`]; and an operator sends no more than so many codes an
//! hour, so that nobody goes through many people's codici fiscali.

mod person;
mod rules;

use std::time::Duration;

use sistema_ts_actors::relay::{OtpSender, RelaySlot};
use sistema_ts_model::{Finding, Outcome, Service, Timestamp, TransactionId};
use sistema_ts_store::{AccessDetail, AslOtpAdmission, CountAslOtp};

use self::person::{Claimed, Looked, in_steps};
use self::rules::{Named, Request};
use super::admission::Lane;
use super::answer::Answered;
use super::call::Call;
use super::delivery::{meaning, new_claim, reserve, settle};
use super::registered::operator_finding;
use super::security_log;
use super::service::{Access, Certificates, DetachedService, Judged, SoapService};
use super::state::ServerState;
use crate::soap::messages::asl_otp::REQUEST;
use crate::soap::{Fields, SoapFault};

const OPERATOR: &str = REQUEST.element(&["codiceFiscaleOperatore"]);

/// The service.
pub struct AslOtp;

impl SoapService for AslOtp {
    const SERVICE: Service = Service::AslOtp;
    const LANE: Lane = Lane::Relay;
    const CERTIFICATES: Certificates = Certificates::Regions;
    const HAS_EFFECTS: bool = true;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        rules::judge(fields, call).unless(|request| {
            operator_finding(server, call, Self::SERVICE, (OPERATOR, &request.operator))
        })
    }

    fn access_detail(named: Named, _: &Call, _: Timestamp) -> AccessDetail {
        AccessDetail::AslOtp {
            operator: named.operator,
        }
    }
}

impl DetachedService for AslOtp {
    async fn carry_out(
        server: &ServerState,
        access: Access<Self>,
        request: Request,
    ) -> Result<Answered, SoapFault> {
        // Held until the record is written, so that whoever waits for the relay to be idle waits for that, too.
        let mut slot = None;
        let transaction = TransactionId::random();
        let outcome = send(server, &access.call, request, transaction, &mut slot).await?;
        let finding = outcome.map(Finding::whole);
        let ended = (transaction, server.clock.now());
        access.answer(server, ended, finding.as_slice()).await
    }
}

/// What is to be told; `None` is done. The slot that was taken, if one was, is left in `slot`.
async fn send(
    server: &ServerState,
    call: &Call,
    request: Request,
    transaction: TransactionId,
    slot: &mut Option<RelaySlot>,
) -> Result<Option<Outcome>, SoapFault> {
    let step = server.settings.asl_otp.step;
    let (relay, slot) = match reserve(server, call.caller) {
        Ok(Some((relay, taken))) => (relay, slot.insert(taken)),
        Ok(None) => return Ok(Some(Outcome::BackendUnreachable)),
        // Not at once, as little as what comes of an unlock under way: the two are one to who asks.
        Err(fault) => return in_steps(step, async { Err(fault) }).await,
    };
    let counted_and_claimed = async {
        let count = CountAslOtp {
            operator: request.operator.clone(),
            per_hour: server.settings.asl_otp.codes_per_operator_per_hour,
        };
        if let AslOtpAdmission::Exhausted { .. } = server.store.count_asl_otp(count).await? {
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
            None => Err(SoapFault::UNAVAILABLE),
        }
    };
    match in_steps(step, counted_and_claimed).await? {
        Ok(claimed) => Ok(post(server, relay, slot, claimed, request).await),
        Err(outcome) => {
            security_log::asl_otps_used_up(&call.caller, transaction);
            Ok(Some(outcome))
        }
    }
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
        began + Duration::from_millis(server.settings.relay_deadline_millis.max(0).unsigned_abs());
    let outcome = relay.send(slot, request.post, send_before).await;
    // Nobody else's session counts here: a 409 is somebody else's.
    let (settled_as, told) = meaning(outcome, false);
    in_steps(server.settings.asl_otp.step, async {
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
