//! Access records of the call centre's and the ASL's services (§3.4, §5.2), read from the archive that the server left.
//!
//! Failure here means that an access is in no record, that a record names what its section does not, or that a refused request leaves
//! no trace. So do records that `sistema-ts audit search` does not show beside the running server, or shows with other fields.

use sistema_ts_model::{
    AuthenticationKind, Clock as _, Outcome, Service, SystemClock, Timestamp, Verdict,
};
use sistema_ts_store::{
    AccessDetail, AccessQuery, AccessRecord, ConfirmationKind, RecordedOption, RecordedValue,
};

use crate::support::chain::Chain;
use crate::support::installation::{
    ASL_OPERATOR, CARD, DESK, DISABLED, OPERATOR, PATIENT, STRUCTURE,
};
use crate::support::{Message, Session, Submission, otp, runtime};

/// Stops the server, and reads all records but those of submissions.
fn records(chain: Chain) -> Vec<AccessRecord> {
    let (ended, _) = chain.server.terminate();
    assert_eq!(ended.code(), Some(0));
    let store = chain.installation.store();
    let query = AccessQuery {
        from: Timestamp::from_millis(0).unwrap(),
        to: SystemClock.now().plus_millis(1),
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 100,
    };
    let page = runtime().block_on(store.search_access(query)).unwrap();
    let mut records = page.records;
    records.retain(|record| record.service() != Service::Submission);
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
        .map(|record| (record.service(), record.verdict, record.outcomes.as_slice()))
        .collect();
    assert_eq!(
        told,
        [
            (
                Service::Verification,
                Verdict::NotDone,
                [Outcome::NotVerifiable].as_slice(),
            ),
            (Service::Verification, Verdict::Done, &[]),
            (Service::Unlock, Verdict::Done, &[]),
            (Service::Confirmation, Verdict::Done, &[]),
            (Service::AslOtp, Verdict::Done, &[]),
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
    let option = |key: &str, value| RecordedOption {
        key: key.to_owned(),
        value,
    };
    assert_eq!(
        *options,
        [
            option("canale", RecordedValue::Text("telefono".to_owned())),
            // A codice fiscale, under a key that the configuration names.
            option("nota", RecordedValue::Length(16)),
            option("altro", RecordedValue::Text("x".to_owned())),
        ]
    );
}

#[test]
fn a_post_whose_caller_has_left_has_its_record() {
    let chain = Chain::start();
    let session = chain.verified(&chain.positive());
    chain.backend.answers_after(300);
    drop(chain.begin_unlock(&session, &otp(1)));
    let records = records(chain);
    let unlock = records.last().unwrap();
    assert_eq!(
        (unlock.service(), unlock.verdict),
        (Service::Unlock, Verdict::Done)
    );
}

/// The fields that §2.5, §3.4 and §5.2 name for each service, and those that every record has; in alphabetical order.
fn fields_of(service: &str) -> Vec<&'static str> {
    let own: &[&str] = match service {
        "invioEsecuzioneTest" | "annullamentoEsecuzioneTest" => {
            &["structure_description", "structure_identifier"]
        }
        "elencoTestEffettuati" => &["operator", "structure_description", "structure_identifier"],
        "verificaPositivita" => &["client_address", "code", "operator", "session"],
        "sbloccoCodiceImmuni" => &[
            "client_address",
            "ended_at",
            "operator",
            "operator_authentication",
            "session",
        ],
        "confermaSbloccoImmuni" => &[
            "client_address",
            "code",
            "communication_kind",
            "operator",
            "options",
            "session",
        ],
        "invioCodiceOtp" => &["operator"],
        other => panic!("{other}"),
    };
    let common = [
        "accessed_at",
        "caller",
        "errors",
        "outcome",
        "service",
        "transaction",
    ];
    let mut fields = [&common[..], own].concat();
    fields.sort_unstable();
    fields
}

#[test]
fn a_search_beside_the_server_shows_every_service_done_and_refused() {
    let chain = Chain::start();
    let (mut region, mut desk) = (chain.region(), chain.desk());
    let mut asl_user = Session::asl_user(&chain.installation, &chain.server);
    // Transaction, service, caller, operator and outcome of every answer.
    let mut answered = Vec::new();
    let mut ask = |session: &mut Session, message: &Message, caller, operator: Option<&str>| {
        let reply = session.ask(message);
        let service = message.path().rsplit('/').next().unwrap().to_owned();
        answered.push([
            reply.transaction().to_owned(),
            service,
            String::from(caller),
            operator.unwrap_or_default().to_owned(),
            reply.outcome().to_owned(),
            reply.findings().join(" "),
        ]);
        reply
    };
    let cun = chain.positive();
    let second = chain.positive();
    let wrong = Submission {
        result: "?".into(),
        ..Submission::by_region()
    };
    let refused = chain.region().submit(&wrong);
    assert_eq!(refused.told(), (200, "9999"));

    let verification = Message::verification(DESK, CARD, &cun);
    let by = |operator: &str| {
        verification
            .clone()
            .with("codiceFiscaleOperatore", operator)
    };
    let nobody = "RSSMRA80A01H501U";
    ask(
        &mut desk,
        &Message::verification(DESK, "11111111", &cun),
        "CCC1",
        Some(DESK),
    );
    ask(&mut desk, &by(DISABLED), "CCC1", Some(DISABLED));
    ask(&mut desk, &by(nobody), "CCC1", Some(nobody));
    // What is not well-formed is in no record.
    ask(&mut desk, &by("X"), "CCC1", None);
    ask(
        &mut desk,
        &Message::verification(DESK, CARD, "CUN-XXXXXXXXX0"),
        "CCC1",
        Some(DESK),
    );
    let verified = ask(&mut desk, &verification, "CCC1", Some(DESK));
    let session = verified.value("idVerificaTampone").to_owned();
    ask(
        &mut desk,
        &Message::unlock(DESK, &session, "OTP"),
        "CCC1",
        Some(DESK),
    );
    ask(
        &mut desk,
        &Message::unlock(DESK, &session, &otp(1)),
        "CCC1",
        Some(DESK),
    );
    let confirmation = Message::confirmation("C", DESK, &cun);
    ask(
        &mut desk,
        &confirmation.clone().with("idTipoComunicazione", "X"),
        "CCC1",
        Some(DESK),
    );
    ask(&mut desk, &confirmation, "CCC1", Some(DESK));
    ask(&mut desk, &confirmation, "CCC1", Some(DESK));

    for person in [nobody, PATIENT] {
        let cancellation = Message::cancellation(&second, person);
        ask(&mut region, &cancellation, "R010", None);
    }
    let list = Message::listing();
    ask(&mut region, &list, "R010", Some(OPERATOR));
    ask(
        &mut region,
        &list.with("dataFineIntervallo", "domani"),
        "R010",
        Some(OPERATOR),
    );
    let asl = Message::asl_otp_of_region(ASL_OPERATOR, &otp(2), PATIENT);
    ask(&mut region, &asl, "R010", Some(ASL_OPERATOR));
    ask(
        &mut region,
        &asl.with("codiceOtp", "OTP"),
        "R010",
        Some(ASL_OPERATOR),
    );
    let own = Message::asl_otp_of_user(&otp(3), PATIENT);
    ask(
        &mut asl_user,
        &own,
        &format!("S{STRUCTURE}"),
        Some(OPERATOR),
    );

    let search = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let lines = chain
            .installation
            .run(&[&["audit", "search"], arguments].concat());
        let records = lines.lines().map(serde_json::from_str);
        records.map(Result::unwrap).collect()
    };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let found = search(&[]);
    for record in &found {
        let mut fields: Vec<_> = record.as_object().unwrap().keys().collect();
        fields.sort_unstable();
        assert_eq!(fields, fields_of(record["service"].as_str().unwrap()));
    }
    let told = |record: &serde_json::Value| {
        let errors = record["errors"].as_array().unwrap().iter().map(text);
        [
            text(&record["transaction"]),
            text(&record["service"]),
            text(&record["caller"]),
            text(&record["operator"]),
            text(&record["outcome"]),
            errors.collect::<Vec<_>>().join(" "),
        ]
    };
    let of_others: Vec<_> = found
        .iter()
        .filter(|record| record["service"] != "invioEsecuzioneTest")
        .map(told)
        .collect();
    assert_eq!(of_others, answered);
    // Submissions, taken and refused, come by their own way to the archive.
    let of_submissions = search(&["--service", "invioEsecuzioneTest"]);
    let mut transactions: Vec<_> = of_submissions
        .iter()
        .map(|record| text(&record["transaction"]))
        .collect();
    transactions.sort_unstable();
    let mut expected = vec![cun.clone(), second, refused.transaction().to_owned()];
    expected.sort_unstable();
    assert_eq!(transactions, expected);
    for record in &of_submissions {
        assert_eq!(record["structure_identifier"], STRUCTURE);
    }
    // A single one is found by its transaction, whatever it is.
    for [transaction, ..] in &answered {
        assert_eq!(search(&["--transaction", transaction]).len(), 1);
    }
    // What no section names is in no record.
    let all = chain.installation.run(&["audit", "search"]);
    for personal in [PATIENT, CARD, &otp(1), &otp(2), &otp(3)] {
        assert!(!all.contains(personal), "{personal}");
    }
}
