//! Access records of the call centre's and the ASL's services (§3.4, §5.2), read from the archive that the server left.
//!
//! Failure here means that an access is in no record, that a record names what its section does not, or that a refused request leaves
//! no trace.

use std::sync::Arc;

use immuni_stand_in::Behaviour;
use sistema_ts_model::{AuthenticationKind, Clock, Service, SystemClock, Timestamp};
use sistema_ts_store::embedded::{EmbeddedOptions, EmbeddedStore};
use sistema_ts_store::keys::KeyRing;
use sistema_ts_store::{AccessDetail, AccessQuery, AccessRecord, ConfirmationKind, Store as _};

use crate::support::chain::Chain;
use crate::support::installation::{ASL_OPERATOR, CARD, DESK, PATIENT};
use crate::support::{Message, otp, until};

/// Stops the server, and reads all records but those of submissions.
fn records(chain: Chain) -> Vec<AccessRecord> {
    let (ended, _) = chain.server.terminate();
    assert_eq!(ended.code(), Some(0));
    let ring = KeyRing::load(&chain.installation.path("keys/day-keys")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = EmbeddedOptions::in_folder(chain.installation.path("data"));
    let store = EmbeddedStore::open(options, Arc::new(ring), clock).unwrap();
    let query = AccessQuery {
        from: Timestamp::from_millis(0).unwrap(),
        to: SystemClock.now().plus_millis(1),
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 100,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let page = runtime.block_on(store.search_access(query)).unwrap();
    let mut records = page.records;
    records.retain(|record| record.service() != Service::SubmitTest);
    records
}

#[test]
fn each_access_has_a_record_with_the_fields_of_its_section() {
    let settings = [("CALL_CENTER__RECORDED_OPTION_KEYS", "canale,nota")];
    let chain = Chain::start_with(&settings);
    let cun = chain.positive();
    let mut desk = chain.desk();
    let mut transactions = Vec::new();
    let mut ask = |message: &Message| {
        let reply = desk.ask(message);
        transactions.push(reply.transaction().to_owned());
        reply
    };
    ask(&Message::verification(DESK, "11111111", &cun));
    let verified = ask(&Message::verification(DESK, CARD, &cun));
    let session = verified.value("idVerificaTampone").to_owned();
    ask(&Message::unlock(DESK, &session, &otp(1)).with("tipoAutenticazione", "SPID"));
    ask(&Message::confirmation("C", DESK, &cun)
        .with_option("canale", "telefono")
        .with_option("nota", PATIENT)
        .with_option("altro", "x"));
    let asl = chain.asl(&otp(2), PATIENT);
    transactions.push(asl.transaction().to_owned());

    let records = records(chain);
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let outcome = &record.outcome;
            (
                record.service(),
                outcome.outcome.as_str(),
                outcome.errors.concat(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Service::VerifyPositive, "9999", "3001".to_owned()),
            (Service::VerifyPositive, "0000", String::new()),
            (Service::UnlockCode, "0000", String::new()),
            (Service::ConfirmUnlock, "0000", String::new()),
            (Service::SendOtp, "0000", String::new()),
        ]
    );
    let recorded: Vec<_> = records
        .iter()
        .map(|record| record.transaction.to_string())
        .collect();
    assert_eq!(recorded, transactions);
    for (record, operator) in records.iter().zip([DESK, DESK, DESK, DESK, ASL_OPERATOR]) {
        assert_eq!(record.operator().unwrap().expose(), operator);
    }
    let AccessDetail::Verification {
        session: None,
        cun: Some(asked),
        client_address,
        ..
    } = &records[0].detail
    else {
        panic!("{:?}", records[0]);
    };
    assert_eq!(
        (asked.to_string(), client_address.to_string()),
        (cun, "127.0.0.1".into())
    );
    let AccessDetail::Unlock {
        authentication: Some(AuthenticationKind::Spid),
        ended_at,
        session: Some(used),
        ..
    } = &records[2].detail
    else {
        panic!("{:?}", records[2]);
    };
    assert_eq!(used.to_text(), session);
    assert!(*ended_at >= records[2].accessed_at);
    let AccessDetail::Confirmation {
        kind: Some(ConfirmationKind::Confirm),
        session: None,
        options,
        ..
    } = &records[3].detail
    else {
        panic!("{:?}", records[3]);
    };
    assert_eq!(*options, [("canale".to_owned(), "telefono".to_owned())]);
}

#[test]
fn a_post_whose_caller_has_left_has_its_record() {
    let chain = Chain::start();
    let session = chain.verified(&chain.positive());
    chain.backend.behave(Behaviour {
        latency_milliseconds: 300,
        ..Behaviour::default()
    });
    let mut desk = chain.desk();
    desk.send(&Message::unlock(DESK, &session, &otp(1)))
        .unwrap();
    until("the post has begun", || {
        chain.backend.counts().requests == 1
    });
    drop(desk);
    let records = records(chain);
    let unlock = records.last().unwrap();
    assert_eq!(
        (unlock.service(), unlock.outcome.outcome.as_str()),
        (Service::UnlockCode, "0000")
    );
}
