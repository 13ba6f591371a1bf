//! `verificaPositivita` (§3.3.1): is this the code of a positive of the holder of this health card?
//!
//! Whether code, card and person belong together is told as one: the same answer and the same steps for a code that does not exist, a negative
//! one, a wrong card, and a code that cannot be verified now. Every guess is counted before anything is looked at.

mod rules;

use std::sync::Arc;

use async_trait::async_trait;
use sistema_ts_model::{Finding, Moment, Origin, Outcome, Service, SessionId, TransactionId};
use sistema_ts_store::{
    AccessDetail, Guess, GuessAdmission, GuessTicket, OpenOutcome, OpenSession, PatientView,
    SessionView,
};

use self::rules::{Named, Request};
use super::access::record_access;
use super::desk::operator_finding;
use super::endpoint::{AnswerBody, Answered, Call, SoapService};
use super::security_log;
use super::state::{ServerState, WorkerState};
use crate::front::Lane;
use crate::soap::description::Message;
use crate::soap::messages::verification::{ANSWER, REQUEST, RawVerification};
use crate::soap::{AnswerHead, AnswerWriter, Fields, SoapFault};

/// The service.
pub struct Verification;

#[async_trait(?Send)]
impl SoapService for Verification {
    const SERVICE: Service = Service::Verification;
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
        let raw = RawVerification::take(&mut fields);
        let operator_field = REQUEST.name_of(raw.operator.node);
        // For the access record: what is well-formed of a message that may have mistakes elsewhere.
        let named = Named::of(&raw, server.fiscal_codes);
        let checked = call.if_allowed(|| rules::validate(&raw, &call, server.fiscal_codes));
        // Erased here: nothing of it is needed while the store is waited for.
        drop(raw);
        drop(fields);
        let server = Arc::clone(server);
        let work = async move {
            let transaction = TransactionId::random();
            let outcome = match checked {
                Err(findings) => Err(findings),
                Ok(verification) => {
                    verify(&server, &call, verification, operator_field, transaction)
                        .await?
                        .map_err(|finding| vec![finding])
                }
            };
            answer(&server, &call, transaction, named, outcome).await
        };
        worker.server.ending.see_through(work).await
    }
}

/// What may become of a guess that was counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    MaySucceed,
    /// It may succeed; if it fails, its code has no try left.
    LastOfItsCode,
    /// Its code had no try left.
    Fails,
}

/// Checks who asks, counts the guess, makes all checks, and opens a session if all of them hold.
async fn verify(
    server: &ServerState,
    call: &Call,
    verification: Request,
    operator_field: &'static str,
    transaction: TransactionId,
) -> Result<Result<SessionView, Finding>, SoapFault> {
    let service = Verification::SERVICE;
    let operator = &verification.operator;
    if let Some(finding) = operator_finding(server, call, service, operator, operator_field) {
        return Ok(Err(finding));
    }
    let (admission, patient) = server
        .store
        .begin_verification(Guess {
            operator: verification.operator.clone(),
            caller: call.caller,
            cun: verification.cun,
            budgets: server.desk.budgets,
        })
        .await?;
    let (ticket, attempts_left, fate) = match admission {
        GuessAdmission::Admitted {
            ticket,
            operator_left,
            uses_code_up: false,
        } => (ticket, operator_left, Fate::MaySucceed),
        GuessAdmission::Admitted {
            ticket,
            operator_left,
            uses_code_up: true,
        } => (ticket, operator_left, Fate::LastOfItsCode),
        GuessAdmission::CodeExhausted {
            ticket,
            operator_left,
        } => (ticket, operator_left, Fate::Fails),
        GuessAdmission::OperatorExhausted { .. } => {
            return Ok(Err(Finding::whole(Outcome::OperatorAttemptsExhausted)));
        }
        GuessAdmission::CallerExhausted { .. } => {
            return Ok(Err(Finding::whole(Outcome::CallerAttemptsExhausted)));
        }
        GuessAdmission::OperatorOfCodeExhausted => {
            return Ok(Err(Finding::whole(
                Outcome::OperatorAttemptsOnCodeExhausted,
            )));
        }
    };
    let checked = check(server, call, &verification, patient.as_ref()).await;
    let (holds_card, is_open) = match checked {
        Ok(checked) => checked,
        Err(fault) => {
            // Nothing was learnt. Else a register that fails for a while would use up the tries of every code that is asked for meanwhile.
            give_back(server, ticket).await;
            return Err(fault);
        }
    };
    // Not before everything was looked at.
    let not_verifiable = || {
        if fate == Fate::LastOfItsCode {
            security_log::code_used_up(&call.caller, transaction);
        }
        Finding::whole(Outcome::NotVerifiable).with_attempts_left(attempts_left)
    };
    if !(holds_card && is_open && fate != Fate::Fails) {
        return Ok(Err(not_verifiable()));
    }
    let session = OpenSession {
        cun: verification.cun,
        session: SessionId::random(),
        operator: verification.operator,
        caller: call.caller,
        lifetime_millis: server.desk.session_lifetime_millis,
    };
    match server.store.finish_verification(session, ticket).await? {
        OpenOutcome::Opened(session) => {
            server.sessions.remember(session.clone());
            Ok(Ok(session))
        }
        // Moved in the meantime: as if it had been so before.
        OpenOutcome::Refused(_) | OpenOutcome::Unknown => Ok(Err(not_verifiable())),
    }
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
async fn give_back(server: &ServerState, ticket: GuessTicket) {
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

async fn answer(
    server: &ServerState,
    call: &Call,
    transaction: TransactionId,
    named: Named,
    outcome: Result<SessionView, Vec<Finding>>,
) -> Result<Answered, SoapFault> {
    let (session, findings) = match outcome {
        Ok(session) => (Some(session), Vec::new()),
        Err(findings) => (None, findings),
    };
    let detail = AccessDetail::Verification {
        operator: named.operator,
        session: session.as_ref().map(|session| session.session),
        cun: named.cun,
        client_address: call.client_address,
    };
    record_access(server, call, transaction, &findings, detail).await?;
    let head = AnswerHead::new(transaction, server.clock.now(), &findings);
    let mut writer = AnswerWriter::new(&ANSWER, 1_024);
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
