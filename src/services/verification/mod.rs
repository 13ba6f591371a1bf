//! `verificaPositivita` (§3.3.1): is this the code of a positive of the holder of this health card?
//!
//! Whether code, card and person belong together is told as one: the same answer and the same steps for a code that does not exist, a negative
//! one, a wrong card, and a code that cannot be verified now. Every guess is counted before anything is looked at, and its count is kept
//! before its failure is told.

mod rules;

use sistema_ts_model::{
    Finding, Moment, Origin, Outcome, Service, SessionId, Timestamp, TransactionId,
};
use sistema_ts_store::{
    AccessDetail, CodeTries, Guess, GuessAdmission, GuessTicket, OpenOutcome, OpenSession,
    PatientView, SessionView, StoreError,
};

use self::rules::{Named, Request};
use super::admission::Lane;
use super::answer::{AnswerBody, Answered};
use super::call::Call;
use super::registered::operator_finding;
use super::security_log;
use super::service::{Access, Certificates, DetachedService, Judged, SoapService};
use super::state::ServerState;
use crate::soap::messages::verification::REQUEST;
use crate::soap::{AnswerWriter, Fields, SoapFault};

const OPERATOR: &str = REQUEST.element(&["codiceFiscaleOperatore"]);

/// The service.
pub struct Verification;

impl SoapService for Verification {
    const SERVICE: Service = Service::Verification;
    const LANE: Lane = Lane::CallCenter;
    const CERTIFICATES: Certificates = Certificates::CallCenters;
    // A session that nobody hears of lapses.
    const HAS_EFFECTS: bool = false;

    type Named = Named;
    type Request = Request;

    fn judge(server: &ServerState, call: &Call, fields: Fields<'_>) -> Judged<Named, Request> {
        rules::judge(fields, call).unless(|request| {
            operator_finding(server, call, Self::SERVICE, (OPERATOR, &request.operator))
        })
    }

    fn access_detail(named: Named, call: &Call, _: Timestamp) -> AccessDetail {
        AccessDetail::Verification {
            operator: named.operator,
            session: named.session,
            cun: named.cun,
            client_address: call.client_address,
        }
    }
}

impl DetachedService for Verification {
    async fn carry_out(
        server: &ServerState,
        mut access: Access<Self>,
        verification: Request,
    ) -> Result<Answered, SoapFault> {
        let transaction = TransactionId::random();
        let (session, finding) =
            match verify(server, &access.call, verification, transaction).await? {
                Ok(session) => (Some(session), None),
                Err(finding) => (None, Some(finding)),
            };
        access.named.session = session.as_ref().map(|session| session.session);
        let ended = (transaction, server.clock.now());
        let head = access.recorded(server, ended, finding.as_slice()).await?;
        let mut writer = AnswerWriter::new(Self::ANSWER, 1_024);
        writer.head(&head);
        if let Some(session) = session {
            writer.text("idVerificaTampone", &session.session.to_text());
            writer.text("dataPrelievo", &session.swab_date.to_string());
        }
        Ok(Answered {
            verdict: head.verdict,
            body: AnswerBody::Whole(writer.finish()),
        })
    }
}

/// Counts the guess, makes all checks, and opens a session if all of them hold.
async fn verify(
    server: &ServerState,
    call: &Call,
    verification: Request,
    transaction: TransactionId,
) -> Result<Result<SessionView, Finding>, SoapFault> {
    let refused = |outcome| Ok(Err(Finding::whole(outcome)));
    let (admission, patient) = server
        .store
        .begin_verification(Guess {
            operator: verification.operator.clone(),
            caller: call.caller,
            cun: verification.cun,
            budgets: server.settings.budgets,
        })
        .await?;
    let (ticket, attempts_left, code_tries) = match admission {
        GuessAdmission::Counted {
            ticket,
            operator_left,
            code_tries,
        } => (ticket, operator_left, code_tries),
        GuessAdmission::OperatorExhausted { .. } => {
            return refused(Outcome::OperatorAttemptsExhausted);
        }
        GuessAdmission::CallerExhausted { .. } => {
            return refused(Outcome::CallerAttemptsExhausted);
        }
        GuessAdmission::OperatorOfCodeExhausted => {
            return refused(Outcome::OperatorAttemptsOnCodeExhausted);
        }
    };
    let checked = check(server, call, &verification, patient.as_ref()).await;
    let (holds_card, is_open) = match checked {
        Ok(checked) => checked,
        Err(fault) => {
            // Nothing was learnt. Else a register that fails for a while would use up the tries of every code that is asked for meanwhile.
            give_back(server, &ticket).await;
            return Err(fault);
        }
    };
    // Not before everything was looked at and the guess is kept.
    let not_verifiable = || {
        if code_tries == CodeTries::Last {
            security_log::code_used_up(&call.caller, transaction);
        }
        Finding::whole(Outcome::NotVerifiable).with_attempts_left(attempts_left)
    };
    if !(holds_card && is_open && code_tries != CodeTries::None) {
        let kept = server.store.fail_guess(&ticket).await;
        unless_without_effect(server, &ticket, kept).await?;
        return Ok(Err(not_verifiable()));
    }
    let session = OpenSession {
        cun: verification.cun,
        session: SessionId::random(),
        operator: verification.operator,
        caller: call.caller,
        lifetime_millis: server.settings.session_lifetime_millis,
    };
    let finished = server.store.finish_verification(session, &ticket).await;
    match unless_without_effect(server, &ticket, finished).await? {
        OpenOutcome::Opened(session) => {
            server.sessions.remember(session.clone());
            Ok(Ok(session))
        }
        // Moved in the meantime: as if it had been so before.
        OpenOutcome::Refused(_) | OpenOutcome::Unknown => Ok(Err(not_verifiable())),
    }
}

/// What came of the end of a guess. A guess whose end the store refused is taken off the counts: its asker learns nothing of it, and a store that
/// is busy for a moment would else use up the operator's tries of this code.
async fn unless_without_effect<T>(
    server: &ServerState,
    ticket: &GuessTicket,
    ended: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if ended.as_ref().is_err_and(StoreError::had_no_effect) {
        give_back(server, ticket).await;
    }
    ended
}

/// Whether the card is one of the person's, and whether the code can be verified; both are looked at whatever the other is.
async fn check(
    server: &ServerState,
    call: &Call,
    verification: &Request,
    patient: Option<&PatientView>,
) -> Result<(bool, bool), SoapFault> {
    let person = patient.map(|patient| &patient.fiscal_code);
    let holds_card = server
        .cards
        .matches(
            person,
            verification.cun,
            &verification.digits,
            call.at.rome_day(),
        )
        .await?;
    let is_open = patient.is_some_and(|patient| can_be_verified(patient, call));
    Ok((holds_card, is_open))
}

/// Takes a guess that was none off the counts again.
async fn give_back(server: &ServerState, ticket: &GuessTicket) {
    if let Err(error) = server.store.return_guess(ticket).await {
        // The fault stands; the operator has one attempt less than it should have.
        tracing::warn!(%error, "a guess that was not checked stays counted");
    }
}

/// Whether the life of the code allows a verification, as far as can be told before it is written.
fn can_be_verified(patient: &PatientView, call: &Call) -> bool {
    let test = &patient.test;
    let origin = Origin {
        issued_at: test.inserted_at,
        result: test.result,
        submitter: test.caller,
    };
    let moment = Moment {
        now: call.at,
        clock_error_millis: 0,
    };
    test.life.open_session(&origin, moment).answer.is_ok()
}
