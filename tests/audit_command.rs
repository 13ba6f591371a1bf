//! `sistema-ts audit search` with the real binary, beside a store that is open and after it is closed. A failure: a record that was answered is
//! not shown or is shown twice, one is shown that does not meet a condition, a record has other fields than its section names, the search
//! keeps the store's process out, or a codice fiscale is asked for on the command line.
#![allow(clippy::unwrap_used)]

mod command_support;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use command_support::{output_with_input, succeeded};
use serde_json::Value;
use sistema_ts::backend::Archives;
use sistema_ts_model::{
    AuthenticationKind, Caller, Clock as _, CodiceFiscale, FirstSymbol, Outcome, SessionId,
    StructureId, StructureReference, SystemClock, TestResult, Timestamp, TransactionId, Verdict,
};
use sistema_ts_store::keys::{KeyRing, oldest_live_day};
use sistema_ts_store::{
    AccessDetail, AccessRecord, ConfirmationKind, RecordOutcome, RecordedOption, RecordedValue,
    Store, samples,
};

const OPERATOR: &str = "RSSMRA80A01H501U";
const OTHER: &str = "BNCLRA75E41F205R";
const ADDRESS: &str = "192.0.2.7";

struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        // The store is written by this process, as its owner's alone, as the program itself does.
        // SAFETY: it only replaces a number of this process, by the same one in every test.
        unsafe { libc::umask(0o077) };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sistema-ts.toml"), "").unwrap();
        Self { folder }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn store(&self) -> Arc<dyn Store> {
        let ring = self.path("ring");
        KeyRing::create(&ring, oldest_live_day(SystemClock.now())).unwrap();
        let archives = Archives::in_folder(&self.path("data"), &ring);
        archives
            .store(archives.key_ring().unwrap(), Arc::new(SystemClock))
            .unwrap()
    }

    fn search(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sistema-ts"));
        command
            .current_dir(self.folder.path())
            .env("SISTEMA_TS_CONFIGURATION", self.path("sistema-ts.toml"))
            .args(["audit", "search"])
            .args(arguments);
        output_with_input(&mut command, input)
    }

    fn found(&self, arguments: &[&str], input: &str) -> Vec<Value> {
        succeeded(arguments, self.search(arguments, input))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The services of what is found.
    fn services(&self, arguments: &[&str], input: &str) -> Vec<String> {
        let found = self.found(arguments, input);
        let service = |record: &Value| record["service"].as_str().unwrap().to_owned();
        found.iter().map(service).collect()
    }
}

fn person(code: &str) -> CodiceFiscale {
    CodiceFiscale::parse(code).unwrap()
}

fn structure() -> StructureReference {
    StructureReference::Identifier(StructureId::parse("010-101-000123").unwrap())
}

/// One record of each service but the submission, and one submission.
async fn one_of_each(store: &dyn Store) -> Vec<AccessRecord> {
    let now = SystemClock.now();
    let first = FirstSymbol::from_index(3).unwrap();
    let reserved = store.reserve(first, 1).await.unwrap().pop().unwrap();
    let mut test = samples::new_test(reserved, 1, TestResult::Positive, now);
    test.swab.structure = structure();
    test.access.with_warnings = true;
    let RecordOutcome::Recorded { cun, .. } = store.record_test(test).await.unwrap() else {
        panic!("not recorded")
    };
    let client_address: IpAddr = ADDRESS.parse().unwrap();
    let (operator, session) = (Some(person(OPERATOR)), Some(SessionId::random()));
    let details = [
        AccessDetail::Cancellation {
            structure: Some(structure()),
        },
        AccessDetail::Listing {
            structure: None,
            operator: Some(person(OTHER)),
        },
        AccessDetail::Verification {
            operator: operator.clone(),
            session,
            cun: Some(cun),
            client_address,
        },
        AccessDetail::Unlock {
            operator: operator.clone(),
            authentication: Some(AuthenticationKind::Spid),
            ended_at: now.plus_millis(900),
            session,
            client_address,
        },
        AccessDetail::Confirmation {
            operator: None,
            kind: Some(ConfirmationKind::Confirm),
            session,
            cun: Some(cun),
            options: vec![
                RecordedOption {
                    key: "canale".to_owned(),
                    value: RecordedValue::Text("telefono fisso".to_owned()),
                },
                RecordedOption {
                    key: "nota".to_owned(),
                    value: RecordedValue::Length(17),
                },
            ],
            client_address,
        },
        AccessDetail::AslOtp { operator },
    ];
    let mut records = Vec::new();
    for detail in details {
        let of_call_center = !matches!(
            detail,
            AccessDetail::Cancellation { .. } | AccessDetail::Listing { .. }
        );
        let record = AccessRecord {
            accessed_at: now,
            caller: Caller::from_key(if of_call_center { "CCC1" } else { "R010" }).unwrap(),
            verdict: Verdict::NotDone,
            outcomes: vec![Outcome::NotVerifiable, Outcome::NoSuchTest],
            transaction: TransactionId::random(),
            detail,
        };
        store.record_access(record.clone()).await.unwrap();
        records.push(record);
    }
    records
}

/// The names of the fields, and the service.
fn shape(record: &Value) -> (String, Vec<String>) {
    let mut names: Vec<String> = record.as_object().unwrap().keys().cloned().collect();
    let common = [
        "accessed_at",
        "service",
        "caller",
        "outcome",
        "errors",
        "transaction",
    ];
    for name in common {
        assert!(
            names.iter().any(|other| other == name),
            "{record} has no {name}"
        );
    }
    names.retain(|name| !common.contains(&name.as_str()));
    names.sort();
    (record["service"].as_str().unwrap().to_owned(), names)
}

const ALL: [(&str, &[&str]); 7] = [
    (
        "annullamentoEsecuzioneTest",
        &["structure_description", "structure_identifier"],
    ),
    (
        "elencoTestEffettuati",
        &["operator", "structure_description", "structure_identifier"],
    ),
    (
        "verificaPositivita",
        &["client_address", "code", "operator", "session"],
    ),
    (
        "sbloccoCodiceImmuni",
        &[
            "client_address",
            "ended_at",
            "operator",
            "operator_authentication",
            "session",
        ],
    ),
    (
        "confermaSbloccoImmuni",
        &[
            "client_address",
            "code",
            "communication_kind",
            "operator",
            "options",
            "session",
        ],
    ),
    ("invioCodiceOtp", &["operator"]),
    (
        "invioEsecuzioneTest",
        &["structure_description", "structure_identifier"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_record_is_found_once_with_its_fields_beside_the_store_and_without_it() {
    let house = House::new();
    let store = house.store();
    let records = one_of_each(store.as_ref()).await;
    let check = || {
        let found = house.found(&[], "");
        let shapes: Vec<_> = found.iter().map(shape).collect();
        let expected = ALL.map(|(service, names)| {
            (
                service.to_owned(),
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        });
        assert_eq!(shapes, expected);
        for (record, found) in records.iter().zip(&found) {
            assert_eq!(found["transaction"], record.transaction.to_string());
            assert_eq!(found["errors"], serde_json::json!(["3001", "3002"]));
        }
        let verification = &found[2];
        assert_eq!(verification["operator"], OPERATOR);
        assert_eq!(verification["client_address"], ADDRESS);
        assert_eq!(verification["caller"], "CCC1");
        assert_eq!(found[3]["operator_authentication"], "SPID");
        assert_eq!(found[4]["communication_kind"], "C");
        assert_eq!(found[4]["operator"], Value::Null);
        assert_eq!(
            found[4]["options"],
            serde_json::json!([
                {"key": "canale", "value": "telefono fisso"},
                {"key": "nota", "length": 17},
            ])
        );
        let submission = &found[6];
        assert_eq!(submission["transaction"], verification["code"]);
        assert_eq!(submission["outcome"], "0001");
        assert_eq!(submission["structure_identifier"], "010-101-000123");
    };
    // The submission has not been copied to the archive yet.
    check();
    // Now it is, as it is before every search of the store's own.
    let query = sistema_ts_store::AccessQuery {
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        operator: None,
        caller: None,
        transaction: None,
        after: None,
        limit: 100,
    };
    store.search_access(query).await.unwrap();
    check();
    // The store went on undisturbed.
    store.record_access(records[0].clone()).await.unwrap();
    assert_eq!(house.found(&[], "").len(), 8);
    drop(store);
    assert_eq!(house.found(&[], "").len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_condition_leaves_what_meets_it() {
    let house = House::new();
    let store = house.store();
    let records = one_of_each(store.as_ref()).await;
    let today = SystemClock.now().rome_day();
    let day = today.to_string();
    let before = today.pred_opt().unwrap().to_string();
    let of_operator = [
        "verificaPositivita",
        "sbloccoCodiceImmuni",
        "invioCodiceOtp",
    ];
    assert_eq!(
        house.services(&["--operator"], &format!("{OPERATOR}\n")),
        of_operator
    );
    std::fs::write(house.path("operator"), OTHER).unwrap();
    assert_eq!(
        house.services(&["--operator-file", "operator"], ""),
        ["elencoTestEffettuati"]
    );
    assert_eq!(
        house.services(&["--caller", "R010"], ""),
        [
            "annullamentoEsecuzioneTest",
            "elencoTestEffettuati",
            "invioEsecuzioneTest"
        ]
    );
    assert_eq!(
        house.services(&["--service", "invioEsecuzioneTest"], ""),
        ["invioEsecuzioneTest"]
    );
    for (record, (service, _)) in records.iter().zip(ALL) {
        let transaction = record.transaction.to_string();
        assert_eq!(
            house.services(&["--transaction", &transaction], ""),
            [service]
        );
    }
    // Around midnight the records may be yesterday's, by a moment.
    assert_eq!(house.found(&["--from", &before, "--to", &day], "").len(), 7);
    let earlier = records[0].accessed_at.minus_millis(60_000).to_string();
    assert_eq!(house.found(&["--from", &earlier], "").len(), 7);
    assert!(house.found(&["--to", &earlier], "").is_empty());
    assert_eq!(house.found(&["--limit", "2"], "").len(), 2);
    let text = house.search(
        &["--format", "text", "--service", "confermaSbloccoImmuni"],
        "",
    );
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("service=confermaSbloccoImmuni caller=CCC1 outcome=9999"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn conditions_of_a_search_that_are_wrong_are_refused() {
    let house = House::new();
    for arguments in [
        &["--from", "24/11/2026"][..],
        &["--from", "2026-11-24", "--to", "2026-11-23"],
        &["--from", "2026-03-29T02:30"],
        &["--caller", "X1"],
        &["--transaction", "1"],
        &["--service", "none"],
        &["--limit", "0"],
        // The codice fiscale of an operator on the command line.
        &["--operator", OPERATOR],
    ] {
        let output = house.search(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    let output = house.search(&[], "");
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("there is no store in the data folder"),
        "{errors}"
    );
    assert!(!house.path("data").exists(), "a search made a folder");
}
